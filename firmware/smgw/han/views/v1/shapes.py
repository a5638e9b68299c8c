"""The JSON of v1. Times are ISO 8601 in UTC, values decimal texts without rounding, units symbols."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from smgw.cosem.data import Data, DataType, plain
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, Reading, meter_status
from smgw.cosem.status_word import StatusWord
from smgw.cosem.units import symbol
from smgw.han.periods import Period, Registers
from smgw.han.series import Amount, Closing, DayGaps
from smgw.metering.evaluation.counting import ptb_status
from smgw.metering.evaluation.plan import register_name
from smgw.profiles.evaluation import EvaluationProfile
from smgw.store.file.log_book import LogEntry
from smgw.store.file.log_books import NUMBERS, VENDORS
from smgw.store.ranges import Range
from smgw.store.records import Origin, StoredRecord

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND, _DAY_S = 1_000_000, 86_400
_LATEST_US = 253_370_764_800 * _SECOND  # the year 9999
_ORIGINS = {Origin.MEASURED: "measured", Origin.HISTORY: "history", Origin.MISSING: "missing"}
_LEVELS = {1: "I", 2: "W", 3: "E", 4: "F"}

Shape = dict[str, Any]


def time(at_us: int | None) -> str | None:
    """`2026-03-01T00:00:00Z`; fractions of a second only if there are any. An end that is never reached is None."""
    if at_us is None or at_us >= _LATEST_US:
        return None
    seconds, fraction = divmod(max(at_us, 0), _SECOND)
    day, second = divmod(seconds, _DAY_S)
    part = f".{fraction:06d}".rstrip("0") if fraction else ""
    return f"{_date(day)}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}{part}Z"


@lru_cache(maxsize=64)
def _date(day: int) -> str:
    return f"{_EPOCH + timedelta(days=day):%Y-%m-%d}"


def number(value: int | None, scaler: int) -> str | None:
    """A decimal text."""
    return None if value is None else plain(value, scaler)


def value(one: Reading) -> Shape:
    """A value of a register."""
    return {
        "obis": str(one.obis),
        "value": text(one.value, one.scaler),
        "unit": symbol(one.unit),
        **({} if one.signature is None else {"signature": one.signature.hex()}),
    }


def text(data: Data, scaler: int = 0) -> str | None:
    """A number as a decimal text, octets as hex, members of an array after commas."""
    found = data.value
    if found is None:
        return None
    if isinstance(found, bytes):
        return found.hex()
    if isinstance(found, tuple):
        return ", ".join(text(one) or "" for one in found)
    if isinstance(found, int) and data.type is not DataType.BOOLEAN:
        return plain(found, scaler)
    return str(found).lower() if isinstance(found, bool) else str(found)


def record(row: StoredRecord) -> Shape:
    """A stored row."""
    status = StatusWord(row.gateway_status, meter_status(row.readings))
    return {
        "target_time": time(row.target_time_us),
        "capture_time": time(row.stamp.utc_us),
        "time_valid": row.stamp.state is ClockState.SYNCHRONISED,
        "origin": _ORIGINS[row.origin],
        "status": status.lsb0,
        "ptb_status": ptb_status(*status),
        "values": [value(one) for one in row.readings],
        **({} if row.signature is None else {"signature": row.signature.hex()}),
    }


def live(capture: Capture) -> Shape:
    """A telegram as it came: for eyes, not for billing."""
    return {
        "device": str(capture.device),
        "capture_time": time(capture.stamp.utc_us),
        "time_valid": capture.stamp.state is ClockState.SYNCHRONISED,
        "for_billing": False,
        "values": [value(one) for one in capture.readings],
    }


def register(found: tuple[Obis, int, int]) -> Shape:
    """A register of a device."""
    obis, scaler, unit = found
    return {"obis": str(obis), "scaler": scaler, "unit": symbol(unit)}


def span(found: Range) -> Shape:
    """A range with both ends included; None: it is open."""
    return {"from": time(found.since) if found.since else None, "to": time(found.until)}


def contract(profile: EvaluationProfile) -> Shape:
    """What a contract says."""
    return {
        "id": profile.name,
        "taf": profile.taf,
        "title": profile.use_case.title,
        "usage_point": profile.usage_point,
        "consumer": profile.consumer,
        "supplier": profile.supplier,
        "meters": list(profile.meters),
        "subtract": list(profile.subtract),
        "objects": list(map(str, profile.objects)),
        "begin": None if profile.begin is None else time(profile.begin * _SECOND),
        "end": None if profile.end is None else time(profile.end * _SECOND),
        "zone": profile.zone,
        "registration_period": profile.registration_period,
        "billing_months": profile.billing_months,
        "profile": profile.content(),
    }


def registers(found: Registers) -> Shape:
    """The registers of one measured register."""
    return {
        "device": str(found.source.device),
        "measured": str(found.measured),
        "time": time(found.time_us),
        "unit": symbol(found.unit),
        "registers": [
            {
                "number": group_e,
                "obis": str(register_name(found.measured, group_e)),
                "value": plain(amount, found.scaler),
            }
            for group_e, amount in found.amounts
        ],
    }


def period(found: Period) -> Shape:
    """A billing period of one measured register."""
    return {
        "device": str(found.source.device),
        "measured": str(found.measured),
        "begin": time(found.begin_us),
        "end": time(found.end_us),
        "open": found.open,
        "steps": [{"number": step, "value": plain(amount, found.scaler)} for step, amount in found.steps],
        "error": plain(found.error, found.scaler),
        "total": plain(found.total, found.scaler),
        "unit": symbol(found.unit),
    }


def amount(found: Amount) -> Shape:
    """What was counted from mark to mark."""
    return {
        "begin": time(found.begin_us),
        "end": time(found.end_us),
        "value": number(found.value, found.scaler),
        "unit": symbol(found.unit),
        "exact": found.exact,
    }


def closing(mark_us: int, found: Closing | None) -> Shape:
    """The value at a mark."""
    return {
        "time": time(mark_us),
        "reading_time": None if found is None else time(found.time_us),
        "value": None if found is None else plain(found.value, found.scaler),
        "unit": "" if found is None else symbol(found.unit),
    }


def gaps(found: DayGaps) -> Shape:
    """What is missing from mark to mark."""
    return {
        "begin": time(found.begin_us),
        "end": time(found.end_us),
        "expected": found.expected,
        "present": found.present,
        "missing": [span(one) for one in found.missing],
        "unusable": [span(one) for one in found.unusable],
    }


def entry(found: LogEntry) -> Shape:
    """An entry of a log book."""
    return {
        "number": found.number,
        "time": time(found.utc_us),
        "time_valid": found.clock_state is ClockState.SYNCHRONISED,
        "event": found.event,
        "event_id": NUMBERS.get(found.event),
        "vendor": VENDORS.get(found.event, ""),
        "level": _LEVELS[found.level],
        "good": found.outcome,
        "text": found.subject,
        "subject": found.identity,
        "user": found.user,
    }
