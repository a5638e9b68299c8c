"""Captures and readings as text for users and as JSON for programs."""

from typing import Any

from smgw.clock.text import utc_text
from smgw.cosem import Capture, ClockState, Data, DataType, MeterTime, MeterTimeKind, Reading, plain
from smgw.cosem.printable import printable
from smgw.cosem.units import symbol
from smgw.store.live_reader import Live


def text_of(reading: Reading) -> str:
    """A reading as text."""
    value = reading.value.value
    if value is None:
        return "missing"
    if isinstance(value, int) and reading.value.type is not DataType.BOOLEAN:
        return f"{plain(value, reading.scaler)} {symbol(reading.unit)}".rstrip()
    if isinstance(value, tuple):
        return ", ".join(text_of(Reading(reading.obis, item)) for item in value)
    return value.hex() if isinstance(value, bytes) else printable(str(value))


def meter_time_text(time: MeterTime | None) -> str:
    """`4711 s` (of operation), or the meter's time; empty if it sends none."""
    if time is None:
        return ""
    if time.kind is MeterTimeKind.DLMS_DATE_TIME:
        from smgw.cosem.date_time import DateTime, DateTimeError  # only for a meter that tells such a time

        try:
            return str(DateTime.read(time.octets))
        except DateTimeError:
            return time.octets.hex()
    seconds = time.seconds or 0
    return f"{seconds} s" if time.kind is MeterTimeKind.SEC_INDEX else utc_text(seconds * 1_000_000)


def capture_object(capture: Capture) -> dict[str, Any]:
    """A capture without a record number, as JSON."""
    return {
        "meter": capture.meter,
        "device": str(capture.device),
        "meter_time": meter_time_object(capture.meter_time),
        "readings": [reading_object(reading) for reading in capture.readings],
    }


def live_object(live: Live) -> dict[str, Any]:
    """A live value as JSON: a capture with its port and its time."""
    stamp = live.capture.stamp
    return {
        **capture_object(live.capture),
        "port": live.port,
        "capture_time_us": stamp.utc_us,
        "time_valid": stamp.state is ClockState.SYNCHRONISED,
    }


def meter_time_object(time: MeterTime | None) -> list[Any] | None:
    """Kind, and the seconds of an SML time or the octets of a DLMS date-time as hex."""
    if time is None:
        return None
    return [int(time.kind), time.octets.hex() if time.seconds is None else time.seconds]


def reading_object(reading: Reading) -> dict[str, Any]:
    """One reading as JSON."""
    found: dict[str, Any] = {
        "obis": str(reading.obis),
        "value": _json(reading.value),
        "scaler": reading.scaler,
        "unit": reading.unit,
        "text": text_of(reading),
    }
    if reading.raw is not None:
        found["raw"] = _json(reading.raw)
    return found


def _json(data: Data) -> Any:
    """An exact integer, text, hex digits for octets, an array for a structure."""
    value = data.value
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    return value.hex() if isinstance(value, bytes) else value
