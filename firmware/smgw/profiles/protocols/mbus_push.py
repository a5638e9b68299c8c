"""M-Bus by wire of meters that send by themselves, and wait for an acknowledgement: Siemens AMIS in Upper Austria."""

from smgw.profiles import mbus
from smgw.profiles.protocol import Form, Protocol, SecretFile, Section
from smgw.wire.kind import Kind

PROTOCOL = Protocol(
    name="mbus-push",
    polled=True,  # each telegram is acknowledged at once, by a thread of the line's own
    meter="smgw.lmn.mbus.push:MBusPush",
    keys=("timeout",),
    defaults={"parity": "E", "timeout": 10},
    refused={
        "interval": "the meter sends at its own interval; leave it out",
        "retries": "this meter is never asked; leave it out, or write a longer timeout",
        "load_profile": "M-Bus has no load profiles; leave it out",
        "correct_power_sign": "only SML meters have this habit; leave it out",
    },
    section=Section("mbus", mbus.PUSHED_KEYS, mbus.build, refused=mbus.ASKED_ONLY),
    secrets=(SecretFile("encryption_key", "encryption_key_file", Form.HEX, True, lambda _: mbus.KEY_LENGTH),),
    reads=lambda options: (Kind.MBUS_CALLS,) if options is None else (Kind.MBUS_CALLS, Kind.MBUS_RECORDS),
    scan="smgw.lmn.mbus.scan:PUSH",
)
