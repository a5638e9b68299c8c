"""Meters by radio on one line: each telegram goes to its meter; keys, copies, old telegrams and strangers."""

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import smgw
from line_meter import Inbox
from memory_line import FakeTime, MemoryPort, in_the_loop
from radio_captures import radio_capture
from smgw.lmn.contract import Surroundings
from smgw.lmn.make import make_driver
from smgw.lmn.push_line import PushLine
from smgw.mbus.radio import sending
from smgw.mbus.telegram import Identity
from smgw.profiles.meter import MeterProfile
from smgw.profiles.problems import ConfigurationError
from smgw.profiles.secrets import Secrets
from smgw.profiles.toml_importer import parse
from smgw.profiles.wmbus import WmbusProfile
from work import work

WATER, HEAT, STRANGER = (
    Identity("12345678", "ELS", 0x12, 7), Identity("87654321", "LUG", 0x07, 4), Identity("11111111", "KAM", 1, 7),
)  # fmt: skip
KEY, OTHER_KEY = bytes(range(16)), bytes(range(50, 66))


class Newest:
    """Counters of pushes that outlive a line, as the store holds them."""

    def __init__(self) -> None:
        self.counters: dict[tuple[str, bytes], int] = {}

    def newest(self, scope: str, title: bytes) -> int | None:
        return self.counters.get((scope, title))

    def note(self, scope: str, _meter: str, title: bytes, counter: int) -> None:
        self.counters[scope, title] = counter


def profile(name: str, identity: Identity, **options: Any) -> MeterProfile:
    told = {"id": identity.id, **options}
    return MeterProfile(
        name, "wmbus", "/dev/null", baudrate=57_600, registration_period=0, silence=7200, options=WmbusProfile(**told)
    )


class Street:
    """A line with meters, on a port in memory."""

    def __init__(self, *meters: tuple[MeterProfile, bytes | None], newest: Newest | None = None) -> None:
        self.time, self.inbox = FakeTime(), Inbox()
        self.port: Any = MemoryPort(self.time)
        surroundings = Surroundings(self.time, now=self.time, pushes=newest or Newest())
        line = make_driver([(one, Secrets(encryption_key=key)) for one, key in meters], surroundings, self.inbox)
        assert isinstance(line, PushLine)
        self.line = line
        self._loop = in_the_loop(self.time, [(line, self.port)])

    def hear(self, *telegrams: bytes, pause: float = 2.0) -> None:
        for telegram in telegrams:
            self.port.say(sending.by_imst(telegram, 150))
            self.wait(pause)

    def wait(self, seconds: float) -> None:
        until = self.time.passed + seconds
        while self.time.passed < until:
            self._loop.turn()

    def values(self, name: str) -> list[object]:
        return [one.readings[0].value.value for one in self.inbox.captures if one.meter == name]

    def refusal(self, name: str) -> str:
        return self.line.watches[name].last_refusal


def volume(value: int) -> bytes:
    return b"\x04\x13" + value.to_bytes(4, "little")


def energy(value: int) -> bytes:
    return b"\x04\x06" + value.to_bytes(4, "little")


def test_each_meter_of_the_line_gets_its_own_telegrams() -> None:
    street = Street((profile("water", WATER), KEY), (profile("heat", HEAT), None))
    for value in range(3):
        street.hear(
            sending.by_mode_7(WATER, value, volume(value), KEY, 100 + value),
            sending.in_the_clear(HEAT, value, energy(1000 + value)),
            sending.in_the_clear(STRANGER, value, volume(7)),
        )
    assert street.values("water") == [0, 1, 2]
    assert street.values("heat") == [1000, 1001, 1002]
    assert len(street.inbox.captures) == 6
    assert {str(one.device) for one in street.inbox.captures} == {"8ELS1212345678", "6LUG0787654321"}


def test_two_meters_with_one_number_are_parted_by_the_whole_address() -> None:
    twin = WATER._replace(maker="KAM")
    street = Street(
        (profile("one", WATER, id="12345678931512" + "07"), None), (profile("two", twin, id="123456782D2C1207"), None)
    )
    street.hear(sending.in_the_clear(twin, 1, volume(2)), sending.in_the_clear(WATER, 1, volume(1)))
    assert street.values("one") == [1]
    assert street.values("two") == [2]


def test_without_its_key_a_meter_says_so_and_the_others_go_on() -> None:
    street = Street((profile("water", WATER), None), (profile("heat", HEAT), None))
    street.hear(sending.by_mode_5(WATER, 1, volume(5), KEY), sending.in_the_clear(HEAT, 1, energy(6)))
    assert "there is no key" in street.refusal("water")
    assert street.values("heat") == [6]


