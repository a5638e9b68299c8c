"""The part of a meter profile for M-Bus by wire: the address, and what a battery allows."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from smgw.profiles import checks
from smgw.profiles.section import Key

#: Names of media -> numbers of EN 13757-3.
MEDIA = {
    "electricity": 2, "gas": 3, "heat": 4, "hot-water": 6, "water": 7, "heat-cost": 8, "cooling": 10,
    "heat-and-cooling": 13,
}  # fmt: skip
#: Octets of a key.
KEY_LENGTH = 16
_TEST = 254  # the only slave of a line answers it


class MBusProfile(NamedTuple):
    """Field and key of the file have the same name."""

    address: int | None = None
    secondary: str = ""
    subcode: int | None = None
    pause: int = 0
    medium: str = ""
    encryption_key_file: Path | None = None
    fabrication: str = ""

    @property
    def station(self) -> int:
        """The primary address, if there is no secondary one."""
        return _TEST if self.address is None else self.address


KEYS: Mapping[str, Key] = {
    "address": Key(
        checks.integer(0, 250),
        about="Primary address of the meter, 0 to 250; by default the one that any single meter answers (254).",
    ),
    "secondary": Key(
        checks.text(
            'the 8 digits on the meter, or 16 with maker, version and medium, such as "14839120" or "148391202D2C0102"',
            re.compile(r"[0-9A-Fa-f]{8}(?:[0-9A-Fa-f]{8})?"),
        ),
        about="Secondary address: the 8 digits on the meter, or 16 with maker, version and medium in hex; "
        "none by default.",
    ),
    "fabrication": Key(
        checks.text("eight digits", re.compile(r"[0-9Ff]{8}")),
        about="Fabrication number, eight digits, for meters with the same secondary address; none by default.",
    ),
    "subcode": Key(
        checks.integer(0, 255),
        about="Application that is selected before each read-out, such as 80 for a short answer; none by default.",
    ),
    "pause": Key(
        checks.integer(0, 86_400, "s"),
        about="Least seconds between two read-outs, to spare the meter's battery, less a tenth if other meters of the "
        "line were in the way; 0 by default.",
    ),
    "medium": Key(
        checks.choice(*MEDIA),
        about="What the meter counts, if it says another or none; by default what the meter says.",
    ),
    "encryption_key_file": Key(
        checks.path,
        about="File with the key of encrypted telegrams (mode 5), 32 hex digits in its first line; none by default.",
    ),
}
_PUSHED = ("medium", "encryption_key_file")
#: Of meters that send by themselves.
PUSHED_KEYS: Mapping[str, Key] = {key: KEYS[key] for key in _PUSHED}
_ASK = 'it belongs to requests, and this meter is never asked; leave it out, or write protocol = "mbus"'
#: Keys of meters that are asked -> advice.
ASKED_ONLY: Mapping[str, str] = dict.fromkeys(KEYS.keys() - set(_PUSHED), _ASK)


def contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, text) of each key that is correct by itself but contradicts others."""
    if "address" in values and "secondary" in values:
        yield "secondary", "address names the meter already; leave one of the two out"
    if "fabrication" in values and "secondary" not in values:
        yield "fabrication", "it is a part of the secondary address; write secondary too"


def build(values: Mapping[str, Any]) -> MBusProfile:
    """The profile of checked values."""
    return MBusProfile(**values)
