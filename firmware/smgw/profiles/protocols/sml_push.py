"""SML, sent by the meter on its own, every second or so."""

from smgw.profiles.protocol import Protocol
from smgw.wire.kind import Kind

PROTOCOL = Protocol(
    name="sml-push",
    polled=False,
    meter="smgw.lmn.sml.push:SmlPush",
    keys=("correct_power_sign",),
    reads=lambda _: (Kind.SML,),
    scan="smgw.lmn.sml.scan:PUSH",
    dump="sml",
    printer="smgw.dump.sml:make",
)
