"""Meters on an M-Bus as the gateway reads them, and the protocol's configuration."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from line_meter import Inbox
from mbus_bus import HEAT, WATER, Line, energy, meter, volume
from memory_line import START_US
from smgw.cosem.date_time import DateTime
from smgw.errors import SmgwError
from smgw.lmn.contract import Heard, Surroundings, Values
from smgw.lmn.errors import NoAnswerError, PollError
from smgw.lmn.polling import PollingDriver
from smgw.mbus.slave import Slave
from smgw.mbus.telegram import Identity
from smgw.ports import LineSettings
from smgw.profiles import toml_importer
from smgw.profiles.mbus import MBusProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.problems import ConfigurationError
from smgw.profiles.secrets import Secrets
from smgw.wire import Refused


def only(heard: Sequence[Heard]) -> Values:
    (group,) = heard
    assert not isinstance(group, Refused)
    (values,) = group
    return values


def shown(values: Values) -> list[tuple[str, object]]:
    return [(str(one.obis), one.value.value) for one in values.readings]


def test_the_telegrams_of_a_meter_are_one_set_of_values() -> None:
    line = Line([meter(5, WATER, volume(1) + bytes.fromhex("046d 240a611c"), b"\x44\x13\2\0\0\0")])
    values = only(line.poll(MBusProfile(address=5)).poll(line.port))
    assert str(values.device) == "8KAM0114839120"
    assert shown(values) == [("8-0:1.0.0*255", 1), ("8-0:1.0.0*1", 2)]
    assert values.meter_time is not None
    assert str(DateTime.read(values.meter_time.octets)) == "2011-12-01 10:36:00"


def test_the_stamp_is_that_of_the_first_octets_of_the_last_answer_at_most() -> None:
    line = Line([meter(5)])
    before = line.time.stamp().utc_us
    values = only(line.poll(MBusProfile(address=5)).poll(line.port))
    assert before < values.stamp.utc_us < line.time.stamp().utc_us


def test_a_single_meter_is_asked_without_an_address() -> None:
    line = Line([meter(77)])
    assert line.poll(MBusProfile()).identify(line.port) == only(line.poll(MBusProfile()).poll(line.port)).device


def test_a_meter_is_asked_by_its_secondary_address() -> None:
    line = Line([meter(0), meter(0, HEAT, energy(5))])
    values = only(line.poll(MBusProfile(secondary="66660205")).poll(line.port))
    assert shown(values) == [("6-0:1.0.0*255", 5)]


def test_the_profile_may_say_what_the_meter_counts() -> None:
    line = Line([meter(5, Identity("12345678", "REL", 1, 0))])
    assert not only(line.poll(MBusProfile(address=5)).poll(line.port)).readings
    values = only(line.poll(MBusProfile(address=5, medium="gas")).poll(line.port))
    assert shown(values) == [("7-0:3.0.0*255", 1234)]


def test_a_meter_is_left_alone_until_its_pause_is_over() -> None:
    line = Line([meter(5)])
    poll = line.poll(MBusProfile(address=5, pause=600))
    assert poll.poll(line.port)
    asked = len(line.asked)
    line.time.sleep(500)
    assert not poll.poll(line.port)
    assert len(line.asked) == asked
    line.time.sleep(100)
    assert poll.poll(line.port)


def test_a_poll_that_other_meters_made_late_does_not_cost_the_next_one_its_turn() -> None:
    line = Line([meter(5)])
    poll = line.poll(MBusProfile(address=5, pause=900))
    line.time.sleep(20)  # late
    assert poll.poll(line.port)
    line.time.sleep(880)
    assert poll.poll(line.port)


def test_a_meter_that_was_read_too_often_rests_for_an_hour() -> None:
    line = Line([Slave(5, WATER, lambda _: [volume(1)], battery=1)])
    poll = line.poll(MBusProfile(address=5))
    poll.poll(line.port)
    with pytest.raises(PollError, match="read too often; it is asked again in an hour"):
        poll.poll(line.port)
    asked = len(line.asked)
    line.time.sleep(3599)
    assert not poll.poll(line.port)
    assert len(line.asked) == asked


def test_the_state_of_a_meter_is_a_remark() -> None:
    slave = meter(5)
    slave.status = 0x04
    line = Line([slave])
    assert only(line.poll(MBusProfile(address=5)).poll(line.port)).remark == "low battery"


def test_bad_records_are_logged_once_and_cost_no_other(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    line = Line([meter(5, WATER, bytes.fromhex("0c13 a5310000") + volume(7))])
    poll = line.poll(MBusProfile(address=5))
    for _ in range(3):
        assert shown(only(poll.poll(line.port))) == [("8-0:1.0.0*255", 7)]
    assert [one.getMessage() for one in caplog.records] == [
        "meter house: 1 records have no valid value: volume (a5310000): no valid number"
    ]


def test_an_absent_meter_is_no_answer_and_two_at_one_address_are_an_error() -> None:
    line = Line([meter(5), meter(5, HEAT, energy(1))])
    with pytest.raises(NoAnswerError, match="asked 2 times"):
        line.poll(MBusProfile(address=6)).poll(line.port)
    with pytest.raises(PollError, match="several meters"):
        line.poll(MBusProfile(address=5)).poll(line.port)


def test_there_is_no_load_profile() -> None:
    line = Line([meter(5)])
    with pytest.raises(SmgwError, match="no load profile"):
        line.poll(MBusProfile(address=5)).load_profile(None, None)  # type: ignore[arg-type]


def driven(line: Line, meters: list[tuple[MeterProfile, Secrets]], seconds: int) -> dict[str, list[float]]:
    """The moments of each meter's captures, in seconds since the beginning."""
    stop, inbox = threading.Event(), Inbox()
    line.port.settings = LineSettings(2400, parity="E")
    surroundings = Surroundings(line.time, now=line.time, stopping=stop.is_set)
    driver = PollingDriver(meters, surroundings, inbox, None, stop)

    def end() -> None:
        stop.set()
        line.port.woken = True

    line.time.after(seconds, end)
    driver._serve(line.port)
    return {
        profile.name: [(one.stamp.utc_us - START_US) / 1e6 for one in inbox.captures if one.meter == profile.name]
        for profile, _ in meters
    }


