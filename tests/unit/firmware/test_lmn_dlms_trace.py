"""R26: what a reader of DLMS meters says at level debug: every frame, no password, enough to replay the session."""

import logging
import time

import pytest
from captures_made import BOOT
from dlms_line_meter import ENERGY, DlmsMeter
from hdlc_trace import read_trace
from line_meter import Inbox, driver, running, until
from smgw.cosem import ClockState, Stamp
from smgw.dlms.meter.access import Admission
from smgw.dlms.security.hls import Password
from smgw.dlms.security.secret import Secret
from smgw.hdlc.frame import Frame, FrameDecoder
from smgw.profiles.dlms import Authentication, DlmsProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets

SECRET = Secret(b"12345678")


class Now:
    """The system's time as UTC."""

    def stamp(self) -> Stamp:
        return Stamp(BOOT, time.monotonic_ns(), time.time_ns() // 1000, 5000, ClockState.SYNCHRONISED)


def test_at_level_debug_every_frame_is_told_and_no_password(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    inbox = Inbox()
    dlms = DlmsProfile(client=1, authentication=Authentication.LOW)
    with DlmsMeter(admissions={1: Admission(Password(SECRET))}) as meter:
        profile = MeterProfile(
            protocol="dlms", port=meter.url, options=dlms, interval=0.1, timeout=0.5, retries=1, name="flat"
        )
        with running(driver(profile, inbox=inbox, secrets=Secrets(password=SECRET), clock=Now())):
            until(lambda: len(inbox.captures) >= 2)
    told = [record.getMessage() for record in caplog.records if record.name == "smgw.hdlc.trace"]
    assert all(line.startswith("meter flat: ") for line in told)
    assert any(" SNRM F 1 > 1, " in line for line in told)
    everything = "\n".join(record.getMessage() for record in caplog.records)
    assert SECRET.hex() not in everything
    assert "12345678" not in everything
    trace = read_trace(told)
    assert [one.now for one in trace] == sorted(one.now for one in trace)
    assert [one.sent for one in trace if one.octets is None] == [True] * sum("**" in line for line in told)
    decoder = FrameDecoder()
    frames = [event for one in trace if not one.sent for event in decoder.receive(one.octets or b"")]
    assert all(isinstance(frame, Frame) for frame in frames)
    assert any(bytes(ENERGY) in frame.information for frame in frames if isinstance(frame, Frame)), "the object list"
