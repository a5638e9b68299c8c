"""A meter with a load profile, for sessions in memory."""

from collections.abc import Iterable, Sequence

from smgw.cosem import Obis
from smgw.sml import tlv
from smgw.sml.messages import ListEntry, Time
from smgw.sml.profiles import LOAD_PROFILE, Column, LoadProfile, Row
from telegrams import SERVER, entries

QUARTER = 900
COLUMNS = (Column(Obis.parse("1-0:1.8.0"), 30, -1), Column(Obis.parse("1-0:2.8.0"), 30, -1))
#: The night in October 2026 in which the clocks go back: 00:00 to 04:00 legal time, which is five hours.
DST_NIGHT = range(1_792_879_200, 1_792_879_200 + 5 * 3600 + 1, QUARTER)


def row(seconds: int, choice: int = 2) -> Row:
    """A row whose values tell its time."""
    time = Time(choice, seconds)
    if choice == 3:
        summer = seconds < 1_792_890_000  # 2026-10-25 01:00 UTC
        time = Time(3, seconds, 60, 60 if summer else 0)
    return Row(time, 4, (tlv.unsigned(seconds, 8), tlv.unsigned(2 * seconds, 8)))


class ProfileMeter:
    """Answers from the rows it was given; `asked` keeps every range."""

    server_id = SERVER
    firmware = b"1.2.3"

    def __init__(self, rows: Iterable[Row], *, newest_first: bool = False, most: int = 10_000, choice: int = 2) -> None:
        self.rows = list(rows)
        self.columns: Sequence[Column] = COLUMNS
        self.asked: list[tuple[int, int]] = []
        self._newest_first = newest_first
        self._most = most
        self._choice = choice

    def sec_index(self) -> int:
        return 4242

    def entries(self) -> Sequence[ListEntry]:
        return entries()

    def profile(self, path: tuple[bytes, ...], begin: Time | None, end: Time | None) -> LoadProfile | None:
        if path != (LOAD_PROFILE,):
            return None
        first, last = begin.seconds if begin else 0, end.seconds if end else 2**32
        self.asked.append((first, last))
        rows = [row for row in self.rows if first <= row.time.seconds <= last][: self._most]
        if self._newest_first:
            rows.reverse()
        return LoadProfile(Time(self._choice, last & 0xFFFFFFFF), QUARTER, tuple(self.columns), tuple(rows))