def test_a_wrong_key_is_said_and_the_right_one_reads_the_next_telegram() -> None:
    telegrams = [sending.by_mode_5(WATER, value, volume(value), KEY) for value in (5, 6)]
    street = Street((profile("water", WATER), OTHER_KEY))
    street.hear(telegrams[0])
    assert "the key does not fit" in street.refusal("water")
    street = Street((profile("water", WATER), KEY))
    street.hear(telegrams[1])
    assert street.values("water") == [6]


def test_a_telegram_in_the_clear_of_a_meter_with_a_key_is_refused() -> None:
    street = Street((profile("water", WATER), KEY))
    street.hear(sending.in_the_clear(WATER, 1, volume(5)), sending.by_mode_5(WATER, 2, volume(6), KEY))
    assert street.values("water") == [6]
    assert "in the clear" in street.refusal("water")


def test_copies_of_repeaters_are_dropped_without_a_word() -> None:
    street = Street((profile("water", WATER), KEY))
    telegram = sending.by_mode_7(WATER, 1, volume(5), KEY, 9)
    street.hear(telegram, sending.repeated(telegram), sending.repeated(telegram))
    assert street.values("water") == [5]
    assert street.line.watches["water"].count == (1, 0)


def test_a_copy_of_a_telegram_that_was_refused_is_read() -> None:
    street = Street((profile("water", WATER), KEY))
    telegram = sending.by_mode_7(WATER, 1, volume(5), KEY, 9)
    changed = bytearray(telegram)
    changed[20] ^= 1  # of the MAC, which is no part of what copies have in common
    street.hear(bytes(changed), telegram)
    assert street.values("water") == [5]


def test_an_old_telegram_is_refused_also_after_a_restart() -> None:
    newest, telegrams = Newest(), [sending.by_mode_7(WATER, one, volume(one), KEY, one) for one in (1, 2, 3)]
    street = Street((profile("water", WATER), KEY), newest=newest)
    street.hear(*telegrams[:2])
    street.wait(120)
    street.hear(telegrams[0])
    assert street.values("water") == [1, 2]
    again = Street((profile("water", WATER), KEY), newest=newest)
    again.hear(telegrams[1], telegrams[2])
    assert again.values("water") == [3]
    assert "smgw retry water" in again.refusal("water")


def test_a_damaged_telegram_counts_for_no_meter_and_is_logged_once_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    street = Street((profile("water", WATER), None), (profile("heat", HEAT), None))
    damaged = bytearray(sending.by_imst(sending.in_the_clear(WATER, 1, volume(5)), 100))
    damaged[20] ^= 4
    with caplog.at_level(logging.INFO):
        for _ in range(90):
            street.port.say(bytes(damaged))
            street.wait(60)
    told = [record for record in caplog.records if "refused" in record.message]
    assert len(told) == 2
    assert street.line.watches["water"].count == (0, 0)
    street.hear(sending.in_the_clear(WATER, 2, volume(6)))
    assert street.values("water") == [6]


def test_a_meter_behind_an_adapter_goes_by_its_own_number() -> None:
    capture = radio_capture("oms-profile-b-adapter")
    street = Street((profile("gas", Identity("12345678", "ELS", 0x33, 3)), capture.key))
    street.hear(capture.octets)
    (found,) = street.inbox.captures
    assert str(found.device) == "7ELS3312345678"


def test_compact_telegrams_are_read_once_a_whole_one_came() -> None:
    whole, compact = radio_capture("kamstrup-whole"), radio_capture("kamstrup-compact")
    street = Street((profile("heat", Identity("60723506", "KAM", 0x19, 0x0C)), None))
    street.hear(compact.octets, whole.octets)
    assert "before the first whole one" in street.refusal("heat")
    street.wait(70)
    street.hear(compact.octets)
    assert street.values("heat") == [25879, 25879]


def test_a_line_with_strangers_alone_is_well_and_the_meter_is_silent() -> None:
    street = Street((profile("water", WATER), None))
    for access in range(150):
        street.hear(sending.in_the_clear(STRANGER, access, volume(access)), pause=60)
    assert street.line.watches["water"].condition == "silent"
    assert street.port.reopened == []


def test_a_weak_signal_is_a_remark() -> None:
    street = Street((profile("water", WATER), None))
    street.port.say(sending.by_imst(sending.in_the_clear(WATER, 1, volume(5)), 20))
    street.wait(2)
    assert street.inbox.states[-1].remark == "weak signal, below -95 dBm"


@pytest.mark.parametrize(
    ("options", "octets"),
    [
        ({}, "a5010306000203300100"),
        ({"mode": "C"}, "a5010306000206300100"),
        ({"mode": "stored"}, ""),
        ({"setup": "0102"}, "0102"),
        ({"stick": "amber"}, "ff040109f3"),
        ({"stick": "cul"}, b"brt\r\nX21\r\n".hex()),
        ({"stick": "cul", "mode": "S"}, b"brs\r\nX21\r\n".hex()),
    ],
)
def test_the_stick_is_set_up_when_its_port_opens(options: dict[str, str], octets: str) -> None:
    street = Street((profile("water", WATER, **options), None))
    assert b"".join(sent for _, sent in street.port.sent).hex() == octets


