"""smsim answers the wrapper over UDP as it does over TCP, on the same port: to pydlms-client and to our own client."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dlms_driver import Driver, Line
from dlms_smsim import ENERGY, PASSWORD, PROFILE, SAPS, energy_of, rows_of, running_meters, same_device
from smgw.cosem import AttributeName, Obis
from smgw.dlms.apdus.selection import Entries
from smgw.dlms.carriers.wrapper import Wrapper
from smgw.dlms.data import decode_all
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Associated, Got

PEERS = Path(os.environ.get("SMGW_PEERS_PYTHON", Path(__file__).parents[2] / ".venv-peers/bin/python"))
SCRIPT = Path(__file__).with_name("peers") / "pydlms_read.py"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with running_meters(tmp_path_factory.mktemp("meters")) as found:
        yield found["wrapper"]


@pytest.mark.parametrize("mechanism", [0, 1])
def test_a_peer_reads_registers_and_rows_over_udp(port: int, mechanism: int) -> None:
    if not PEERS.exists():
        pytest.fail(f"the peers' environment {PEERS} is missing; make it with: make setup")
    wanted: dict[str, Any] = {
        "link": "udp", "port": port, "sap": SAPS[mechanism], "server": 1, "mechanism": mechanism, "pdu": 1400,
        "password": PASSWORD if mechanism else None, "get": [[3, ENERGY, 2]], "entries": [PROFILE, 1, 1000],
    }  # fmt: skip
    command = [str(PEERS), "-I", str(SCRIPT), json.dumps(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    device = same_device()
    assert found["get"] == [energy_of(device)]
    assert found["rows"] == rows_of(device, Entries(1, 1000))


def test_clients_over_udp_have_sessions_of_their_own_and_broken_datagrams_none(port: int) -> None:
    drivers = []
    for _ in range(2):
        channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        channel.connect(("127.0.0.1", port))
        channel.send(b"\x00\x01\x00\x10\x00\x01\x00\xff\xc0")
        line = Line(channel.fileno(), channel.close)
        driver = Driver(line, Wrapper.client(16, 1), Client(max_pdu_size=1400))
        driver.connect()
        driver.expect(driver.client.associate(), Associated)
        drivers.append(driver)
    for driver in drivers:
        (octets,) = driver.expect(driver.client.get(AttributeName(3, Obis.parse("1.8.0"), 2)), Got).results
        assert isinstance(octets, bytes)
        assert decode_all(octets).value == energy_of(same_device())
        driver.line.close()


def test_the_gateway_reads_a_meter_over_udp(port: int, tmp_path: Path) -> None:
    configuration = tmp_path / "gateway.toml"
    configuration.write_text(
        '[gateway]\ndevice_id = "ESMG0000000001"\n[[meter]]\nname = "flat"\nprotocol = "dlms"\n'
        f'port = "udp://127.0.0.1:{port}"\ndlms = {{ framing = "wrapper" }}\n'
    )
    command = [sys.executable, "-m", "smgw", "read", "--config", str(configuration), "--state", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    values = {one["obis"]: one["value"] for one in json.loads(done.stdout)["readings"]}
    assert values["1-0:1.8.0*255"] == energy_of(same_device())
