"""Pushes that we read are read by gurux-dlms and dlms-cosem too, value by value."""

import json
import os
import struct
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from captures import FIELD_CASES, field_case
from dlms_captures import PUSHES, pushes_of
from smgw.cosem import Data, DataType, Obis, octet_string
from smgw.cosem.exact import exact
from smgw.dlms import data as axdr
from smgw.dlms.apdus.apdu import decode_apdu
from smgw.dlms.apdus.notify import DataNotification
from smgw.dlms.data import decode_all

REPOSITORY = Path(__file__).parents[2]
PEERS = Path(os.environ.get("SMGW_PEERS_PYTHON", REPOSITORY / ".venv-peers/bin/python"))
READ = Path(__file__).with_name("peers") / "pushed_lists.py"
FIELD = [
    "apdu_hex_in_lines", "e450_current_scale", "embriq_serial_nul", "float_in_push", "kamstrup_ct_current",
    "netz_noe_clock_triples_id", "push_setup_attribute_0", "vse_am550_e360_scale", "wiener_netze_values_only",
]  # fmt: skip
TIME = bytes.fromhex("07ea05040113000000ff8880")


def by_peers(apdus: list[bytes]) -> list[dict[str, Any]]:
    if not PEERS.exists():
        pytest.fail(f"the peers' environment {PEERS} is missing; make it with: make setup")
    done = subprocess.run(
        [str(PEERS), "-I", str(READ)], input="\n".join(apdu.hex() for apdu in apdus), text=True, capture_output=True,
        timeout=120, check=True,
    )  # fmt: skip
    return list(map(json.loads, done.stdout.splitlines()))


def ours(data: Data) -> Any:
    if isinstance(data.value, tuple):
        return [ours(one) for one in data.value]
    number = exact(data)
    if number is not None and isinstance(number.value.value, int):
        return Decimal(number.value.value).scaleb(number.scaler)
    if isinstance(data.value, str):
        return data.value.rstrip("\0")  # as gurux reads it
    return data.value.hex() if isinstance(data.value, bytes) else data.value


def theirs(value: Any) -> Any:
    """As `ours`. A peer that reads a float32 prints it as the float64 that it is: it is rounded to its own width."""
    if isinstance(value, list):
        return [theirs(one) for one in value]
    if isinstance(value, dict) and "float" in value:
        octets = struct.pack(">f", float(value["float"]))
        number = exact(Data(DataType.FLOAT32, octets))
        assert number is not None
        assert isinstance(number.value.value, int)
        return Decimal(number.value.value).scaleb(number.scaler)
    if isinstance(value, str):
        return value.rstrip("\0")
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def body_of(apdu: bytes) -> bytes:
    notification = decode_apdu(apdu)
    assert isinstance(notification, DataNotification)
    return notification.body


def made() -> list[bytes]:
    """Lists of each way, so that the peers have something to read without the shared folder."""
    name = octet_string(bytes(Obis.parse("1-0:1.8.0")))
    numbers = [Data(DataType.DOUBLE_LONG_UNSIGNED, 2**31 + count) for count in range(8)]
    scaler = Data(DataType.STRUCTURE, (Data(DataType.INTEGER, -1), Data(DataType.ENUM, 30)))
    bodies = [
        (octet_string(TIME), *numbers),
        (octet_string(TIME), name, numbers[0], scaler, octet_string(b"4711")),
        (
            octet_string(b"ISK1"),
            Data(DataType.LONG, -5),
            Data(DataType.LONG64, -(2**40)),
            Data(DataType.NULL_DATA, None),
        ),
        (name, Data(DataType.FLOAT32, struct.pack(">f", 230.5)), Data(DataType.FLOAT32, struct.pack(">f", 49.98))),
    ]
    return [DataNotification(1, TIME, axdr.encode(Data(DataType.STRUCTURE, body))).encode() for body in bodies]


def notifications() -> list[bytes]:
    found = made()
    if FIELD_CASES.is_dir():
        found += [field_case(f"dlms/{one}") for one in FIELD]
        for capture in PUSHES:
            found += [push.notification.encode() for push in pushes_of(capture)[0]]
    return found


def test_every_push_that_a_peer_can_read_has_the_values_that_we_find() -> None:
    apdus = notifications()
    compared = {"gurux": 0, "dlms_cosem": 0}
    for apdu, found in zip(apdus, by_peers(apdus), strict=True):
        body = ours(decode_all(body_of(apdu)))
        for peer, value in found.items():
            if value is not None:
                assert theirs(value) == body, (peer, apdu.hex())
                compared[peer] += 1
    assert compared["gurux"] >= len(made())
    assert compared["dlms_cosem"] >= len(made()) - 1, "it has no floats"
