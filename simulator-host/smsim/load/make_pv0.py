"""Makes pv0.py: the mean day of each month of a photovoltaic plant. Run it as `python -m smsim.load.make_pv0`.

PV0 is our own profile. The jOSEF paper uses EV0, a utility's table of fed-in energy. No such table is published for
free use, so this one is computed. The shape of a month's mean day follows from the position of the sun and a clear sky
over a roof in the middle of Germany (south, 30 degrees). Its height follows from `MONTH_SHARES`.

Only this module of smsim uses floats, for the shape of a curve. The values are then whole numbers.
"""

import math
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

LATITUDE = math.radians(51.0)
LONGITUDE_DEGREES = 10.0
ZONE_MERIDIAN_DEGREES = 15.0  # Central European Standard Time
TILT = math.radians(30.0)
_YEAR = 2025  # any common year: the sun's position differs by less than a quarter hour between years

#: Per mille of the year's energy in each month, from January on: a test reference year's irradiance on such a roof.
MONTH_SHARES = (40, 37, 78, 92, 142, 135, 141, 124, 92, 67, 30, 22)
#: Mean length of each month in hundredths of a day.
MONTH_LENGTHS = (3100, 2825, 3100, 3000, 3100, 3000, 3100, 3100, 3000, 3100, 3000, 3100)

_SAMPLES_PER_QUARTER = 5
_DIFFUSE_SHARE = 0.12  # of the extraterrestrial irradiance on the horizontal plane


def _sun(day_of_year: int, standard_hour: float) -> tuple[float, float]:
    """Declination and hour angle of the sun in radians (Spencer's Fourier series of 1971)."""
    year = 2 * math.pi * (day_of_year - 1 + (standard_hour - 12) / 24) / 365
    declination = (
        0.006918
        - 0.399912 * math.cos(year)
        + 0.070257 * math.sin(year)
        - 0.006758 * math.cos(2 * year)
        + 0.000907 * math.sin(2 * year)
        - 0.002697 * math.cos(3 * year)
        + 0.00148 * math.sin(3 * year)
    )
    equation_of_time_h = (
        0.000075
        + 0.001868 * math.cos(year)
        - 0.032077 * math.sin(year)
        - 0.014615 * math.cos(2 * year)
        - 0.040849 * math.sin(2 * year)
    ) * (12 / math.pi)
    solar_hour = standard_hour + (LONGITUDE_DEGREES - ZONE_MERIDIAN_DEGREES) / 15 + equation_of_time_h
    return declination, math.radians(15 * (solar_hour - 12))


def irradiance(day_of_year: int, standard_hour: float) -> float:
    """Clear-sky irradiance on the tilted plane, as a share of the solar constant."""
    declination, hour_angle = _sun(day_of_year, standard_hour)
    height = math.sin(LATITUDE) * math.sin(declination) + math.cos(LATITUDE) * math.cos(declination) * math.cos(
        hour_angle
    )
    if height <= 0:
        return 0.0
    # A tilted plane that faces south is parallel to a horizontal one at a latitude that is lower by the tilt.
    southern = LATITUDE - TILT
    incidence = math.sin(southern) * math.sin(declination) + math.cos(southern) * math.cos(declination) * math.cos(
        hour_angle
    )
    air_mass = 1 / (height + 0.50572 * math.pow(math.degrees(math.asin(height)) + 6.07995, -1.6364))
    beam = math.pow(0.7, math.pow(air_mass, 0.678)) * max(incidence, 0.0)
    diffuse = _DIFFUSE_SHARE * height * (1 + math.cos(TILT)) / 2
    return beam + diffuse


def mean_day(month: int) -> list[float]:
    """The mean of all days of a month (1 to 12), 96 quarter hours of standard time; unit as `irradiance`."""
    day = date(_YEAR, month, 1)
    sums = [0.0] * 96
    days = 0
    while day.month == month:
        for quarter in range(96):
            for sample in range(_SAMPLES_PER_QUARTER):
                hour = (quarter + (sample + 0.5) / _SAMPLES_PER_QUARTER) / 4
                sums[quarter] += irradiance(day.timetuple().tm_yday, hour)
        day += timedelta(days=1)
        days += 1
    return [value / (days * _SAMPLES_PER_QUARTER) for value in sums]


def table() -> list[list[int]]:
    """12 x 96 mean powers in 0.1 W at 1,000 kWh a year."""
    months: list[list[int]] = []
    for index, (share, length) in enumerate(zip(MONTH_SHARES, MONTH_LENGTHS, strict=True)):
        shape = mean_day(index + 1)
        day_wh = share * 1000 * 100 / length  # per mille of 1,000 kWh are kWh
        scale = day_wh * 4 * 10 / sum(shape)
        months.append([round(value * scale) for value in shape])
    return months


def module_text(months: Sequence[Sequence[int]]) -> str:
    """The text of pv0.py."""
    title = (
        '"""PV0, our own profile of a photovoltaic plant: the mean day of each month. Made by make_pv0.py, not by hand.'
    )
    lines = [
        title,
        "",
        "0.1 W at 1,000 kWh a year, one quarter hour each from 00:00 to 24:00 Central European Standard Time.",
        "This is not the EV0 of the jOSEF paper: that is a utility's table, this one is computed (see make_pv0.py).",
        '"""',
        "",
        "# fmt: off",
        "PV0: tuple[tuple[int, ...], ...] = (",
    ]
    for month in months:
        lines.append("    (")
        lines += [
            "        " + " ".join(f"{value}," for value in month[start : start + 16]) for start in range(0, 96, 16)
        ]
        lines.append("    ),")
    return "\n".join([*lines, ")", "# fmt: on", ""])


def main() -> None:
    """Write pv0.py beside this file."""
    target = Path(__file__).with_name("pv0.py")
    target.write_text(module_text(table()))
    sys.stdout.write(f"{target.name} written\n")


if __name__ == "__main__":
    main()
