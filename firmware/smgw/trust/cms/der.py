"""Just enough DER for CMS messages: a strict reader of definite lengths, and a writer (ITU-T X.690).

The messages of the SM-PKI always have the same shape. So the reader is told which tag must come next, and it never
recurses: its cost is one step for each element that the profile names.
"""

from functools import cache
from typing import Final, NoReturn

from smgw.trust.errors import MalformedError

INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
OBJECT_IDENTIFIER: Final = 0x06
UTF8_STRING: Final = 0x0C
SEQUENCE: Final = 0x30
SET: Final = 0x31
NULL: Final = b"\x05\x00"

_NAMES: Final = {
    INTEGER: "INTEGER",
    BIT_STRING: "BIT STRING",
    OCTET_STRING: "OCTET STRING",
    OBJECT_IDENTIFIER: "OBJECT IDENTIFIER",
    SEQUENCE: "SEQUENCE",
    SET: "SET",
}
_LENGTH_OCTETS_MAX: Final = 4
_OID_OCTETS_MAX: Final = 32


def context(number: int) -> int:
    """The tag [number] of a constructed element."""
    return 0xA0 | number


def context_primitive(number: int) -> int:
    """The tag [number] of an element without parts."""
    return 0x80 | number


def malformed(fault: str) -> MalformedError:
    """The error for octets that are no message by the profile."""
    return MalformedError(
        fault, "The sender must make it by the CMS profile of TR-03109-1, in DER.", subject="CMS message"
    )


def element(tag: int, *parts: bytes) -> bytes:
    """One element with these parts as its content."""
    size = sum(map(len, parts))
    if size < 0x80:
        return b"".join((bytes((tag, size)), *parts))
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return b"".join((bytes((tag, 0x80 | len(length))), length, *parts))


@cache
def identifier(text: str) -> bytes:
    """An object identifier such as `1.2.840.113549.1.7.1` as an element. For the constants of `oids` only."""
    first, second, *others = map(int, text.split("."))
    octets = bytearray()
    for arc in (40 * first + second, *others):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        octets += bytes(reversed(groups))
    return element(OBJECT_IDENTIFIER, bytes(octets))


def printed(identifier_octets: bytes) -> str:
    """An object identifier that was read, for messages; a long one is cut."""
    arcs, arc = [], 0
    for octet in identifier_octets[2 : 2 + _OID_OCTETS_MAX]:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    if arcs:
        first = min(arcs[0] // 40, 2)
        arcs[:1] = [first, arcs[0] - 40 * first]
    return ".".join(map(str, arcs)) + ("..." if len(identifier_octets) > 2 + _OID_OCTETS_MAX else "")


class Reader:
    """Reads the elements of one content, one after the other. Each method names in `what` the part that it expects.

    Each raises MalformedError if another element, or no complete one, comes next.
    """

    __slots__ = ("_end", "_octets", "_place")

    def __init__(self, octets: bytes, place: int = 0, end: int | None = None) -> None:
        self._octets = octets
        self._place = place
        self._end = len(octets) if end is None else end

    @property
    def next_tag(self) -> int | None:
        """The tag of the next element; None at the end."""
        return self._octets[self._place] if self._place < self._end else None

    def inside(self, tag: int, what: str) -> "Reader":
        """A reader of the content of the next element."""
        begin, end = self._next(tag, what)
        return Reader(self._octets, begin, end)

    def content(self, tag: int, what: str) -> bytes:
        """The content of the next element."""
        begin, end = self._next(tag, what)
        return self._octets[begin:end]

    def whole(self, tag: int, what: str) -> bytes:
        """The next element with tag and length."""
        place = self._place
        _, end = self._next(tag, what)
        return self._octets[place:end]

    def version(self, wanted: int, what: str) -> None:
        """The next element is the version `wanted`."""
        if self.content(INTEGER, f"version of {what}") != bytes((wanted,)):
            raise malformed(f"{what} has another version than {wanted}")

    def finish(self, what: str) -> None:
        """Nothing follows."""
        if self._place != self._end:
            raise malformed(f"{what} has a part that the profile does not allow (tag {self._octets[self._place]:02x})")

    def _next(self, tag: int, what: str) -> tuple[int, int]:
        """Begin and end of the content of the next element."""
        octets, place, end = self._octets, self._place, self._end
        if end - place < 2:
            _refuse(tag, what, "there is none" if place == end else "it is cut off")
        if octets[place] != tag:
            _refuse(tag, what, f"an element with the tag {octets[place]:02x} stands there")
        size, place = octets[place + 1], place + 2
        if size >= 0x80:
            count = size & 0x7F
            if not count:
                _refuse(tag, what, "its length is indefinite, which DER does not allow")
            if count > _LENGTH_OCTETS_MAX or end - place < count:
                _refuse(tag, what, "its length is cut off or far too long")
            size = int.from_bytes(octets[place : place + count], "big")
            if size < 0x80 or not octets[place]:
                _refuse(tag, what, "its length has more octets than DER allows")
            place += count
        if size > end - place:
            _refuse(tag, what, f"it should have {size} octets, only {end - place} are left")
        self._place = place + size
        return place, place + size


def _refuse(tag: int, what: str, found: str) -> NoReturn:
    name = _NAMES.get(tag, f"[{tag & 0x1F}]")
    raise malformed(f"{what}: a DER {name} must come here, but {found}")
