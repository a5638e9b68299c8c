"""The tables [han.mqtt], [han.vzlogger], [han.p1] and [han.metrics], and the outlets that they make."""

import threading
from pathlib import Path

import pytest
from broker import broker, free_port, listener, missing, wait_until
from captures_made import DEVICE, MIDNIGHT, capture, energy
from smgw.han.live.outlets import orders
from smgw.profiles.gateway import Configuration
from smgw.profiles.house import MqttProfile, P1Profile, PortProfile
from smgw.profiles.problems import ConfigurationError
from smgw.profiles.toml_importer import parse
from smgw.services.han_live import LiveOutlets
from smgw.store import paths
from smgw.store.live import LiveWriter

BASE = """\
[gateway]
device_id = "ESMG0000000001"

[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/ttyUSB0"
"""
ROOF = '[[meter]]\nname = "roof"\nprotocol = "sml-push"\nport = "/dev/ttyUSB1"\n'
TENANTS = '[[consumer]]\nname = "anna"\nmeters = ["house"]\n[[consumer]]\nname = "ben"\nmeters = ["roof"]\n'


def parsed(*tables: str) -> Configuration:
    return parse(BASE + "[han]\n" + "".join(tables), "gateway.toml")


def problems(*tables: str) -> str:
    with pytest.raises(ConfigurationError) as error:
        parsed(*tables)
    return str(error.value)


def test_every_outlet_is_off_by_default() -> None:
    assert orders(parsed()) == {}
    assert orders(parse(BASE, "gateway.toml")) == {}


def test_the_tables_are_read() -> None:
    found = orders(
        parsed(
            '[han.mqtt]\nurl = "mqtts://broker.lan"\nusername = "smgw"\npassword_file = "mqtt.password"\n'
            'ca_file = "ca.pem"\ntopic = "home/power"\ndiscovery = ""\nmeters = ["house"]\n',
            '[han.vzlogger]\nlisten = "127.0.0.1:8081"\n[han.p1]\nlisten = "[::1]:8082"\n',
            '[han.metrics]\nlisten = "10.0.0.2:8083"\nmeters = ["house"]\n',
        )
    )
    mqtt = MqttProfile(
        "mqtts://broker.lan", "smgw", Path("mqtt.password"), Path("ca.pem"), "home/power", "", ("house",)
    )
    assert {kind: one.profile for kind, one in found.items()} == {
        "mqtt": mqtt,
        "vzlogger": PortProfile("127.0.0.1:8081"),
        "p1": P1Profile("[::1]:8082", "house"),
        "metrics": PortProfile("10.0.0.2:8083", ("house",)),
    }
    assert (mqtt.host, mqtt.port, mqtt.tls) == ("broker.lan", 8883, True)


@pytest.mark.parametrize(
    ("tables", "text"),
    [
        (['[han.mqtt]\nurl = "tcp://broker"\n'], "is no MQTT broker"),
        (['[han.mqtt]\nurl = "mqtt://me:secret@broker"\n'], "does not stand in a URL"),
        (['[han.mqtt]\nurl = "mqtt://broker/topic"\n'], "has more than host and port"),
        (['[han.mqtt]\nurl = "mqtt://8.8.8.8"\n'], "is no private address, and mqtt has no encryption"),
        (["[han.mqtt]\n"], "is missing; write url = "),
        (['[han.mqtt]\nurl = "mqtt://broker"\nca_file = "ca.pem"\n'], "it has no use without TLS"),
        (['[han.mqtt]\nurl = "mqtt://broker"\npassword_file = "p"\n'], "a password needs a user"),
        (['[han.mqtt]\nurl = "mqtt://broker"\npassword = "p"\n'], 'did you mean "password_file"'),
        (['[han.mqtt]\nurl = "mqtt://broker"\ntopic = "a/#"\n'], "write a topic such as"),
        (['[han.mqtt]\nurl = "mqtt://broker"\nmeters = ["rouf"]\n'], 'no meter has the name "rouf"'),
        (['[han.metrics]\nlisten = ":8081"\n'], "is no private address with a port"),
        (['[han.metrics]\nlisten = "8.8.8.8:8081"\n'], "is no private address with a port"),
        (['[han.metrics]\nlisten = "smgw.local:8081"\n'], "is no private address with a port"),
        (['[han.p1]\nlisten = "127.0.0.1:1"\nmeter = "rouf"\n'], 'no meter has the name "rouf"'),
        (['[han.p1]\nlisten = "127.0.0.1:1"\n', ROOF], "there are several meters"),
        (['[han.metrics]\nlisten = "127.0.0.1:1"\n', ROOF, TENANTS], "there are several consumers"),
    ],
    ids=[
        "scheme", "user", "path", "public", "missing", "ca", "password", "secret", "topic", "stranger", "everywhere",
        "public-port", "name", "p1-stranger", "p1-which", "whose",
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tables: list[str], text: str) -> None:
    found = problems(*tables)
    assert text in found
    assert "gateway.toml:" in found


@missing
def test_outlets_follow_the_configuration(tmp_path: Path) -> None:
    with broker(tmp_path / "broker") as mosquitto, listener(mosquitto.port) as ears:
        live = paths.live_directory(tmp_path)
        live.parent.mkdir(parents=True)
        LiveWriter(live, {"house": "/dev/ttyUSB0"}).capture(capture(MIDNIGHT, energy(1)))
        found = LiveOutlets(tmp_path)
        assert found.apply(parsed()) == []
        mqtt = f'[han.mqtt]\nurl = "mqtt://127.0.0.1:{mosquitto.port}"\n'
        assert found.apply(parsed(mqtt)) == ["live values go to mqtt"]
        wait_until(lambda: f"smgw/ESMG0000000001/{DEVICE}/1-0:1.8.0" in ears.newest)
        metrics = f'[han.metrics]\nlisten = "127.0.0.1:{free_port()}"\n'
        assert found.apply(parsed(mqtt, metrics)) == ["live values go to metrics"]
        assert found.text == "live values by mqtt, metrics"
        assert all(worker.sound for worker in found.workers)
        assert found.apply(parsed(metrics)) == ["live values go no longer to mqtt"]
        wait_until(lambda: ears.newest["smgw/ESMG0000000001/status"] == "offline")
        assert found.stop() == []
    assert not any(thread.name.startswith("live") for thread in threading.enumerate())
