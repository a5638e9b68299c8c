"""A part of an answer: Range and Content-Range in octets (TR-03109-1 Annex II, 7.5; RFC 9110, 14)."""

import re
from typing import NamedTuple

from smgw.webservice.error import BadRequest, RangeNotSatisfiable

_SPAN = re.compile(r"\s*([0-9]{0,18})-([0-9]{0,18})\s*")


class ByteRange(NamedTuple):
    """Octets `first` to `last` of `total`, both included."""

    first: int
    last: int
    total: int

    @property
    def length(self) -> int:
        """Its number of octets."""
        return self.last - self.first + 1

    @property
    def content_range(self) -> str:
        """The value of the header Content-Range."""
        return f"bytes {self.first}-{self.last}/{self.total}"


def asks_for_octets(header: str | None) -> bool:
    """True for one range of octets. Other units and several ranges get the whole answer."""
    return header is not None and header.strip().lower().startswith("bytes=") and "," not in header


def parse(header: str, total: int) -> ByteRange:
    """Read `bytes=0-999`, `bytes=1000-` or `bytes=-500` of an answer of `total` octets.

    Raises BadRequest for anything else, RangeNotSatisfiable for a range that begins beyond the end.
    """
    match = _SPAN.fullmatch(header.strip()[len("bytes=") :])
    if match is None or not (match[1] or match[2]):
        raise BadRequest(f"Range: {header!r:.60} is no range; bytes=0-999 is one")
    if not match[1]:
        size = min(int(match[2]), total)
        if size == 0:
            raise RangeNotSatisfiable("the last 0 octets are nothing", total)
        return ByteRange(total - size, total - 1, total)
    first = int(match[1])
    last = min(int(match[2]), total - 1) if match[2] else total - 1
    if match[2] and int(match[2]) < first:
        raise BadRequest(f"Range: {header!r:.60} ends before it begins")
    if first >= total:
        raise RangeNotSatisfiable(f"the answer has {total} octets; octet {first} is beyond its end", total)
    return ByteRange(first, last, total)
