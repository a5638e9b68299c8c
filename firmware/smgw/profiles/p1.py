"""The part of a meter profile for DSMR P1: the country, and the keys of encrypted telegrams."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from smgw.profiles import checks
from smgw.profiles.section import Key

#: Minutes that a country's normal time is ahead of UTC. Sweden's meters send normal time (W) all year.
NORMAL_TIME = {
    "AT": 60, "BE": 60, "CH": 60, "DK": 60, "FI": 120, "HU": 60, "IE": 0, "LT": 120, "LU": 60, "NL": 60, "NO": 60,
    "PL": 60, "SE": 60,
}  # fmt: skip
#: Octets of a key.
KEY_LENGTH = 16
#: The value of `authentication_key` for telegrams that are read without checking their tag.
NO_KEY = "none"


class P1Profile(NamedTuple):
    """Field and key of the file have the same name."""

    country: str = "NL"
    encryption_key_file: Path | None = None
    authentication_key_file: Path | None = None
    authentication_key: str = ""


KEYS: Mapping[str, Key] = {
    "country": Key(
        checks.choice(*NORMAL_TIME),
        about='Country of the meter, for the offset of its times from UTC; "NL" by default, which fits all with UTC+1.',
    ),
    "encryption_key_file": Key(
        checks.path,
        about="File with the key of encrypted telegrams in hex, as in Luxembourg and Austria; none by default.",
    ),
    "authentication_key_file": Key(
        checks.path,
        about="File with the authentication key in hex; by default the one that Luxembourg has for all meters.",
    ),
    "authentication_key": Key(
        checks.choice(NO_KEY),
        about='"none" reads encrypted telegrams without checking their tag and flags every value; not set by default.',
    ),
}


def contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, text) of each key that is correct by itself but contradicts others."""
    for key in ("authentication_key_file", "authentication_key"):
        if key in values and "encryption_key_file" not in values:
            yield key, "alone it opens nothing; write encryption_key_file too"
    if "authentication_key" in values and "authentication_key_file" in values:
        yield "authentication_key", "authentication_key_file names the key; leave one of the two out"


def build(values: Mapping[str, Any]) -> P1Profile:
    """The profile of checked values."""
    return P1Profile(**values)
