"""A load profile of a D0 meter (P.01), fetched by range in programming mode.

A request is an hour wider on both sides, because some meters compare local times. The time of each row decides.
"""

import logging
from zoneinfo import ZoneInfo

from smgw.cosem import MeterTime, MeterTimeKind, Obis
from smgw.iec62056.codes import write_code
from smgw.iec62056.d0.profile import NoRowsError, Row, bound, rows_of
from smgw.lmn.d0.found import options_of
from smgw.lmn.d0.session import D0Session
from smgw.lmn.load_profile import rows_of_a_piece
from smgw.ports import Port
from smgw.profiles.meter import DAY_S, MeterProfile
from smgw.store.ranges import Range
from smgw.store.records import ProfilePiece, ProfileRow

log = logging.getLogger(__name__)

_SECOND = 1_000_000
_WIDER_S = 3600


class D0Profile:
    """One range (microseconds UTC) of a load profile. The period is known with the first rows."""

    def __init__(self, session: D0Session, profile: MeterProfile, obis: Obis, wanted: Range) -> None:
        options = options_of(profile)
        self._session = session
        self._profile = profile
        self._command = options.profile_command
        self._code = write_code(obis)
        self._medium = options.group_a
        self._zone = ZoneInfo(options.time_zone)
        self._wanted = wanted
        self._at = wanted.since
        self._there = False  # the meter has this profile
        self.period_s = 0

    @property
    def done(self) -> bool:
        """True once the range was read to its end."""
        return self._at > self._wanted.until

    def step(self, port: Port) -> ProfilePiece:
        """The next piece; PollError, RemoteProtocolError, PortError."""
        span = self.period_s * rows_of_a_piece(self._profile) if self.period_s else DAY_S
        since, until = self._at, min(self._wanted.until, self._at + span * _SECOND - 1)
        try:
            rows = self._asked(port, since, until)
        except NoRowsError:
            if not self._there:  # a meter without this profile answers the same: are there newer rows?
                self._asked(port, max(since, self._wanted.until - DAY_S * _SECOND), self._wanted.until)
            rows = []
        self._at = until + 1
        rows = sorted((row for row in rows if since <= row.utc_us <= until), key=lambda row: row.utc_us)
        return ProfilePiece(tuple(map(_row, rows)), since, until, by_event=not self.period_s)

    def _asked(self, port: Port, since: int, until: int) -> list[Row]:
        bounds = (since // _SECOND - _WIDER_S, until // _SECOND + _WIDER_S)
        first, last = (bound(max(0, one), self._zone) for one in bounds)
        data = self._session.ask(port, self._command, f"{self._code}({first};{last})")
        rows, period = rows_of(data, self._medium, self._zone)
        self._there = True
        self.period_s = self.period_s or period
        return rows


def _row(row: Row) -> ProfileRow:
    return ProfileRow(row.utc_us, MeterTime(MeterTimeKind.DLMS_DATE_TIME, row.time.encode()), row.readings)
