"""The configuration as one TOML file: reads it, checks all of it, and names every fault with its line."""

import re
import tomllib
from collections.abc import Container, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from smgw.errors import reason
from smgw.profiles import board, checks, communication, gateway, han, keys, lines, meter, protocols
from smgw.profiles.checks import Check, Report
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.gateway import Configuration
from smgw.profiles.gpio_line import is_gpio
from smgw.profiles.house import misfits
from smgw.profiles.problems import ConfigurationError, Problem, nearest
from smgw.profiles.protocol import Protocol
from smgw.profiles.section import section

if TYPE_CHECKING:
    from smgw.profiles.consumer import ConsumerProfile
    from smgw.profiles.evaluation import EvaluationProfile

_MOST = 1_000_000  # octets; a configuration of thousands of meters is smaller
_KEYS = {
    "[gateway]": gateway.KEYS,
    "[board]": board.KEYS,
    "[keys]": keys.KEYS,
    "[han]": han.KEYS,
    "[[meter]]": meter.KEYS,
    "[[emp]]": communication.KEYS,
}
_SECTIONS = {
    "gateway": "[gateway]",
    "board": "[board]",
    "keys": "[keys]",
    "han": "[han]",
    "line": "[[line]]",
    "meter": "[[meter]]",
    "emp": "[[emp]]",
    "evaluation": "[[evaluation]]",
    "consumer": "[[consumer]]",
}
#: Of a line, all meters on it must have the same.
_OF_A_LINE = {"protocol": None, "baudrate": 9600, "parity": "N", "bytesize": 8, "stopbits": 1, "rs485": "none"}
_At = tuple[str | int, ...]
_Fault = tuple[_At, str]


def load(path: Path | str) -> Configuration:
    """The configuration in the file at `path`.

    Raises ConfigurationError with all faults at once: unreadable, not UTF-8, not TOML, or wrong in any key.
    """
    file = str(path)
    return parse(_read(file), file)


def _read(file: str) -> str:
    try:
        with Path(file).open("rb") as stream:
            octets = stream.read(_MOST + 1)
    except (OSError, ValueError) as error:
        raise _failed(file, None, _unreadable(file, error)) from error
    if len(octets) > _MOST:
        raise _failed(file, None, f"is longer than {_MOST} octets; this is no configuration")
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise _failed(file, line, f"octet {octets[error.start]:#04x} is not UTF-8; save it as UTF-8") from error


def load_evaluations(path: Path | str) -> "tuple[EvaluationProfile, ...]":
    """The evaluations of a file that has nothing else, so that a tariff can be tried before it is installed.

    Its meters and EMPs are not looked for. Raises ConfigurationError, as `load`.
    """
    file = str(path)
    content = _read(file)
    document = _document(content, file)
    faults: list[_Fault] = []
    elsewhere: list[Problem] = []
    found = _evaluations(document, Path(file).parent, faults, elsewhere)
    if "evaluation" not in document:
        faults.append((("evaluation",), "there is none; write [[evaluation]] and its keys"))
    faults.extend(_twice("evaluation", "name", _tables(document, "evaluation")))
    if faults:
        raise ConfigurationError([*_located(faults, content, file), *elsewhere])
    return tuple(one for _, one in found)


def parse(content: str, file: str) -> Configuration:
    """As `load`, for the text of a file; `file` is its path."""
    document = _document(content, file)
    faults: list[_Fault] = []
    elsewhere: list[Problem] = []  # in files that this one names
    configuration = _configuration(document, Path(file).parent, faults, elsewhere)
    if configuration is None:
        located = _located([(lines.place_of(document, at), text) for at, text in faults], content, file)
        raise ConfigurationError([*located, *elsewhere])
    return configuration


def _document(content: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content)
    except RecursionError as error:
        raise _failed(file, None, "is nested too deeply; no section has more than two levels") from error
    except ValueError as error:
        raise _syntax_error(content, file, error) from error


