"""The settings of a serial line, in one object."""

from dataclasses import dataclass

from smgw.errors import LocalProtocolError

PARITIES = ("N", "E", "O")


@dataclass(frozen=True, slots=True)
class LineSettings:
    """Speed in baud, data bits, parity (N, E, O), stop bits. A TCP port has none of these and ignores them."""

    baudrate: int = 9600
    bytesize: int = 8
    parity: str = "N"
    stopbits: int = 1

    def __post_init__(self) -> None:
        if (
            self.baudrate <= 0
            or self.bytesize not in (5, 6, 7, 8)
            or self.parity not in PARITIES
            or self.stopbits not in (1, 2)
        ):
            raise LocalProtocolError(f"{self} are no line settings; right would be 9600 8N1, 300 7E1 and the like")

    @property
    def octet_time(self) -> float:
        """Seconds that one octet takes on the wire: start bit, data bits, parity bit, stop bits."""
        return (1 + self.bytesize + (self.parity != "N") + self.stopbits) / self.baudrate

    def __str__(self) -> str:
        return f"{self.baudrate} {self.bytesize}{self.parity}{self.stopbits}"
