"""The contract of an outlet: what takes rows to a participant and says what became of them.

What a participant answers is judged by its outlet, in the words of `OutcomeKind`. What follows for the rows is the same
for every outlet (`judging`). An outlet is one entry in `profiles.outlets`; its code is imported where it is used.
"""

from enum import Enum
from typing import NamedTuple, Protocol

from smgw.cosem import DeviceId
from smgw.profiles import outlets
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.entries import resolve
from smgw.profiles.feed import Feed
from smgw.store.records import StoredRecord


class OutcomeKind(Enum):
    """What became of rows."""

    ACKNOWLEDGED = "acknowledged"  #: they arrived and are durable
    RETRY = "retry"  #: the participant or the way to it is not well: the same again, later
    HOLD = "hold"  #: profile or set-up is wrong: nothing is skipped, a person is told
    TOO_LARGE = "too large"  #: fewer at once
    REJECTED = "rejected"  #: the participant does not take one of them
    CONTRADICTED = "contradicted"  #: rejected, perhaps since the participant has a row's key with other content
    UNSENDABLE = "unsendable"  #: ours: they cannot be written in the outlet's form


class Outcome(NamedTuple):
    """What became of the first rows of a batch."""

    kind: OutcomeKind
    reason: str = ""  # in words, as log and status show it: "answers 422: no such register"
    retry_after: int | None = None  # s; no other try before, if the participant asked for that
    rows: int | None = None  # so many rows from the first on this is about; None: all


class Batch(NamedTuple):
    """Rows of one feed on their way, at least one, in the order of their positions."""

    feed: Feed
    records: tuple[StoredRecord, ...]


class Outlet(Protocol):
    """The way to one participant. One thread uses it; `end` may come from another."""

    def send(self, batch: Batch) -> Outcome:
        """Hand rows over and wait for what becomes of them. Never raises for what participant or network do.

        An outlet that cannot send all of them in one piece sends the first ones, and says how many. Rows come again
        until they are acknowledged: the participant knows a repetition by gateway, store id and record number.
        """

    def end(self) -> None:
        """Break off what is under way and let nothing more begin."""

    def close(self) -> None:
        """Let connections go; the next `send` makes its own."""


def open_outlet(gateway: DeviceId, profile: CommunicationProfile) -> Outlet:
    """The outlet that a profile names. Nothing is connected before the first `send`."""
    made: Outlet = resolve(outlets.entry(profile.outlet).opens)(gateway, profile)
    return made
