"""Reads the lines that `smgw.hdlc.trace` writes, so that tests replay a session from its log."""

import re
from collections.abc import Iterable
from typing import NamedTuple

_HIDDEN = "**"
_LINE = re.compile(r"(\d+\.\d{6}) ([<>]) ((?:[0-9a-f]{2}|\*\*)*)(?: .*)?")


class Traced(NamedTuple):
    """One line of a trace. `octets` is None where a part of them is hidden."""

    now: float
    sent: bool
    octets: bytes | None


def read_trace(lines: Iterable[str]) -> list[Traced]:
    """The pieces of a trace, in order; whatever else a log says is passed over."""
    found = (_LINE.search(line) for line in lines)
    return [
        Traced(float(match[1]), match[2] == ">", None if _HIDDEN in match[3] else bytes.fromhex(match[3]))
        for match in found
        if match
    ]
