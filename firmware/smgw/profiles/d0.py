"""The part of a meter profile for D0 (IEC 62056-21)."""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from smgw.profiles import checks
from smgw.profiles.section import Key

#: Group A of codes without one.
MEDIA = {"electricity": 1, "heat": 6, "gas": 7, "water": 8, "hot-water": 9, "cold": 5, "heat-cost": 4}


class Way(StrEnum):
    """How values are read."""

    READ_OUT = "read-out"  # all that the meter sends after the sign-on
    REGISTERS = "registers"  # one by one, in programming mode


class Codes(StrEnum):
    """How registers are named in requests."""

    SHORT = "short"  # 1.8.0
    LONG = "long"  # 1-0:1.8.0*255


class D0Profile(NamedTuple):
    """Field and key of the file have the same name."""

    medium: str = "electricity"
    ignore_bcc: bool = False
    device_address: str = ""
    initial_baudrate: int = 300
    fixed_baudrate: bool = False
    switch_delay: int = 0  # ms
    wake_up: str = ""
    read: Way = Way.READ_OUT
    codes: Codes = Codes.SHORT
    register_command: str = "R5"
    profile_command: str = "R5"
    time_zone: str = "Europe/Berlin"

    @property
    def group_a(self) -> int:
        """Group A of codes without one."""
        return MEDIA[self.medium]

    @property
    def wake_up_octets(self) -> bytes:
        """What wakes the meter up, once; it is repeated."""
        return b"\0" if self.wake_up == "nul" else bytes.fromhex(self.wake_up)


_MEDIUM: Mapping[str, Key] = {
    "medium": Key(
        checks.choice(*MEDIA),
        about='What the meter measures, for codes that do not say it; "electricity" by default.',
    ),
}
KEYS: Mapping[str, Key] = {
    **_MEDIUM,
    "ignore_bcc": Key(
        checks.boolean,
        about="Read a meter whose check value is always wrong, and flag every value as unchecked; false by default.",
    ),
    "device_address": Key(
        checks.text("the address of up to 32 letters, digits and spaces", re.compile(r"[A-Za-z0-9 ]{0,32}")),
        about="Address in the request, for meters that answer to theirs alone; none by default.",
    ),
    "initial_baudrate": Key(
        checks.choice(300, 600, 1200, 2400, 4800, 9600, 19_200),
        about="Speed of the request in Bd; 300 by default, and 2400 at some heat meters.",
    ),
    "fixed_baudrate": Key(
        checks.boolean,
        about="True for a meter that announces another speed but keeps that of the request; false by default.",
    ),
    "switch_delay": Key(
        checks.integer(0, 1500, "milliseconds"),
        about="Milliseconds from the acknowledgement to the change of speed; 0, the default, chooses it by the maker.",
    ),
    "wake_up": Key(
        checks.text('"nul" or octets in hex', re.compile(r"nul|([0-9A-Fa-f]{2}){1,16}")),
        about='What wakes a battery meter up before the request: "nul", or other octets in hex; nothing by default.',
    ),
    "read": Key(
        checks.choice(*(one.value for one in Way)),
        about='"read-out" takes what the meter sends at once, "registers" asks for each of `objects`; "read-out" '
        "by default.",
    ),
    "codes": Key(
        checks.choice(*(one.value for one in Codes)),
        about='Names in requests for one register: "short" such as 1.8.0, or "long" such as 1-0:1.8.0*255; "short" '
        "by default.",
    ),
    "register_command": Key(
        checks.choice("R1", "R2", "R5"),
        about='Command that reads one register; "R5" by default, and "R1" at older meters.',
    ),
    "profile_command": Key(
        checks.choice("R5", "R6"),
        about='Command that reads a load profile: "R5" in one block, "R6" in several; "R5" by default.',
    ),
    "time_zone": Key(
        checks.time_zone,
        about='Time zone of the meter\'s clock, for the rows of load profiles; "Europe/Berlin" by default.',
    ),
}
#: Keys of a meter that is asked, for one that pushes -> what is right instead.
PUSHED_KEYS = _MEDIUM
ASKED_ONLY = dict.fromkeys(
    (key for key in KEYS if key not in _MEDIUM),
    'only meters that are asked use it; leave it out, or write protocol = "d0"',
)


def contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, text) of each key that is correct by itself but contradicts others."""
    if values.get("read") != Way.REGISTERS:
        for key in ("codes", "register_command"):
            if key in values:
                yield key, 'only read = "registers" uses it; leave it out'


def build(values: Mapping[str, Any]) -> D0Profile:
    """The profile of checked values."""
    made: dict[str, Any] = {
        key: Way(value) if key == "read" else Codes(value) if key == "codes" else value for key, value in values.items()
    }
    return D0Profile(**made)
