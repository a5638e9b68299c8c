"""The part of a meter profile for S0 pulses: what a pulse is worth, how long it lasts, and its register."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from smgw.cosem.obis import Obis
from smgw.cosem.units import WATT, WATT_HOUR
from smgw.profiles import checks
from smgw.profiles.gpio_line import is_gpio
from smgw.profiles.section import Key
from smgw.s0.dial import HOUR_NS, SECOND_NS, Quantity

_CUBIC_METRE, _CUBIC_METRE_PER_HOUR, _JOULE = 13, 15, 25
_ELECTRICITY, _REED = 10, 100  # ms
_MOST_DECIMALS = 6
_NUMBER = re.compile(rf"(\d{{1,12}})(?:\.(\d{{1,{_MOST_DECIMALS}}}))?", re.ASCII)


def _energy(amount: int, shown: int, name: str) -> Quantity:
    return Quantity(amount, 0, WATT_HOUR, shown, name, WATT, -1, HOUR_NS)


def _volume(litres: int) -> Quantity:
    return Quantity(litres, -3, _CUBIC_METRE, 1000, "m³", _CUBIC_METRE_PER_HOUR, -4, HOUR_NS)


#: What `pulses` make, by the words of the file.
QUANTITIES: Mapping[str, Quantity] = {
    "kWh": _energy(1000, 1000, "kWh"),
    "10 kWh": _energy(10_000, 1000, "kWh"),
    "MWh": _energy(1_000_000, 1_000_000, "MWh"),
    "l": _volume(1),
    "10 l": _volume(10),
    "100 l": _volume(100),
    "m3": _volume(1000),
    "10 m3": _volume(10_000),
    "GJ": Quantity(1_000_000_000, 0, _JOULE, 1_000_000_000, "GJ", WATT, -1, SECOND_NS),
}


class Medium(NamedTuple):
    """The registers of a medium (EN 13757-1 for gas, water and heat), and its shortest pulse in ms."""

    register: Obis
    rate: Obis | None  # power or flow; None: the medium has no code for it that we know
    shortest: int
    energy: bool  # its registers can hold energy
    volume: bool


MEDIA: Mapping[str, Medium] = {
    "electricity": Medium(Obis.parse("1-0:1.8.0"), Obis.parse("1-0:1.7.0"), _ELECTRICITY, energy=True, volume=False),
    "gas": Medium(Obis.parse("7-0:3.0.0"), None, _REED, energy=False, volume=True),
    "heat": Medium(Obis.parse("6-0:1.0.0"), Obis.parse("6-0:8.0.0"), _REED, energy=True, volume=False),
    "water": Medium(Obis.parse("8-0:1.0.0"), Obis.parse("8-0:2.0.0"), _REED, energy=False, volume=True),
    "hot-water": Medium(Obis.parse("9-0:1.0.0"), Obis.parse("9-0:2.0.0"), _REED, energy=False, volume=True),
}


class S0Profile(NamedTuple):
    """Field and key of the file have the same name."""

    pulses: int = 1000
    per: str = "kWh"
    medium: str = "electricity"
    shortest_pulse: int | None = None  # ms; None: by the medium
    start: str = "0"
    register: Obis | None = None  # None: by the medium
    rate: Obis | None = None  # None: by the medium

    @property
    def quantity(self) -> Quantity:
        """What `pulses` make."""
        return QUANTITIES[self.per]

    @property
    def shortest_ns(self) -> int:
        """The shortest pulse and the shortest pause."""
        shortest = MEDIA[self.medium].shortest if self.shortest_pulse is None else self.shortest_pulse
        return shortest * 1_000_000

    @property
    def registers(self) -> tuple[Obis, Obis | None]:
        """The codes of the dial, and of power or flow."""
        medium = MEDIA[self.medium]
        register = medium.register if self.register is None else self.register
        rate = medium.rate if self.rate is None else self.rate
        if self.rate is None and self.register is not None and register[0] == 1:
            rate = Obis(bytes((*register[:3], 7, *register[4:])))  # as 1-0:2.7.0 goes with 1-0:2.8.0
        return register, rate


def number(text: str) -> tuple[int, int] | None:
    """(digits, how many of them stand behind the point) of a dial such as `12345.6`; None if it is no number."""
    match = _NUMBER.fullmatch(text)
    return None if match is None else (int(match[1] + (match[2] or "")), len(match[2] or ""))


KEYS: Mapping[str, Key] = {
    "pulses": Key(
        checks.integer(1, 1_000_000),
        about="Number of pulses that make the amount of `per`, as the meter's plate says; 1000 by default.",
    ),
    "per": Key(
        checks.choice(*QUANTITIES),
        about='Amount that so many pulses make, such as "kWh", "10 l" or "m3"; "kWh" by default.',
    ),
    "medium": Key(
        checks.choice(*MEDIA),
        about='Medium of the meter, for the codes of its registers; "electricity" by default.',
    ),
    "shortest_pulse": Key(
        checks.integer(1, 1000, "ms"),
        about="Shortest pulse and shortest pause in ms; by default 10 ms for electricity and 100 ms for other media.",
    ),
    "start": Key(
        checks.text(f'the dial as text, such as "12345.6", with at most {_MOST_DECIMALS} decimals', _NUMBER),
        about='What the dial shows at the first start, in kWh, MWh, m³ or GJ; "0" by default; see `smgw set-counter`.',
    ),
    "register": Key(
        checks.obis,
        about="OBIS code of the register; by default that of the medium, such as 1-0:1.8.0.",
    ),
    "rate": Key(
        checks.obis,
        about="OBIS code of power or flow; by default that of the medium; gas has none by default.",
    ),
}


def contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, text) of each key that is correct by itself but contradicts others."""
    medium, per = values.get("medium", "electricity"), values.get("per", "kWh")
    volume = QUANTITIES[per].unit == _CUBIC_METRE
    if volume and not MEDIA[medium].volume:
        fitting = " or ".join(f'"{name}"' for name, one in MEDIA.items() if one.volume)
        yield "medium" if "medium" in values else "per", f'{medium} is not counted in "{per}"; write medium = {fitting}'
    if not volume and not MEDIA[medium].energy:
        yield "per" if "per" in values else "medium", f'{medium} is not counted in "{per}"; write per = "10 l" or "m3"'


def port(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Pulses come from a GPIO line, or from the simulator on a pseudo terminal with a link outside of /dev."""
    name = values.get("port", "/")
    if not is_gpio(name) and (not name.startswith("/") or name.startswith("/dev/")):
        yield "port", 'pulses come on a line of a GPIO chip; write port = "gpio://chip/line"'


def build(values: Mapping[str, Any]) -> S0Profile:
    """The profile of checked values."""
    return S0Profile(**values)
