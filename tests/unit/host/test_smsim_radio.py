"""A radio stick of the simulator with its street, read by the gateway's own reader over TCP."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from smgw.clock import GatewayClock
from smgw.lmn.contract import Surroundings, Values
from smgw.lmn.mbus.radio import RadioLine
from smgw.ports import LineSettings, open_port
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.profiles.wmbus import WmbusProfile
from smgw.wire import Refused
from smsim.config import parse
from smsim.errors import ConfigError
from smsim.simulator import Simulator
from soon import LIMIT

KEY = "000102030405060708090a0b0c0d0e0f"
PLAIN = '[[radio.meter]]\nname = "water"\nid = "10000001"\ninterval = 0.05\nstart = 815\nyearly = 0\n'
SEALED = "".join(
    f'[[radio.meter]]\nname = "{name}"\nid = "{number}"\ninterval = 0.05\nsecurity = "{name}"\nkey = "{KEY}"\n'
    'medium = "heat"\n'
    for name, number in (("mode-5", "20000005"), ("mode-7", "20000007"), ("ctr", "20000009"))
)
NAMES = {"10000001": "water", "20000005": "mode-5", "20000007": "mode-7", "20000009": "ctr"}


class Newest:
    """No counter of pushes is stored."""

    def newest(self, _scope: str, _title: bytes) -> int | None:
        return None

    def note(self, *_told: object) -> None:
        """Nothing."""


@contextmanager
def simulated(stick: str, faults: str, interval: str = "0.05") -> Iterator[tuple[str, Simulator]]:
    """A running simulator, and host and port of its stick."""
    text = f'[[radio]]\nport = "tcp-push:0"\nstick = "{stick}"\nfaults = {{ {faults} }}\n{PLAIN}{SEALED}'.replace(
        "interval = 0.05", f"interval = {interval}"
    )
    simulator, loop = Simulator(parse(text)), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(simulator.start(), loop).result(LIMIT)
        yield simulator.radio[0].port.removeprefix("tcp-push:"), simulator
        asyncio.run_coroutine_threadsafe(simulator.stop(), loop).result(LIMIT)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(LIMIT)
        loop.close()


def heard(where: str, stick: str, most: int = 120) -> tuple[list[tuple[str, Values]], list[tuple[str, str]]]:
    """Values and refusals of the first telegrams, each with the name of its meter ("" for nobody's)."""
    meters = [
        (
            MeterProfile(name, "wmbus", f"socket://{where}", options=WmbusProfile(number, stick=stick)),
            Secrets(encryption_key=None if name == "water" else bytes.fromhex(KEY)),
        )
        for number, name in NAMES.items()
    ]
    clock = GatewayClock()
    line = RadioLine(meters, Surroundings(clock, pushes=Newest()))
    values: list[tuple[str, Values]] = []
    refused: list[tuple[str, str]] = []
    with open_port(f"socket://{where}", LineSettings()) as port:
        for _ in range(1000):
            if len(values) + len(refused) >= most or not port.wait(LIMIT):
                break
            for meter, one in line.receive(port.read(), clock.stamp()):
                if isinstance(one, Refused):
                    refused.append((meter, one.reason))
                else:
                    values += [(meter, found) for found in one]
    return values, refused


@pytest.mark.parametrize("stick", ["im871a", "amber", "cul"])
def test_every_meter_of_the_street_is_read_through_each_stick(stick: str) -> None:
    with simulated(stick, "") as (where, _):
        values, refused = heard(where, stick)
    assert {name for name, _ in values} == set(NAMES.values())
    assert {reason for name, reason in refused} <= {
        "a compact telegram before the first whole one; the meter sends it now and then"
    }
    water = {str(one.readings[0].obis): one.readings[0].value.value for name, one in values if name == "water"}
    assert water == {"8-0:1.0.0*255": 815_000}


@pytest.mark.parametrize("stick", ["im871a", "cul"])
def test_damaged_telegrams_give_no_values(stick: str) -> None:
    with simulated(stick, "damaged = 2") as (where, simulator):
        values, refused = heard(where, stick)
        assert simulator.radio[0].counts()["damaged"] > 0
    assert any(name == "" for name, _ in refused)
    assert {one.readings[0].value.value for name, one in values if name == "water"} == {815_000}


def test_copies_of_a_repeater_count_once() -> None:
    with simulated("im871a", "repeated = 1", interval="0.4") as (where, simulator):
        values, _ = heard(where, "im871a", most=24)
        sent = {meter.config.meter.name: meter.sent for meter in simulator.radio[0].meters}
    counts = Counter(name for name, _ in values)
    assert all(counts[name] <= sent[name] for name in counts)


def test_the_meter_s_first_telegram_comes_again_as_an_old_one() -> None:
    with simulated("im871a", "replayed = 1") as (where, simulator):
        heard(where, "im871a", most=60)
        counts = simulator.radio[0].counts()
    assert counts["replayed"] > 0
    assert counts["telegrams"] > counts["replayed"]


def test_a_telegram_under_another_key_is_told_so() -> None:
    with simulated("im871a", "wrong_key = 2") as (where, _):
        values, refused = heard(where, "im871a")
    assert {name for name, reason in refused if "does not fit" in reason} == {"mode-5", "mode-7", "ctr"}
    assert {name for name, _ in values} == set(NAMES.values())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is none"),
        ('[[radio.meter]]\nname = "a"\nid = "1234567"\n', "write eight digits"),
        ('[[radio.meter]]\nname = "a"\nid = "12345678"\nsecurity = "mode-5"\n', "a key of 0 octets"),
        (f'[[radio.meter]]\nname = "a"\nid = "12345678"\nkey = "{KEY}"\n', "leave it out"),
        ('port = "tcp:1"\n[[radio.meter]]\nname = "a"\nid = "12345678"\n', "a radio stick pushes"),
    ],
)
def test_a_wrong_section_is_told(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse(f"[[radio]]\n{text}")


def test_equal_meters_are_counted_up() -> None:
    config = parse('[[radio]]\n[[radio.meter]]\nname = "flat"\nid = "20000001"\ncount = 200\n')
    meters = config.radio[0].meters
    assert len(meters) == 200
    assert (meters[-1].meter.name, meters[-1].meter.identity.id) == ("flat-200", "20000200")
