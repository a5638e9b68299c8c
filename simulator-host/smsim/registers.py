"""Registers and what drives them; energy is the exact integral of power, in whole numbers with a carried remainder."""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from smgw.cosem import Obis
from smgw.cosem.units import NO_UNIT, WATT, WATT_HOUR

from smsim.days import local_quarter
from smsim.load import POWER_UNITS_PER_WATT, Load
from smsim.timelapse import TimeLapse

_TARIFF_2_UNTIL = 6 * 4  # clock positions of a day: 06:00
_TARIFF_2_FROM = 22 * 4  # 22:00
_SECONDS_PER_HOUR = 3600


class Drive(Enum):
    """What moves a register."""

    IMPORT = "import"  # all energy of the consumption profile
    IMPORT_T1 = "import-t1"  # its part between 06:00 and 22:00 legal time
    IMPORT_T2 = "import-t2"  # its part between 22:00 and 06:00
    EXPORT = "export"  # all energy of the generation profile
    POWER = "power"  # import power minus export power, signed
    IMPORT_POWER = "import-power"
    EXPORT_POWER = "export-power"
    FIXED = "fixed"  # the same value for ever

    @property
    def unit(self) -> int:
        """The unit of such a register."""
        if self in (Drive.IMPORT, Drive.IMPORT_T1, Drive.IMPORT_T2, Drive.EXPORT):
            return WATT_HOUR
        return NO_UNIT if self is Drive.FIXED else WATT


#: What drives a register of which the configuration says no more than its OBIS code.
USUAL_DRIVES: dict[Obis, Drive] = {
    Obis.parse(text): drive
    for text, drive in (
        ("1.8.0", Drive.IMPORT),
        ("1.8.1", Drive.IMPORT_T1),
        ("1.8.2", Drive.IMPORT_T2),
        ("2.8.0", Drive.EXPORT),
        ("16.7.0", Drive.POWER),
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


#: The registers of the jOSEF paper's meter, also those of a meter whose configuration lists none.
USUAL_REGISTERS: tuple[Register, ...] = tuple(
    Register(obis, USUAL_DRIVES[obis], USUAL_DRIVES[obis].unit)
    for obis in map(Obis.parse, ("1.8.0", "1.8.1", "1.8.2", "2.8.0", "16.7.0"))
)


class Counter:
    """Counts whole units of energy; what is less than one unit is carried, never lost."""

    def __init__(self, per_count: int) -> None:
        self.count = 0
        self._per_count = per_count  # power units times ticks that make one count
        self._remainder = 0

    def add(self, power: int, ticks: int) -> int:
        """Let `power` flow for `ticks`; the counts that this completed."""
        counts, self._remainder = divmod(self._remainder + power * ticks, self._per_count)
        self.count += counts
        return counts


class _ImportCounter:
    """A counter of imported energy with two tariffs: each count goes to the tariff in force when it completes."""

    def __init__(self, per_count: int) -> None:
        self.total = Counter(per_count)
        self.tariffs = [0, 0]


class RegisterBank:
    """All registers of one meter, moved on together from one simulated moment to a later one."""

    def __init__(self, registers: Sequence[Register], consumption: Load, generation: Load, time: TimeLapse) -> None:
        self.registers = tuple(registers)
        self._consumption = consumption
        self._generation = generation
        self._time = time
        self._now = time.start
        self._imports: dict[int, _ImportCounter] = {}
        self._exports: dict[int, Counter] = {}
        for register in registers:
            if register.drive in (Drive.IMPORT, Drive.IMPORT_T1, Drive.IMPORT_T2):
                self._imports.setdefault(register.scaler, _ImportCounter(self._per_count(register.scaler)))
            elif register.drive is Drive.EXPORT:
                self._exports.setdefault(register.scaler, Counter(self._per_count(register.scaler)))

    def _per_count(self, scaler: int) -> int:
        """Power units times ticks in 10^scaler Wh."""
        return _scaled(POWER_UNITS_PER_WATT * _SECONDS_PER_HOUR * self._time.ticks_per_second, scaler)

    def advance(self, ticks: int) -> None:
        """Move on to a moment (ticks since 1970). An earlier one changes nothing: registers do not run back."""
        per_quarter = self._time.ticks_per_quarter
        while self._now < ticks:
            quarter = self._now // per_quarter
            end = min(ticks, (quarter + 1) * per_quarter)
            self._flow(quarter, end - self._now)
            self._now = end

    def _flow(self, quarter: int, ticks: int) -> None:
        if self._imports:
            power = self._consumption.power(quarter)
            tariff = int(not _TARIFF_2_UNTIL <= local_quarter(quarter).position < _TARIFF_2_FROM)
            for counter in self._imports.values():
                counter.tariffs[tariff] += counter.total.add(power, ticks)
        if self._exports:
            power = self._generation.power(quarter)
            for export in self._exports.values():
                export.add(power, ticks)

    @property
    def power(self) -> int:
        """Import minus export at the moment reached, in 10^-11 W."""
        return self._import_power() - self._export_power()

    def _import_power(self) -> int:
        return self._consumption.power(self._now // self._time.ticks_per_quarter)

    def _export_power(self) -> int:
        return self._generation.power(self._now // self._time.ticks_per_quarter)

    def value(self, register: Register) -> int:
        """What a register shows at the moment reached, in 10^scaler of its unit."""
        drive, scaler = register.drive, register.scaler
        if drive is Drive.FIXED:
            return register.fixed
        if drive is Drive.IMPORT:
            return self._imports[scaler].total.count
        if drive is Drive.IMPORT_T1:
            return self._imports[scaler].tariffs[0]
        if drive is Drive.IMPORT_T2:
            return self._imports[scaler].tariffs[1]
        if drive is Drive.EXPORT:
            return self._exports[scaler].count
        if drive is Drive.IMPORT_POWER:
            return _rounded(self._import_power(), scaler)
        if drive is Drive.EXPORT_POWER:
            return _rounded(self._export_power(), scaler)
        return _rounded(self.power, scaler)


def _scaled(units: int, scaler: int) -> int:
    """units · 10^scaler, which divides exactly for every scaler that a configuration may name (-6 to 6)."""
    power_of_ten: int = 10 ** abs(scaler)
    return units * power_of_ten if scaler >= 0 else units // power_of_ten


def _rounded(power: int, scaler: int) -> int:
    """Power in 10^scaler W, to the nearest whole number, halves away from zero."""
    step = _scaled(POWER_UNITS_PER_WATT, scaler)
    magnitude = (2 * abs(power) + step) // (2 * step)
    return magnitude if power >= 0 else -magnitude