def _unreadable(file: str, error: OSError | ValueError) -> str:
    match error:
        case FileNotFoundError():
            return f"there is no such file; name yours with --config, or write one: smgw setup --config {file}"
        case PermissionError():
            return "this user may not read it; run the command as root, or as the owner of the file"
        case IsADirectoryError():
            return "is a directory; name the file with --config"
    return f"cannot be read ({reason(error)}); name a TOML file with --config"


def _failed(file: str, line: int | None, text: str) -> ConfigurationError:
    return ConfigurationError([Problem(file, line, "", "", text)])


def _syntax_error(content: str, file: str, error: ValueError) -> ConfigurationError:
    message, _, place = str(error).partition(" (at ")
    match = re.match(r"line (\d+), column (\d+)", place)
    line = int(match[1]) if match else content.rstrip().count("\n") + 1 if place else None
    column = f" in column {match[2]}" if match else ""
    right = 'write key = value, texts in "quotes", sections as [gateway], [[line]], [[meter]], [[emp]], [[evaluation]]'
    if content.startswith("\ufeff"):
        message, right = "A byte order mark stands before the first line", "save it as UTF-8 without one"
    return _failed(file, line, f"no TOML{column}: {message}; {right}")


def _configuration(
    document: dict[str, Any], directory: Path, faults: list[_Fault], elsewhere: list[Problem]
) -> Configuration | None:
    for key in document:
        if key not in _SECTIONS:
            faults.append(((key,), f"unknown section{nearest(key, _SECTIONS)}; write {', '.join(_SECTIONS.values())}"))
    own = _gateway(document, faults)
    held = _held(document, faults)
    on_lines = {index for index, table in _tables(document, "meter") if "line" in table}
    document, followed = lines.spread(document, faults)
    meters = _all_of("meter", document, faults, meter.check(_hint))
    emps = _all_of("emp", document, faults, communication.check(_hint))
    evaluations = _evaluations(document, directory, faults, elsewhere)
    if "meter" not in document:
        faults.append((("meter",), "there is none; a gateway reads at least one meter"))
    tables = _tables(document, "meter")
    faults.extend(_twice("meter", "name", tables))
    faults.extend(_twice("emp", "name", _tables(document, "emp")))
    faults.extend(_ports_twice(tables, on_lines))
    faults.extend(_devices_twice(meters, own))
    faults.extend(_strangers(document, "emp", "meters", "meter"))
    for kind, key in (("meter", "meters"), ("meter", "subtract"), ("emp", "emps")):
        faults.extend(_strangers(document, "evaluation", key, kind))
    faults.extend(_strangers(document, "emp", "evaluations", "evaluation"))
    residents = _residents(document, faults)
    faults.extend(_strangers(document, "consumer", "meters", "meter"))
    faults.extend(_twice("evaluation", "name", _tables(document, "evaluation")))
    faults.extend(_misfits(evaluations, meters))
    faults.extend(_series_twice(evaluations))
    faults[:] = [fault for fault in faults if fault[0] not in followed]
    fitted = _fitted(document, faults)
    house = _house(document, faults) if "han" in document else None
    names = [table["name"] for _, table in _tables(document, "meter") if isinstance(table.get("name"), str)]
    consumers = len({*(one.consumer for _, one in evaluations if one.consumer), *(one.name for one in residents)})
    faults.extend((("han", *at), text) for at, text in misfits(document.get("han"), names, consumers))
    if faults or not isinstance(own, gateway.GatewayProfile) or not isinstance(held, keys.KeysProfile):
        return None
    if not isinstance(fitted, board.BoardProfile) or not isinstance(house, han.HanProfile | None):
        return None
    return Configuration(
        gateway=own,
        meters=(one for _, one in meters if isinstance(one, meter.MeterProfile)),
        emps=(one for _, one in emps if isinstance(one, CommunicationProfile)),
        directory=directory,
        keys=held,
        board=fitted,
        evaluations=(one for _, one in evaluations),
        han=house,
        residents=residents,
    )


