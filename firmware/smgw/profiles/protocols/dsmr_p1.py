"""DSMR P1: telegrams that a meter's customer port sends every 1 to 10 s, with those of its gas and water meters."""

from smgw.profiles import p1
from smgw.profiles.protocol import Form, Protocol, SecretFile, Section
from smgw.wire.kind import Kind

PROTOCOL = Protocol(
    name="dsmr-p1",
    polled=False,
    meter="smgw.lmn.p1.push:P1Push",
    refused={"correct_power_sign": "only SML meters have this habit; leave it out"},
    section=Section("p1", p1.KEYS, p1.build, p1.contradictions),
    secrets=(
        SecretFile("encryption_key", "encryption_key_file", Form.HEX, True, lambda _: p1.KEY_LENGTH),
        SecretFile("authentication_key", "authentication_key_file", Form.HEX, True, lambda _: p1.KEY_LENGTH),
    ),
    reads=lambda _: (Kind.P1,),
    scan="smgw.lmn.p1.scan:PUSH",
    dump="p1",
    printer="smgw.dump.p1:make",
)
