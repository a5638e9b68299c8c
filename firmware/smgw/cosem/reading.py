"""Captures and readings: the values of one telegram or poll, with their times and quality."""

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from smgw.cosem.data import Data
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import FnnStatus


class ClockState(IntEnum):
    """The state of the gateway's clock at the time of the stamp."""

    INVALID = 0
    SYNCHRONISED = 1


class Stamp(NamedTuple):
    """One moment of the gateway's clock. `boot_id` and `boottime_ns` keep the order where `utc_us` cannot."""

    boot_id: str
    boottime_ns: int
    utc_us: int  # microseconds since 1970-01-01 UTC
    dispersion_us: int  # possible error of utc_us
    state: ClockState


class MeterTimeKind(IntEnum):
    """The form of a meter's own time; 1 to 3 are SML's choices."""

    SEC_INDEX = 1
    TIMESTAMP = 2
    LOCAL_TIMESTAMP = 3
    DLMS_DATE_TIME = 4


class MeterTime(NamedTuple):
    """A meter's own time, raw: u32 big-endian; for LOCAL_TIMESTAMP followed by two i16 (minutes); 12 DLMS octets."""

    kind: MeterTimeKind
    octets: bytes

    @property
    def seconds(self) -> int | None:
        """The u32 of an SML time: seconds of operation (SEC_INDEX) or since 1970; None for DLMS octets."""
        return None if self.kind is MeterTimeKind.DLMS_DATE_TIME else int.from_bytes(self.octets[:4], "big")


class Reading(NamedTuple):
    """One value of one register. If a known fault of the meter was corrected, `raw` is the value as sent."""

    obis: Obis
    value: Data
    scaler: int = 0
    unit: int = 255
    raw: Data | None = None
    status: Data | None = None  # as the meter sent it; its meaning depends on the meter (FNN, EDL)
    class_id: int = 3
    attribute: int = 2
    signature: bytes | None = None  # of this value, as the meter sent it (EDL)


class Capture(NamedTuple):
    """One telegram or poll of one meter."""

    meter: str  # name of the meter profile
    device: DeviceId
    stamp: Stamp
    meter_time: MeterTime | None
    readings: tuple[Reading, ...]
    signature: bytes | None = None  # of the whole list, as the meter sent it (SML)
    flags: int = 0  # bits of GatewayStatus that whoever read the meter adds


def meter_status(readings: Iterable[Reading]) -> int:
    """The meter's half of the status word: what an FNN basic meter sent, else 0 (EDL words have another meaning)."""
    for reading in readings:
        if reading.status is not None and isinstance(reading.status.value, int):
            word = reading.status.value & 0xFFFFFFFF
            return word if word & FnnStatus.BASIC_METER else 0
    return 0
