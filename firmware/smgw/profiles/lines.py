"""The sections [[line]] of the file: what several meters on one port have in common, written once.

A meter that names a line has the line's keys, unless it has its own. So a meter profile is always whole, and nothing
behind the importer knows of these sections.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from smgw.profiles import checks
from smgw.profiles.meter import OWN_KEYS
from smgw.profiles.problems import nearest

_At = tuple[str | int, ...]
_Faults = list[tuple[_At, str]]


def spread(document: dict[str, Any], faults: _Faults) -> tuple[dict[str, Any], set[_At]]:
    """The document with each line's keys in its meters; what is wrong with lines goes to `faults`.

    The second result: places in meters where a fault would only follow from one of a line.
    """
    lines, places, nameless = _lines(document, faults)
    meters = document.get("meter")
    followed: set[_At] = set()
    if not isinstance(meters, list):
        return document, followed
    used: set[str] = set()
    spread = []
    for index, table in enumerate(meters):
        if not isinstance(table, dict) or "line" not in table:
            spread.append(table)
            continue
        own = {key: value for key, value in table.items() if key != "line"}
        name = table["line"]
        if not isinstance(name, str) or name not in lines:
            followed |= {("meter", index, key) for key in ("protocol", "port") if key not in own}
            if nameless:  # perhaps it is that line
                followed.add(("meter", index, "line"))
            known = f"there are {', '.join(lines)}" if lines else "write [[line]] with name, protocol and port above"
            close = nearest(name, lines) if isinstance(name, str) else ""
            faults.append((("meter", index, "line"), f"no line has the name {checks.shown(name)}; {known}{close}"))
            used |= set(lines)  # so that none counts as unused because of this fault
            spread.append(own)
            continue
        used.add(name)
        if "port" in table:
            faults.append((("meter", index, "port"), f"its line {name} has the port; leave it out here"))
        spread.append(_joined(lines[name], own))
    for name, index in places.items():
        if name not in used:
            faults.append((("line", index), f'no meter is on it; write line = "{name}" in a [[meter]]'))
        followed |= _without_protocol(name, index, spread, meters, faults)
    return {**document, "meter": spread}, followed


def _without_protocol(name: str, line: int, spread: list[Any], meters: list[Any], faults: _Faults) -> set[_At]:
    """The places of the meters on a line that says no protocol, if none of them does; the line has the fault."""
    on_it = [place for place, one in enumerate(meters) if isinstance(one, dict) and one.get("line") == name]
    if not on_it or any("protocol" in spread[place] for place in on_it):
        return set()
    faults.append((("line", line), 'protocol is missing; write protocol = "dlms"'))
    return {("meter", place, "protocol") for place in on_it}


def _joined(line: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A meter's keys and its line's; of a section that both have, the keys of both."""
    joined = {**line, **own}
    for key, value in own.items():
        shared = line.get(key)
        if isinstance(value, dict) and isinstance(shared, dict):
            joined[key] = {**shared, **value}
    return joined


def _lines(document: dict[str, Any], faults: _Faults) -> tuple[dict[str, dict[str, Any]], dict[str, int], bool]:
    """Name -> the keys that a line has for its meters; name -> its place in the file; is there one without name."""
    found: dict[str, dict[str, Any]] = {}
    places: dict[str, int] = {}
    nameless = False
    given = document.get("line", [])
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        faults.append((("line",), "there may be several of these; write [[line]], in double brackets, before each"))
        return found, places, True
    for index, table in enumerate(given):
        name = table.get("name")
        if not isinstance(name, str) or not checks.NAME.fullmatch(name) or name in found:
            right = "each line has a name of its own, of small letters, digits and -, such as bus-1"
            wrong = f"{checks.shown(name)} is wrong here" if "name" in table else "is missing"
            faults.append((("line", index, "name"), f"{wrong}; {right}"))
            nameless = True
            continue
        faults.extend(
            (("line", index, key), "it belongs to each [[meter]] on the line")
            for key in (*OWN_KEYS[1:], "line")
            if key in table
        )
        if "port" not in table:
            faults.append((("line", index), 'port is missing; write port = "/dev/ttyUSB0"'))
        found[name] = {"port": f"/dev/{name}"} | {
            key: value for key, value in table.items() if key not in (*OWN_KEYS, "line")
        }
        places[name] = index
    return found, places, nameless


def place_of(document: dict[str, Any], at: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The place of a meter's key in the file: in the meter itself, or in its line."""
    match at:
        case ("meter", int(index), str(key), *rest):
            table = document["meter"][index]
            name = table.get("line") if isinstance(table, dict) else None
            lines = document.get("line")
            if name is None or not isinstance(lines, list) or _holds(table, (key, *rest)):
                return at
            for place, line in enumerate(lines):
                if isinstance(line, dict) and line.get("name") == name and _holds(line, (key, *rest)):
                    return ("line", place, key, *rest)
    return at


def _holds(table: Mapping[str, Any], keys: Sequence[str | int]) -> bool:
    """True if the table has the key, or in its section the key of the section."""
    value: Any = table
    for key in keys[:2]:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True