def _reporter(faults: list[_Fault], *start: str | int) -> Report:
    def report(text: str, *path: str | int) -> None:
        faults.append(((*start, *path), text))

    return report


def _hint(key: str) -> str:
    homes = [name for name, keys in _KEYS.items() if key in keys] or _sections_with(key)
    if homes:
        return f"it belongs in {' or '.join(homes)}"
    from smgw.profiles import evaluation  # here: only a wrong file needs it

    if key in evaluation.KEYS:
        return "it belongs in [[evaluation]]"
    if meter.looks_secret(key):
        return "a password never stands here; write it into a file of mode 0600, and password_file in [[meter]]"
    return ""


def _sections_with(key: str) -> list[str]:
    """The sections below the tables of the file that have this key."""
    if key in gateway.RETENTION_KEYS:
        return ["the section retention of [gateway]"]
    sections = [one.section for one in protocols.every() if one.section is not None]
    return [f"the section {name} of [[meter]]" for name in sorted({one.name for one in sections if key in one.keys})]


def _gateway(document: dict[str, Any], faults: list[_Fault]) -> object:
    found = document.get("gateway")
    report = _reporter(faults, "gateway")
    if found is None:
        report('is missing; write [gateway] and below it device_id = "ESMG0000000001"')
        return None
    if isinstance(found, list):
        report("there is one gateway; write [gateway] once, in single brackets")
        return None
    return section(gateway.KEYS, gateway.build, hint=_hint)(found, report)


def _held(document: dict[str, Any], faults: list[_Fault]) -> object:
    found = document.get("keys", {})
    report = _reporter(faults, "keys")
    if isinstance(found, list):
        report("there is one holder of keys; write [keys] once, in single brackets")
        return None
    return section(keys.KEYS, keys.build, keys.contradictions, hint=_hint)(found, report)


def _house(document: dict[str, Any], faults: list[_Fault]) -> object:
    report = _reporter(faults, "han")
    if isinstance(document["han"], list):
        report("there is one HAN; write [han] once, in single brackets")
        return None
    return section(han.KEYS, han.build, hint=_hint)(document["han"], report)


def _fitted(document: dict[str, Any], faults: list[_Fault]) -> object:
    """The table [board]. A line that a meter uses is not free for it."""
    found = document.get("board", {})
    report = _reporter(faults, "board")
    if isinstance(found, list):
        report("there is one board; write [board] once, in single brackets")
        return None
    if isinstance(found, dict):
        taken = {
            checks.claimed_by(table[key]): table.get("name")
            for _, table in _tables(document, "meter")
            for key in ("port", "rs485")
            if isinstance(table.get(key), str) and is_gpio(table[key])
        }
        for key, url in found.items():
            claim = checks.claimed_by(url) if isinstance(url, str) else None
            if claim is not None and claim in taken:
                report(f"{claim} is a line of meter {taken[claim]}; each needs a line of its own", key)
    return section(board.KEYS, board.build, board.contradictions, hint=_hint)(found, report)


def _all_of(kind: str, document: dict[str, Any], faults: list[_Fault], check: Check) -> list[tuple[int, object]]:
    found = document.get(kind, [])
    if not isinstance(found, list):
        faults.append(((kind,), f"there may be several of these; write [[{kind}]], in double brackets, before each"))
        return []
    if not found and kind in document:
        faults.append(((kind,), f"an empty array names nothing; write [[{kind}]] and its keys below"))
    return [(index, check(one, _reporter(faults, kind, index))) for index, one in enumerate(found)]


def _tables(document: dict[str, Any], kind: str) -> list[tuple[int, dict[str, Any]]]:
    """The tables of a kind, even if their keys are wrong."""
    found = document.get(kind)
    return [(index, one) for index, one in enumerate(found) if isinstance(one, dict)] if isinstance(found, list) else []


