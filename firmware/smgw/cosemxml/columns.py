"""The columns of a document's load profile and their data."""

from smgw.cosem import date_time
from smgw.cosem.data import NULL, Data, DataType, octet_string
from smgw.cosem.device_id import DeviceId
from smgw.cosem.names import CaptureObject
from smgw.cosem.obis import Obis

#: The gateway's own logical name, as deployed gateways use it.
IDENTITY = Obis.parse("0-0:99.98.3*255")
#: Load profile 1.
PROFILE = Obis.parse("1-0:99.1.0*255")
DATA_CLASS, PROFILE_CLASS = 1, 7
#: Classes that carry scaler_unit as attribute 3: register, extended register.
SCALED_CLASSES = frozenset({3, 4})
SCALER_UNIT = 3
BUFFER, CAPTURE_OBJECTS, CAPTURE_PERIOD = 2, 3, 4


#: The columns before the registers. F = 1 and F = 2 of 0-0:94.49.240 (Germany's own range) are our invention.
RECORD_NUMBER = CaptureObject(1, Obis.parse("0-0:94.49.240*1"), 2)
CAPTURE_TIME = CaptureObject(8, Obis.parse("0-0:1.0.0*255"), 2)
TARGET_TIME = CaptureObject(1, Obis.parse("0-0:94.49.240*2"), 2)
STATUS_WORD = CaptureObject(1, Obis.parse("0-0:96.10.1*255"), 2)
#: Gateway and store of a row that a head-end gives back. F = 3 is our invention too.
SOURCE = CaptureObject(1, Obis.parse("0-0:94.49.240*3"), 2)
FIXED_COLUMNS = (RECORD_NUMBER, CAPTURE_TIME, TARGET_TIME, STATUS_WORD)


def number(value: int) -> Data:
    """A record number: double-long-unsigned while that lasts, then long64-unsigned."""
    return Data(DataType.DOUBLE_LONG_UNSIGNED if value <= 0xFFFFFFFF else DataType.LONG64_UNSIGNED, value)


def moment(utc_us: int | None, *, valid: bool = True) -> Data:
    """A time in microseconds UTC as date_time, None as null-data; ValueError outside the years 1970 to 9999."""
    return NULL if utc_us is None else Data(DataType.DATE_TIME, date_time.encode_utc(utc_us, valid=valid))


def identity(gateway: DeviceId, store_id: str) -> Data:
    """The recorder: structure {gateway id, store id}."""
    return Data(DataType.STRUCTURE, (octet_string(bytes(gateway)), octet_string(bytes.fromhex(store_id))))
