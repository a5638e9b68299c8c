"""Several D0 meters on one line."""

import threading

import pytest
from d0_line import D0Line, D0Model, identification
from line_meter import Inbox
from memory_line import FakeTime
from smgw.errors import SmgwError
from smgw.iec62056.d0.meter import D0Meter
from smgw.lmn.contract import Surroundings
from smgw.lmn.d0.poll import D0Poll
from smgw.lmn.polling import PollingDriver
from smgw.profiles.d0 import D0Profile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets


def model(number: int) -> D0Model:
    found = D0Model()
    found.registers = {"C.1.0": f"({number})", "1.8.0": f"({number:06d}.0*kWh)"}
    return found


def line_of(time: FakeTime, addresses: list[str]) -> D0Line:
    """The port of the first line carries all meters."""
    lines = [
        D0Line(time, D0Meter(identification(), model(number), device_address=address))
        for number, address in enumerate(addresses, 1)
    ]
    for one in lines[1:]:
        one.port = lines[0].port
        lines[0].port.peers.append(one._heard)
    return lines[0]


def test_meters_with_addresses_share_a_line() -> None:
    time, stop, inbox = FakeTime(), threading.Event(), Inbox()
    line = line_of(time, ["11", "22"])
    profiles = [
        (
            MeterProfile(
                f"m{address}", "d0", "/dev/null", interval=20, timeout=2, options=D0Profile(device_address=address)
            ),
            Secrets(),
        )
        for address in ("11", "22")
    ]
    driver = PollingDriver(profiles, Surroundings(time, now=time, stopping=stop.is_set), inbox, None, stop)

    def end() -> None:
        stop.set()
        line.port.woken = True

    time.after(300, end)
    driver._serve(line.port)
    for name, device in (("m11", b"1"), ("m22", b"2")):
        found = [one for one in inbox.captures if one.meter == name]
        assert len(found) >= 14
        assert {bytes(one.device) for one in found} == {device}


def test_two_meters_that_answer_at_once_give_no_value() -> None:
    time = FakeTime()
    line = line_of(time, ["", ""])
    meter = D0Poll(MeterProfile("house", "d0", "/dev/null", timeout=2), Secrets(), Surroundings(time, now=time))
    with pytest.raises(SmgwError):
        meter.poll(line.port)
