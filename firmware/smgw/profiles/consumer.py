"""The table [[consumer]]: meters that a person may see at the HAN, besides those of the person's evaluations."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from smgw.cosem.zone import DEFAULT_ZONE
from smgw.profiles import checks
from smgw.profiles.instants import instant, seconds
from smgw.profiles.section import Key


class ConsumerProfile(NamedTuple):
    """Somebody who lives here. One person may have several tables: other meters, another time."""

    name: str
    meters: tuple[str, ...]
    begin: int | None = None  # seconds UTC, both ends included: the person sees values of this time
    end: int | None = None


KEYS: Mapping[str, Key] = {
    "name": Key(
        checks.identity,
        needed='"consumer-1"',
        about="Id of the consumer, as in `consumer` of [[evaluation]] and in `smgw consumer`; it has no default.",
    ),
    "meters": Key(
        checks.array('an array of meter names, such as ["house"]', checks.name),
        needed='["house"]',
        about="Names of the meters whose values this consumer may see; it has no default.",
    ),
    "begin": Key(
        instant,
        about=f"First instant whose values are shown, such as 2026-01-01; in {DEFAULT_ZONE} without an offset; "
        "always by default.",
    ),
    "end": Key(
        instant,
        about=f"Last instant whose values are shown, such as 2027-01-01; in {DEFAULT_ZONE} without an offset; "
        "unlimited by default.",
    ),
}


def contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The end comes after the begin."""
    begin, end = (seconds(values.get(key), DEFAULT_ZONE) for key in ("begin", "end"))
    if begin is not None and end is not None and begin >= end:
        yield "end", "is not after begin"


def build(values: Mapping[str, Any]) -> ConsumerProfile:
    """The profile of checked values."""
    instants = {key: seconds(values.get(key), DEFAULT_ZONE) for key in ("begin", "end")}
    return ConsumerProfile(**{**values, **instants})