@pytest.mark.parametrize(("interval", "period"), [(900, 900), (3600, 3600), (4200, 4320)])
def test_a_battery_pays_for_no_more_than_one_read_out_in_an_interval(interval: int, period: int) -> None:
    line = Line([meter(1)])
    line.time.sleep(250)  # the gateway begins at any time
    profile = MeterProfile(
        "house", "mbus", "/dev/null", options=MBusProfile(address=1, pause=interval // 2), timeout=1,
        interval=interval, registration_period=period,
    )  # fmt: skip
    _, *moments = driven(line, [(profile, Secrets())], 10 * period)["house"]
    targets = [target for target in range(0, 11 * period, period) if target >= moments[0] - 2]
    assert moments == pytest.approx(targets[: len(moments)], abs=1)
    assert len(moments) >= 9


@pytest.mark.parametrize("count", [4, 18])
def test_a_long_line_has_a_value_of_each_meter_at_each_target_time(count: int) -> None:
    ids = [Identity(f"{number:08d}", "KAM", 1, 7) for number in range(count)]
    line = Line([meter(0, one, volume(1), volume(2)) for one in ids])
    line.time.sleep(100)
    meters = [
        (
            MeterProfile(one.id, "mbus", "/dev/null", 2400, options=MBusProfile(secondary=one.id), interval=900),
            Secrets(),
        )
        for one in ids
    ]
    moments = driven(line, meters, 9000)
    for one in ids:
        assert len(moments[one.id]) in (10, 11)
        for target in range(1800, 9000, 900):
            assert any(abs(moment - target) <= 9 for moment in moments[one.id]), (one.id, target, moments[one.id])
    early = [moment for one in ids for moment in moments[one.id][2:] if moment % 900 > 450]
    assert bool(early) == (count > 4), "a short line is not early"


def test_meters_of_one_line_are_read_each_at_its_own_interval_and_on_the_grid() -> None:
    line = Line([meter(1), meter(2, HEAT, energy(5))])
    meters = [
        (MeterProfile(name, "mbus", "/dev/null", 2400, "E", interval=interval, options=options, timeout=2), Secrets())
        for name, interval, options in (
            ("water", 300, MBusProfile(address=1)),
            ("heat", 3600, MBusProfile(secondary="66660205")),
            ("gone", 900, MBusProfile(address=9)),
        )
    ]
    moments = driven(line, meters, 7200)
    assert not moments["gone"]
    for name in ("water", "heat"):
        for target in range(900, 7200, 900):
            assert any(0 <= one - target <= 2 for one in moments[name]), (name, target)
    assert 24 <= len(moments["water"]) <= 33
    assert len(moments["heat"]) <= 11, "one for each hour, and one for each quarter of an hour"


GATEWAY = """
[gateway]
device_id = "ESMG0000000001"
"""


def loaded(tmp_path: Path, text: str) -> Any:
    path = tmp_path / "smgw.toml"
    path.write_text(GATEWAY + text)
    return toml_importer.load(path)


def test_a_line_with_several_meters_has_the_usual_settings_of_the_bus(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        """
[[line]]
name = "cellar"
protocol = "mbus"
port = "/dev/ttyUSB0"

[[meter]]
name = "heat"
line = "cellar"
mbus = { secondary = "66660205" }
interval = 3600

[[meter]]
name = "water"
line = "cellar"
mbus = { address = 2, subcode = 80, pause = 300, medium = "water" }
""",
    )
    heat, water = found.meters
    assert (heat.baudrate, heat.parity, heat.timeout, heat.interval) == (2400, "E", 2, 3600)
    assert (water.interval, water.silence) == (900, 2700)
    assert water.options == MBusProfile(2, "", 80, 300, "water")


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("", 900),
        ("interval = 300", 900),
        ("interval = 3600", 3600),
        ("interval = 4140", 4320),
        ("interval = 3600\nregistration_period = 0", 0),
        ("interval = 3600\nregistration_period = 7200", 7200),
    ],
)
def test_the_registration_period_never_makes_a_battery_be_read_more_often(
    tmp_path: Path, text: str, period: int
) -> None:
    found = loaded(tmp_path, f'[[meter]]\nname = "a"\nprotocol = "mbus"\nport = "/dev/ttyUSB0"\n{text}\n')
    assert found.meters[0].registration_period == period


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "interval = 4000\nregistration_period = 900",
            "would be read every 900 s, not every 4000 s, .* leave it out, write 4320, or a shorter",
        ),
        ("registration_period = 60", "write 900"),
        ("mbus = { address = 251 }", "0 to 250"),
        ('mbus = { secondary = "1234" }', "8 digits"),
        ('mbus = { address = 1, secondary = "12345678" }', "leave one of the two out"),
        ("interval = 60\nmbus = { pause = 600 }", "shorter than the pause of 600 s"),
        ('mbus = { address = 1, fabrication = "12345678" }', "write secondary too"),
        ('mbus = { secondary = "12345678", fabrication = "1234" }', "eight digits"),
        ('load_profile = ["1-0:99.1.0"]', "M-Bus has no load profiles"),
    ],
)
def test_a_wrong_key_is_named_with_what_is_right(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        loaded(tmp_path, f'[[meter]]\nname = "a"\nprotocol = "mbus"\nport = "/dev/ttyUSB0"\n{text}\n')


def test_two_meters_with_one_address_are_refused(tmp_path: Path) -> None:
    one = '[[meter]]\nname = "{}"\nprotocol = "mbus"\nport = "/dev/ttyUSB0"\nmbus = {{ address = 1 }}\n'
    with pytest.raises(ConfigurationError, match="address or secondary in its section mbus"):
        loaded(tmp_path, one.format("a") + one.format("b"))


def test_meters_with_one_secondary_address_share_a_line_by_fabrication_number(tmp_path: Path) -> None:
    text = "".join(
        f'[[meter]]\nname = "{name}"\nprotocol = "mbus"\nport = "/dev/ttyUSB0"\n'
        f'mbus = {{ secondary = "14839120", fabrication = "{number}" }}\n'
        for name, number in (("a", "00000001"), ("b", "00000002"))
    )
    found = loaded(tmp_path, text)
    line = Line([Slave(0, WATER, lambda _, n=n: [volume(n)], fabrication=f"{n:08d}") for n in (1, 2)])  # type: ignore[misc]
    for number, profile in enumerate(found.meters, 1):
        assert shown(only(line.poll(profile.options).poll(line.port))) == [("8-0:1.0.0*255", number)]


ENDLESS = b"\x68\xf7\xf7\x68" + bytes(65_536)
TWO_AT_ONCE = bytes(
    one & other for one, other in zip(b"\x68\x15\x15\x68\x08\x05\x72" * 4, b"\x5a\xff\x33" * 10, strict=False)
)


@pytest.mark.parametrize(
    "harm",
    [
        lambda octets: octets[: len(octets) // 2],
        lambda octets: octets[:-2] + bytes((octets[-2] ^ 1, octets[-1])),
        lambda _: ENDLESS,
        lambda _: TWO_AT_ONCE,
    ],
    ids=["cut", "check sum", "endless", "two at once"],
)
def test_bad_answers_are_counted_and_logged_once_an_hour_and_the_next_good_one_is_delivered(
    harm: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    line = Line([meter(5)])
    bus, harmed = line.bus.receive, [0]

    def disturbed(octets: bytes) -> bytes:
        answer = bus(octets)
        if len(answer) > 1 and int(line.time.passed) % 120 < 60:
            harmed[0] += 1
            return harm(answer)
        return answer

    line.port.peers = [disturbed]
    profile = MeterProfile(
        "house", "mbus", "/dev/null", options=MBusProfile(address=5), timeout=1, retries=0, interval=60,
        registration_period=0,
    )  # fmt: skip
    moments = driven(line, [(profile, Secrets())], 2 * 3600)["house"]
    told = [one for one in caplog.records if "telegram refused" in one.getMessage() and one.levelname == "WARNING"]
    assert harmed[0] >= 50
    assert 1 <= len(told) <= 3
    assert len(moments) >= 50
    assert all(int(moment) % 120 >= 59 for moment in moments)
