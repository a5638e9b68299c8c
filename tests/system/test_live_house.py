"""Live values for the house, from simulated meters to a broker, a P1 reader and Prometheus, by the real programs."""

import json
import socket
import urllib.request
from pathlib import Path

from broker import broker, free_port, listener, missing
from testbed import Chain, push, wait_until

pytestmark = missing
METERS = [push("house", 1, 1, registration_period=900, silence=30)]


def test_values_reach_the_house_by_every_outlet(tmp_path: Path) -> None:
    with Chain(tmp_path, METERS) as chain, broker(tmp_path / "broker") as mosquitto:
        han, p1, metrics, vzlogger = (free_port() for _ in range(4))
        with chain.gateway_file.open("a") as file:
            file.write(
                f'[han]\nlisten = "127.0.0.1:{han}"\n[han.mqtt]\nurl = "mqtt://127.0.0.1:{mosquitto.port}"\n'
                f'[han.p1]\nlisten = "127.0.0.1:{p1}"\n[han.metrics]\nlisten = "127.0.0.1:{metrics}"\n'
                f'[han.vzlogger]\nlisten = "127.0.0.1:{vzlogger}"\n'
            )
        chain.smsim.start()
        chain.both.start()  # it starts the HAN process as well
        with listener(mosquitto.port) as ears:
            wait_until(lambda: any(topic.endswith("/1-0:1.8.0/value") for topic in ears.newest), 60, "nothing by MQTT")
            assert ears.newest[next(topic for topic in ears.newest if topic.endswith("/status"))] == "online"
            config = next(message for topic, message in ears.newest.items() if topic.startswith("homeassistant/"))
            assert json.loads(config)["cmps"]
        with socket.create_connection(("127.0.0.1", p1), timeout=60) as reader, reader.makefile("rb") as lines:
            assert next(lines).startswith(b"/SMG5SMGW-")
        found = urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=60).read()
        assert b"smgw_register{" in found
        data = json.load(urllib.request.urlopen(f"http://127.0.0.1:{vzlogger}/", timeout=60))["data"]
        assert "1-0:1.8.0" in [one["obis"] for one in data]
