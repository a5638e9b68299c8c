"""M-Bus by wire: meters for heat, water, gas and electricity, asked one after the other on one pair of wires."""

from collections.abc import Iterator, Mapping
from typing import Any

from smgw.profiles import mbus
from smgw.profiles.protocol import Form, Protocol, SecretFile, Section
from smgw.wire.kind import Kind


def _address(table: Mapping[str, Any]) -> str:
    found = table.get("mbus")
    section: Mapping[str, Any] = found if isinstance(found, dict) else {}
    return repr([section.get("address"), *(str(section.get(key, "")).upper() for key in ("secondary", "fabrication"))])


def _contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    section = values.get("mbus", mbus.MBusProfile())
    if section.pause and values.get("interval", DEFAULTS["interval"]) < section.pause:
        yield "interval", f"it is shorter than the pause of {section.pause} s; write {section.pause} or more"


#: 2400 8E1 is the usual line; a read-out every quarter of an hour is what most batteries allow.
DEFAULTS: Mapping[str, Any] = {"baudrate": 2400, "parity": "E", "interval": 900, "timeout": 2}
PROTOCOL = Protocol(
    name="mbus",
    polled=True,
    meter="smgw.lmn.mbus.poll:MBusPoll",
    keys=("interval", "timeout", "retries"),
    defaults=DEFAULTS,
    sparing=lambda _: True,
    refused={
        "correct_power_sign": "only SML meters have this habit; leave it out",
        "load_profile": "M-Bus has no load profiles; history values come with each read-out: leave it out",
    },
    section=Section("mbus", mbus.KEYS, mbus.build, mbus.contradictions),
    secrets=(SecretFile("encryption_key", "encryption_key_file", Form.HEX, True, lambda _: mbus.KEY_LENGTH),),
    address=_address,
    address_keys="address or secondary in its section mbus",
    contradictions=_contradictions,
    ids=lambda options: () if options is None else (options.secondary,),
    reads=lambda _: (Kind.MBUS_RECORDS,),
    scan="smgw.lmn.mbus.scan:POLL",
    dump="mbus",
    printer="smgw.dump.mbus:make",
)
