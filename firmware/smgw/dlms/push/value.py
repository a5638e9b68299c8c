"""One value of a push, whichever way its meter lists it."""

from typing import NamedTuple

from smgw.cosem import Data, DataType, Obis
from smgw.cosem.date_time import SIZE as DATE_TIME_SIZE
from smgw.cosem.exact import NUMBERS
from smgw.errors import RemoteProtocolError

DATA, REGISTER, CLOCK, PUSH_SETUP = 1, 3, 8, 40
VALUE = 2
CLOCK_NAME = Obis(b"\x00\x00\x01\x00\x00\xff")
SERIAL_NAME = Obis(b"\x00\x00\x60\x01\x00\xff")


class PushListError(RemoteProtocolError):
    """A push whose body lists its values in no way known here."""


class PushedValue(NamedTuple):
    """One value. Scaler and unit are None where neither the meter nor a table of its maker says them."""

    obis: Obis
    value: Data
    scaler: int | None = None
    unit: int | None = None
    class_id: int = REGISTER
    attribute: int = VALUE


def class_of(obis: Obis, value: Data) -> int:
    """The class that a value without one comes from, by its name and type."""
    if obis[0] == 0 and obis[2:5] == CLOCK_NAME[2:5]:
        return CLOCK
    return REGISTER if value.type in NUMBERS else DATA


def is_clock(data: Data) -> bool:
    """True for a date-time, also where its type is octet-string."""
    octets = data.value
    if data.type is DataType.DATE_TIME:
        return True
    return (
        data.type is DataType.OCTET_STRING
        and isinstance(octets, bytes)
        and len(octets) == DATE_TIME_SIZE
        and 1 <= octets[2] <= 12
        and 1 <= octets[3] <= 31
        and octets[5] < 24
    )
