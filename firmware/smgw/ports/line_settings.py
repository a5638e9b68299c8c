"""The settings of a serial line, in one object."""

from typing import NamedTuple, Self

from smgw.errors import LocalProtocolError

PARITIES = ("N", "E", "O")


class _Fields(NamedTuple):
    baudrate: int
    bytesize: int
    parity: str
    stopbits: int
    rs485: str


class LineSettings(_Fields):
    """Speed in baud, data bits, parity (N, E, O), stop bits, and what switches an RS-485 line (`ports.direction`).

    A TCP port has none of these and ignores them.
    """

    __slots__ = ()

    def __new__(
        cls, baudrate: int = 9600, bytesize: int = 8, parity: str = "N", stopbits: int = 1, rs485: str = "none"
    ) -> Self:
        """Raises LocalProtocolError for impossible settings."""
        made = super().__new__(cls, baudrate, bytesize, parity, stopbits, rs485)
        if baudrate <= 0 or bytesize not in (5, 6, 7, 8) or parity not in PARITIES or stopbits not in (1, 2):
            raise LocalProtocolError(f"{made} are no line settings; right would be 9600 8N1, 300 7E1 and the like")
        return made

    @property
    def octet_time(self) -> float:
        """Seconds that one octet takes on the wire: start bit, data bits, parity bit, stop bits."""
        return (1 + self.bytesize + (self.parity != "N") + self.stopbits) / self.baudrate

    def __str__(self) -> str:
        return f"{self.baudrate} {self.bytesize}{self.parity}{self.stopbits}"
