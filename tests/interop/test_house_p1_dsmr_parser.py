"""dsmr-parser, which Home Assistant's DSMR integration uses, reads the telegrams of the house's P1 port."""

import json
import os
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from captures_made import MIDNIGHT, POWER, capture, energy
from smgw.cosem import Data, DataType, DeviceId, Obis, Reading
from smgw.cosem.zone import time_zone
from smgw.han.live.points import shown
from smgw.han.live.ports.p1_text import telegram

PEERS = Path(os.environ.get("SMGW_PEERS_PYTHON", Path(__file__).parents[2] / ".venv-peers/bin/python"))
SCRIPT = Path(__file__).with_name("peers") / "dsmr_read.py"
GATEWAY = DeviceId.parse("ESMG0000000001")


def peer(octets: bytes) -> dict[str, Any]:
    if not PEERS.exists():
        pytest.fail(f"the peers' environment {PEERS} is missing; make it with: make setup")
    done = subprocess.run(
        [str(PEERS), "-I", str(SCRIPT), "V5"], input=octets, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def reading(obis: str, value: int, scaler: int, unit: int) -> Reading:
    return Reading(Obis.parse(obis), Data(DataType.DOUBLE_LONG, value), scaler, unit)


def test_the_peer_reads_what_the_house_is_sent() -> None:
    readings = (
        energy(123_456_789, -1), reading("1-0:2.8.0", 5, 3, 30), reading("1-0:32.7.0", 2301, -1, 35),
        reading("1-0:31.7.0", 1234, -3, 33), reading("1-0:36.7.0", -77, 0, 27),
        Reading(POWER, Data(DataType.DOUBLE_LONG, 412), 0, 27),
    )  # fmt: skip
    found = peer(telegram(shown(capture(MIDNIGHT, *readings)), GATEWAY, time_zone("Europe/Berlin")))
    wanted = {
        "ELECTRICITY_USED_TARIFF_1": ("12345.678", "kWh"),
        "ELECTRICITY_USED_TARIFF_2": ("0", "kWh"),
        "ELECTRICITY_DELIVERED_TARIFF_1": ("5", "kWh"),
        "CURRENT_ELECTRICITY_USAGE": ("0.412", "kW"),
        "CURRENT_ELECTRICITY_DELIVERY": ("0", "kW"),
        "INSTANTANEOUS_ACTIVE_POWER_L1_POSITIVE": ("0", "kW"),
        "INSTANTANEOUS_ACTIVE_POWER_L1_NEGATIVE": ("0.077", "kW"),
        "INSTANTANEOUS_VOLTAGE_L1": ("230.1", "V"),
        "INSTANTANEOUS_CURRENT_L1": ("1.23", "A"),
    }
    assert {name: (Decimal(found[name][0]), found[name][1]) for name in wanted} == {
        name: (Decimal(number), unit) for name, (number, unit) in wanted.items()
    }
    assert found["P1_MESSAGE_TIMESTAMP"][0] == "2026-03-01 00:00:00+00:00"
    assert bytes.fromhex(found["EQUIPMENT_IDENTIFIER"][0]) == b"1EMH0011802881"


def test_the_peer_refuses_a_telegram_with_one_bit_changed() -> None:
    octets = bytearray(telegram(shown(capture(MIDNIGHT, energy(1))), GATEWAY, time_zone("Europe/Berlin")))
    octets[octets.index(b"1.8.0(") + 6] ^= 1
    with pytest.raises(AssertionError, match="CRC"):
        peer(bytes(octets))
