"""Serial lines behind RFC 2217, against the server side of pyserial."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from dlms_line_meter import DlmsMeter
from line_meter import Head, Inbox, driver, running, telegram, until
from rfc2217_bridge import Rfc2217Bridge
from smgw.cli import main
from smgw.iec62056.identification import Identification
from smgw.iec62056.responder import Responder
from smgw.ports import LineSettings, PortError, PortGone, PortWoken, Wake, open_port
from smgw.ports.telnet import Option, Telnet, Verb
from smgw.profiles import checks
from smgw.profiles.meter import MeterProfile
from smgw.wire import Transmit

LINE = LineSettings()
ALL_OCTETS = bytes(range(256)) * 3 + b"\xff\xff\xff\r\n\x00"


@pytest.fixture
def head(tmp_path: Path) -> Iterator[Head]:
    made = Head(tmp_path / "head")
    yield made
    made.unplug()


@pytest.fixture
def bridge(head: Head) -> Iterator[Rfc2217Bridge]:
    with Rfc2217Bridge(str(head.link)) as made:
        yield made


def received(port: object, count: int) -> bytes:
    octets = b""
    while len(octets) < count and port.wait(5):  # type: ignore[attr-defined]
        octets += port.read()  # type: ignore[attr-defined]
    return octets


def test_every_octet_goes_both_ways(head: Head, bridge: Rfc2217Bridge) -> None:
    with open_port(bridge.url, LINE) as port:
        head.send(ALL_OCTETS)
        assert received(port, len(ALL_OCTETS)) == ALL_OCTETS
        port.write(ALL_OCTETS)
        got = b""
        while len(got) < len(ALL_OCTETS):
            got += os.read(head.master, 4096)
        assert got == ALL_OCTETS
        assert port.paced


@pytest.mark.parametrize(
    "settings", [LineSettings(2400, 8, "E", 1), LineSettings(300, 7, "E", 1), LineSettings(115200)]
)
def test_the_line_behind_the_bridge_gets_the_settings(settings: LineSettings) -> None:
    with Rfc2217Bridge("loop://") as bridge, open_port(bridge.url, settings):
        line = bridge.line
        assert (line.baudrate, line.bytesize, line.parity, line.stopbits) == settings[:4]


def test_the_speed_changes_on_the_open_port(bridge: Rfc2217Bridge) -> None:
    with open_port(bridge.url, LineSettings(300)) as port:
        port.change_baud(9600)
        assert bridge.line.baudrate == port.settings.baudrate == 9600
        port.change_baud(300)
        assert bridge.line.baudrate == 300


def test_a_port_that_is_opened_again_sets_the_line_again(bridge: Rfc2217Bridge) -> None:
    with open_port(bridge.url, LineSettings(300)) as port:
        port.change_baud(9600)
        port.reopen(LineSettings(300))
        assert bridge.line.baudrate == 300
        assert bridge.accepted == 2


def test_a_speed_that_the_bridge_cannot_set_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with Rfc2217Bridge("loop://") as bridge, open_port(bridge.url, LINE) as port:
        monkeypatch.setattr(type(bridge.line), "baudrate", property(lambda _: 9600, lambda *_: None))
        with pytest.raises(PortError, match="cannot change to 19200 Bd; it stays at 9600 Bd"):
            port.change_baud(19_200)


def test_a_closed_connection_is_a_port_that_is_gone() -> None:
    with Rfc2217Bridge("loop://") as bridge:
        port = open_port(bridge.url, LINE)
    with port:
        assert port.wait(5)
        with pytest.raises(PortGone, match="closed the connection"):
            received(port, 1_000_000)


class Rude:
    """A server that says the same to everyone, and then nothing."""

    def __init__(self, greeting: bytes) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rfc2217://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections: list[socket.socket] = []
        self.greeted = threading.Event()
        self._greeting = greeting
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        self.connections.append(connection)
        connection.sendall(self._greeting)
        self.greeted.set()

    def close(self) -> None:
        for one in (self._listener, *self.connections):
            one.close()


def test_a_bridge_that_takes_no_settings_is_told_with_what_to_write() -> None:
    rude = Rude(bytes((255, Verb.DONT, Option.COM_PORT)))
    with pytest.raises(PortError, match=r"takes no line settings.*socket://127"):
        open_port(rude.url, LINE)
    rude.close()


def test_a_bridge_that_speaks_no_telnet_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smgw.ports.rfc2217.CONNECT_S", 0.2)
    rude = Rude(b"")
    with pytest.raises(PortError, match=r"did not answer in RFC 2217.*write socket://127"):
        open_port(rude.url, LINE)
    rude.close()


def test_a_stop_ends_the_negotiation_at_once() -> None:
    rude = Rude(b"")
    with Wake() as wake:
        stop = threading.Thread(target=lambda: (rude.greeted.wait(5), wake.set()))
        stop.start()
        with pytest.raises(PortWoken):
            open_port(rude.url, LINE, wake)
        stop.join()
    rude.close()


def test_a_stop_ends_a_wait_at_once(bridge: Rfc2217Bridge) -> None:
    with Wake() as wake, open_port(bridge.url, LINE, wake) as port:
        wake.set()
        assert not port.wait(60)


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_commands_in_pieces_of_any_size_are_taken_out_of_the_data(size: int) -> None:
    telnet, data = Telnet(), b""
    stream = b"a\xff\xffb" + b"\xff\xfd\x2c" + b"c\xff\xfa\x2c\x65\x00\x00\xff\xff\x80\xff\xf0d" + b"\xff\xf1e"
    for start in range(0, len(stream), size):
        data += telnet.receive(stream[start : start + size])
    assert data == b"a\xffbcde"
    assert telnet.com_port
    assert telnet.in_force[1] == b"\x00\x00\xff\x80"


def test_an_option_that_is_not_wanted_is_refused_once() -> None:
    telnet = Telnet()
    telnet.outgoing.clear()
    telnet.receive(b"\xff\xfb\x01" * 3 + b"\xff\xfd\x18" * 3)
    assert bytes(telnet.outgoing) == b"\xff\xfe\x01\xff\xfc\x18"


@pytest.mark.parametrize(
    "url", ["rfc2217://host:2217", "rfc2217://[::1]:1/", "rfc2217://h:1?ign_set_control&timeout=3"]
)
def test_the_url_is_a_port(url: str) -> None:
    faults: list[str] = []
    assert checks.port(url, lambda text, *_: faults.append(text)) == url
    assert not faults


@pytest.mark.parametrize("url", ["rfc2217://host", "rfc2217://host:0", "rfc2217://host:1?speed=3", "rfc2217:/x"])
def test_what_is_no_such_url_is_told(url: str) -> None:
    faults: list[str] = []
    checks.port(url, lambda text, *_: faults.append(text))
    assert faults


def test_it_is_the_same_port_as_the_raw_connection() -> None:
    assert checks.claimed_by("rfc2217://host:1?timeout=3") == checks.claimed_by("socket://HOST:1/")


def test_it_has_line_settings() -> None:
    assert not MeterProfile("m", "sml-push", "rfc2217://host:1").on_network


def test_a_pushing_meter_behind_it_is_read_and_the_reader_stops_at_once(head: Head, bridge: Rfc2217Bridge) -> None:
    inbox = Inbox()
    profile = MeterProfile(name="house", protocol="sml-push", port=bridge.url)
    with running(made := driver(profile, inbox=inbox)):
        until(lambda: made.tried)
        head.send(telegram(5))
        until(lambda: inbox.captures)
    assert inbox.values == [5]


def signed_on(master: int, read: threading.Event) -> None:
    """A meter that waits for its sign-on at 300 Bd, and then speaks HDLC until it was read."""
    meter = Responder(Identification("LGZ", "5", "2", "E350"))
    while not meter.signed_on:
        for event in meter.receive(os.read(master, 256)):
            if isinstance(event, Transmit):
                os.write(master, event.octets)
    with DlmsMeter(master=master):
        read.wait(30)


def test_a_meter_in_mode_e_behind_it_is_read(tmp_path: Path, head: Head, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "gateway.toml"
    meter = threading.Thread(target=signed_on, args=(head.master, read := threading.Event()), daemon=True)
    with Rfc2217Bridge(str(head.link)) as bridge:
        meter.start()
        config.write_text(
            '[gateway]\ndevice_id = "ESMG0000000001"\n[[meter]]\nname = "m"\nprotocol = "dlms"\n'
            f'port = "{bridge.url}"\nbaudrate = 9600\ndlms = {{ start = "mode-e" }}\n'
        )
        assert main(["read", "--config", str(config), "--seconds", "30"]) == 0
        assert bridge.speeds[:2] == [9600, 300]
        assert 9600 in bridge.speeds[2:]
    read.set()
    meter.join(5)
    assert "meter m, device" in capsys.readouterr().out


def test_dump_reads_it(head: Head, bridge: Rfc2217Bridge, capsys: pytest.CaptureFixture[str]) -> None:
    def send() -> None:
        until(lambda: bridge.accepted and bridge.line.baudrate == 19_200)
        head.send(telegram(5))

    sender = threading.Thread(target=send)
    sender.start()
    assert main(["dump", "sml", bridge.url, "--baudrate", "19200", "--count", "1"]) == 0
    sender.join()
    assert "1-0:1.8.0" in capsys.readouterr().out
