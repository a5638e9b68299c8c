"""What the readers of all protocols share about load profiles: who can be asked, in pieces, and who keeps the rows."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from smgw.cosem import DeviceId, Obis
from smgw.ports import Port
from smgw.store.ranges import Range
from smgw.store.records import ProfileName, ProfilePiece


class ProfileSource(Protocol):
    """One range of one load profile being fetched."""

    @property
    def done(self) -> bool:
        """True once the range has been asked to its end."""

    @property
    def period_s(self) -> int:
        """Seconds from one row to the next; 0 while that is not known, or if rows come by event."""

    def step(self, port: Port) -> ProfilePiece:
        """Ask for the next piece: some rows or none, and the part of the range that has been answered with them.

        Raises PollError (no answer), RemoteProtocolError (a refusal, or an answer that makes no sense), PortError.
        After any of them the same piece may be asked again.
        """


@runtime_checkable
class ProfileMeter(Protocol):
    """A meter, behind an open port, that may have load profiles."""

    def identify(self, port: Port) -> DeviceId:
        """Who answers. Raises as `ProfileSource.step`."""

    def load_profile(self, profile: Obis, wanted: Range) -> ProfileSource:
        """Begin to fetch a range (microseconds UTC) of a load profile of the meter that was identified."""

    def close(self, port: Port) -> None:
        """End the session, if the protocol has one, so that the meter takes the next at once. Never raises."""


class ProfileKeeper(Protocol):
    """Where rows go. It may be called from any thread, and returns when they are durable."""

    def missing(self, name: ProfileName, wanted: Range) -> list[Range]:
        """What of a range (microseconds UTC) is not kept yet, oldest first."""

    def keep(self, name: ProfileName, piece: ProfilePiece, stop: threading.Event | None = None) -> int:
        """Keep rows, and that this part is there now; how many of them are new. Raises StoreError, nothing kept.

        Raises another SmgwError where `stop` is set before they are durable.
        """


@contextlib.contextmanager
def ending(meter: ProfileMeter, port: Port) -> Iterator[None]:
    """End the session whatever comes: a meter that was left in one takes no other for minutes."""
    try:
        yield
    finally:
        meter.close(port)
