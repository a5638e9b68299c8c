"""The configuration for others: made from the parsed file, with known keys and valid values only.

A user may have written a secret at a wrong place. So comments, unknown keys and invalid values are left out, and a path
of a secret's file that does not exist.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from smgw.profiles import checks, communication, gateway, han, keys, meter, outlets, protocols
from smgw.profiles.problems import ConfigurationError
from smgw.profiles.section import Key
from smgw.reports.redaction import GONE

_MOST = 1_000_000  # octets
#: Of these there is one each.
_SINGLE = ("gateway", "keys", "han")
_SECTIONS = (*_SINGLE, "line", "meter", "emp", "evaluation", "consumer")
#: Values that name a person or a contract, besides ids.
_PERSONAL = frozenset({"username", "usage_point"})
#: Of a URL's path: pieces as long as this may be a token.
_TOKEN = 12
_SCHEME = re.compile(r'"[^"]*://"')
_Keys = Mapping[str, Key | Mapping[str, Key]]


class Shared(NamedTuple):
    """The text for others."""

    text: str
    left_out: tuple[object, ...]  # values that are not in it
    names: frozenset[str]  # unknown keys and sections
    replaced: Mapping[str, str]  # what stands in other texts, too -> what stands there for others

    @property
    def texts(self) -> list[bytes]:
        """The values that are left out, for a `Redaction`; not those that stand elsewhere in the text."""
        texts = [str(one) for one in self.left_out if not isinstance(one, bool)]
        return [one.encode(errors="replace") for one in texts if json.dumps(one, ensure_ascii=False) not in self.text]

    def faults(self, error: ConfigurationError) -> str:
        """The faults of the file, without the values."""
        return "".join(f"{self._fault(one)}\n" for one in error.problems)

    def _fault(self, problem: Any) -> str:
        text = problem.text.partition(":")[0] if problem.text.startswith("no TOML") else problem.text
        for value in self.left_out:
            text = text.replace(checks.shown(value), GONE)
        text = _SCHEME.sub(GONE, text) if text.startswith('"') else text
        keys = [GONE if key in self.names else key for key in problem.key.split(".")]
        section = problem.section if problem.section.strip("[]") in _SECTIONS else GONE
        return str(problem._replace(section=problem.section and section, key=".".join(keys), text=text))


def share(file: Path) -> Shared:
    """The parts of this file that may be shared; a text with the reason if it cannot be parsed."""
    try:
        with file.open("rb") as stream:
            document = tomllib.loads(stream.read(_MOST).decode())
    except OSError as error:
        return Shared(f"# {file}: {error.strerror}\n", (), frozenset(), {})
    except (ValueError, RecursionError):
        return Shared(f"# {file}: is no TOML, so all of it is left out; see check.txt\n", (), frozenset(), {})
    writer = _Writer(file.parent)
    lines = [line for name in document for line in writer.section(name, document[name])]
    return Shared("\n".join([*lines, ""]), tuple(writer.left_out), frozenset(writer.names), writer.replaced)


class _Writer:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.left_out: list[object] = []
        self.names: set[str] = set()
        self.replaced: dict[str, str] = {}

    def section(self, name: str, found: object) -> Iterator[str]:
        """The lines of one section of the file, or of all tables of an array."""
        tables: list[Any] = found if isinstance(found, list) and name not in _SINGLE else [found]
        if name not in _SECTIONS or not all(isinstance(table, dict) for table in tables):
            self._leave_out(found)
            self.names |= {name} - set(_SECTIONS)
            yield f"# {name if name in _SECTIONS else 'an unknown section'} {GONE}"
            return
        for table in tables:
            yield f"[{name}]" if name in _SINGLE else f"[[{name}]]"
            for key, text in self._pairs(table, _keys(name, table)):
                yield f"{key} = {text}"
            if unknown := self._unknown(table, _keys(name, table)):
                yield f"# unknown keys {GONE}: {unknown}"
            yield ""

    def _pairs(self, table: Mapping[str, Any], keys: _Keys) -> Iterator[tuple[str, str]]:
        for key, value in table.items():
            rule = keys.get(key)
            if isinstance(rule, Mapping) and isinstance(value, dict):
                inner = [f"{name} = {text}" for name, text in self._pairs(value, rule)]
                self._unknown(value, rule)
                yield key, f"{{ {', '.join(inner)} }}"
            elif isinstance(rule, Key):
                yield key, self._value(key, value, rule)
            elif rule is not None:
                self._leave_out(value)
                yield key, f'"{GONE}"'

    def _unknown(self, table: Mapping[str, Any], keys: _Keys) -> int:
        unknown = [key for key in table if key not in keys]
        self.names.update(unknown)
        for key in unknown:
            self._leave_out(table[key])
        return len(unknown)

    def _value(self, key: str, value: Any, rule: Key) -> str:
        faults: list[object] = []
        rule.check(value, lambda *fault: faults.append(fault))
        personal = key in _PERSONAL or rule.check is checks.identity
        if faults or personal or (rule.check is checks.path and not self._is_file(value)):
            self._leave_out(value)
            return f'"{GONE}"'
        if rule.check is checks.http_url:
            return _toml(self._url(value))
        return _toml(value)

    def _is_file(self, value: str) -> bool:
        try:
            return (self._directory / value).is_file()
        except OSError:  # too long, or nothing that this user may see
            return False

    def _url(self, url: str) -> str:
        """Scheme, host and port: the path may hold a token."""
        parts = urlsplit(url)
        if not parts.path.strip("/"):
            return url
        self.left_out += [piece for piece in parts.path.split("/") if len(piece) >= _TOKEN]
        self.replaced[url.rstrip("/")] = short = f"{parts.scheme}://{parts.netloc}/{GONE}"
        return short

    def _leave_out(self, value: object) -> None:
        """Remember each text and number inside."""
        if isinstance(value, dict):
            for one in value.values():
                self._leave_out(one)
        elif isinstance(value, list):
            for one in value:
                self._leave_out(one)
        else:
            self.left_out.append(value)


def _keys(name: str, table: Mapping[str, Any]) -> _Keys:
    """The keys that a section of the file may have; those of a section below it as a mapping."""
    if name == "gateway":
        return {**gateway.KEYS, "retention": gateway.RETENTION_KEYS}
    if name == "keys":
        return keys.KEYS
    if name == "han":
        return han.KEYS
    if name == "evaluation":
        from smgw.profiles import evaluation

        return evaluation.KEYS
    if name == "consumer":
        from smgw.profiles import consumer

        return consumer.KEYS
    if name == "emp":
        known: dict[str, Key] = dict(communication.KEYS)
        for outlet in outlets.every():
            known.update(outlet.keys if outlet.name == table.get("outlet") else {})
        return known
    sections: dict[str, dict[str, Key]] = {}
    for one in protocols.every():
        if one.section is not None:
            sections.setdefault(one.section.name, {}).update(one.section.keys)
    return {**meter.KEYS, "line": Key(checks.name), **sections}


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(key)} = {_toml(one)}' for key, one in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if hasattr(value, "isoformat"):  # a date or time of TOML
        return str(value)
    return json.dumps(value, ensure_ascii=False)
