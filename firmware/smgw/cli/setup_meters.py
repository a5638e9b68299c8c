"""The meters of `smgw setup`: ports of this computer, the meters that a scan finds, and a name for each."""

import re
import shlex
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from smgw.cli.look import look_at
from smgw.cli.scan import profile_text
from smgw.errors import SmgwError
from smgw.lmn.scan import Found, Scan
from smgw.profiles import checks, meter, protocols

_DEV = Path("/dev")
#: Where serial devices have names that stay; then those that do not.
_PATTERNS = ("smgw/*", "serial/by-id/*", "ttyUSB*", "ttyACM*", "serial0", "ttyAMA0")
_DIN = re.compile(r"\d([A-Z]{3})[0-9A-F]{2}\d{4}(\d{4})")


def ports() -> list[str]:
    """Serial ports of this computer, each device once, by its most lasting name."""
    found: dict[Path, str] = {}
    for pattern in _PATTERNS:
        for path in sorted(_DEV.glob(pattern)):
            found.setdefault(path.resolve(), str(path))
    return list(found.values())


def scan(
    port: str, say: Callable[[str], None], *, state: Path, whole: bool, addresses: tuple[int, ...]
) -> tuple[list[Found], list[str]]:
    """The meters at a port (the first, or all of a `whole` bus), and other octets seen there. Raises PortError."""
    scanned = Scan(port, say, security=look_at(port, state, say))
    scanned.whole, scanned.addresses = whole, addresses
    found = []
    for one in scanned.run():
        found.append(one)
        if not whole:
            break
    return found, [" ".join(filter(None, other)) for other in scanned.others]


def table_of(found: Found) -> dict[str, Any]:
    """The keys of [[meter]] for what a scan found."""
    table: dict[str, Any] = tomllib.loads(profile_text(found))["meter"][0]
    return table


def described(text: str) -> dict[str, Any]:
    """The keys of [[meter]] in words such as `name=house protocol=dlms port=/dev/ttyUSB0 dlms.physical=17`."""
    table: dict[str, Any] = {}
    try:
        words = shlex.split(text)
    except ValueError:
        raise SmgwError(f'--meter "{text}": a quotation mark is not closed') from None
    for word in words:
        key, separator, value = word.partition("=")
        if not separator:
            raise SmgwError(f'--meter "{text}": {word} is no KEY=VALUE; write name=house protocol=sml-push port=...')
        *sections, last = key.split(".")
        place = table
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = int(value) if value.isdecimal() else value
    for key, rule in meter.KEYS.items():
        if rule.needed and key not in table and "line" not in table:
            raise SmgwError(f'--meter "{text}": {key} is missing; write {key}={rule.needed.strip(chr(34))}')
    return table


def proposed_name(device: str, taken: Iterable[str]) -> str:
    """A name for a meter by its maker and the end of its number (`emh-7109`); `meter-1` without a DIN id."""
    taken = set(taken)
    match = _DIN.match(device)
    stem = f"{match[1]}-{match[2]}".lower() if match else "meter"
    names = [stem] if match else []
    names += [f"{stem}-{number}" for number in range(1, len(taken) + 2)]
    return next(name for name in names if name not in taken)


def name_reader(taken: Iterable[str]) -> Callable[[str], str]:
    """A reader of answers: a name that no other meter has."""
    taken = set(taken)

    def read(answer: str) -> str:
        if not checks.NAME.fullmatch(answer):
            raise SmgwError(f'"{answer}" is no name; write small letters, digits and -, such as house-1')
        if answer in taken:
            raise SmgwError(f'another meter has the name "{answer}"; write a different one')
        return answer

    return read


def is_there(port: str) -> bool:
    """True for a device that exists, and for any port on the network."""
    return "://" in port or Path(port or "/nowhere").exists()


def registered(meters: list[dict[str, Any]], period: int | None) -> list[dict[str, Any]]:
    """The meters, name first, with the period unless they or their protocol have one."""
    return [
        {
            "name": one["name"],
            **({} if period is None or _has_own(one) else {"registration_period": period}),
            **one,
        }
        for one in meters
    ]


def _has_own(one: dict[str, Any]) -> bool:
    """True for a meter whose protocol says how often a value is stored, such as one that sends rarely."""
    name = one.get("protocol")
    return name in protocols.names() and "registration_period" in protocols.entry(name).defaults
