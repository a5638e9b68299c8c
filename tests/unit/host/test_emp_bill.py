"""`emp bill`: a supplier's tariff file against the readings that gateways delivered."""

import json
import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from emp import cli
from emp.store.sqlite_storage import SqliteStorage
from emp_process import DEVICE, GATEWAY, STORE
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import GatewayStatus, StatusWord
from smgw.cosemxml.document import Document, Register, Row

BEGIN_S = 1_767_222_000  # 2026-01-01T00:00:00+01:00
DAYS = 3
SLOTS = DAYS * 96 + 1
ENERGY = Register(Obis.parse("1-0:1.8.0*255"), -1, 30)
GOOD = StatusWord(int(GatewayStatus.FIXED), 0)
BAD = StatusWord(int(GatewayStatus.FIXED | GatewayStatus.TIME_INVALID), 0)


def tariff(path: Path, *, skip: date | None = None, gateway: DeviceId = GATEWAY) -> Path:
    """Step 1 at night, step 2 from 06:00 to 22:00, for three days."""
    quarters = "".join(
        f"<DayTimeProfile><startTime><hour>{quarter // 4}</hour><minute>{quarter % 4 * 15}</minute></startTime>"
        f"<tariffNumber>{2 if 24 <= quarter < 88 else 1}</tariffNumber></DayTimeProfile>"
        for quarter in range(96)
    )
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(DAYS)]
    special = "".join(
        f"<SpecialDayProfile><specialDayDate><year>{day.year}</year><month>{day.month}</month>"
        f"<day_of_month>{day.day}</day_of_month></specialDayDate><dayId>1</dayId></SpecialDayProfile>"
        for day in days
        if day != skip
    )
    stages = "".join(
        f"<TariffStage><tariffNumber>{number}</tariffNumber><description>{text}</description>"
        f"<obisCode>010001080{number}ff</obisCode></TariffStage>"
        for number, text in ((1, "night"), (2, "day"))
    )
    path.write_text(
        '<UsagePoints xmlns="http://vde.de/AR_2418-6.xsd" xmlns:espi="http://naesb.org/espi"><UsagePoint>'
        "<espi:ServiceCategory><espi:kind>0</espi:kind></espi:ServiceCategory><usagePointId>DE1</usagePointId>"
        "<InvoicingParty><invoicingPartyId>supplier</invoicingPartyId></InvoicingParty>"
        f"<SMGW><smgwId>{str(gateway).lower()}.sm</smgwId></SMGW><tariffName>two steps</tariffName>"
        "<AnalysisProfile><tariffUseCase>2</tariffUseCase><tariffId>T1</tariffId>"
        f"<billingPeriod><duration>{DAYS * 86_400}</duration><start>2026-01-01T00:00:00+01:00</start></billingPeriod>"
        f"{stages}<defaultTariffNumber>1</defaultTariffNumber><TariffChangeTrigger><TimeTrigger>"
        f"<DayProfile><dayId>1</dayId>{quarters}</DayProfile>{special}</TimeTrigger></TariffChangeTrigger>"
        "</AnalysisProfile></UsagePoint></UsagePoints>"
    )
    return path


def fill(
    database: Path, *, without: range = range(0), bad: range = range(0), device: DeviceId = DEVICE, first=0
) -> None:
    """A value each quarter hour: 1.0 Wh at night, 10.0 Wh by day."""
    storage = SqliteStorage(database)
    rows, value = [], 1000
    for slot in range(SLOTS):
        at_us = (BEGIN_S + slot * 900) * 1_000_000
        if slot not in without and slot >= first:
            status = BAD if slot in bad else GOOD
            number = slot + 1 + (10_000 if first else 0)
            values = (Data(DataType.LONG64_UNSIGNED, value),)
            rows.append(Row(number, at_us + 400_000, at_us, slot not in bad, status, values))
        value += 100 if 24 <= slot % 96 < 88 else 10
    try:
        storage.deposit(Document(GATEWAY, STORE, device, (ENERGY,), tuple(rows)), rows[-1].capture_time_us).result(60)
    finally:
        storage.close()


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = cli.main(["bill", *map(str, arguments)])
    told = capsys.readouterr()
    return status, told.out, told.err


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "emp.db"


def figures(out: str) -> tuple[str, ...]:
    (one,) = json.loads(out)
    return *(step["value"] for step in one["steps"]), one["error"], one["total"]


def test_each_step_has_its_energy(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(database)
    status, out, _ = run(capsys, tariff(tmp_path / "t.xml"), "--db", database, "--json")
    assert (status, figures(out)) == (0, ("96.0", "1920.0", "0.0", "2016.0"))


def test_people_get_a_table(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(database)
    status, out, _ = run(capsys, tariff(tmp_path / "t.xml"), "--db", database)
    assert status == 0
    assert "tariff two steps (T1) of supplier, usage point DE1" in out
    assert re.search(r"1-0:1\.8\.1\*255 +night +96\.0 Wh\n", out)
    assert re.search(r"1-0:1\.8\.63\*255 +error register +0\.0 Wh\n", out)
    assert "289 of 289 readings" in out
    assert "steps + error = sum: yes; end - begin: 2016.0 Wh" in out


def test_a_gap_over_a_switch_is_in_the_error_register(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(database, without=range(23, 26))
    _, out, _ = run(capsys, tariff(tmp_path / "t.xml"), "--db", database, "--json")
    assert figures(out) == ("94.0", "1900.0", "22.0", "2016.0")


def test_a_value_that_does_not_count_is_as_missing(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(database, bad=range(SLOTS - 4, SLOTS))
    status, out, _ = run(capsys, tariff(tmp_path / "t.xml"), "--db", database)
    assert status == 0
    assert "285 of 289 readings" in out
    assert "note: no reading counts at the end; the bill ends at 2026-01-03 23:00:00 CET" in out


def test_an_exchanged_meter_is_two_devices(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = DeviceId.parse("1EMH0005347110")
    fill(database, without=range(100, SLOTS))
    fill(database, device=other, first=104)
    file = tariff(tmp_path / "t.xml")
    status, out, err = run(capsys, file, "--db", database)
    assert (status, out) == (1, "")
    assert "delivers 2 meters on a grid: 1EMH0005347109, 1EMH0005347110; name one with --device" in err
    status, out, _ = run(capsys, file, "--db", database, "--device", DEVICE, "--device", other)
    assert status == 0
    assert "was exchanged; energy between both meters does not count" in out


def test_a_day_without_an_entry_is_named(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(database)
    status, _, err = run(capsys, tariff(tmp_path / "t.xml", skip=date(2026, 1, 2)), "--db", database)
    assert status == 1
    assert "no SpecialDayProfile for 2026-01-02; it needs one for each day until 2026-01-03" in err


def test_a_meter_without_readings_in_the_period(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(database, bad=range(SLOTS))
    status, _, err = run(capsys, tariff(tmp_path / "t.xml"), "--db", database)
    assert (status, "no reading of 1-0:1.8.0*255 counts between" in err) == (1, True)


def test_a_file_that_is_no_tariff(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(database)
    (tmp_path / "t.xml").write_text("<a/>")
    status, _, err = run(capsys, tmp_path / "t.xml", "--db", database)
    assert (status, "a tariff file begins with UsagePoints" in err) == (1, True)
