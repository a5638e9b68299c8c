"""Load profiles of all protocols: the interface of a source, which is read in pieces, and of a keeper of rows."""

from collections.abc import Callable
from typing import Protocol

from smgw.ports import Port
from smgw.profiles.meter import MeterProfile
from smgw.store.ranges import Range
from smgw.store.records import ProfileName, ProfilePiece

_MOST_ROWS, _FEWEST_ROWS = 100, 4
#: Duration of a piece in seconds at this number of octets a row. It is short, so that polls are not delayed.
PIECE_S, _ROW_OCTETS = 5.0, 64


class ProfileSource(Protocol):
    """One range of one load profile being fetched."""

    @property
    def done(self) -> bool:
        """True once the range was read to its end."""

    @property
    def period_s(self) -> int:
        """Seconds from one row to the next; 0 while that is not known, or if rows come by event."""

    def step(self, port: Port) -> ProfilePiece:
        """Read the next piece: rows, perhaps none, and the part of the range that they complete.

        Raises PollError (no answer), RemoteProtocolError (a refusal, or a senseless answer), PortError.
        After any of them the same piece may be read again.
        """


class ProfileKeeper(Protocol):
    """Stores rows. It may be called from any thread, and returns when they are durable."""

    def missing(self, name: ProfileName, wanted: Range) -> list[Range]:
        """The parts of a range (microseconds UTC) that are not stored yet, oldest first."""

    def keep(self, name: ProfileName, piece: ProfilePiece, stopping: Callable[[], bool] | None = None) -> int:
        """Store rows and the part that they complete; returns the number of new rows. StoreError: nothing is stored.

        Raises another SmgwError if `stopping` becomes true before they are durable.
        """


def rows_of_a_piece(profile: MeterProfile) -> int:
    """Number of rows in one request: as many as the line carries in a few seconds."""
    if profile.on_network:
        return _MOST_ROWS
    octet_time = 10 / profile.baudrate
    return max(_FEWEST_ROWS, min(_MOST_ROWS, int(PIECE_S / (_ROW_OCTETS * octet_time))))
