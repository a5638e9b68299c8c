"""Ranges of whole numbers with both ends included, for the stored and missing parts of a load profile."""

from collections.abc import Iterable
from typing import NamedTuple


class Range(NamedTuple):
    """From `since` to `until`, both included."""

    since: int
    until: int


def merged(ranges: Iterable[Range]) -> list[Range]:
    """The same numbers in as few ranges as possible, in order. Ranges that overlap or touch are joined."""
    found: list[Range] = []
    for one in sorted(ranges):
        if found and one.since <= found[-1].until + 1:
            found[-1] = Range(found[-1].since, max(found[-1].until, one.until))
        else:
            found.append(one)
    return found


def gaps(wanted: Range, kept: Iterable[Range]) -> list[Range]:
    """The parts of `wanted` that are in no other range, in order."""
    missing = []
    at = wanted.since
    for one in merged(kept):
        if at > wanted.until:
            break
        if one.since > at:
            missing.append(Range(at, min(one.since - 1, wanted.until)))
        at = max(at, one.until + 1)
    if at <= wanted.until:
        missing.append(Range(at, wanted.until))
    return missing
