"""The entry of a toy protocol. A real one is a module of `smgw/profiles/protocols`."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from smgw.profiles import checks
from smgw.profiles.protocol import Protocol, Section
from smgw.profiles.section import Key


class ToyOptions(NamedTuple):
    """The section toy = { ... } of a meter."""

    greeting: str = "?"


def _build(values: Mapping[str, Any]) -> ToyOptions:
    return ToyOptions(**values)


PROTOCOL = Protocol(
    name="toy",
    polled=True,
    meter="toy_meter:ToyMeter",
    keys=("interval", "timeout"),
    refused={"retries": "a toy is asked once; leave it out"},
    section=Section("toy", {"greeting": Key(checks.choice("?", "!"))}, _build),
    scan="toy_meter:SCAN",
    dump="toy",
    printer="toy_meter:make_printer",
)
