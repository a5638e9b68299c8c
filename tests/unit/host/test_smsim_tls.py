"""Meters of smsim over TLS: SML asked and pushed, DLMS; read by the gateway's port and by OpenSSL's client."""

import contextlib
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from lmn_tls import NOW, WAIT_S, Lmn, s_client
from simulated import Running, simulated
from smgw.cosem import ClockState, Stamp
from smgw.ports import LineSettings, Port, Security, open_port
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.trust.meter_certificate import MeterCertificate
from smsim.config import parse
from smsim.errors import ConfigError
from smsim.ports import TcpPort
from smsim.tls import Tls

METERS = """
[[meter]]
name = "pushing"
device = "1EMH0000000002"
port = "tcp-push:0"
push_interval = 0.1
baud = 115200
tls = true
{client}
[[meter]]
name = "asked"
device = "1UTB0000000001"
port = "tcp:0"
tls = true
{client}
[[dlms]]
port = "tcp:0"
framing = "wrapper"
tls = true
{client}
[[dlms.meter]]
name = "heat pump"
device = "1UTB0000000071"
history_days = 2
"""


def text_of(folder: Path, client: Path | None = None) -> str:
    told = f'tls_client = "{client}"\n' if client else ""
    return f'[simulator]\ncertificates = "{folder / "certificates"}"\n{METERS.format(client=told)}'


@pytest.fixture
def lmn(tmp_path: Path) -> Lmn:
    return Lmn(tmp_path)


@pytest.fixture
def running(tmp_path: Path, lmn: Lmn) -> Iterator[Running]:
    with simulated(text_of(tmp_path, lmn.gateway.certificate)) as made:
        for name in ("pushing", "asked", "heat pump"):
            lmn.pin(name.replace(" ", "-"), MeterCertificate.from_file(tmp_path / "certificates" / f"{name}.crt"))
        yield made


def opened(lmn: Lmn, meter: str, port: str) -> Port:
    stamp = Stamp("boot", 0, NOW * 1_000_000, 0, ClockState.SYNCHRONISED)
    return open_port(
        "tls://" + port.rpartition("tcp")[2].partition(":")[2],
        LineSettings(),
        security=Security(lmn.trust, (meter,), lambda: stamp),
    )


def telegrams(port: Port, count: int) -> list[Telegram]:
    reader, found = TelegramReader(), []
    while len(found) < count:
        assert port.wait(WAIT_S)
        found += [one for one in reader.receive(port.read()) if isinstance(one, Telegram)]
    return found


def test_a_pushing_meter_is_read(lmn: Lmn, running: Running) -> None:
    with opened(lmn, "pushing", running.simulator.meters[0].port) as port:
        assert len(telegrams(port, 3)) >= 3


def test_two_gateways_get_the_same_pushes(lmn: Lmn, running: Running) -> None:
    where = running.simulator.meters[0].port
    with opened(lmn, "pushing", where) as one, opened(lmn, "pushing", where) as other:
        assert telegrams(one, 2)
        assert telegrams(other, 2)


def test_an_asked_meter_answers(lmn: Lmn, running: Running) -> None:
    from smgw.sml.client import Answers, Client

    client = Client(b"reader", b"file")
    with opened(lmn, "asked", running.simulator.meters[1].port) as port:
        port.write(client.send([client.get_list()], 0.0))
        events: list[object] = []
        while not events:
            assert port.wait(WAIT_S)
            events += client.receive(port.read())
    assert isinstance(events[0], Answers)


def test_a_dlms_meter_answers_in_the_wrapper(lmn: Lmn, running: Running) -> None:
    request = bytes.fromhex("601da109060760857405080101be10040e01000000065f1f0400001c1dffff")
    with opened(lmn, "heat-pump", running.simulator.lines[0].port) as port:
        port.write(bytes.fromhex("000100100001") + len(request).to_bytes(2, "big") + request)
        assert port.wait(WAIT_S)
        assert port.read()[8] == 0x61  # AARE


def test_there_is_no_way_around_tls_by_datagrams(running: Running) -> None:
    assert running.simulator.lines[0]._udp is None


@pytest.mark.parametrize("place", [0, 1], ids=["pushing", "asked"])
def test_a_gateway_without_its_certificate_is_refused(lmn: Lmn, running: Running, place: int) -> None:
    number = running.simulator.meters[place].port.rpartition(":")[2]
    done = s_client(int(number), "-tls1_2", "-curves", "brainpoolP256r1", "-ign_eof")
    assert done.returncode != 0
    assert "unexpected eof" in done.stderr or "alert" in done.stderr


def test_openssl_reads_a_meter_that_believes_anybody(tmp_path: Path) -> None:
    with simulated(text_of(tmp_path)) as running:
        number = running.simulator.meters[0].port.rpartition(":")[2]
        certificate = str(tmp_path / "certificates" / "pushing.crt")
        options = ("-tls1_2", "-curves", "brainpoolP256r1", "-CAfile", certificate, "-verify_return_error")
        done = s_client(int(number), *options, stdin="Q\n")
    assert "Verify return code: 0" in done.stdout


def test_a_certificate_is_made_once(tmp_path: Path) -> None:
    tls = Tls(tmp_path / "certificates", curve="p256")
    tls.context("house", "1EMH0000000001")
    file = tls.certificate("house")
    before = file.read_bytes()
    tls.context("house", "1EMH0000000001")
    assert file.read_bytes() == before
    assert MeterCertificate.from_file(file).name == "1EMH0000000001.sm"
    assert stat.S_IMODE(file.with_suffix(".key").stat().st_mode) == 0o600


def test_a_plain_reader_of_a_meter_with_tls_gets_no_telegram(running: Running) -> None:
    number = running.simulator.meters[0].port.rpartition(":")[2]
    got = b""
    with socket.create_connection(("127.0.0.1", int(number)), timeout=WAIT_S) as one:
        one.sendall(b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01")
        with contextlib.suppress(ConnectionResetError):
            while octets := one.recv(4096):
                got += octets
    assert b"\x1b\x1b\x1b\x1b" not in got


BASE = '[[meter]]\nname = "m"\ndevice = "1UTB0000000001"\n'
WRONG = {
    "pty": (BASE + 'port = "pty:/tmp/x"\ntls = true\n', 5, "is no TCP port"),
    "client": (BASE + 'port = "tcp:1"\ntls_client = "x"\n', 5, "belongs to a meter with TLS"),
    "curve": (BASE + 'port = "tcp:1"\ntls = true\ntls_curve = "x25519"\n', 6, "brainpool, p256"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_key_is_told_with_its_line(what: str) -> None:
    text, line, told = WRONG[what]
    with pytest.raises(ConfigError, match=told) as caught:
        parse(text)
    assert f":{line}:" in str(caught.value)


def test_folder_and_client_start_beside_the_configuration() -> None:
    (meter,) = parse(BASE + 'port = "tcp:1"\ntls = true\ntls_client = "gateway.crt"\n', "/lab/meters.toml").meters
    assert meter.tls == Tls(Path("/lab/smsim-certificates"), Path("/lab/gateway.crt"), "brainpool")
    assert meter.port == TcpPort(1)
