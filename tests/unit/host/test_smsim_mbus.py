"""M-Bus meters of the simulator, read by the gateway's own reader over TCP."""

from pathlib import Path

import pytest
from mbus_smsim import METERS, running, simulated
from smgw.cli import main
from smgw.clock import GatewayClock
from smgw.lmn.contract import Surroundings, Values
from smgw.lmn.errors import PollError
from smgw.lmn.mbus.poll import MBusPoll
from smgw.lmn.mbus.push import MBusPush
from smgw.mbus.telegram import ApplicationError
from smgw.ports import LineSettings, open_port
from smgw.profiles.mbus import MBusProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.wire import Refused
from smsim import orders
from smsim.config import parse
from smsim.errors import ConfigError, FaultError
from smsim.menu import mbus_settings, simulator_settings

HEAT, WATER = "6LUG0766660205", "8KAM0114839120"


def read(where: str, options: MBusProfile, retries: int = 4) -> Values:
    profile = MeterProfile("house", "mbus", f"socket://{where}", options=options, timeout=1, retries=retries)
    meter = MBusPoll(profile, Secrets(), Surroundings(GatewayClock()))
    with open_port(profile.port, LineSettings(2400)) as port:
        (heard,) = meter.poll(port)
    assert not isinstance(heard, Refused)
    (values,) = heard
    return values


def shown(values: Values) -> dict[str, object]:
    return {str(one.obis): one.value.value for one in values.readings}


@pytest.mark.parametrize(
    "faults",
    [
        "",
        "noise = true",
        "echo = true",
        "noise = true, echo = true",
        "lost_answer = 4",
        "wrong_octet = 4",
        "cut_answer = 4",
        "endless_answer = 5",
        "collision = 4",
    ],
)
@pytest.mark.parametrize("options", [MBusProfile(address=1), MBusProfile(secondary="66660205")], ids=["1", "2"])
def test_a_meter_is_read_whatever_goes_wrong_on_its_line(faults: str, options: MBusProfile) -> None:
    with simulated(faults) as (where, _):
        values = read(where, options)
    assert str(values.device) == HEAT
    assert shown(values)["6-0:1.0.0*1"] == 48_000_000
    assert shown(values)["6-0:1.0.0*255"] >= 48_000_000  # type: ignore[operator]
    assert values.meter_time is not None


def test_two_meters_with_one_primary_address_are_read_by_their_secondary_ones() -> None:
    with simulated(heat=0, water=0) as (where, _):
        assert str(read(where, MBusProfile(secondary="66660205")).device) == HEAT
        assert str(read(where, MBusProfile(secondary="14839120")).device) == WATER


def test_a_short_application_has_the_counter_alone() -> None:
    with simulated() as (where, _):
        assert set(shown(read(where, MBusProfile(address=1, subcode=0x50)))) == {"6-0:1.0.0*255"}


def test_the_simulator_reports_its_meters_and_counts_its_answers() -> None:
    with simulated() as (where, simulator):
        read(where, MBusProfile(address=2))
        reported = {one["name"]: one for one in simulator.report()["meters"]}
    assert reported["cold-water"]["device"] == WATER
    assert reported["cold-water"]["total"] >= 815_000
    assert reported["cold-water"]["answers"] == 2


def test_smgw_read_shows_a_meter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with simulated() as (where, _):
        file = tmp_path / "smgw.toml"
        file.write_text(
            f'[gateway]\ndevice_id = "ESMG0000000001"\n[[meter]]\nname = "cold"\nprotocol = "mbus"\n'
            f'port = "socket://{where}"\nmbus = {{ address = 2 }}\n'
        )
        code = main(["read", "--config", str(file), "cold"])
    out = capsys.readouterr().out
    assert code == 0
    assert "8-0:1.0.0" in out
    assert WATER in out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('id = "14839120"', 'id = "1483912"'), "eight digits"),
        (('maker = "KAM"', 'maker = "kam"'), "three capital letters"),
        (("address = {water}", "address = 251"), "address"),
        (('name = "cold-water"', 'name = "radiators"'), "is there twice"),
    ],
)
def test_a_wrong_key_is_reported(change: tuple[str, str], words: str) -> None:
    text = '[[mbus]]\nport = "tcp:0"\n' + METERS.replace(*change).format(heat=1, water=2)
    with pytest.raises(ConfigError, match=words):
        parse(text)


