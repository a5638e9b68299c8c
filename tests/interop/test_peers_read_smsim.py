"""Two readers that others wrote (SmlLib, pysml) read the simulator's telegrams. They run in an environment apart."""

import json
import os
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from smgw.cosem import DeviceId, Obis, decimal
from smgw.cosem.units import SYMBOLS
from smgw.wire import Crc
from smsim.load.registers import Drive, Register
from smsim.load.timelapse import TimeLapse
from smsim.sml.meter import Meter, MeterSpec
from smsim.sml.style import EDL_STATUS
from smsim.sml.template import EDL_EXPORT

REPOSITORY = Path(__file__).parents[2]
PEERS = Path(os.environ.get("SMGW_PEERS_PYTHON", REPOSITORY / ".venv-peers/bin/python"))
SCRIPTS = Path(__file__).with_name("peers")
DEVICE = "1UTB0000000001"
JUNE = 1_780_264_800  # 2026-06-01 00:00 legal time
REGISTERS = (
    Register(Obis.parse("1.8.0"), Drive.IMPORT, 30, -1),
    Register(Obis.parse("1.8.1"), Drive.IMPORT_T1, 30, -1),
    Register(Obis.parse("1.8.2"), Drive.IMPORT_T2, 30, -1),
    Register(Obis.parse("2.8.0"), Drive.EXPORT, 30, -4),
    Register(Obis.parse("16.7.0"), Drive.POWER, 27, -2),
    Register(Obis.parse("32.7.0"), Drive.FIXED, 35, -1, 2304),
    Register(Obis.parse("96.50.1"), Drive.FIXED, 255, 3, -7),
)


def ask(script: str, octets: bytes, *arguments: str) -> list[dict[str, Any]]:
    """What a peer reads of these octets."""
    if not PEERS.exists():
        pytest.fail(f"the peers' environment {PEERS} is missing; make it with: make setup")
    command = [str(PEERS), "-I", str(SCRIPTS / script), *arguments]
    done = subprocess.run(command, input=octets, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    telegrams: list[dict[str, Any]] = json.loads(done.stdout)
    return telegrams


Sent = list[tuple[int, list[tuple[Register, int]]]]


def a_day_of_telegrams(crc: Crc = Crc.X25) -> tuple[bytes, Sent]:
    """A telegram an hour for a day in June, export at noon: octets, and per telegram sensor time and registers."""
    elapsed = [0]
    meter = Meter(
        MeterSpec("m", DeviceId.parse(DEVICE), REGISTERS, 3500, 8000, 7, crc), TimeLapse(JUNE), lambda: elapsed[0]
    )
    octets = b""
    sent: Sent = []
    for hour in range(24):
        elapsed[0] = hour * 16_000
        octets += meter.telegram()
        sent.append((meter.sec_index(), meter.values()))
    assert any(value < 0 for _, values in sent for register, value in values if register.drive is Drive.POWER)
    return octets, sent


def expected_status(register: Register, values: list[tuple[Register, int]]) -> int | None:
    power = next(value for other, value in values if other.drive is Drive.POWER)
    return (EDL_STATUS | (EDL_EXPORT if power < 0 else 0)) if register.drive is Drive.IMPORT else None


@pytest.mark.parametrize("crc", list(Crc))
def test_smllib_reads_every_entry_of_a_day(crc: Crc) -> None:
    octets, sent = a_day_of_telegrams(crc)
    telegrams = ask("smllib_read.py", octets, crc.value)
    assert len(telegrams) == len(sent)
    for telegram, (sensor_time, values) in zip(telegrams, sent, strict=True):
        assert telegram["server"] == DeviceId.parse(DEVICE).hex()
        assert telegram["sensor_time"] == sensor_time
        assert telegram["entries"] == [
            ["129-129:199.130.3*255", None, None, None, "UTB"],
            ["1-0:0.0.9*255", None, None, None, DeviceId.parse(DEVICE).hex()],
            *(
                [str(register.obis), expected_status(register, values), register.unit, register.scaler, value]
                for register, value in values
            ),
        ]


def test_transactions_that_smllib_reads_are_all_different() -> None:
    octets, sent = a_day_of_telegrams()
    transactions = [one for telegram in ask("smllib_read.py", octets) for one in telegram["transactions"]]
    assert len(set(transactions)) == len(transactions) == 3 * len(sent)


def test_pysml_reads_every_entry_of_a_day() -> None:
    octets, sent = a_day_of_telegrams()
    telegrams = ask("pysml_read.py", octets)
    assert len(telegrams) == len(sent)
    for telegram, (sensor_time, values) in zip(telegrams, sent, strict=True):
        assert telegram["server"] == "1 UTB00 0000 0001"
        assert telegram["sensor_time"] == sensor_time
        manufacturer, device, *numbers = telegram["entries"]
        assert manufacturer == ["129-129:199.130.3*255", None, None, "UTB"]
        assert device == ["1-0:0.0.9*255", None, None, "1 UTB00 0000 0001"]
        assert [(name, status) for name, status, _, _ in numbers] == [
            (str(register.obis), expected_status(register, values)) for register, _ in values
        ]
        assert [Decimal(number) for *_, number in numbers] == [
            decimal(value, register.scaler) for register, value in values
        ]
        assert [unit for _, _, unit, _ in numbers if unit in SYMBOLS.values()] == [
            SYMBOLS[register.unit] for register, _ in values if register.unit in SYMBOLS
        ]
