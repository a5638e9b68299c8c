"""COSEM date-time (IEC 62056-6-2, 4.1.6.1): the twelve octets of a meter's clock and of our documents.

octet   0 1    2      3    4        5     6       7       8            9 10                 11
        year   month  day  weekday  hour  minute  second  hundredths   deviation, signed    clock status

FF (FFFF for the year, 8000 for the deviation) is "not specified". UTC = local time + deviation in minutes, so -60 is
Central European Time. Month FD and FE: end and begin of daylight saving; day FD and FE: last day but one, last day.

`DateTime` holds any of them, as a meter sends it. `encode_utc` and `decode_utc` are a fast path for documents:
UTC (deviation 0), complete, hundredths, clock status 0 or "invalid".
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from enum import IntFlag
from itertools import pairwise
from typing import NamedTuple, Self

from smgw.errors import RemoteProtocolError

SIZE = 12
_NO_YEAR, _NOTHING, _NO_DEVIATION = 0xFFFF, 0xFF, 0x8000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND, _SECOND = timedelta(microseconds=1), timedelta(seconds=1)


class DateTimeError(RemoteProtocolError):
    """These octets are not a date-time."""

    def __init__(self, octets: bytes, what: str) -> None:
        super().__init__(f"date-time {octets.hex()}: {what}")
        self.octets = octets


class ClockStatus(IntFlag):
    """The last octet: the quality of the time. A bad quality is not an error."""

    INVALID = 0x01
    DOUBTFUL = 0x02
    OTHER_CLOCK_BASE = 0x04
    INVALID_STATUS = 0x08
    DAYLIGHT_SAVING = 0x80


GOOD = ClockStatus(0)
_INVALID = int(ClockStatus.INVALID)  # a plain number: `encode_utc` and `decode_utc` see every row of a document


class DateTime(NamedTuple):
    """The fields as sent; None for a field that is not specified. `deviation` is in minutes."""

    year: int | None
    month: int | None
    day: int | None
    weekday: int | None  # 1 is Monday
    hour: int | None
    minute: int | None
    second: int | None
    hundredths: int | None
    deviation: int | None = None
    status: ClockStatus | None = None

    @classmethod
    def read(cls, octets: bytes) -> Self:
        """DateTimeError unless these are twelve octets. The fields may still name no moment: see `utc_us`."""
        if len(octets) != SIZE:
            raise DateTimeError(octets, f"{len(octets)} octets; it has {SIZE}")
        year = int.from_bytes(octets[:2], "big")
        month, day, weekday, hour, minute, second, hundredths = [
            None if octet == _NOTHING else octet for octet in octets[2:9]
        ]
        deviation = int.from_bytes(octets[9:11], "big", signed=True)
        return cls(
            None if year == _NO_YEAR else year,
            month,
            day,
            weekday,
            hour,
            minute,
            second,
            hundredths,
            None if deviation & 0xFFFF == _NO_DEVIATION else deviation,
            None if octets[11] == _NOTHING else ClockStatus(octets[11]),
        )

    @classmethod
    def of(cls, moment: datetime, status: ClockStatus | None = GOOD) -> Self:
        """An aware moment, in its own zone, with the deviation of that zone at that moment."""
        offset = moment.utcoffset()
        if offset is None:
            raise ValueError("a moment without a zone; say which zone it is in")
        return cls(
            moment.year,
            moment.month,
            moment.day,
            moment.isoweekday(),
            moment.hour,
            moment.minute,
            moment.second,
            moment.microsecond // 10_000,
            -(offset // timedelta(minutes=1)),
            status if status is None or not moment.dst() else status | ClockStatus.DAYLIGHT_SAVING,
        )

    def encode(self) -> bytes:
        """The twelve octets."""
        year, *fields, deviation, status = self
        return (
            (_NO_YEAR if year is None else year).to_bytes(2, "big")
            + bytes(_NOTHING if field is None else field for field in fields)
            + ((_NO_DEVIATION if deviation is None else deviation) & 0xFFFF).to_bytes(2, "big")
            + bytes((_NOTHING if status is None else status,))
        )

    @property
    def summer(self) -> bool:
        """True if the status says daylight saving time."""
        return self.status is not None and ClockStatus.DAYLIGHT_SAVING in self.status

    def utc_us(self, zone: tzinfo | None = None, *, opposite_sign: bool = False) -> int | None:
        """Microseconds since 1970 UTC; None if these fields name no moment.

        `zone` is the meter's time zone. A meter that sends no deviation needs it, else the result is None. The zone of
        this process is never used. `opposite_sign` is for meters that send UTC = local time - deviation.
        """
        if self.year is None or self.month is None or self.day is None or self.hour is None or self.minute is None:
            return None
        try:
            local = datetime(self.year, self.month, self.day, self.hour, self.minute, self.second or 0, tzinfo=UTC)
            moment = local + timedelta(milliseconds=10 * (self.hundredths or 0))
            if self.deviation is not None:
                moment += timedelta(minutes=-self.deviation if opposite_sign else self.deviation)
            elif zone is None:
                return None
            else:
                # In the hour that occurs twice when daylight saving ends, the status tells them apart.
                moment = moment.replace(tzinfo=zone, fold=0 if self.summer else 1)
            return (moment - _EPOCH) // _MICROSECOND
        except (ValueError, OverflowError):  # the 31st of February, month FD, the year 0 or 65000
            return None

    def plus(self, seconds: int) -> "DateTime | None":
        """This local time plus an interval, with the same deviation and status; None if the fields name no moment."""
        same = self._replace(deviation=0).utc_us()
        if same is None:
            return None
        try:
            moment = _EPOCH + timedelta(microseconds=same, seconds=seconds)
        except OverflowError:
            return None
        later = DateTime.of(moment)
        return later._replace(
            weekday=later.weekday if self.weekday is not None else None,
            second=later.second if self.second is not None else None,
            hundredths=self.hundredths,
            deviation=self.deviation,
            status=self.status,
        )

    def __str__(self) -> str:
        """Local time and its offset from UTC: `2020-08-15 06:19:45 +02:00 daylight-saving`."""
        date = f"{_shown(self.year, 4)}-{_shown(self.month)}-{_shown(self.day)}"
        time = f"{_shown(self.hour)}:{_shown(self.minute)}:{_shown(self.second)}"
        if self.hundredths:
            time += f".{self.hundredths:02d}"
        return f"{date} {time}{self._offset()}{self._quality()}"

    def _offset(self) -> str:
        if self.deviation is None:
            return ""
        hours, minutes = divmod(abs(self.deviation), 60)
        return f" {'-' if self.deviation > 0 else '+'}{hours:02d}:{minutes:02d}"

    def _quality(self) -> str:
        if not self.status:
            return ""
        return " " + " ".join(flag.name.lower().replace("_", "-") for flag in self.status if flag.name)


class Moment(NamedTuple):
    """A moment in UTC, and whether the clock was valid."""

    utc_us: int
    valid: bool


#: The last moment of the year 9999 in microseconds since 1970; no later one can be written.
MAX_US = 253_402_300_799_990_000


def encode_utc(utc_us: int, *, valid: bool = True) -> bytes:
    """Microseconds since 1970-01-01 UTC as twelve octets, truncated to 10 ms.

    Raises ValueError outside the years 1970 to 9999.
    """
    if not 0 <= utc_us < MAX_US + 10_000:
        raise ValueError(f"{utc_us} us is outside the years 1970 to 9999")
    seconds, microseconds = divmod(utc_us, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.year.to_bytes(2, "big") + bytes(
        (
            moment.month,
            moment.day,
            moment.isoweekday(),
            moment.hour,
            moment.minute,
            moment.second,
            microseconds // 10_000,
            0,
            0,
            0 if valid else _INVALID,
        )
    )


def decode_utc(octets: bytes) -> Moment:
    """Read twelve octets; ValueError if they are not a complete UTC date and time (deviation 0) from 1970 on."""
    if len(octets) != SIZE:
        raise ValueError(f"a date_time has {SIZE} octets, not {len(octets)}")
    if octets[9] or octets[10]:
        raise ValueError("the deviation is not 0; times travel as UTC")
    hundredths = 0 if octets[8] == _NOTHING else octets[8]
    if hundredths > 99:
        raise ValueError(f"{hundredths} hundredths")
    moment = datetime(
        int.from_bytes(octets[:2], "big"), octets[2], octets[3], octets[5], octets[6], octets[7], tzinfo=UTC
    )
    seconds = (moment - _EPOCH) // _SECOND
    if seconds < 0:
        raise ValueError(f"the year {moment.year} is before 1970")
    return Moment(seconds * 1_000_000 + hundredths * 10_000, not octets[11] & _INVALID)


def utc_us_in_order(
    told: Sequence[DateTime | None], zone: tzinfo | None, *, opposite_sign: bool = False
) -> list[int | None]:
    """`utc_us` of times that follow one another, the oldest or the newest first.

    If the status does not show daylight saving, the order of the times separates the two equal hours in autumn.
    """
    moments = [None if one is None else one.utc_us(zone, opposite_sign=opposite_sign) for one in told]
    if zone is None or any(one is not None and one.summer for one in told):
        return moments
    known = [place for place, moment in enumerate(moments) if moment is not None]
    steps = [moments[later] - moments[place] for place, later in pairwise(known)]  # type: ignore[operator]
    if sum(step < 0 for step in steps) > sum(step > 0 for step in steps):
        known.reverse()
    before: int | None = None
    for place in known:
        one, moment = told[place], moments[place]
        assert one is not None
        assert moment is not None
        summer = one._replace(status=ClockStatus.DAYLIGHT_SAVING).utc_us(zone, opposite_sign=opposite_sign)
        if summer is not None and summer < moment and (before is None or summer > before):
            moments[place] = summer
        before = moments[place]
    return moments


def _shown(field: int | None, digits: int = 2) -> str:
    return "?" * digits if field is None else f"{field:0{digits}d}"
