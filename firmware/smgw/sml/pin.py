"""Tells which values a meter hides until its PIN is entered or its extended data set is on (docs/sml.md, 3.1)."""

from collections.abc import Sequence
from enum import Enum

from smgw.cosem.units import WATT_HOUR
from smgw.sml.messages import ListEntry

_MOST_DEVICES = 64
_INSTANTANEOUS = b"\x07"  # OBIS group D
_LAST_QUANTITY = 95  # from 96 on, OBIS group C names no measured quantity
_TOTALS = (b"\x01\x08", b"\x02\x08")  # groups C and D: import, export

PIN_ADVICE = (
    "the meter shows whole kWh and no power: it waits for its PIN. Enter the PIN at the meter's front (torch or "
    'button; the grid operator sends it) and switch "InF" on'
)
REDUCED_REMARK = (
    "the meter sends totals with decimals and no power: enter its PIN, or switch its extended data set on "
    '("InF"), if power is wanted'
)


class Shown(Enum):
    """How much a list shows. Only the first says that nothing is hidden, or that there is nothing to judge by."""

    ALL = "power, or no totals"
    DECIMALS = "totals with decimals, no power"
    WHOLE = "totals that are whole kWh by their number, no power"
    COARSE = "totals that are whole kWh by their scaler, no power"


_ALL = Shown.ALL


def shown(entries: Sequence[ListEntry]) -> Shown:
    """Judge one list by itself. Any instantaneous quantity (`*.7.*`) counts as power."""
    names = [entry.obj_name for entry in entries]
    if any(name[3:4] == _INSTANTANEOUS and name[2] <= _LAST_QUANTITY for name in names):
        return _ALL
    totals = [entry for entry in entries if entry.unit == WATT_HOUR and entry.obj_name[2:4] in _TOTALS]
    if not totals:
        return _ALL
    if all((entry.scaler or 0) >= 3 for entry in totals):
        return Shown.COARSE
    return Shown.WHOLE if all(map(_whole_kwh, totals)) else Shown.DECIMALS


class PinNotes:
    """Notes on the meters of one line. A whole number of kWh alone is no sign of a lock once a meter showed more."""

    def __init__(self) -> None:
        self._open: dict[bytes, None] = {}  # server ids of meters that showed decimals or power, the oldest first

    def of(self, server_id: bytes, entries: Sequence[ListEntry]) -> tuple[str, str]:
        """Advice for a meter that is locked, and a remark on one that shows less than it could; mostly both empty."""
        found = shown(entries)
        if server_id not in self._open and found in (_ALL, Shown.DECIMALS):
            if len(self._open) >= _MOST_DEVICES:
                del self._open[next(iter(self._open))]
            self._open[server_id] = None
        if found is _ALL:
            return "", ""
        if found is Shown.COARSE or server_id not in self._open:
            return PIN_ADVICE, ""
        return "", REDUCED_REMARK


def _whole_kwh(entry: ListEntry) -> bool:
    """True for kWh, and for a number that ends in zeros where a part of a kWh would stand."""
    if entry.value is None or not isinstance(entry.value.value, int):
        return False
    scaler = entry.scaler or 0
    return scaler >= 3 or entry.value.value % 10 ** (3 - scaler) == 0
