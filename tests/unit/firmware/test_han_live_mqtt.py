"""Live values over MQTT, to a real mosquitto, heard by its own client."""

import contextlib
import json
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from broker import Broker, Listener, broker, listener, missing, wait_until
from captures_made import DEVICE, MIDNIGHT, POWER, SECOND, capture, energy
from smgw.cosem import Data, DataType, DeviceId, GatewayStatus, Obis, Reading
from smgw.han.live.feed import LiveFeed
from smgw.han.live.mqtt.outlet import MqttOutlet, expiry_s
from smgw.han.live.points import shown
from smgw.profiles.house import MqttProfile
from smgw.store.live import LiveWriter
from soon import LIMIT

pytestmark = missing
GATEWAY = DeviceId.parse("ESMG0000000001")
ENERGY_TOPIC, POWER_TOPIC = (f"smgw/{GATEWAY}/{DEVICE}/1-0:{code}" for code in ("1.8.0", "16.7.0"))
STATUS = f"smgw/{GATEWAY}/status"
CONFIG = f"homeassistant/device/smgw_{DEVICE}/config"


def power(watts: int) -> Reading:
    return Reading(POWER, Data(DataType.DOUBLE_LONG, watts), 0, 27)


@pytest.fixture
def writer(tmp_path: Path) -> LiveWriter:
    return LiveWriter(tmp_path / "live", {"house": "/dev/ttyUSB0", "roof": "/dev/ttyUSB1"})


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Broker]:
    with broker(tmp_path / "broker") as one:
        yield one


@contextmanager
def publishing(tmp_path: Path, profile: MqttProfile) -> Iterator[MqttOutlet]:
    outlet = MqttOutlet(profile, GATEWAY, LiveFeed(tmp_path / "live", 0.02), tmp_path)
    thread = threading.Thread(target=outlet.run, daemon=True)
    thread.start()
    try:
        yield outlet
    finally:
        outlet.stop()
        thread.join(LIMIT)
        assert not thread.is_alive()


def plain(one: Broker) -> MqttProfile:
    return MqttProfile(f"mqtt://127.0.0.1:{one.port}")


def heard(one: Listener, topic: str, message: str) -> Callable[[], bool]:
    return lambda: one.newest.get(topic) == message


def test_a_value_reaches_a_subscriber_as_json_and_as_a_number(
    writer: LiveWriter, mosquitto: Broker, tmp_path: Path
) -> None:
    writer.capture(capture(MIDNIGHT, energy(12_345_678), power(-412)))
    with publishing(tmp_path, plain(mosquitto)), listener(mosquitto.port) as ears:
        wait_until(heard(ears, f"{POWER_TOPIC}/value", "-412"))
        assert ears.newest[f"{ENERGY_TOPIC}/value"] == "1234.5678"
        assert json.loads(ears.newest[ENERGY_TOPIC]) == {
            "value": "1234.5678", "unit": "kWh", "time": "2026-03-01T00:00:00.000Z", "valid": True,
        }  # fmt: skip
        writer.capture(capture(MIDNIGHT + SECOND, energy(12_345_679), power(-413)))
        wait_until(heard(ears, f"{POWER_TOPIC}/value", "-413"))


def test_values_not_fit_for_billing_say_so(writer: LiveWriter, mosquitto: Broker, tmp_path: Path) -> None:
    doubtful = capture(MIDNIGHT, energy(1), synchronised=False)._replace(flags=int(GatewayStatus.NOT_VALIDATED))
    writer.capture(doubtful)
    with publishing(tmp_path, plain(mosquitto)), listener(mosquitto.port) as ears:
        wait_until(lambda: ENERGY_TOPIC in ears.newest)
        told = json.loads(ears.newest[ENERGY_TOPIC])
    assert told["valid"] is False
    assert told["unfit"] == ["the telegram was not validated", "the gateway's clock is not synchronised"]


def test_who_subscribes_later_has_the_newest_values(writer: LiveWriter, mosquitto: Broker, tmp_path: Path) -> None:
    writer.capture(capture(MIDNIGHT, energy(1)))
    with publishing(tmp_path, plain(mosquitto)):
        with listener(mosquitto.port) as first:
            wait_until(lambda: ENERGY_TOPIC in first.newest)
        with listener(mosquitto.port) as second:
            wait_until(lambda: second.retained >= {ENERGY_TOPIC, f"{ENERGY_TOPIC}/value", STATUS, CONFIG})


