"""Live values at TCP ports of the house: P1 text, vzlogger's answer, metrics; and who is not served."""

import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from broker import wait_until
from captures_made import DEVICE, MIDNIGHT, POWER, SECOND, capture, energy
from hypothesis import given
from hypothesis import strategies as some
from smgw.cosem import Data, DataType, DeviceId, Obis, Reading
from smgw.cosem.zone import time_zone
from smgw.han.live import outlets
from smgw.han.live.feed import LiveFeed
from smgw.han.live.outlets import Order
from smgw.han.live.points import shown
from smgw.han.live.ports import metrics, vzlogger
from smgw.han.live.ports.p1_text import telegram
from smgw.han.server import house_ports
from smgw.iec62056.p1.devices import devices
from smgw.iec62056.p1.telegram import Telegram, TelegramReader
from smgw.ports.wake import Wake
from smgw.profiles.house import P1Profile, PortProfile
from smgw.store.live import LiveWriter
from soon import LIMIT

GATEWAY = DeviceId.parse("ESMG0000000001")
BERLIN = time_zone("Europe/Berlin")
ANYWHERE = "127.0.0.1:0"


def reading(obis: str, value: int, scaler: int, unit: int) -> Reading:
    return Reading(Obis.parse(obis), Data(DataType.DOUBLE_LONG, value), scaler, unit)


def power(watts: int) -> Reading:
    return Reading(POWER, Data(DataType.DOUBLE_LONG, watts), 0, 27)


@pytest.fixture
def writer(tmp_path: Path) -> LiveWriter:
    return LiveWriter(tmp_path / "live", {"house": "/dev/ttyUSB0", "roof": "/dev/ttyUSB1"})


@contextlib.contextmanager
def serving(tmp_path: Path, kind: str, profile: object, names: tuple[str, ...] = ()) -> Iterator[int]:
    """The port of an outlet that listens."""
    outlet: Any = outlets.make(Order(kind, profile, GATEWAY, tmp_path, names), LiveFeed(tmp_path / "live", 0.02))
    thread = threading.Thread(target=outlet.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: outlet.bound is not None)
        yield outlet.bound[1]
    finally:
        outlet.stop()
        thread.join(LIMIT)
        assert not thread.is_alive()


@contextlib.contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT) as sock:
        yield sock


def ask(port: int, question: bytes) -> tuple[int, str, bytes]:
    """Status, head and body."""
    with connected(port) as sock:
        sock.sendall(question)
        octets = b"".join(iter(lambda: sock.recv(65536), b""))
    head, _, body = octets.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode(), body


