"""A meter's time in every form that meters send.

form                           octets
date-time                      12, as octet-string or date-time
unix time                      a whole number: seconds since 1970 UTC
date, with or without a time   5: year (2), month, day, weekday; 4: hour, minute, second, hundredths

A date without a time means the begin of its day. A time without a date names no moment.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple, Self

from smgw.cosem.data import Data, DataType
from smgw.cosem.date_time import SIZE, DateTime
from smgw.cosem.reading import MeterTime, MeterTimeKind

DATE_SIZE, TIME_SIZE = 5, 4
#: Deviation and status of a meter that sends neither.
_NOT_TOLD = b"\x80\x00\xff"
_MOST_SECONDS = 0xFFFFFFFF
_UNIX = (DataType.DOUBLE_LONG_UNSIGNED, DataType.DOUBLE_LONG, DataType.LONG64_UNSIGNED, DataType.LONG64)


class Form(Enum):
    """How a meter gives a time."""

    DATE_TIME = "date-time"
    UNIX_TIME = "unix time"
    DATE = "date"


class Told(NamedTuple):
    """A time as a meter told it."""

    form: Form
    time: DateTime
    meter_time: MeterTime
    exact: bool = True  # False: a date alone

    @classmethod
    def of(cls, values: Iterable[Data]) -> Self | None:
        """The time that these values tell: one whole time, or a date with a time beside it. None if they tell none."""
        date = time = b""
        for value in _flat(values):
            content = value.value
            if isinstance(content, bytes) and len(content) == SIZE:
                return cls(Form.DATE_TIME, DateTime.read(content), MeterTime(MeterTimeKind.DLMS_DATE_TIME, content))
            if isinstance(content, int) and value.type in _UNIX and 0 < content <= _MOST_SECONDS:
                moment = DateTime.of(datetime.fromtimestamp(content, UTC), status=None)
                return cls(Form.UNIX_TIME, moment, MeterTime(MeterTimeKind.TIMESTAMP, content.to_bytes(4, "big")))
            if isinstance(content, bytes) and len(content) == DATE_SIZE:
                date = date or content
            elif isinstance(content, bytes) and len(content) == TIME_SIZE:
                time = time or content
        if not date:
            return None
        octets = date + (time or bytes(TIME_SIZE)) + _NOT_TOLD
        return cls(Form.DATE, DateTime.read(octets), MeterTime(MeterTimeKind.DLMS_DATE_TIME, octets), exact=bool(time))


def _flat(values: Iterable[Data]) -> Iterable[Data]:
    """The values, and the members of a structure of them: some clocks are a structure of date and time."""
    for value in values:
        if value.type is DataType.STRUCTURE and isinstance(value.value, tuple):
            yield from value.value
        else:
            yield value
