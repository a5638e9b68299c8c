"""D0 (IEC 62056-21, mode D): read-outs that a meter sends by itself, such as those of EasyMeter Q3D and eBZ DD3."""

from smgw.profiles import d0
from smgw.profiles.protocol import Protocol, Section
from smgw.wire.kind import Kind

PROTOCOL = Protocol(
    name="d0-push",
    polled=False,
    meter="smgw.lmn.d0.push:D0Push",
    refused={"correct_power_sign": "only SML meters have this habit; leave it out"},
    section=Section("d0", d0.PUSHED_KEYS, d0.build, refused=d0.ASKED_ONLY),
    reads=lambda _: (Kind.D0,),
    scan="smgw.lmn.d0.scan:PUSH",
    dump="d0",
    printer="smgw.dump.d0:make",
)
