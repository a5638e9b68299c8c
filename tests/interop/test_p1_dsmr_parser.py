"""dsmr-parser, another people's reader of P1, beside ours: the same values, times and devices."""

import json
import os
import subprocess
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from captures import OWN
from smgw.cosem import Reading
from smgw.cosem.date_time import DateTime
from smgw.dlms.apdus.envelope import GENERAL_GLO, Ciphered
from smgw.dlms.security.suites import Keys, Protection, Suite, seal
from smgw.iec62056.p1.devices import P1Device, devices
from smgw.iec62056.p1.telegram import Telegram, TelegramReader
from smgw.iec62056.seven_bit import without_parity
from smgw.iec62056.units import unit_of
from smsim.config import parse
from smsim.load.timelapse import TimeLapse
from smsim.p1.telegram import P1Telegrams
from smsim.sml.meter import Meter

PEERS = Path(os.environ.get("SMGW_PEERS_PYTHON", Path(__file__).parents[2] / ".venv-peers/bin/python"))
SCRIPT = Path(__file__).with_name("peers") / "dsmr_read.py"
#: Captures and the specification by which the peer reads them.
READ_BY = {
    "telegram_v2_2": "V2_2",
    "telegram_v3": "V3",
    "telegram_v4_2": "V4",
    "telegram_v5": "V5",
    "telegram_v5_two_mbus": "V5",
    "telegram_fluvius_v171": "BELGIUM_FLUVIUS",
}
KEY, AUTHENTICATION, TITLE = bytes(range(16)), bytes(range(16, 32)), b"SAG\0\0\0\0\1"


def peer(octets: bytes, *arguments: str) -> dict[str, Any]:
    if not PEERS.exists():
        pytest.fail(f"the peers' environment {PEERS} is missing; make it with: make setup")
    done = subprocess.run(
        [str(PEERS), "-I", str(SCRIPT), *arguments], input=octets, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def capture(name: str) -> bytes:
    return (OWN / "dsmr" / "dsmr_parser" / f"{name}.txt").read_bytes()


def ours(octets: bytes) -> tuple[P1Device, ...]:
    (telegram,) = TelegramReader().receive(octets)
    assert isinstance(telegram, Telegram)
    return devices(telegram, 60)


def _ours(readings: tuple[Reading, ...]) -> "Counter[tuple[Decimal, int]]":
    return Counter(
        (Decimal(one.value.value).scaleb(one.scaler), one.unit)
        for one in readings
        if isinstance(one.value.value, int) and one.class_id != 1
    )


def _theirs(values: dict[str, Any]) -> "Counter[tuple[Decimal, int]]":
    found: Counter[tuple[Decimal, int]] = Counter()
    for name, pair in values.items():
        if name != "sub-meters" and pair[1]:
            unit = unit_of(pair[1])
            assert unit is not None
            found[Decimal(pair[0]).scaleb(unit[1]), unit[0]] += 1
    return found


@pytest.mark.parametrize("name", READ_BY)
def test_every_number_that_the_peer_reads_is_one_of_ours(name: str) -> None:
    octets = capture(name)
    theirs = peer(octets, READ_BY[name])
    meter, *others = ours(octets)
    assert _theirs(theirs)
    assert _theirs(theirs) <= _ours(meter.readings)
    sub_meters = [one for one in map(_theirs, theirs["sub-meters"]) if one]
    assert len(sub_meters) == len(others)
    assert all(told <= _ours(one.readings) for told, one in zip(sub_meters, others, strict=True))


@pytest.mark.parametrize("name", [name for name in READ_BY if name not in ("telegram_v2_2", "telegram_v3")])
def test_the_time_of_the_meter_is_the_peers(name: str) -> None:
    octets = capture(name)
    told = peer(octets, READ_BY[name])["P1_MESSAGE_TIMESTAMP"][0]
    time = ours(octets)[0].time
    assert time is not None
    moment = DateTime.read(time).utc_us()
    assert moment is not None
    assert told == f"{_utc(moment)}+00:00"


def _utc(moment_us: int) -> str:
    return datetime.fromtimestamp(moment_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def test_the_peer_opens_what_we_encrypt_and_reads_our_values() -> None:
    octets = capture("telegram_sagemcom_t210_d_r")
    keys = Keys.of(Suite.AES_GCM_128, KEY, AUTHENTICATION)
    sealed = Ciphered(GENERAL_GLO, seal(keys, Protection.BOTH, TITLE, 7, octets), TITLE).encode()
    found = peer(sealed, "SAGEMCOM_T210_D_R", KEY.hex(), AUTHENTICATION.hex())
    assert _theirs(found)
    assert _theirs(found) <= _ours(ours(octets)[0].readings)


@pytest.mark.parametrize(
    ("version", "specification"), [("2.2", "V2_2"), ("4", "V4"), ("5", "V5"), ("BE", "BELGIUM_FLUVIUS")]
)
def test_the_peer_reads_our_simulator(version: str, specification: str) -> None:
    text = '[[meter]]\nname = "a"\ndevice = "1KFM0000000001"\nport = "pty:/tmp/p1"\ngas = true\nwater = true\n'
    (config,) = parse(f'{text}p1 = "{version}"\n').meters
    assert config.p1 is not None
    meter = Meter(config.spec, TimeLapse(1_780_264_800), lambda: 60_000)
    octets = P1Telegrams(meter, config.p1.version, config.p1.sub_meters, meter.utc_s).telegram()
    theirs = peer(without_parity(octets), specification)
    house, *others = ours(octets)
    assert _theirs(theirs) <= _ours(house.readings)
    assert len(_theirs(theirs)) > 2
    sub_meters = [one for one in map(_theirs, theirs["sub-meters"]) if one]
    assert [told == _ours(one.readings) for told, one in zip(sub_meters, others, strict=True)].count(False) == 0
    assert sub_meters
