"""HDLC addresses (IEC 62056-46, 6.4.2): 1, 2 or 4 octets, seven bits each, the last marked by its lowest bit.

octets  1   upper
        2   upper, lower                  7 bits each
        4   upper (14 bits), lower (14 bits), high seven bits first

A client's address is its service access point (16 is 21, 1 is 03). For a server, upper is the logical device (1 is the
management device) and lower the physical device, which separates meters on one bus. The length of the address, and
how the physical address follows from the serial number, depends on the maker.
"""

from typing import NamedTuple, Self

from smgw.errors import LocalProtocolError, RemoteProtocolError

NO_STATION = 0
#: Lower addresses that mean any device; the answer then comes from its own address.
_CALLING = {2: 0x7E, 4: 0x3FFE}
_ALL = {2: 0x7F, 4: 0x3FFF}
LENGTHS = (1, 2, 4)


class _Fields(NamedTuple):
    upper: int
    lower: int | None
    length: int  # octets
    octets: bytes  # on the wire


class Address(_Fields):
    """One station. `lower` is None if and only if it has one octet; `length` follows from the values unless given.

    A named tuple, since dataclasses would cost the reading process a megabyte.
    """

    __slots__ = ()

    def __new__(cls, upper: int, lower: int | None = None, length: int = 0) -> Self:
        """LocalProtocolError if these values make no address."""
        length = length or _shortest(upper, lower)
        limit = 0x3FFF if length == 4 else 0x7F
        if (
            length not in LENGTHS
            or (lower is None) != (length == 1)
            or not 0 <= upper <= limit
            or not 0 <= (lower or 0) <= limit
        ):
            raise LocalProtocolError(
                f"no HDLC address of {length} octets has upper {upper} and lower {lower}; right are "
                "1 octet (upper alone, to 127), 2 octets (each to 127) or 4 octets (each to 16383)"
            )
        parts = [upper] if lower is None else [upper, lower]
        if length == 4:
            parts = [half for part in parts for half in (part >> 7, part & 0x7F)]
        octets = bytes([part << 1 for part in parts[:-1]] + [parts[-1] << 1 | 1])
        return super().__new__(cls, upper, lower, length, octets)

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """The address in these octets; RemoteProtocolError unless it uses all of them."""
        if len(octets) not in LENGTHS or not octets[-1] & 1 or any(octet & 1 for octet in octets[:-1]):
            raise RemoteProtocolError(f"{octets.hex()} is no HDLC address of 1, 2 or 4 octets")
        parts = [octet >> 1 for octet in octets]
        if len(parts) == 4:
            return cls(parts[0] << 7 | parts[1], parts[2] << 7 | parts[3], 4)
        return cls(parts[0], parts[1] if len(parts) == 2 else None, len(parts))

    def answers(self, asked: "Address") -> bool:
        """True if a frame from this address can answer a frame to `asked`."""
        return self == asked or (
            asked.lower is not None and asked.lower in (_CALLING[asked.length], _ALL[asked.length])
        )

    def __str__(self) -> str:
        return str(self.upper) if self.lower is None else f"{self.upper}/{self.lower}"


def _shortest(upper: int, lower: int | None) -> int:
    if lower is None:
        return 1
    return 2 if max(upper, lower) <= 0x7F else 4
