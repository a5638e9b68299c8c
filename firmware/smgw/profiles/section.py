"""The check of a whole section: which keys it may have, which it must have, and what its values make together."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from smgw.profiles.checks import Check, Report, shown
from smgw.profiles.problems import nearest

Contradictions = Callable[[Mapping[str, Any]], Iterator[tuple[str, str]]]


class Key(NamedTuple):
    """A key of a section: how its value is checked. One that must be there has an example of what to write."""

    check: Check
    needed: str = ""
    about: str = ""  # one sentence for the configuration reference of docs/: meaning, unit and default


def _consistent(_values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    return iter(())


def section(
    keys: Mapping[str, Key],
    build: Callable[[Mapping[str, Any]], object],
    contradictions: Contradictions = _consistent,
    hint: Callable[[str], str] = lambda _key: "",
    refused: Mapping[str, str] = MappingProxyType({}),
) -> Check:
    """A check for a table: gives `build(checked values)`, or None after it has reported all that is wrong.

    `contradictions` gets the values that are correct by themselves. `hint` may give advice for an unknown key.
    `refused` holds keys that are known but not used here, each with the remedy.
    """

    def check(value: object, report: Report) -> object:
        if not isinstance(value, dict):
            report(f"{shown(value)} is wrong here; write a table of keys: {', '.join(keys)}")
            return None
        faulty: set[str] = set()

        def fault(message: str, key: str, *path: str | int) -> None:
            faulty.add(key)
            report(message, key, *path)

        checked: dict[str, Any] = {}
        for key, raw in value.items():
            if key in refused:
                fault(refused[key], key)
                continue
            if key not in keys:
                fault(f"unknown key{_advice(key, keys, hint)}", key)
                continue

            def report_below(message: str, *path: str | int, at: str = key) -> None:
                fault(message, at, *path)

            checked[key] = keys[key].check(raw, report_below)
        for key, rule in keys.items():
            if rule.needed and key not in value:
                fault(f"is missing; write {key} = {rule.needed}", key)
        right = {key: one for key, one in checked.items() if key not in faulty}
        for key, message in contradictions(right):
            fault(message, key)
        return None if faulty else build(right)

    return check


def _advice(key: str, keys: Mapping[str, Key], hint: Callable[[str], str]) -> str:
    if told := hint(key):
        return f"; {told}"
    return nearest(key, keys) or f"; write one of {', '.join(keys)}"