@pytest.mark.parametrize(("stick", "made"), [("amber", sending.by_amber), ("cul", sending.by_cul)])
def test_each_stick_is_read(stick: str, made: Any) -> None:
    street = Street((profile("water", WATER, stick=stick), KEY))
    for value in (5, 6):
        street.port.say(made(sending.by_mode_5(WATER, value, volume(value), KEY), 100))
        street.wait(2)
    assert street.values("water") == [5, 6]


_MODULES = """
import sys
from smgw.clock import GatewayClock
from smgw.lmn.contract import Surroundings
from smgw.lmn.mbus.radio import RadioLine
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.profiles.wmbus import WmbusProfile
clock = GatewayClock()
water = MeterProfile("water", "wmbus", "/dev/null", options=WmbusProfile("12345678"))
line = RadioLine([(water, Secrets(encryption_key=bytes(range(16))))], Surroundings(clock))
for text in sys.argv[1:]:
    line.receive(bytes.fromhex(text), clock.stamp())
print("cryptography" in sys.modules, "smgw.lmn.polling" in sys.modules, "smgw.dlms" in sys.modules)
"""


@pytest.mark.parametrize(("sealed", "told"), [(False, "False False False"), (True, "True False False")])
def test_cryptography_is_imported_for_the_first_sealed_telegram_of_an_own_meter(*, sealed: bool, told: str) -> None:
    octets = [
        sending.by_imst(sending.in_the_clear(WATER, 1, volume(5)), 100),
        sending.by_imst(sending.by_mode_5(STRANGER, 1, volume(5), KEY), 100),
        *([sending.by_imst(sending.by_mode_5(WATER, 2, volume(5), KEY), 100)] if sealed else []),
    ]
    done = subprocess.run(
        [sys.executable, "-c", _MODULES, *(one.hex() for one in octets)],
        env={**os.environ, "PYTHONPATH": str(Path(smgw.__file__).parents[1])},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, told), done.stderr


# The configuration.

GATEWAY = '[gateway]\ndevice_id = "ESMG0000000001"\n'
LINE = '[[line]]\nname = "radio"\nprotocol = "wmbus"\nport = "/dev/ttyUSB0"\nwmbus = { mode = "C" }\n'


def meter(name: str, number: str, more: str = "") -> str:
    return f'[[meter]]\nname = "{name}"\nline = "radio"\nwmbus = {{ id = "{number}"{more} }}\n'


def faults(text: str) -> str:
    with pytest.raises(ConfigurationError) as error:
        parse(GATEWAY + text, "g.toml")
    return str(error.value)


def test_a_line_carries_many_meters_each_with_its_key() -> None:
    text = (
        GATEWAY + LINE + meter("water", "12345678", ', encryption_key_file = "water.key"') + meter("heat", "87654321")
    )
    (line,) = parse(text, "g.toml").lines
    assert [one.options.id for one in line.meters] == ["12345678", "87654321"]
    assert {one.options.mode for one in line.meters} == {"C"}
    assert line.meters[0].registration_period == 0
    assert line.meters[0].baudrate == 57_600


def test_a_street_of_400_meters_is_checked_at_little_cost() -> None:
    text = GATEWAY + LINE + "".join(meter(f"m{number}", f"{10_000_000 + number}") for number in range(400))
    parse(text, "g.toml")
    assert work(lambda: parse(text, "g.toml"), 2_000_000)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LINE + meter("a", "12345678") + meter("b", "12345678"), "id in its section wmbus"),
        (LINE + meter("a", "12345678") + meter("b", "87654321", ', mode = "T"'), "same wmbus.mode"),
        (LINE + '[[meter]]\nname = "a"\nline = "radio"\n', "wmbus.id: is missing"),
        (LINE.replace('wmbus = { mode = "C" }\n', "") + '[[meter]]\nname = "a"\nline = "radio"\n', "wmbus: is missing"),
        (LINE + meter("a", "1234567"), "the 8 digits on the meter"),
        (LINE.replace('mode = "C"', 'stick = "cul"') + meter("a", "12345678"), "the usual speed of the stick cul"),
        (LINE + meter("a", "12345678", ', setup = "0102"'), "leave one of the two out"),
        (LINE.replace('"C"', '"C+T"') + meter("a", "12345678"), "one mode at a time"),
    ],
)
def test_a_wrong_section_is_told(text: str, told: str) -> None:
    assert told in faults(text)
