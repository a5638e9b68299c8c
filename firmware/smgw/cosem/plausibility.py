"""Whether volts, amperes and watts of one capture can be true together. Most often a scaler is wrong if they are not.

A false alarm costs trust. So only what no installation explains is reported.

VOLTAGE   Every voltage is more than five times off 230 V, and the power does not confirm it as in a network of 20 kV.
POWER     There is more than twice as much power as voltage times current.
          Voltage times current is large, and five times what active and reactive power make together.
          The meter lists no reactive power, and voltage times current is ten times the active power.

All arithmetic is on whole numbers: millivolts, milliamperes, and their products, microwatts.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from smgw.cosem.reading import Reading
from smgw.cosem.units import AMPERE, VAR, VOLT, WATT


class Condition(StrEnum):
    """What cannot be true. The gateway logs each once for a device."""

    VOLTAGE = "voltage"
    POWER = "power"


_ADVICE = "check the meter, and set scalers, units or factors of its profile"
_LOWEST_MV, _HIGHEST_MV = 46_000, 1_150_000  # 57.7 V behind transformers, 120 V, 400 V and 690 V lie between them
#: Voltage times current is large. A phase that exports can cancel another in the sum, and a load may be a capacitor.
_LARGE_PHASE_UW, _LARGE_UW = 2_000_000_000, 20_000_000_000
_SLACK_UW = 500_000_000  # currents that are too small for a meter to show
_TIMES_MORE, _TIMES_LESS, _TIMES_LESS_ACTIVE = 2, 5, 10
_INSTANTANEOUS = 7  # group D
_PHASES = (1, 2, 3)
_OF_PHASE = 20  # group C of a phase's quantity: that of the sum, and this for each phase
_IMPORT, _EXPORT, _REACTIVE, _REACTIVE_EXPORT, _CURRENT, _VOLTAGE, _ABSOLUTE, _BALANCE = 1, 2, 3, 4, 11, 12, 15, 16
#: Quantity -> unit, and the power of ten that the gateway counts in here.
_COUNTED = {
    _CURRENT: (AMPERE, 3),
    _VOLTAGE: (VOLT, 3),
    **dict.fromkeys((_IMPORT, _EXPORT, _ABSOLUTE, _BALANCE), (WATT, 6)),
    **dict.fromkeys((_REACTIVE, _REACTIVE_EXPORT), (VAR, 6)),
}


def implausible(readings: Iterable[Reading]) -> Mapping[str, str]:
    """What cannot be true in one capture, in words with the advice; empty for nearly every capture."""
    values: dict[int, int] = {}  # by group C
    steps: dict[int, int] = {}  # milliamperes of a current's last digit, by group C
    for obis, value, scaler, unit, *_ in readings:
        quantity = (obis[2] - 1) % _OF_PHASE + 1
        counted = _COUNTED.get(quantity)
        if obis[0] != 1 or obis[3] != _INSTANTANEOUS or counted is None or counted[0] != unit:
            continue
        if obis[2] > _PHASES[-1] * _OF_PHASE + _BALANCE or not isinstance(value.value, int):
            continue
        values.setdefault(obis[2], _scaled(value.value, scaler + counted[1]))
        if quantity == _CURRENT:
            steps[obis[2]] = _scaled(1, scaler + counted[1])
    found: dict[str, str] = {}
    volts = [one for phase in _PHASES if (one := abs(values.get(_OF_PHASE * phase + _VOLTAGE, 0)))]
    if volts and not any(_LOWEST_MV <= one <= _HIGHEST_MV for one in volts) and not _confirmed(values):
        found[Condition.VOLTAGE] = f"{_whole(volts[0], 3)} V is far from 230 V; {_ADVICE}"
    if words := _power(values, steps):
        found[Condition.POWER] = f"{words}; {_ADVICE}"
    return found


def _power(values: Mapping[int, int], steps: Mapping[int, int]) -> str:
    """How voltage times current contradicts a power, of a phase or of the sum; "" if it does not."""
    apparent = _apparent(values)
    slack = _SLACK_UW
    for phase, (volts, apparent_uw) in apparent.items():
        step = volts * steps[_OF_PHASE * phase + _CURRENT]
        if words := _contradiction(values, _OF_PHASE * phase, apparent_uw, _SLACK_UW + step, _LARGE_PHASE_UW):
            return f"phase {phase}: {words}"
        slack += step
    if not apparent:
        return ""
    # A list may name some of the phases only: then the others may have the power.
    sum_uw = sum(one for _, one in apparent.values())
    return _contradiction(values, 0, sum_uw, slack if len(apparent) == len(_PHASES) else None, _LARGE_UW)


def _apparent(values: Mapping[int, int]) -> dict[int, tuple[int, int]]:
    """By phase: voltage, and voltage times current. Some lists have three currents and one voltage."""
    listed = (values[place] for phase in _PHASES if (place := _OF_PHASE * phase + _VOLTAGE) in values)
    elsewhere = next(listed, None)
    found = {}
    for phase in _PHASES:
        volts = values.get(_OF_PHASE * phase + _VOLTAGE, elsewhere)
        current = values.get(_OF_PHASE * phase + _CURRENT)
        if volts is not None and current is not None:
            found[phase] = abs(volts), abs(volts * current)
    return found


def _confirmed(values: Mapping[int, int]) -> bool:
    """True if voltage times current is about the power that the meter measures."""
    sum_uw = sum(one for _, one in _apparent(values).values())
    measured = abs(_difference(values, 0) or 0) + (_reactive(values, 0) or 0)
    return bool(sum_uw) and sum_uw <= _TIMES_MORE * measured <= 2 * _TIMES_MORE * sum_uw


def _contradiction(values: Mapping[int, int], base: int, apparent: int, slack: int | None, large: int) -> str:
    active = _difference(values, base)
    if active is None:
        return ""
    reactive = _reactive(values, base)
    if reactive is None:  # of a phase, that of the sum is more than nothing
        reactive = _reactive(values, 0)
    times, large = (_TIMES_LESS, large) if reactive is not None else (_TIMES_LESS_ACTIVE, _LARGE_UW)
    too_much = slack is not None and abs(active) > _TIMES_MORE * apparent + slack
    too_little = apparent > large and apparent > times * (abs(active) + (reactive or 0))
    if not too_much and not too_little:
        return ""
    return f"voltage times current is {_whole(apparent, 6)} VA, the power {_whole(active, 6)} W"


def _reactive(values: Mapping[int, int], base: int) -> int | None:
    """Reactive power of both directions; None if there is none."""
    found = [abs(values[base + quantity]) for quantity in (_REACTIVE, _REACTIVE_EXPORT) if base + quantity in values]
    return sum(found) if found else None


def _difference(values: Mapping[int, int], base: int) -> int | None:
    """Active power: the signed one, else import less export, else the absolute one; None if there is none."""
    if (signed := values.get(base + _BALANCE)) is not None:
        return signed
    bought, sold = values.get(base + _IMPORT), values.get(base + _EXPORT)
    if bought is None and sold is None:
        return values.get(base + _ABSOLUTE)
    return (bought or 0) - (sold or 0)


def _scaled(value: int, scaler: int) -> int:
    """value · 10^scaler, rounded towards zero."""
    power: int = 10 ** abs(scaler)
    if scaler >= 0:
        return value * power
    return abs(value) // power * (1 if value >= 0 else -1)


def _whole(value: int, digits: int) -> int:
    return _scaled(value, -digits)