def get(port: int, path: str) -> tuple[int, Any]:
    status, _, body = ask(port, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    return status, json.loads(body) if body[:1] == b"{" else body.decode()


def telegrams(sock: socket.socket) -> Iterator[bytes]:
    octets = b""
    while found := sock.recv(4096):
        octets += found
        while match := re.match(rb"(?s)(/.*?![0-9A-F]{4}\r\n)(.*)", octets):
            octets = match[2]
            yield match[1]


# P1


def lines(octets: bytes) -> list[str]:
    return octets.decode("ascii").split("\r\n")


def made(*readings: Reading, synchronised: bool = True, at: int = MIDNIGHT) -> bytes:
    return telegram(shown(capture(at, *readings, synchronised=synchronised)), GATEWAY, BERLIN)


def test_a_telegram_has_the_values_of_a_capture() -> None:
    octets = made(
        energy(12_345_678_9, -1), reading("1-0:2.8.0", 5, 3, 30), power(-412), reading("1-0:32.7.0", 2301, -1, 35),
        reading("1-0:31.7.0", 1234, -3, 33), reading("1-0:36.7.0", 77, 0, 27),
    )  # fmt: skip
    assert lines(octets)[:-2] == [
        "/SMG5SMGW-ESMG0000000001",
        "",
        "1-3:0.2.8(50)",
        "0-0:1.0.0(260301010000W)",
        "0-0:96.1.1(31454D4830303131383032383831)",
        "1-0:1.8.0(012345.678*kWh)",
        "1-0:1.8.1(012345.678*kWh)",
        "1-0:1.8.2(000000.000*kWh)",
        "1-0:2.8.0(000005.000*kWh)",
        "1-0:2.8.1(000005.000*kWh)",
        "1-0:2.8.2(000000.000*kWh)",
        "1-0:1.7.0(00.000*kW)",
        "1-0:2.7.0(00.412*kW)",
        "1-0:21.7.0(00.077*kW)",
        "1-0:22.7.0(00.000*kW)",
        "1-0:32.7.0(230.1*V)",
        "1-0:31.7.0(001.23*A)",
        "0-0:96.13.0()",
    ]


def test_tariffs_of_the_meter_are_not_replaced() -> None:
    octets = made(energy(30_000, 0), reading("1-0:1.8.1", 10_000, 0, 30), reading("1-0:1.8.2", 20_000, 0, 30))
    assert [line for line in lines(octets) if ".8." in line] == [
        "1-0:1.8.0(000030.000*kWh)", "1-0:1.8.1(000010.000*kWh)", "1-0:1.8.2(000020.000*kWh)",
    ]  # fmt: skip


def test_summer_time_is_marked() -> None:
    assert "0-0:1.0.0(260829020000S)" in lines(made(energy(1), at=MIDNIGHT + 181 * 86_400 * SECOND))


def test_a_telegram_says_why_no_bill_may_use_it() -> None:
    (line,) = [line for line in lines(made(energy(1), synchronised=False)) if "96.13.0" in line]
    assert bytes.fromhex(line[12:-1]) == b"not for billing: the gateway's clock is not synchronised"


@given(
    some.lists(some.tuples(some.integers(-(2**63), 2**63 - 1), some.integers(-20, 20)), min_size=1, max_size=6),
    some.integers(-(2**60), 2**60),
)
def test_whatever_the_values_our_own_reader_takes_the_telegram(numbers: list[tuple[int, int]], at: int) -> None:
    obis = [bytes((1, 0, c, d, 0, 255)) for c, d in ((1, 8), (2, 8), (16, 7), (32, 7), (31, 7), (36, 7))]
    readings = [
        Reading(Obis(code), Data(DataType.LONG64, value), scaler, 30)
        for code, (value, scaler) in zip(obis, numbers, strict=False)
    ]
    (found,) = TelegramReader().receive(telegram(shown(capture(at, *readings)), GATEWAY, BERLIN))
    assert isinstance(found, Telegram)


def test_our_own_reader_reads_the_same_values() -> None:
    (found,) = TelegramReader().receive(made(energy(12_345_678, 0), power(412)))
    assert isinstance(found, Telegram)
    (meter,) = devices(found, 60)
    assert meter.id == DEVICE
    values = {str(one.obis): (one.value.value, one.scaler, one.unit) for one in meter.readings}
    assert values["1-0:1.8.0*255"] == (12_345_678, 0, 30)
    assert values["1-0:1.7.0*255"] == (412, 0, 27)


def test_who_connects_gets_the_newest_telegram_and_each_that_follows(writer: LiveWriter, tmp_path: Path) -> None:
    writer.capture(capture(MIDNIGHT, power(1)))
    with serving(tmp_path, "p1", P1Profile(ANYWHERE, "house")) as port, connected(port) as sock:
        heard = telegrams(sock)
        assert b"1-0:1.7.0(00.001*kW)" in next(heard)
        writer.capture(capture(MIDNIGHT + SECOND, power(2)))
        assert b"1-0:1.7.0(00.002*kW)" in next(heard)
        with connected(port) as later:
            assert b"1-0:1.7.0(00.002*kW)" in next(telegrams(later))


def test_what_somebody_sends_to_the_p1_port_is_not_heard(writer: LiveWriter, tmp_path: Path) -> None:
    with serving(tmp_path, "p1", P1Profile(ANYWHERE, "house")) as port, connected(port) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n" * 5000)
        writer.capture(capture(MIDNIGHT, power(1)))
        assert next(telegrams(sock)).startswith(b"/SMG5")


def test_another_meters_values_do_not_go_to_a_p1_port(writer: LiveWriter, tmp_path: Path) -> None:
    with serving(tmp_path, "p1", P1Profile(ANYWHERE, "roof")) as port, connected(port) as sock:
        writer.capture(capture(MIDNIGHT, power(1)))
        writer.capture(capture(MIDNIGHT, power(2), meter="roof", device=DeviceId.parse("1EMH0000000007")))
        assert b"1-0:1.7.0(00.002*kW)" in next(telegrams(sock))


def test_a_subscriber_that_does_not_read_is_ended_and_others_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each telegram is more than a connection holds."""
    monkeypatch.setattr(house_ports, "_TAKE_S", 0.5)
    wake, servers = Wake(), list[house_ports.TelegramServer]()

    def made() -> house_ports.TelegramServer:
        servers.append(house_ports.TelegramServer(bytes, lambda: b"12345678" * 1_000_000, wake))
        return servers[0]

    port = house_ports.HousePort(ANYWHERE, made)
    thread = threading.Thread(target=port.run, daemon=True)
    thread.start()
    wait_until(lambda: port.bound is not None)
    with connected(port.bound[1]), connected(port.bound[1]) as quick:  # type: ignore[index]
        wait_until(lambda: len(servers[0]._guests.streams) == 2)
        for _ in range(4):
            wake.set()
            received(quick, 8_000_000)
        wait_until(lambda: len(servers[0]._guests.streams) == 1)
        wake.set()
        received(quick, 8_000_000)
    port.stop()
    thread.join(LIMIT)
    assert not thread.is_alive()
    wake.close()


def received(sock: socket.socket, count: int) -> bytes:
    octets = b""
    while len(octets) < count:
        more = sock.recv(count - len(octets))
        assert more
        octets += more
    return octets


# vzlogger


def test_vzlogger_shows_each_register_as_a_channel(writer: LiveWriter, tmp_path: Path) -> None:
    writer.capture(capture(MIDNIGHT, energy(12_345), power(-7)))
    with serving(tmp_path, "vzlogger", PortProfile(ANYWHERE)) as port:
        status, every = get(port, "/")
        by_obis = {one["obis"]: one for one in every["data"]}
        watts = by_obis["1-0:16.7.0"]
        assert status == 200
        assert by_obis["1-0:1.8.0"]["tuples"] == [[MIDNIGHT // 1000, 1234.5]]
        assert (watts["tuples"], watts["unit"], watts["valid"]) == ([[MIDNIGHT // 1000, -7]], "W", True)
        assert get(port, f"/{watts['uuid']}")[1]["data"] == [watts]
        # What evcc's templates take: `.data[] | select(.uuid == ...) | .tuples[0][1]` and `.data.tuples[0][1]`
        assert get(port, f"/api/data/{watts['uuid']}.json?from=now")[1]["data"]["tuples"] == [[MIDNIGHT // 1000, -7, 1]]


def test_a_channel_keeps_its_uuid() -> None:
    one, *_ = vzlogger.channels(GATEWAY, [shown(capture(MIDNIGHT, energy(1)))])
    assert one.uuid == "1dc5bb52-41c8-5769-969b-27c325685d0a"
    other, *_ = vzlogger.channels(GATEWAY, [shown(capture(MIDNIGHT + SECOND, energy(2)))])
    assert one.uuid == other.uuid


def test_a_port_shows_only_the_meters_of_its_profile(writer: LiveWriter, tmp_path: Path) -> None:
    writer.capture(capture(MIDNIGHT, energy(1)))
    with serving(tmp_path, "vzlogger", PortProfile(ANYWHERE, ("roof",))) as port:
        assert get(port, "/")[1]["data"] == []
        one, *_ = vzlogger.channels(GATEWAY, [shown(capture(MIDNIGHT, energy(1)))])
        assert get(port, f"/{one.uuid}")[0] == 404


# metrics


def test_prometheus_reads_registers_with_their_age(writer: LiveWriter, tmp_path: Path) -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    writer.capture(capture(MIDNIGHT, energy(12_345), power(-7), synchronised=False))
    with serving(tmp_path, "metrics", PortProfile(ANYWHERE)) as port:
        status, text = get(port, "/metrics")
    assert status == 200
    found = {family.name: family.samples for family in parser.text_string_to_metric_families(text)}
    assert {one.labels["obis"]: one.value for one in found["smgw_register"]} == {"1-0:1.8.0": 1234.5, "1-0:16.7.0": -7}
    assert found["smgw_register"][0].labels == {
        "gateway": str(GATEWAY), "meter": "house", "device": str(DEVICE), "obis": "1-0:1.8.0", "unit": "Wh",
    }  # fmt: skip
    assert found["smgw_capture_age_seconds"][0].value >= 0
    assert found["smgw_fit_for_billing"][0].value == 0


def test_the_age_is_that_of_the_capture() -> None:
    one = shown(capture(MIDNIGHT, energy(1)))
    text = metrics.text(GATEWAY, [one], one.boottime_ns + 12_345_678_901)
    assert re.search(r"smgw_capture_age_seconds\{.*\} 12\.345\n", text)


# HTTP


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with serving(tmp_path_factory.mktemp("empty"), "metrics", PortProfile(ANYWHERE), ("Meter.example.org",)) as port:
        yield port


@pytest.mark.parametrize(
    ("question", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: 192.168.1.2:8081\r\n\r\n", 200),
        (b"GET /metrics HTTP/1.0\r\n\r\n", 200),
        (b"GET /metrics?a=b HTTP/1.1\r\nhost: smgw.local\r\n\r\n", 200),
        (b"GET /metrics HTTP/1.1\r\nHost: [fe80::1]:8081\r\n\r\n", 200),
        (b"GET /metrics HTTP/1.1\r\nHost: meter.example.org\r\n\r\n", 200),
        (b"GET /other HTTP/1.1\r\nHost: smgw\r\n\r\n", 404),
        (b"GET /metrics HTTP/1.1\r\nHost: rebound.example.com\r\n\r\n", 421),
        (b"POST /metrics HTTP/1.1\r\nHost: smgw\r\nContent-Length: 5\r\n\r\nhello", 405),
    ],
    ids=["ip", "1.0", "local", "ipv6", "named", "nowhere", "rebound", "post"],
)
def test_what_a_question_is_answered_with(answering: int, question: bytes, status: int) -> None:
    found, head, _ = ask(answering, question)
    assert (found, "Cache-Control: no-store" in head) == (status, True)


@pytest.mark.parametrize(
    "question",
    [
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET /a\r\n\r\n",
        b"GET /" + b"a" * 20_000,
        b"GET http://elsewhere/ HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: smgw.local\r\nHost: rebound.example.com\r\n\r\n",
    ],
    ids=["tls", "0.9", "large", "proxy", "two"],
)
def test_what_is_no_question_gets_no_values(answering: int, question: bytes) -> None:
    with connected(answering) as sock, contextlib.suppress(ConnectionResetError):
        sock.sendall(question)
        assert b"200" not in b"".join(iter(lambda: sock.recv(65536), b"")).partition(b"\r\n")[0]


def test_head_has_the_header_alone(answering: int) -> None:
    _, head, body = ask(answering, b"HEAD /metrics HTTP/1.1\r\nHost: smgw\r\n\r\n")
    assert body == b""
    assert re.search(r"Content-Length: [1-9]", head)


def test_idle_connections_do_not_keep_others_out(
    writer: LiveWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house_ports, "_ASK_S", 0.3)
    with serving(tmp_path, "vzlogger", PortProfile(ANYWHERE)) as port, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connected(port)) for _ in range(100)]
        for sock in idle:  # each is ended, at once or after the time in which it had to ask
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(1) == b""
        assert get(port, "/")[0] == 200


def test_many_questions_leave_nothing_open(writer: LiveWriter, tmp_path: Path) -> None:
    writer.capture(capture(MIDNIGHT, energy(1)))
    with serving(tmp_path, "metrics", PortProfile(ANYWHERE)) as port:
        get(port, "/metrics")
        before = len(list(Path("/proc/self/fd").iterdir()))
        assert {get(port, "/metrics")[0] for _ in range(500)} == {200}
        wait_until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before)


def test_a_port_that_is_taken_is_said_and_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        outlet: Any = outlets.make(
            Order("metrics", PortProfile(address), GATEWAY, tmp_path, ()), LiveFeed(tmp_path / "live")
        )
        thread = threading.Thread(target=outlet.run, daemon=True)
        thread.start()
        wait_until(lambda: any(getattr(one, "event", "") == "house-port-refused" for one in caplog.records))
        outlet.stop()
        thread.join(LIMIT)
    assert f"{address}: no live values there: Address already in use" in caplog.text
