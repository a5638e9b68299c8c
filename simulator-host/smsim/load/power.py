"""Load: the power that a household draws or a photovoltaic plant gives in a quarter hour, as a whole number.

Power is counted in units of 10^-11 W, so that each factor is a whole number.

0.1 W of the table x 10^-4 of the dynamisation x 10^-3 of the yearly kWh / 1,000 x 10^-3 of the variation.
"""

import functools
from enum import Enum
from typing import NamedTuple

from smsim.load.days import date_of, day_type, local_quarter, season, standard_quarter
from smsim.load.h0 import H0
from smsim.load.pv0 import PV0

POWER_UNITS_PER_WATT = 10**11
_NO_DYNAMISATION = 10_000
_NO_VARIATION = 1_000
#: A seeded quarter hour is within 10 % of the profile; the mean over many equals the profile.
VARIATION_PER_MILLE = 100
#: A seeded household is up to an hour earlier or later than the profile.
SHIFT_QUARTERS = 4


class ProfileName(Enum):
    """The two profiles."""

    H0 = "H0"
    PV0 = "PV0"


def dynamisation(day_of_year: int) -> int:
    """The factor of H0 for a day of the year (1 to 366) in units of 10^-4, from the polynomial of VDEW 1999."""
    t = day_of_year
    e12 = -392 * t**4 + 320_000 * t**3 - 70_200_000 * t**2 + 2_100_000_000 * t + 1_240_000_000_000
    return (e12 + 50_000_000) // 100_000_000


@functools.lru_cache(maxsize=64)
def _h0_day(day: int) -> tuple[tuple[int, ...], int]:
    date = date_of(day)
    return H0[season(date)][day_type(date)], dynamisation(date.timetuple().tm_yday)


@functools.lru_cache(maxsize=64)
def _pv0_day(day: int) -> tuple[int, ...]:
    return PV0[date_of(day).month - 1]


class Load(NamedTuple):
    """One profile at one size. `seed` 0 is the profile itself; other seeds vary it a little, reproducibly."""

    profile: ProfileName
    annual_kwh: int
    seed: int = 0
    meter: bytes = b""  # two meters with the same seed differ

    def power(self, quarter: int) -> int:
        """Mean power of a quarter hour (counted in UTC since 1970) in 10^-11 W, never negative."""
        if self.profile is ProfileName.H0:
            day, position = local_quarter(quarter)
            row, factor = _h0_day(day)
            tenths = row[(position + self._shift()) % 96] if self.seed else row[position]
        else:
            day, position = standard_quarter(quarter)
            tenths, factor = _pv0_day(day)[position], _NO_DYNAMISATION
        return tenths * factor * self.annual_kwh * self._variation(quarter)

    def _variation(self, quarter: int) -> int:
        """Per mille of the profile in this quarter hour, evenly spread around 1,000."""
        if not self.seed:
            return _NO_VARIATION
        return _NO_VARIATION + _draw(self, str(quarter), VARIATION_PER_MILLE)

    def _shift(self) -> int:
        return _household_shift(self)


def _draw(load: Load, what: str, most: int) -> int:
    """A number from -most to +most that depends only on seed, meter, profile and `what`."""
    text = f"{load.seed} {load.meter.hex()} {load.profile.value} {what}".encode()
    import hashlib  # it loads OpenSSL, which `smsim styles` can do without

    number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
    return number % (2 * most + 1) - most


@functools.lru_cache(maxsize=1024)
def _household_shift(load: Load) -> int:
    return _draw(load, "shift", SHIFT_QUARTERS)