def _twice(kind: str, key: str, tables: list[tuple[int, dict[str, Any]]]) -> Iterator[_Fault]:
    seen: set[str] = set()
    for index, table in tables:
        value = table.get(key)
        if isinstance(value, str):
            if value in seen:
                yield (
                    (kind, index, key),
                    f"{checks.shown(value)} is taken by another {kind} above; give each its own {key}",
                )
            seen.add(value)


def _ports_twice(tables: list[tuple[int, dict[str, Any]]], on_lines: Container[int]) -> Iterator[_Fault]:
    """Meters share a port only where their protocol knows addresses. Each has its own, and all the same settings.

    `on_lines`: places of the meters whose port is their line's.
    """
    users: dict[str, list[_Seat]] = {}
    for index, table in tables:
        port = table.get("port")
        claim = checks.claimed_by(port) if isinstance(port, str) else None
        if claim is None or (entry := _entry(table)) is None:  # each has a fault of its own
            continue
        own, others = _seat(table, entry), users.setdefault(claim, [])
        for other in others:
            if fault := _clash(own, other):
                key = "line" if index in on_lines else "port"
                yield ("meter", index, key), f"{checks.shown(port)} is the port of {other.owner} already; {fault}"
                break
            if own.settings != other.settings:
                key, told = next(one for one in other.settings if one not in own.settings)
                text = (
                    f"{other.owner} on the same port has {checks.shown(told)}; all meters of a line have the same {key}"
                )
                yield ("meter", index, *_written(table, key)), text
                break
        others.append(own)


class _Seat(NamedTuple):
    """What a meter says of the port that it may share."""

    table: dict[str, Any]
    over_tls: bool
    address: str | None  # on its line; None for a meter that shares no port
    address_keys: str
    #: Keys that must be equal in all meters on a port: the line settings, and keys that their protocol names.
    settings: list[tuple[str, object]]

    @property
    def owner(self) -> str:
        """Who sits there, in messages."""
        name = self.table.get("name")
        return f"meter {checks.shown(name)}" if name else "a meter above"


def _seat(table: dict[str, Any], entry: Protocol) -> _Seat:
    defaults = {**_OF_A_LINE, **entry.defaults}
    return _Seat(
        table,
        str(table.get("port")).startswith("tls://"),
        None if entry.address is None else entry.address(table),
        entry.address_keys,
        [*((key, table.get(key, defaults[key])) for key in _OF_A_LINE), *entry.carrier(table).items()],
    )


def _written(table: dict[str, Any], key: str) -> tuple[str, ...]:
    """Where a key stands in a meter's table; at its port if it is not written."""
    name, _, inner = key.partition(".")
    found = table.get(name)
    there = inner in found if inner and isinstance(found, dict) else name in table and not inner
    return tuple(key.split(".")) if there else ("port",)


def _clash(one: _Seat, other: _Seat) -> str:
    """Why two meters cannot share a port, as what to do; "" if they can."""
    if one.over_tls != other.over_tls:
        return "a port has TLS for all its meters or for none: write tls:// for both"
    if one.address is None or other.address is None:
        return "give each meter a port of its own"
    return f"give each an address of its own: {one.address_keys}" if one.address == other.address else ""


def _entry(table: dict[str, Any]) -> Protocol | None:
    name = table.get("protocol")
    return protocols.entry(name) if isinstance(name, str) and name in protocols.names() else None


def _devices_twice(meters: list[tuple[int, object]], own: object) -> Iterator[_Fault]:
    seen = {own.device_id: "the gateway"} if isinstance(own, gateway.GatewayProfile) else {}
    for index, one in meters:
        if isinstance(one, meter.MeterProfile) and one.device_id is not None:
            if one.device_id in seen:
                yield (
                    ("meter", index, "device_id"),
                    f"{one.device_id} is the id of {seen[one.device_id]} already; give each device its own",
                )
            seen.setdefault(one.device_id, f'meter "{one.name}"')


