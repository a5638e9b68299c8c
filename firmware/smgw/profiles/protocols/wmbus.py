"""M-Bus by radio: meters for heat, water, gas and electricity that a radio stick hears, many on one line."""

from collections.abc import Iterator, Mapping
from typing import Any

from smgw.profiles import wmbus
from smgw.profiles.protocol import Form, Protocol, SecretFile, Section
from smgw.wire.kind import Kind

#: The speed of an iM871A. Most meters send too rarely for a grid, so each telegram is registered.
DEFAULTS: Mapping[str, Any] = {"baudrate": wmbus.SPEEDS[wmbus.IMST], "registration_period": 0, "silence": 7200}


def _section(table: Mapping[str, Any]) -> Mapping[str, Any]:
    found = table.get("wmbus")
    return found if isinstance(found, dict) else {}


def _address(table: Mapping[str, Any]) -> str:
    return str(_section(table).get("id", "")).upper()


def _carrier(table: Mapping[str, Any]) -> Mapping[str, object]:
    section, usual = _section(table), wmbus.WmbusProfile()
    return {f"wmbus.{key}": section.get(key, getattr(usual, key)) for key in wmbus.OF_STICK}


def _contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    section = values.get("wmbus", wmbus.WmbusProfile())
    right = wmbus.SPEEDS[section.stick]
    has_line = not str(values.get("port", "")).lower().startswith(("socket://", "tls://"))
    if has_line and "baudrate" not in values and right != DEFAULTS["baudrate"]:
        yield "baudrate", f"is missing; the usual speed of the stick {section.stick} is {right}: write it"


def _reads(options: wmbus.WmbusProfile | None) -> tuple[str, ...]:
    """A line with telegrams of strangers alone is no line with a fault."""
    return (Kind.RADIO,) if options is None else tuple(kind for kind in Kind if kind != Kind.TELNET)


PROTOCOL = Protocol(
    name="wmbus",
    polled=False,
    meter="smgw.lmn.mbus.radio:RadioPush",
    line="smgw.lmn.mbus.radio:RadioLine",
    defaults=DEFAULTS,
    refused={"correct_power_sign": "only SML meters have this habit; leave it out"},
    section=Section("wmbus", wmbus.KEYS, wmbus.build, wmbus.contradictions, needed='{ id = "12345678" }'),
    secrets=(SecretFile("encryption_key", "encryption_key_file", Form.HEX, True, lambda _: wmbus.KEY_LENGTH),),
    address=_address,
    address_keys="id in its section wmbus",
    carrier=_carrier,
    contradictions=_contradictions,
    ids=lambda options: () if options is None else (options.id,),
    reads=_reads,
    opening=lambda options: b"" if options is None else options.opening,
    scan="smgw.lmn.mbus.radio_scan:PUSH",
    dump="wmbus",
    printer="smgw.dump.wmbus:make",
)
