"""Evaluations of telegrams (TAF 9, 10 and 14): which values are sent, at an interval or at a limit."""

from typing import NamedTuple

from smgw.cosem.reading import Capture, Reading
from smgw.profiles.evaluation import EvaluationProfile, Limit

_SECOND = 1_000_000


class LiveState(NamedTuple):
    """What is remembered from one telegram to the next. After a restart the next telegram is sent."""

    interval: int | None = None  # number of the latest interval of which a value was sent
    outside: frozenset[bytes] = frozenset()  # OBIS codes whose value is outside its limits


class Due(NamedTuple):
    """Readings that are sent now; `at_limit`: because a value left or entered its range."""

    readings: tuple[Reading, ...]
    at_limit: bool


def live_readings(profile: EvaluationProfile, capture: Capture, state: LiveState) -> tuple[Due | None, LiveState]:
    """What of a telegram is sent, and the next state. Intervals are multiples of their length in UTC."""
    readings = tuple(one for one in capture.readings if one.obis in profile.objects)
    time_s = capture.stamp.utc_us // _SECOND
    valid = not (profile.begin is not None and time_s < profile.begin) and not (
        profile.end is not None and time_s > profile.end
    )
    if not readings or not valid:
        return None, state
    limits = {limit.obis: limit for limit in profile.limits}
    measured = [one for one in capture.readings if one.obis in limits and isinstance(one.value.value, int)]
    seen = {bytes(one.obis) for one in measured}
    outside = frozenset(bytes(one.obis) for one in measured if _is_outside(one, limits[one.obis]))
    outside |= state.outside - seen
    at_limit = outside != state.outside
    interval = time_s // profile.interval if profile.interval else state.interval
    due = at_limit or interval != state.interval
    return Due(readings, at_limit) if due else None, LiveState(interval, outside)


def _is_outside(reading: Reading, limit: Limit) -> bool:
    """Whether a value is below or above its limits, which are whole units."""
    value = reading.value.value
    assert isinstance(value, int)
    value *= int(10 ** max(reading.scaler, 0))
    whole = int(10 ** max(-reading.scaler, 0))
    return not limit.low * whole <= value <= limit.high * whole
