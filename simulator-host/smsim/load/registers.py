"""Registers and their drives. Energy is the exact integral of power, in whole numbers with a carried remainder."""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from smgw.cosem import Obis
from smgw.cosem.units import AMPERE, NO_UNIT, WATT, WATT_HOUR

from smsim.load.days import local_quarter
from smsim.load.power import POWER_UNITS_PER_WATT, Load
from smsim.load.timelapse import TimeLapse

_TARIFF_2_UNTIL = 6 * 4  # clock positions of a day: 06:00
_TARIFF_2_FROM = 22 * 4  # 22:00
_SECONDS_PER_HOUR = 3600


class Drive(Enum):
    """The drive of a register."""

    IMPORT = "import"  # all energy of the consumption profile
    IMPORT_T1 = "import-t1"  # its part between 06:00 and 22:00 legal time
    IMPORT_T2 = "import-t2"  # its part between 22:00 and 06:00
    EXPORT = "export"  # all energy of the generation profile
    EXPORT_T1 = "export-t1"
    EXPORT_T2 = "export-t2"
    POWER = "power"  # import power minus export power, signed
    POWER_L1 = "power-l1"  # a third of it each: the load is symmetrical
    POWER_L2 = "power-l2"
    POWER_L3 = "power-l3"
    ABSOLUTE_POWER = "absolute-power"  # without its sign
    IMPORT_POWER = "import-power"
    EXPORT_POWER = "export-power"
    CURRENT = "current"  # of one phase at 230 V, without sign: the load is symmetrical
    FIXED = "fixed"  # a constant value

    @property
    def unit(self) -> int:
        """The unit of such a register."""
        if self in ENERGY:
            return WATT_HOUR
        return {Drive.FIXED: NO_UNIT, Drive.CURRENT: AMPERE}.get(self, WATT)


_TARIFFS = {Drive.IMPORT_T1: 0, Drive.IMPORT_T2: 1, Drive.EXPORT_T1: 0, Drive.EXPORT_T2: 1}
_IMPORTS = frozenset((Drive.IMPORT, Drive.IMPORT_T1, Drive.IMPORT_T2))
_EXPORTS = frozenset((Drive.EXPORT, Drive.EXPORT_T1, Drive.EXPORT_T2))
#: The drives that count energy.
ENERGY = _IMPORTS | _EXPORTS
_VOLTS = 230
_PHASES = frozenset((Drive.POWER_L1, Drive.POWER_L2, Drive.POWER_L3))


#: The default drive of a register, by its OBIS code.
USUAL_DRIVES: dict[Obis, Drive] = {
    Obis.parse(text): drive
    for text, drive in (
        ("1.8.0", Drive.IMPORT),
        ("1.8.1", Drive.IMPORT_T1),
        ("1.8.2", Drive.IMPORT_T2),
        ("2.8.0", Drive.EXPORT),
        ("2.8.1", Drive.EXPORT_T1),
        ("2.8.2", Drive.EXPORT_T2),
        ("16.7.0", Drive.POWER),
        ("36.7.0", Drive.POWER_L1),
        ("56.7.0", Drive.POWER_L2),
        ("76.7.0", Drive.POWER_L3),
        ("15.7.0", Drive.ABSOLUTE_POWER),
        ("1.7.0", Drive.IMPORT_POWER),
        ("2.7.0", Drive.EXPORT_POWER),
    )
}


class Register(NamedTuple):
    """One register of a meter: its value is a whole number of 10^scaler units."""

    obis: Obis
    drive: Drive
    unit: int
    scaler: int = 0
    fixed: int = 0  # the value, where drive is FIXED


#: The registers of the jOSEF paper's meter, and of a meter whose configuration lists none.
USUAL_REGISTERS: tuple[Register, ...] = tuple(
    Register(obis, USUAL_DRIVES[obis], USUAL_DRIVES[obis].unit)
    for obis in map(Obis.parse, ("1.8.0", "1.8.1", "1.8.2", "2.8.0", "16.7.0"))
)


class Counter:
    """Counts whole units of energy. A remainder of less than one unit is carried, never lost."""

    def __init__(self, per_count: int) -> None:
        self.count = 0
        self._per_count = per_count  # power units times ticks that make one count
        self._remainder = 0

    def add(self, power: int, ticks: int) -> int:
        """Add `power` for `ticks`; returns the completed counts."""
        counts, self._remainder = divmod(self._remainder + power * ticks, self._per_count)
        self.count += counts
        return counts