def test_a_device_that_leaves_has_no_retained_value(writer: LiveWriter, mosquitto: Broker, tmp_path: Path) -> None:
    writer.capture(capture(MIDNIGHT, energy(1)))
    with publishing(tmp_path, plain(mosquitto)):
        with listener(mosquitto.port) as ears:
            wait_until(lambda: ENERGY_TOPIC in ears.newest)
            writer.left("house", DEVICE)
            wait_until(heard(ears, f"{ENERGY_TOPIC}/value", ""))
        with listener(mosquitto.port) as later:
            wait_until(lambda: STATUS in later.newest)
            assert ENERGY_TOPIC not in later.newest


def test_a_gateway_that_ends_says_that_it_is_offline(writer: LiveWriter, mosquitto: Broker, tmp_path: Path) -> None:
    with listener(mosquitto.port) as ears:
        with publishing(tmp_path, plain(mosquitto)):
            wait_until(heard(ears, STATUS, "online"))
        wait_until(heard(ears, STATUS, "offline"))


def test_a_connection_that_breaks_leaves_the_will(writer: LiveWriter, mosquitto: Broker, tmp_path: Path) -> None:
    with (
        contextlib.closing(Relay(mosquitto.port)) as relay,
        listener(mosquitto.port) as ears,
        publishing(tmp_path, MqttProfile(f"mqtt://127.0.0.1:{relay.port}")),
    ):
        wait_until(heard(ears, STATUS, "online"))
        relay.cut()
        wait_until(lambda: (STATUS, "offline") in ears.messages)
        wait_until(heard(ears, STATUS, "online"))  # it connects again


def test_a_broker_that_comes_back_without_memory_gets_everything_again(
    writer: LiveWriter, mosquitto: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer.capture(capture(MIDNIGHT, energy(1)))
    with publishing(tmp_path, plain(mosquitto)):
        with listener(mosquitto.port) as ears:
            wait_until(lambda: ENERGY_TOPIC in ears.newest)
        mosquitto.stop()
        wait_until(lambda: any(getattr(one, "event", "") == "broker-lost" for one in caplog.records))
        mosquitto.start()
        with listener(mosquitto.port) as again:
            wait_until(lambda: {ENERGY_TOPIC, CONFIG} <= set(again.newest) and again.newest[STATUS] == "online")


def test_home_assistant_is_told_each_register_once(writer: LiveWriter, mosquitto: Broker, tmp_path: Path) -> None:
    writer.capture(capture(MIDNIGHT, energy(1), power(5)))
    with publishing(tmp_path, plain(mosquitto)), listener(mosquitto.port) as ears:
        wait_until(lambda: CONFIG in ears.newest)
        told = json.loads(ears.newest[CONFIG])
    assert told["availability_topic"] == STATUS
    assert told["dev"]["ids"] == [f"smgw_{DEVICE}"]
    assert told["cmps"]["1-0_1_8_0"] == {
        "p": "sensor", "unique_id": f"smgw_{DEVICE}_1-0_1_8_0", "name": "Energy import 1-0:1.8.0",
        "state_topic": ENERGY_TOPIC, "json_attributes_topic": ENERGY_TOPIC,
        "value_template": "{{ value_json.value if value else '' }}", "json_attributes_template": "{{ value or '{}' }}",
        "expire_after": 60, "unit_of_measurement": "kWh", "device_class": "energy", "state_class": "total_increasing",
    }  # fmt: skip
    balance = told["cmps"]["1-0_16_7_0"]
    assert (balance["name"], balance["device_class"], balance["state_class"]) == (
        "Power balance 1-0:16.7.0", "power", "measurement",
    )  # fmt: skip


def test_home_assistant_that_starts_is_told_again(writer: LiveWriter, mosquitto: Broker, tmp_path: Path) -> None:
    writer.capture(capture(MIDNIGHT, energy(1)))
    with publishing(tmp_path, plain(mosquitto)), listener(mosquitto.port) as ears:
        wait_until(lambda: CONFIG in ears.newest)
        before = [topic for topic, _ in ears.messages].count(CONFIG)
        where = ["-h", "127.0.0.1", "-p", str(mosquitto.port), "-t", "homeassistant/status"]
        subprocess.run(["mosquitto_pub", *where, "-m", "online"], check=True, timeout=LIMIT)
        wait_until(lambda: [topic for topic, _ in ears.messages].count(CONFIG) > before)


def test_only_the_meters_of_the_profile_are_published(writer: LiveWriter, mosquitto: Broker, tmp_path: Path) -> None:
    other = DeviceId.parse("1EMH0000000007")
    writer.capture(capture(MIDNIGHT, energy(1)))
    writer.capture(capture(MIDNIGHT, energy(2), meter="roof", device=other))
    with publishing(tmp_path, plain(mosquitto)._replace(meters=("roof",))), listener(mosquitto.port) as ears:
        wait_until(heard(ears, f"smgw/{GATEWAY}/{other}/1-0:1.8.0/value", "0.0002"))
        assert not any(str(DEVICE) in topic for topic in ears.newest)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
         "-keyout", str(folder / "key.pem"), "-out", str(folder / "own.pem"), "-subj", "/CN=broker",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True, timeout=LIMIT,
    )  # fmt: skip
    return folder


