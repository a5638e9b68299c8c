"""Reads the fields of an APDU in order, and writes those that are more than a number."""

from smgw.dlms.data import AxdrError, length, read_length
from smgw.dlms.data import end as end_of_data
from smgw.errors import RemoteProtocolError


class ApduError(RemoteProtocolError):
    """These octets are not an APDU of DLMS."""

    def __init__(self, position: int, what: str) -> None:
        super().__init__(f"octet {position}: {what}")
        self.position = position
        self.what = what


class Cursor:
    """A place in the octets of an APDU. Every verb reads a field there and moves past it, or raises ApduError."""

    def __init__(self, octets: bytes, position: int = 0) -> None:
        self.octets = octets
        self.position = position

    @property
    def left(self) -> int:
        """Octets not yet read."""
        return len(self.octets) - self.position

    def take(self, size: int) -> bytes:
        """The next `size` octets."""
        begin, self.position = self.position, self.position + size
        if self.position > len(self.octets):
            raise ApduError(begin, f"{size} octets wanted, {len(self.octets) - begin} left")
        return self.octets[begin : self.position]

    def number(self, size: int) -> int:
        """An unsigned number of `size` octets."""
        return int.from_bytes(self.take(size), "big")

    def octet(self) -> int:
        """An unsigned number of one octet."""
        position = self.position
        if position >= len(self.octets):
            raise ApduError(position, "cut off")
        self.position = position + 1
        return self.octets[position]

    def signed_octet(self) -> int:
        """An Integer8, such as the number of an attribute."""
        octet = self.octet()
        return octet - 256 if octet > 127 else octet

    def choice(self, *wanted: int) -> int:
        """One octet with one of these values."""
        octet = self.octet()
        if octet not in wanted:
            raise ApduError(
                self.position - 1, f"{octet:02x} where {' or '.join(f'{one:02x}' for one in wanted)} stands"
            )
        return octet

    def flag(self) -> bool:
        """A BOOLEAN, or the flag of an optional field: 00 is false, every other octet is true."""
        return self.octet() != 0

    def length(self) -> int:
        """A length or a number of elements. Each element has at least one octet, so a larger number is refused."""
        begin = self.position
        try:
            size, self.position = read_length(self.octets, begin)
        except AxdrError as error:
            raise ApduError(error.position, error.what) from None
        if size > self.left:
            raise ApduError(begin, f"a length of {size} with {self.left} octets left")
        return size

    def string(self) -> bytes:
        """An OCTET STRING: length and octets."""
        return self.take(self.length())

    def data(self) -> bytes:
        """The octets of one A-XDR value, measured but not decoded."""
        begin = self.position
        try:
            self.position = end_of_data(self.octets, begin)
        except AxdrError as error:
            raise ApduError(error.position, error.what) from None
        return self.octets[begin : self.position]

    def rest(self) -> bytes:
        """All remaining octets."""
        return self.take(self.left)

    def finish(self) -> None:
        """ApduError if octets remain."""
        if self.left:
            raise ApduError(self.position, f"{self.left} octets behind the APDU")


def string(octets: bytes) -> bytes:
    """An OCTET STRING."""
    return length(len(octets)) + octets
