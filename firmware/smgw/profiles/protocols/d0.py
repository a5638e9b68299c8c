"""D0 (IEC 62056-21, modes A, B, C): read-outs and single registers that are asked for, and load profiles."""

from collections.abc import Iterator, Mapping
from typing import Any

from smgw.profiles import d0
from smgw.profiles.protocol import Form, Protocol, SecretFile, Section
from smgw.wire.kind import Kind


def _section(table: Mapping[str, Any]) -> Mapping[str, Any]:
    found = table.get("d0")
    return found if isinstance(found, dict) else {}


def _address(table: Mapping[str, Any]) -> str:
    return repr(_section(table).get("device_address", ""))


def _carrier(table: Mapping[str, Any]) -> Mapping[str, object]:
    return {"d0.initial_baudrate": _section(table).get("initial_baudrate", 300)}


def _contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    options = values.get("d0", d0.D0Profile())
    if options.read is d0.Way.REGISTERS and not values.get("objects"):
        yield "d0", 'read = "registers" asks for each of objects; write objects = ["1-0:1.8.0*255"] or more'
    if options.wake_up and "interval" not in values:
        yield "d0", "each read-out costs the meter's battery; write interval = 900 or more for the meter too"
    if "password_file" in values and options.read is not d0.Way.REGISTERS and "load_profile" not in values:
        yield "password_file", 'a read-out needs no password; leave it out, or write load_profile or read = "registers"'
    if str(values.get("port", "")).startswith("udp://"):
        yield "port", "D0 is no protocol of datagrams; write a serial device, socket:// or rfc2217://"


#: At 300 Bd a long read-out takes two minutes and more, and meanwhile no other reader gets an answer. So the line is
#: free more than half of the time, and a quarter of an hour still has three readings.
DEFAULTS: Mapping[str, Any] = {"interval": 300}
PROTOCOL = Protocol(
    name="d0",
    polled=True,
    meter="smgw.lmn.d0.poll:D0Poll",
    keys=("interval", "timeout", "retries", "password_file", "load_profile", "load_profile_days"),
    defaults=DEFAULTS,
    refused={
        "username": "D0 knows no names; leave it out",
        "correct_power_sign": "only SML meters have this habit; leave it out",
    },
    section=Section("d0", d0.KEYS, d0.build, d0.contradictions),
    secrets=(SecretFile("password", "password_file", Form.TEXT),),
    sparing=lambda options: options is not None and bool(options.wake_up),
    address=_address,
    carrier=_carrier,
    contradictions=_contradictions,
    reads=lambda options: () if options is None else (Kind.D0, Kind.TEXT),
    scan="smgw.lmn.d0.scan:POLL",
    dump="d0",
    printer="smgw.dump.d0:make",
)
