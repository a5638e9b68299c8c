"""What the meters of all protocols share about load profiles: what can be asked in pieces, and who stores the rows."""

from collections.abc import Callable
from typing import Protocol

from smgw.ports import Port
from smgw.profiles.meter import MeterProfile
from smgw.store.ranges import Range
from smgw.store.records import ProfileName, ProfilePiece

_MOST_ROWS, _FEWEST_ROWS = 100, 4
#: On a line, a piece takes about so many seconds at so many octets a row, so that polls still have their turn.
PIECE_S, _ROW_OCTETS = 5.0, 64


class ProfileSource(Protocol):
    """One range of one load profile being fetched."""

    @property
    def done(self) -> bool:
        """True once the range has been asked to its end."""

    @property
    def period_s(self) -> int:
        """Seconds from one row to the next; 0 while that is not known, or if rows come by event."""

    def step(self, port: Port) -> ProfilePiece:
        """Ask for the next piece: some rows or none, and the part of the range that was answered with them.

        Raises PollError (no answer), RemoteProtocolError (a refusal, or an answer that makes no sense), PortError.
        After any of them the same piece may be asked again.
        """


class ProfileKeeper(Protocol):
    """Where rows go. It may be called from any thread, and returns when they are durable."""

    def missing(self, name: ProfileName, wanted: Range) -> list[Range]:
        """What of a range (microseconds UTC) is not stored yet, oldest first."""

    def keep(self, name: ProfileName, piece: ProfilePiece, stopping: Callable[[], bool] | None = None) -> int:
        """Store rows, and that this part is there now; how many of them are new. Raises StoreError, nothing stored.

        Raises another SmgwError if `stopping` says so before they are durable.
        """


def rows_of_a_piece(profile: MeterProfile) -> int:
    """How many rows of a load profile to ask for at once: as many as the line carries in a few seconds."""
    if profile.on_network:
        return _MOST_ROWS
    octet_time = 10 / profile.baudrate
    return max(_FEWEST_ROWS, min(_MOST_ROWS, int(PIECE_S / (_ROW_OCTETS * octet_time))))
