"""A meter's calendar as COSEM date-time: German legal time of the simulated moment, with its deviation."""

from datetime import UTC, datetime, timedelta

from smgw.cosem.date_time import ClockStatus, DateTime

from smsim.load.days import utc_of_local, utc_offset_s

_MINUTE_S = 60
_HOUR_S = 3600


class Clock:
    """The clock of one meter. It is `error_s` seconds ahead of the simulated calendar.

    `wrong_sign`: it sends and reads the deviation with the opposite sign, as some meters do.
    """

    def __init__(self, error_s: int = 0, *, wrong_sign: bool = False) -> None:
        self.error_s = error_s
        self.wrong_sign = wrong_sign

    def octets(self, utc_s: int) -> bytes:
        """The twelve octets at a simulated moment, in seconds since 1970."""
        shown = utc_s + self.error_s
        offset = utc_offset_s(shown)
        local = datetime.fromtimestamp(shown + offset, UTC)
        minutes = offset // _MINUTE_S
        return DateTime(
            local.year, local.month, local.day, local.isoweekday(), local.hour, local.minute, local.second, 0,
            minutes if self.wrong_sign else -minutes,
            ClockStatus.DAYLIGHT_SAVING if offset > _HOUR_S else ClockStatus(0),
        ).encode()  # fmt: skip

    def utc_s(self, octets: bytes) -> int | None:
        """The moment of a client's date-time, in seconds since 1970; None if it names none.

        Without a deviation it is in this meter's legal time. DateTimeError unless it has twelve octets.
        """
        moment = DateTime.read(octets)
        utc_us = moment.utc_us(opposite_sign=self.wrong_sign)
        if utc_us is None:
            local_us = moment._replace(deviation=0).utc_us()
            if local_us is None:
                return None
            try:
                return utc_of_local(datetime(1970, 1, 1) + timedelta(microseconds=local_us))  # noqa: DTZ001 - legal time
            except ValueError:
                return None
        return utc_us // 1_000_000