def _strangers(document: dict[str, Any], section: str, key: str, kind: str) -> Iterator[_Fault]:
    """Tables of a section that name a meter, an EMP or an evaluation which is not there."""
    names = (table["name"] for _, table in _tables(document, kind) if isinstance(table.get("name"), str))
    known = list(dict.fromkeys(names))
    for index, table in _tables(document, section):
        named = table.get(key)
        for place, name in enumerate(named if isinstance(named, list) else []):
            if isinstance(name, str) and checks.NAME.fullmatch(name) and name not in known:
                word = "EMP" if kind == "emp" else kind
                there = f"there are {', '.join(known)}" if known else f"there is no {word} with a name"
                yield (
                    (section, index, key, place),
                    f"no {word} has the name {checks.shown(name)}; {there}{nearest(name, known)}",
                )


def _evaluations(
    document: dict[str, Any], directory: Path, faults: list[_Fault], elsewhere: list[Problem]
) -> "list[tuple[int, EvaluationProfile]]":
    if "evaluation" not in document:
        return []
    from smgw.profiles import evaluation  # most gateways have none

    check = evaluation.check(_hint, directory, elsewhere.append)
    found = _all_of("evaluation", document, faults, check)
    return [(index, one) for index, one in found if isinstance(one, evaluation.EvaluationProfile)]


def _residents(document: dict[str, Any], faults: list[_Fault]) -> "list[ConsumerProfile]":
    if "consumer" not in document:
        return []
    from smgw.profiles import consumer  # most gateways have none

    check = section(consumer.KEYS, consumer.build, consumer.contradictions, _hint)
    found = _all_of("consumer", document, faults, check)
    return [one for _, one in found if isinstance(one, consumer.ConsumerProfile)]


def _misfits(evaluations: "list[tuple[int, EvaluationProfile]]", meters: list[tuple[int, object]]) -> Iterator[_Fault]:
    """Evaluations that have the name of a meter, or other registration times than their meters."""
    known = {one.name: one for _, one in meters if isinstance(one, meter.MeterProfile)}
    for index, one in evaluations:
        if one.name in known:
            yield (
                ("evaluation", index, "name"),
                f"{checks.shown(one.name)} is the name of a meter; give it another name",
            )
        for name in () if one.use_case.live else one.parts:
            period = known[name].registration_period if name in known else 1
            if not period or one.registration_period % period:
                every = f"every {period} s" if period else "every telegram"
                yield (
                    ("evaluation", index, "registration_period"),
                    f"meter {name} is registered {every}, and {one.registration_period} s is no multiple of it; "
                    f"write registration_period = {one.registration_period} in its [[meter]]",
                )


def _series_twice(evaluations: "list[tuple[int, EvaluationProfile]]") -> Iterator[_Fault]:
    """An EMP gets the readings of a meter by one evaluation of TAF 7."""
    seen: dict[tuple[str, str], str] = {}
    for index, one in evaluations:
        for place, emp in enumerate(one.emps if one.use_case.originals else ()):
            other = seen.setdefault((emp, one.meters[0]), one.name)
            if other != one.name:
                text = f"EMP {emp} gets the readings of {one.meters[0]} by evaluation {other} already; name it in one"
                yield ("evaluation", index, "emps", place), text


def _located(faults: list[_Fault], content: str, file: str) -> list[Problem]:
    from smgw.profiles.toml_lines import key_lines, line_of  # only for a wrong file

    places = key_lines(content)
    problems = [Problem(file, line_of(places, at), *_names(at), text) for at, text in dict.fromkeys(faults)]
    return sorted(problems, key=lambda problem: problem.line or 0)


def _names(at: _At) -> tuple[str, str]:
    """Section and key as a person looks for them: `[[meter]]`, `objects`."""
    first = str(at[0])
    keys = [one for one in at[1:] if isinstance(one, str)]
    return _SECTIONS.get(first, f"[{first}]"), ".".join(keys)