@pytest.mark.parametrize(("text", "words"), [('port = "tcp-push:1"', "is asked"), ('port = "tcp:0"', "there is none")])
def test_a_wrong_line_is_reported(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse(f"[[mbus]]\n{text}\n")


def test_faults_are_switched_by_orders_and_the_next_answer_is_good() -> None:
    with simulated() as (where, simulator):
        (line,) = simulator.mbus
        assert orders.carry_out(simulator, "cold-water collision 1") == "collision is on: cold-water"
        assert orders.carry_out(simulator, "meters") == "radiators: collision\ncold-water: collision"
        with pytest.raises(PollError):
            read(where, MBusProfile(address=2), 0)
        assert orders.carry_out(simulator, "cold-water collision off") == "collision is off: cold-water"
        assert orders.carry_out(simulator, "radiators busy 1") == "busy is on: radiators"
        with pytest.raises(ApplicationError, match="it is busy"):
            read(where, MBusProfile(address=2), 0)
        orders.carry_out(simulator, "radiators busy off")
        assert str(read(where, MBusProfile(address=2), 0).device) == WATER
        assert line.faults.names() == []
        assert "endless-answer 10" in orders.carry_out(simulator, "help")
        with pytest.raises(FaultError, match="there is no fault lost-frame of M-Bus lines; write one of lost-answer"):
            orders.carry_out(simulator, "radiators lost-frame")


def test_the_menu_shows_the_meters_of_a_line() -> None:
    with simulated() as (_, simulator):
        settings = "\n".join(mbus_settings(simulator.mbus[0]))
        assert f"Meter cold-water\n  device id      {WATER}\n" in settings
        assert "address 2, secondary 14839120" in settings
        assert "  counter                    815.0" in "\n".join(simulator_settings(simulator))


def test_a_serial_device_is_opened_with_the_parity_of_the_bus() -> None:
    with simulated() as (_, simulator):
        assert simulator.mbus[0].parity == "E"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("calls = true", "a meter that calls is alone"),
        (f'key = "{"00" * 16}"', "only a meter that calls encrypts"),
        ('calls = true\nkey = "00"', "write 32 hex digits"),
    ],
)
def test_a_wrong_key_of_a_meter_that_calls_is_reported(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse(f'[[mbus]]\nport = "tcp:0"\n{text}\n' + METERS.format(heat=1, water=2))


@pytest.mark.parametrize("key", ["", 'key = "000102030405060708090a0b0c0d0e0f"\n'], ids=["clear", "encrypted"])
def test_a_meter_that_calls_is_read(key: str) -> None:
    meter = '[[mbus.meter]]\nname = "amis"\nid = "12345678"\nmedium = "electricity"\nstart = 7\n'
    with running(f'[[mbus]]\nport = "tcp:0"\ncalls = true\n{key}{meter}') as (where, simulator):
        profile = MeterProfile("amis", "mbus-push", f"socket://{where}", options=MBusProfile(), timeout=10)
        secrets = Secrets(encryption_key=bytes(range(16)) if key else None)
        reader = MBusPush(profile, secrets, Surroundings(GatewayClock()))
        with open_port(profile.port, LineSettings(9600)) as port:
            (heard,) = reader.poll(port)
        assert not isinstance(heard, Refused)
        assert str(heard[0].device) == "1UTB0112345678"
        assert shown(heard[0])["1-0:1.8.0*255"] >= 7000  # type: ignore[operator]
        assert simulator.report()["meters"][0]["requests"] >= 2


def test_meters_with_all_but_the_fabrication_number_in_common_are_read() -> None:
    twins = "".join(
        f'[[mbus.meter]]\nname = "{number}"\nid = "14839120"\nfabrication = "0000000{number}"\nstart = {number}\n'
        for number in (1, 2)
    )
    with running(f'[[mbus]]\nport = "tcp:0"\n{twins}') as (where, _):
        for number in (1, 2):
            found = read(where, MBusProfile(secondary="14839120", fabrication=f"0000000{number}"))
            assert shown(found)["8-0:1.0.0*1"] == 1000 * number
    with pytest.raises(ConfigError, match="write eight digits"):
        parse(f'[[mbus]]\nport = "tcp:0"\n{twins.replace("00000001", "1")}')