@pytest.fixture
def guarded(tmp_path: Path, certificates: Path) -> Iterator[Broker]:
    passwords = tmp_path / "passwords"
    passwords.touch(0o600)
    subprocess.run(
        ["mosquitto_passwd", "-b", str(passwords), "house", "open-sesame-7"], check=True, capture_output=True,
        timeout=LIMIT,
    )  # fmt: skip
    (tmp_path / "right").write_text("open-sesame-7\n")
    (tmp_path / "wrong").write_text("shut\n")
    for name in ("right", "wrong"):
        (tmp_path / name).chmod(0o600)
    with broker(
        tmp_path / "broker", "allow_anonymous false", f"password_file {passwords}",
        f"certfile {certificates}/own.pem", f"keyfile {certificates}/key.pem",
    ) as one:  # fmt: skip
        yield one


def over_tls(one: Broker, certificates: Path, password: str) -> MqttProfile:
    return MqttProfile(f"mqtts://127.0.0.1:{one.port}", "house", Path(password), certificates / "own.pem")


def test_a_broker_with_tls_and_a_user_is_served(
    writer: LiveWriter, guarded: Broker, certificates: Path, tmp_path: Path
) -> None:
    many = [energy(1)._replace(obis=Obis(bytes((1, 0, 1, 8, tariff, 255)))) for tariff in range(200)]
    writer.capture(capture(MIDNIGHT, *many))
    arguments = ("--cafile", str(certificates / "own.pem"), "-u", "house", "-P", "open-sesame-7")
    with publishing(tmp_path, over_tls(guarded, certificates, "right")), listener(guarded.port, *arguments) as ears:
        wait_until(lambda: sum(topic.endswith("/value") for topic in ears.newest) == 200)


def test_a_wrong_password_is_said_once_and_tried_again(
    guarded: Broker, certificates: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with publishing(tmp_path, over_tls(guarded, certificates, "wrong")):
        wait_until(lambda: [one.levelname for one in caplog.records if lost(one)][:2] == ["WARNING", "DEBUG"])
    (first, *_) = [one.getMessage() for one in caplog.records if lost(one)]
    assert "refuses the login" in first
    assert "not authori" in first.lower()


def lost(record: logging.LogRecord) -> bool:
    return getattr(record, "event", "") == "broker-lost"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"ca_file": None}, "its certificate is not believed"),
        ({"ca_file": Path("right")}, "has no certificates in PEM"),
        ({"url": "mqtts://localhost:{port}"}, "its certificate is not believed"),
        ({"password_file": Path("nowhere")}, "cannot be read"),
    ],
    ids=["unknown", "no-pem", "other-name", "no-password"],
)
def test_what_keeps_it_from_a_broker_is_said(
    guarded: Broker, certificates: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    change: dict[str, object], text: str,
) -> None:  # fmt: skip
    profile = over_tls(guarded, certificates, "right")._replace(**change)  # type: ignore[arg-type]
    with publishing(tmp_path, profile._replace(url=profile.url.format(port=guarded.port))):
        wait_until(lambda: any(map(lost, caplog.records)))
    assert any(text in one.getMessage() for one in caplog.records), caplog.text


def test_a_password_without_tls_is_warned_of(
    mosquitto: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "password").write_text("open-sesame-7\n")
    (tmp_path / "password").chmod(0o600)
    profile = plain(mosquitto)._replace(username="house", password_file=Path("password"))
    with publishing(tmp_path, profile), listener(mosquitto.port) as ears:
        wait_until(heard(ears, STATUS, "online"))
    (record,) = [one for one in caplog.records if getattr(one, "event", "") == "broker-connected"]
    assert record.levelname == "WARNING"
    assert "without TLS" in record.getMessage()


