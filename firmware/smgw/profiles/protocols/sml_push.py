"""SML, sent by the meter on its own, every second or so."""

from smgw.profiles.protocol import Protocol

PROTOCOL = Protocol(
    name="sml-push",
    polled=False,
    meter="smgw.lmn.sml_push:SmlPush",
    keys=("correct_power_sign",),
    scan="smgw.lmn.scan_sml:PUSH",
    dump="sml",
    printer="smgw.dump.sml:make",
)
