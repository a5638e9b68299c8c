"""DLMS notifications that a meter sends on its own, plain or ciphered, over HDLC or M-Bus."""

from collections.abc import Iterator, Mapping
from typing import Any

from smgw.profiles import dlms
from smgw.profiles.dlms import Framing
from smgw.profiles.protocol import Form, Protocol, SecretFile, Section
from smgw.wire.kind import Kind

_KEYS = (
    "framing",
    "security_suite",
    "encryption_key_file",
    "authentication_key_file",
    "authentication_key",
    "columns",
    "push_list",
    "scalers",
    "units",
    "factors",
)
_ASK = 'it belongs to requests, and this meter is never asked; leave it out, or write protocol = "dlms"'


def _contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "framing" in values and values["framing"] == Framing.WRAPPER:
        yield "framing", 'pushes over the wrapper are not read; write "hdlc" or "mbus", or protocol = "dlms"'
    if "authentication_key_file" in values and "encryption_key_file" not in values:
        yield "authentication_key_file", "alone it opens nothing; write encryption_key_file too"
    if "columns" in values and "push_list" in values:
        yield "push_list", "columns describes the list already; leave one of the two out"
    if "authentication_key" in values and "encryption_key_file" not in values:
        yield "authentication_key", "without encryption_key_file nothing is ciphered; write that key too"
    if "authentication_key" in values and "authentication_key_file" in values:
        yield "authentication_key", "authentication_key_file names the key; leave one of the two out"


PROTOCOL = Protocol(
    name="dlms-push",
    polled=False,
    meter="smgw.lmn.dlms.push:DlmsPush",
    refused={"correct_power_sign": "only SML meters have this habit; leave it out"},
    section=Section(
        "dlms",
        {key: dlms.KEYS[key] for key in _KEYS},
        dlms.build,
        _contradictions,
        refused=dict.fromkeys(dlms.KEYS.keys() - set(_KEYS), _ASK),
    ),
    secrets=(
        SecretFile("encryption_key", "encryption_key_file", Form.HEX, True, dlms.key_length),
        SecretFile("authentication_key", "authentication_key_file", Form.HEX, True, dlms.key_length),
    ),
    reads=lambda options: (Kind.MBUS,) if options is not None and options.framing is Framing.MBUS else (Kind.HDLC,),
    instead={Kind.MBUS: '{how} and dlms = { framing = "mbus" }'},
    scan="smgw.lmn.dlms.scan:PUSH",
    dump="dlms",
    printer="smgw.dump.dlms:make",
)
