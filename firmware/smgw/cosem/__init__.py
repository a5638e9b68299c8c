"""The data model of all three networks: OBIS codes, units, device ids, data, status word, captures and readings.

Nothing here reads a file, a port or a clock.
"""

from smgw.cosem.data import NULL, Data, DataType, decimal, integer, octet_string, plain
from smgw.cosem.device_id import DeviceId, DeviceIdError
from smgw.cosem.obis import Obis, ObisError
from smgw.cosem.reading import Capture, ClockState, MeterTime, MeterTimeKind, Reading, Stamp, meter_status
from smgw.cosem.status_word import FnnStatus, GatewayStatus, StatusWord

__all__ = [
    "NULL",
    "Capture",
    "ClockState",
    "Data",
    "DataType",
    "DeviceId",
    "DeviceIdError",
    "FnnStatus",
    "GatewayStatus",
    "MeterTime",
    "MeterTimeKind",
    "Obis",
    "ObisError",
    "Reading",
    "Stamp",
    "StatusWord",
    "decimal",
    "integer",
    "meter_status",
    "octet_string",
    "plain",
]
