"""SML, sent by the meter on its own, every second or so."""

from smgw.profiles.protocol import Protocol

PROTOCOL = Protocol(
    name="sml-push",
    polled=False,
    meter="smgw.lmn.sml.push:SmlPush",
    keys=("correct_power_sign",),
    scan="smgw.lmn.sml.scan:PUSH",
    dump="sml",
    printer="smgw.dump.sml:make",
)
