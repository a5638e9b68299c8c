"""The data model of all three networks: OBIS codes, names, units, device ids, data, status word, captures, readings.

Nothing here reads a file, a port or a clock. The date-time of 12 octets is `cosem.date_time`, imported on demand.
"""

from smgw.cosem.data import NULL, Data, DataError, DataType, decimal, integer, octet_string, plain, text_octets
from smgw.cosem.device_id import DeviceId, DeviceIdError
from smgw.cosem.names import AttributeName, CaptureObject, MethodName, ObjectName, ScalerUnit, capture_objects
from smgw.cosem.obis import Obis, ObisError
from smgw.cosem.reading import Capture, ClockState, MeterTime, MeterTimeKind, Reading, Stamp, meter_status
from smgw.cosem.status_word import FnnStatus, GatewayStatus, StatusWord

__all__ = [
    "NULL",
    "AttributeName",
    "Capture",
    "CaptureObject",
    "ClockState",
    "Data",
    "DataError",
    "DataType",
    "DeviceId",
    "DeviceIdError",
    "FnnStatus",
    "GatewayStatus",
    "MeterTime",
    "MeterTimeKind",
    "MethodName",
    "Obis",
    "ObisError",
    "ObjectName",
    "Reading",
    "ScalerUnit",
    "Stamp",
    "StatusWord",
    "capture_objects",
    "decimal",
    "integer",
    "meter_status",
    "octet_string",
    "plain",
    "text_octets",
]
