"""Lines of DLMS meters in the configuration: what is read, and how each mistake is told."""

import asyncio
import socket
from importlib import resources
from pathlib import Path

import pytest
from smgw.dlms.apdus.acse import Mechanism
from smgw.hdlc import Address, LinkParameters
from smgw.iec62056.responder import Confirmation
from smsim import menu, orders
from smsim.config import parse
from smsim.errors import ConfigError, FaultError, PortError
from smsim.ports import PtyPort
from smsim.simulator import Simulator

METER = """
[[dlms.meter]]
name = "one"
device = "1UTB0000000071"
"""
LINE = '[[dlms]]\nport = "tcp:0"\n'


def test_the_example_has_a_line_with_every_key() -> None:
    config = parse(resources.files("smsim").joinpath("example.toml").read_text(encoding="utf-8"))
    (line,) = config.dlms
    (meter,) = line.meters
    assert line.port == PtyPort("/tmp/smsim-rs485")
    assert meter.framing.address == Address(1, 17)
    assert [client.mechanism for client in meter.clients] == [Mechanism.NONE, Mechanism.LOW, Mechanism.HIGH_GMAC]
    assert "12345678" not in repr(config)
    assert "0001" not in repr(meter.clients)


def test_a_meter_without_more_is_the_usual_one() -> None:
    (line,) = parse(LINE + METER).dlms
    (meter,) = line.meters
    assert meter.framing.address == Address(1)
    assert meter.framing.parameters == LinkParameters()
    assert [client.sap for client in meter.clients] == [16]
    assert (line.baud, line.wrapper, line.sign_on, line.faults.names()) == (9600, False, None, [])


def test_sign_on_names_the_rate_of_the_line() -> None:
    (line,) = parse(LINE + 'baud = 4800\nsign_on = { maker = "EMH", confirmation = "before" }\n' + METER).dlms
    assert line.sign_on is not None
    assert line.sign_on.identification.encode() == b"/EMH4\\2smsim\r\n"
    assert line.sign_on.confirmation is Confirmation.BEFORE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LINE, "dlms[1].meter: there is none"),
        ('[[dlms]]\nport = "tcp-push:1"\n' + METER, "pushes, a DLMS meter is asked"),
        ('[[dlms]]\nport = "com1"\n' + METER, "is no port"),
        ('[[dlms]]\nport = "pty:/x"\nframing = "wrapper"\n' + METER, "it is for TCP"),
        (LINE + 'framing = "wrapper"\nsign_on = {}\n' + METER, "the wrapper has none"),
        (LINE + 'sign_on = { maker = "X" }\n' + METER, "is no FLAG id"),
        (LINE + "faults = { lost_frames = 1 }\n" + METER, "did you mean lost_frame?"),
        (LINE + METER + METER.replace("one", "two"), "two meters have the same address"),
        (LINE + METER + "address = 200\naddress_length = 2\n", "no HDLC address of 2 octets"),
        (LINE + METER + "address_length = 3\n", "write 1, 2 or 4 octets"),
        (LINE + METER + "information_length = 4096\n", "whole number from 1 to 2030"),
        (LINE + METER + 'model = "french"\n', "write one of german, dsmr"),
        (LINE + METER.replace("1UTB0000000071", "nobody"), "no device id"),
        (LINE + METER + "[[dlms.meter.client]]\n[[dlms.meter.client]]\n", "two clients have the same sap"),
        (LINE + METER + '[[dlms.meter.client]]\nmechanism = "lls"\n', "needs a password"),
        (LINE + METER + '[[dlms.meter.client]]\nmechanism = "hls-gmac"\n', "needs both keys"),
        (LINE + METER + '[[dlms.meter.client]]\nencryption_key = "00"\n', "write 16 octets as 32 hex digits"),
        (LINE + METER + f'[[dlms.meter.client]]\nencryption_key = "{"00" * 16}"\n', "one of the two keys is missing"),
        (LINE + METER + '[[dlms.meter.client]]\nmechanism = "hls-ecdsa"\n', "needs signing_key"),
        (LINE + METER + '[[meter]]\nname = "one"\ndevice = "1UTB0000000001"\n', "'one' is there twice"),
    ],
)
def test_each_mistake_is_told_with_what_would_be_right(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text, "meters.toml")
    assert said in str(error.value)
    assert str(error.value).startswith("meters.toml")


def test_lines_start_stop_and_report() -> None:
    async def run() -> None:
        simulator = Simulator(parse(LINE + METER))
        try:
            (told,) = await simulator.start()
            assert told.startswith("meter one (1UTB0000000071, DLMS, HDLC, address 1) on tcp:127.0.0.1:")
            (meter,) = simulator.report()["meters"]
            assert meter["name"] == "one"
            assert {register["obis"] for register in meter["registers"]} > {"1-0:1.8.0*255"}
            assert simulator.summary()[0].endswith("0 requests, 0 associations")
        finally:
            await simulator.stop()

    asyncio.run(run())


def test_a_port_in_use_is_told() -> None:
    async def run() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            simulator = Simulator(parse(LINE.replace("tcp:0", f"tcp:{port}") + METER))
            with pytest.raises(PortError, match="cannot listen"):
                await simulator.start()

    asyncio.run(run())


def test_faults_are_switched_by_orders() -> None:
    simulator = Simulator(parse(LINE + METER))
    (line,) = simulator.lines
    assert orders.carry_out(simulator, "one lost-frame 7") == "lost-frame is on: one"
    assert orders.carry_out(simulator, "one echo") == "echo is on: one"
    assert (line.faults.lost_frame, line.faults.echo) == (7, True)
    assert orders.carry_out(simulator, "meters") == "one: lost-frame, echo"
    orders.carry_out(simulator, "one echo off")
    orders.carry_out(simulator, "one lost-frame off")
    assert orders.carry_out(simulator, "meters") == "one: well"
    assert "slow-answer 3" in orders.carry_out(simulator, "help")
    for wrong, said in (
        ("one lost-frame many", "write a number such as 10"),
        ("one echo 3", "write it alone, or off"),
        ("one silence", "there is no fault silence of DLMS lines"),
        ("two echo", "there is no"),
    ):
        with pytest.raises(FaultError, match=said):
            orders.carry_out(simulator, wrong)


def test_the_menu_shows_the_meters_of_a_line() -> None:
    simulator = Simulator(parse(LINE + METER))
    (line,) = simulator.lines
    settings = menu.dlms_settings(line)
    assert "  device id      1UTB0000000071 (0a015554420000000047)" in settings
    assert "  clients        16 (none)" in settings
    assert "  faults         none" in settings
    shown = menu.simulator_settings(simulator)
    assert "Meter one" in shown
    assert any(text.startswith("  1-0:16.7.0*255") and text.endswith(" W") for text in shown)


def test_a_line_on_a_pty_leaves_no_link_behind(tmp_path: Path) -> None:
    async def run() -> None:
        link = tmp_path / "rs485"
        simulator = Simulator(parse(f'[[dlms]]\nport = "pty:{link}"\n' + METER))
        await simulator.start()
        assert link.is_symlink()
        await simulator.stop()
        assert not link.is_symlink()

    asyncio.run(run())
