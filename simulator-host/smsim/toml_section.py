"""Tables of a TOML file with the line of each key, so that a fault is reported with its line."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from smsim.errors import ConfigError

_TABLE = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\-\s]+?)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")
_TOML_PLACE = re.compile(r"(.*) \(at line (\d+), column (\d+)\)")

Place = tuple[str, ...]


def document(text: str, file: str) -> "Section":
    """The whole file; `file` is the file name in error messages. ConfigError if it is not TOML."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if text.startswith("\ufeff"):
            raise ConfigError(file, 1, "", "begins with a byte order mark", "save it as UTF-8 without one") from None
        match = _TOML_PLACE.fullmatch(str(error))
        line = int(match[2]) if match else text.count("\n") + 1
        raise ConfigError(file, line, "", f"no TOML: {match[1] if match else error}", "see `smsim example`") from None
    return Section(file, _lines(text), (), content)


class Section:
    """One table of the file. Known keys are taken out; keys that remain at the end are unknown."""

    def __init__(self, file: str, lines: Mapping[Place, int], path: Place, content: dict[str, Any]) -> None:
        self._file = file
        self._lines = lines
        self._path = path
        self._content = dict(content)
        self._known: list[str] = []

    def has(self, key: str) -> bool:
        return key in self._content

    def take(self, key: str, default: Any) -> Any:
        self._known.append(key)
        return self._content.pop(key, default)

    def fault(self, key: str, wrong: str, right: str = "") -> ConfigError:
        return self.fault_below((key,), wrong, right)

    def fault_below(self, below: Place, wrong: str, right: str = "") -> ConfigError:
        place = self._path + below
        line = next((self._lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in self._lines), None)
        return ConfigError(self._file, line, _named(place), wrong, right)

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        value = self.take(key, default)
        if type(value) is not int or not low <= value <= high:
            raise self.fault(key, f"{value!r} is not right", f"write a whole number from {low} to {high}")
        return value

    def optional_integer(self, key: str, low: int, high: int) -> int | None:
        if self.has(key):
            return self.integer(key, low, low, high)
        self._known.append(key)
        return None

    def integers(self, key: str, default: Sequence[int], low: int, high: int) -> list[int]:
        value = self.take(key, list(default))
        if not isinstance(value, list) or not all(type(one) is int and low <= one <= high for one in value):
            raise self.fault(key, f"{value!r} is not right", f"write whole numbers from {low} to {high} in brackets")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        value = self.take(key, default)
        if type(value) is not bool:
            raise self.fault(key, f"{value!r} is neither", "write true or false")
        return value

    def seconds(self, key: str, default: float, low: float, high: float) -> float:
        value = self.take(key, default)
        if type(value) not in (int, float) or not low <= value <= high:
            raise self.fault(key, f"{value!r} is not right", f"write seconds from {low} to {high}")
        return float(value)

    def text(self, key: str, default: str | None, right: str) -> str:
        value = self.take(key, default)
        if value is None:
            raise self.fault(key, "is missing", right)
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise self.fault(key, f"{value!r} is no text", right or "write it in quotes")
        return value

    def choice(self, key: str, default: str, allowed: Iterable[str]) -> str:
        names = list(allowed)
        value = self.take(key, default)
        if value not in names:
            raise self.fault(key, f"{value!r} is not known", f"write one of {', '.join(names)}{_nearest(value, names)}")
        return str(value)

    def table(self, key: str) -> "Section":
        value = self.take(key, {})
        if not isinstance(value, dict):
            raise self.fault(key, "is no section", f"begin it with [{key}]")
        return Section(self._file, self._lines, (*self._path, key), value)

    def tables(self, key: str) -> list["Section"]:
        value = self.take(key, [])
        if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
            raise self.fault(key, "is no list of sections", f"begin each with [[{'.'.join((*self._names(), key))}]]")
        return [
            Section(self._file, self._lines, (*self._path, key, str(index)), table) for index, table in enumerate(value)
        ]

    def _names(self) -> list[str]:
        return [step for step in self._path if not step.isdigit()]

    def finish(self) -> None:
        """ConfigError if a key remains."""
        for key in self._content:
            known = f"known here: {', '.join(sorted(self._known))}"
            raise self.fault(key, "unknown key", f"{known}{_nearest(key, self._known)}")


def _nearest(given: object, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(given), list(names), 1)
    return f" (did you mean {near[0]}?)" if near else ""


def _named(path: Place) -> str:
    """`meter[2].register[1].obis`: counted from 1."""
    text = ""
    for step in path:
        text += f"[{int(step) + 1}]" if step.isdigit() else f"{'.' if text else ''}{step}"
    return text


def _lines(text: str) -> dict[Place, int]:
    """The line of each key and each section header. A key that it misses is reported with the line of its section."""
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    section: Place = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _TABLE.fullmatch(line):
            section = ()
            *above, last = (step.strip() for step in match[2].split("."))
            for step in above:
                section = (*section, step)
                if section in counts:
                    section = (*section, str(counts[section]))
            section = (*section, last)
            if match[1] == "[[":
                counts[section] = counts.get(section, -1) + 1
                section = (*section, str(counts[section]))
            lines[section] = number
        elif match := _KEY.match(line):
            lines.setdefault((*section, match[1]), number)
    return lines