def test_tls_to_a_port_without_it_is_said(mosquitto: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with publishing(tmp_path, MqttProfile(f"mqtts://127.0.0.1:{mosquitto.port}")) as outlet:
        wait_until(lambda: any(map(lost, caplog.records)))
        assert "TLS fails" in outlet.fault
        assert "does it listen with TLS at this port?" in outlet.fault


def test_a_missing_library_is_said_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with publishing(tmp_path, MqttProfile("mqtt://127.0.0.1:1")) as outlet:
        wait_until(lambda: "apt install python3-paho-mqtt" in outlet.fault)


def test_many_broken_connections_leave_nothing_open(
    writer: LiveWriter, mosquitto: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smgw.han.live.mqtt.outlet._FIRST_S", 0.01)
    monkeypatch.setattr("smgw.han.live.mqtt.outlet._LONGEST_S", 0.01)
    with (
        contextlib.closing(Relay(mosquitto.port)) as relay,
        listener(mosquitto.port) as ears,
        publishing(tmp_path, MqttProfile(f"mqtt://127.0.0.1:{relay.port}")) as outlet,
    ):

        def reconnected() -> int:
            before = ears.messages.count((STATUS, "online"))
            relay.cut()
            wait_until(lambda: ears.messages.count((STATUS, "online")) > before)
            relay.forget()
            return len(list(Path("/proc/self/fd").iterdir()))

        wait_until(heard(ears, STATUS, "online"))
        few = [reconnected() for _ in range(3)][-1]
        assert [reconnected() for _ in range(15)][-1] <= few + 2
        assert outlet.fault == ""


def test_what_is_no_broker_is_left_in_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It takes the connection and says nothing; a stop does not wait for it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with publishing(tmp_path, MqttProfile(f"mqtts://127.0.0.1:{port}")):
            peer, _ = silent.accept()
        peer.close()


@pytest.mark.parametrize(
    ("known", "interval_s", "wanted"),
    [(60, 1, 60), (60, 20, 60), (60, 900, 5400), (5400, 900, 5400), (60, 10**9, 86_400)],
)
def test_home_assistant_forgets_a_value_after_three_intervals(known: int, interval_s: int, wanted: int) -> None:
    before, after = (shown(capture(MIDNIGHT + seconds * SECOND)) for seconds in (0, interval_s))
    assert expiry_s(known, before, after) == wanted


def test_a_broker_that_stops_reading_costs_no_memory(writer: LiveWriter, mosquitto: Broker, tmp_path: Path) -> None:
    """Only the newest message of each topic waits; it arrives when the broker goes on."""
    many = [energy(1)._replace(obis=Obis(bytes((1, 0, 1, 8, tariff, 255)))) for tariff in range(200)]
    with (
        contextlib.closing(Relay(mosquitto.port)) as relay,
        listener(mosquitto.port) as ears,
        publishing(tmp_path, MqttProfile(f"mqtt://127.0.0.1:{relay.port}", discovery="")) as outlet,
    ):
        wait_until(heard(ears, STATUS, "online"))
        relay.hold()
        for number in range(1, 100):
            writer.capture(capture(MIDNIGHT + number * SECOND, *many, power(number)))
            wait_until(lambda at=number: newest(outlet) >= MIDNIGHT + at * SECOND)  # type: ignore[misc]
        assert len(outlet._waiting) <= 2 * 201
        relay.go_on()
        wait_until(heard(ears, f"{POWER_TOPIC}/value", "99"))


def newest(outlet: MqttOutlet) -> int:
    """The time of the newest capture that the outlet knows."""
    return max((one.utc_us for one in list(outlet._newest.values())), default=0)


class Relay:
    """Passes octets between a client and a broker, until it is cut, or while it holds them back."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._open = threading.Event()
        self._open.set()
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def hold(self) -> None:
        """From now on nothing passes."""
        self._open.clear()

    def go_on(self) -> None:
        """Everything passes again."""
        self._open.set()

    def cut(self) -> None:
        """Every connection breaks."""
        for one in self._ends:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """Close what was cut; the newest connection stays."""
        old, self._ends = self._ends[:-2], self._ends[-2:]
        for one in old:
            one.close()

    def close(self) -> None:
        """End all."""
        self.go_on()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(LIMIT)
        self.cut()
        for one in self._threads:
            one.join(LIMIT)
        for end in (self._server, *self._ends):
            end.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            self._ends += (near, far)
            for ends in ((near, far), (far, near)):
                self._threads.append(threading.Thread(target=self._pump, args=ends, daemon=True))
                self._threads[-1].start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while octets := one.recv(4096):
                self._open.wait(LIMIT)
                other.sendall(octets)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
