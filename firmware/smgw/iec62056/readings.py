"""Data sets as readings and device ids, for D0 and P1."""

from smgw.cosem.data import RANGE, Data, DataType
from smgw.cosem.device_id import DeviceId, DeviceIdError
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Reading
from smgw.iec62056.data_sets import Number
from smgw.iec62056.units import unit_of

#: Most octets of a device id.
MOST_ID = 64
_UNSIGNED = DataType.DOUBLE_LONG_UNSIGNED  # looked up once
_HIGHEST, _LOWEST = RANGE[_UNSIGNED][1], RANGE[DataType.DOUBLE_LONG][0]
_new = tuple.__new__  # makes a NamedTuple in half the time that its constructor takes
_PLAIN = Reading(Obis(bytes(6)), Data(_UNSIGNED, 0))[4:]  # the other fields of a register
_VERSION_LENGTH = 6  # texts of up to so many characters are sent as they are


def reading_of(obis: Obis, told: Number) -> Reading | None:
    """The reading of a register; None if its unit is unknown."""
    digits, scaler, text = told
    unit = unit_of(text)
    if unit is None:
        return None
    return _new(Reading, (obis, data_of(digits), scaler + unit[1], unit[0], *_PLAIN))


def data_of(value: int) -> Data:
    """A whole number as data."""
    if 0 <= value <= _HIGHEST:
        return _new(Data, (_UNSIGNED, value))
    return Data(DataType.DOUBLE_LONG if _LOWEST <= value < 0 else DataType.LONG64, value)


def octets_of(text: str) -> bytes:
    """The octets behind hex digits; the text's own if it is no hex."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return text.encode("ascii")


def text_of(text: str) -> Data:
    """A text of P1: most are sent in hex of their characters, some, such as a version, as they are."""
    octets = octets_of(text) if len(text) > _VERSION_LENGTH else text.encode("ascii")
    if octets.isascii() and (shown := octets.decode("ascii")).isprintable():
        return Data(DataType.VISIBLE_STRING, shown)
    return Data(DataType.OCTET_STRING, octets)


def identity_of(text: str) -> bytes:
    """The octets of a device id: DIN 43863-5 where the text is one, else the text itself."""
    try:
        device = DeviceId.parse(text)
    except DeviceIdError:
        return text.encode("ascii")[:MOST_ID]
    return bytes(device) if device.is_din else text.encode("ascii")[:MOST_ID]
