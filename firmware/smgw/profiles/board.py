"""The table [board]: lines of a GPIO chip for status LEDs, a button and a tamper contact."""

import contextlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from smgw.profiles import checks
from smgw.profiles.checks import Report
from smgw.profiles.gpio_line import is_gpio
from smgw.profiles.section import Key

_TABLE = re.compile(r"^\s*\[board\]\s*$(.*?)(?=^\s*\[|\Z)", re.MULTILINE | re.DOTALL)
_URL = re.compile(r"""gpio://[^"'\s]+""")


class BoardProfile(NamedTuple):
    """Lines by URL; empty: there is none. Field and key of the file have the same name."""

    led_running: str = ""
    led_reading: str = ""
    led_delivered: str = ""
    led_fault: str = ""
    button: str = ""
    tamper: str = ""

    @property
    def lamps(self) -> Mapping[str, str]:
        """The URLs of the LEDs, by the fields of `board.codes.Lights`."""
        return {name.removeprefix("led_"): url for name, url in self._asdict().items() if name[:4] == "led_" and url}


def _line(value: object, report: Report) -> str | None:
    if isinstance(value, str) and is_gpio(value):
        return checks.port(value, report)
    report(f'{checks.shown(value)} is no line of a GPIO chip; write such as "gpio://header/17?active=low"')
    return None


def _lamp(what: str) -> Key:
    return Key(_line, about=f"GPIO line of the LED that shows {what}; none by default.")


KEYS: Mapping[str, Key] = {
    "led_running": _lamp("whether the gateway runs"),
    "led_reading": _lamp("whether all meters are read"),
    "led_delivered": _lamp("whether all EMPs have everything"),
    "led_fault": _lamp("a fault, by the number of its flashes"),
    "button": Key(
        _line,
        about="GPIO line of a button; held for 3 s it shuts the board down; none by default.",
    ),
    "tamper": Key(
        _line,
        about="GPIO line of a contact that is active while the case is open; it is logged; none by default.",
    ),
}


def contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A line is used once."""
    users: dict[str | None, str] = {}
    for key, url in values.items():
        claim = checks.claimed_by(url)
        if claim in users:
            yield key, f"{claim} is the line of {users[claim]}; each needs a line of its own"
        users.setdefault(claim, key)


def build(values: Mapping[str, Any]) -> BoardProfile:
    """The profile of checked values."""
    return BoardProfile(**values)


def alone(content: str) -> BoardProfile:
    """The table [board] of a file that is wrong somewhere, line by line: what is right in it counts.

    A line of a chip that the whole file names more than once is left alone.
    """
    text = "\n".join(line.partition("#")[0] for line in content.splitlines())
    named = Counter(map(checks.claimed_by, _URL.findall(text)))
    found: dict[str, Any] = {}
    table = _TABLE.search(text)
    for line in table[1].splitlines() if table else ():
        with contextlib.suppress(ValueError):
            for key, value in tomllib.loads(line).items():
                url = KEYS[key].check(value, lambda *_: None) if key in KEYS else None
                if isinstance(url, str) and named[checks.claimed_by(url)] == 1:
                    found[key] = url
    return build(found)