class _TariffCounter:
    """A counter of energy with two tariffs: each count goes to the tariff in force when it completes."""

    def __init__(self, per_count: int) -> None:
        self.total = Counter(per_count)
        self.tariffs = [0, 0]

    def add(self, power: int, ticks: int, tariff: int) -> None:
        """Add `power` for `ticks` in a tariff."""
        self.tariffs[tariff] += self.total.add(power, ticks)

    def value(self, drive: Drive) -> int:
        """The value of a register with this drive."""
        tariff = _TARIFFS.get(drive)
        return self.total.count if tariff is None else self.tariffs[tariff]


class RegisterBank:
    """All registers of one meter, advanced together from one simulated moment to a later one.

    They are zero at `start`, in ticks since 1970 (default: the start of the simulation).
    """

    def __init__(
        self,
        registers: Sequence[Register],
        consumption: Load,
        generation: Load,
        time: TimeLapse,
        start: int | None = None,
    ) -> None:
        self.registers = tuple(registers)
        self._consumption = consumption
        self._generation = generation
        self._time = time
        self._now = time.start if start is None else start
        self._known_quarter = -1
        self._known_powers = (0, 0)
        # By scaler, since the remainder depends on the size of a count.
        self._imports = self._counters(_IMPORTS)
        self._exports = self._counters(_EXPORTS)

    def _counters(self, drives: frozenset[Drive]) -> dict[int, _TariffCounter]:
        scalers = {register.scaler for register in self.registers if register.drive in drives}
        return {scaler: _TariffCounter(self._per_count(scaler)) for scaler in sorted(scalers)}

    def _per_count(self, scaler: int) -> int:
        """Power units times ticks in 10^scaler Wh."""
        return _scaled(POWER_UNITS_PER_WATT * _SECONDS_PER_HOUR * self._time.ticks_per_second, scaler)

    def advance(self, ticks: int) -> None:
        """Advance to a moment (ticks since 1970). An earlier one changes nothing: registers do not run back."""
        per_quarter = self._time.ticks_per_quarter
        while self._now < ticks:
            quarter = self._now // per_quarter
            end = min(ticks, (quarter + 1) * per_quarter)
            self._flow(quarter, end - self._now)
            self._now = end

    def _flow(self, quarter: int, ticks: int) -> None:
        tariff = int(not _TARIFF_2_UNTIL <= local_quarter(quarter).position < _TARIFF_2_FROM)
        for power, counters in zip(self._powers(quarter), (self._imports, self._exports), strict=True):
            for counter in counters.values():
                counter.add(power, ticks, tariff)

    def _powers(self, quarter: int) -> tuple[int, int]:
        """Import and export power in a quarter hour, in 10^-11 W."""
        if quarter != self._known_quarter:
            self._known_quarter = quarter
            self._known_powers = self._consumption.power(quarter), self._generation.power(quarter)
        return self._known_powers

    def _power_now(self) -> tuple[int, int]:
        return self._powers(self._now // self._time.ticks_per_quarter)

    @property
    def power(self) -> int:
        """Import minus export at the present moment, in 10^-11 W."""
        flowing_in, flowing_out = self._power_now()
        return flowing_in - flowing_out

    def value(self, register: Register) -> int:
        """The value of a register at the present moment, in 10^scaler of its unit."""
        drive, scaler = register.drive, register.scaler
        if drive is Drive.FIXED:
            return register.fixed
        if drive in _IMPORTS:
            return self._imports[scaler].value(drive)
        if drive in _EXPORTS:
            return self._exports[scaler].value(drive)
        if drive is Drive.IMPORT_POWER:
            return _rounded(self._power_now()[0], scaler)
        if drive is Drive.EXPORT_POWER:
            return _rounded(self._power_now()[1], scaler)
        if drive is Drive.CURRENT:
            return abs(_rounded(self.power, scaler, parts=3 * _VOLTS))
        power = _rounded(self.power, scaler, parts=3 if drive in _PHASES else 1)
        return abs(power) if drive is Drive.ABSOLUTE_POWER else power


def _scaled(units: int, scaler: int) -> int:
    """units · 10^scaler, which divides exactly for every scaler that a configuration may name (-6 to 6)."""
    power_of_ten: int = 10 ** abs(scaler)
    return units * power_of_ten if scaler >= 0 else units // power_of_ten


def _rounded(power: int, scaler: int, parts: int = 1) -> int:
    """One of several equal parts of power, in 10^scaler W, rounded; halves are rounded away from zero."""
    step = parts * _scaled(POWER_UNITS_PER_WATT, scaler)
    magnitude = (2 * abs(power) + step) // (2 * step)
    return magnitude if power >= 0 else -magnitude
