"""`emp transparency`: the consumer's file from what gateways delivered, by the rules of AR 2418-6."""

from pathlib import Path

import ar2418
import pytest
from emp import cli
from emp.store.sqlite_storage import SqliteStorage
from emp_process import DEVICE, STORE
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.evaluation_facts import FACTS, EvaluationFacts
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import GatewayStatus, StatusWord
from smgw.cosemxml.document import Document, Register, Row
from trial_pki import GATEWAY as SUBJECT
from trial_pki import TrialPki

BEGIN_S = 1_767_222_000  # 2026-01-01T00:00:00+01:00
GATEWAY = DeviceId.parse(SUBJECT.owner)
EVALUATION = DeviceId.evaluation(2, bytes(20))
GOOD = StatusWord(int(GatewayStatus.FIXED), 0)
BAD = StatusWord(int(GatewayStatus.FIXED | GatewayStatus.TIME_INVALID), 0)


def register(code: str) -> Register:
    return Register(Obis.parse(code), -1, 30)


def rows(first: int, *values: tuple[int, ...], bad: int = 0) -> tuple[Row, ...]:
    found = []
    for place, several in enumerate(values):
        at_us = (BEGIN_S + 900 * place) * 1_000_000
        data = tuple(Data(DataType.LONG64, value) for value in several)
        found.append(Row(first + place, at_us + 300_000, at_us, True, BAD if place < bad else GOOD, data))
    return tuple(found)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    TrialPki("p256").write_emp(tmp_path / "trust")
    return tmp_path


def fill(folder: Path, *, bad: int = 0, facts: EvaluationFacts | None = None) -> None:
    storage = SqliteStorage(folder / "emp.db")
    total = register("1-0:1.8.0*255")
    derived = (total, register("1-0:1.8.1*255"), register("1-0:1.8.63*255"))
    try:
        meter = Document(GATEWAY, STORE, DEVICE, (total,), rows(1, (10,), (20,), (30,), bad=bad))
        storage.deposit(meter, BEGIN_S * 1_000_000).result(60)
        evaluation = Document(GATEWAY, STORE, EVALUATION, derived, rows(100, (0, 0, 0), (20, 15, 5)))
        if facts is not None:
            registers = (*derived, Register(FACTS.obis, 0, 255, FACTS.class_id))
            said = facts.reading().value
            evaluation = evaluation._replace(
                registers=registers, rows=tuple(row._replace(values=(*row.values, said)) for row in evaluation.rows)
            )
        storage.deposit(evaluation, BEGIN_S * 1_000_000).result(60)
    finally:
        storage.close()


TARIFF = ("--tariff", "day-night")


def run(
    folder: Path,
    *devices: DeviceId,
    until: str = "2026-01-01T01:00+01:00",
    tariff: tuple[str, ...] = TARIFF,
    point: str = "DE1",
) -> int:
    who = ("--usage-point", point, "--customer", "anna", "--supplier", "9900000000001", *tariff)
    span = ("--from", "2026-01-01T00:00+01:00", "--to", until, "--trust", str(folder / "trust"))
    named = [word for device in devices for word in ("--device", str(device))]
    return cli.main(["transparency", str(folder / "out.xml"), *who, *span, *named, "--db", str(folder / "emp.db")])


def texts(folder: Path, name: str) -> list[str]:
    root = ar2418.check((folder / "out.xml").read_bytes())
    return [found.text or "" for found in root.iter(f"{ar2418.AR}{name}", f"{ar2418.ESPI}{name}")]


def test_it_has_the_readings_of_the_meter(folder: Path) -> None:
    fill(folder)
    assert run(folder, DEVICE) == 0
    assert texts(folder, "value") == ["10", "20", "30"]
    assert texts(folder, "qualifiedLogicalName") == [f"0100010800ff.{DEVICE}.sm"]
    assert texts(folder, "measurementPeriod") == ["900"]
    assert texts(folder, "certType") == ["1", "2"]
    assert (folder / "out.xml").stat().st_mode & 0o777 == 0o600


def test_an_evaluation_has_a_list_for_each_register(folder: Path) -> None:
    fill(folder)
    assert run(folder, DEVICE, EVALUATION) == 0
    names = texts(folder, "qualifiedLogicalName")
    assert names[1:] == [f"{code}.{EVALUATION}.sm" for code in ("0100010800ff", "0100010801ff", "010001083fff")]
    assert set(texts(folder, "meterId")) == {str(DEVICE)}


def test_a_first_reading_that_does_not_count_is_left_out(folder: Path) -> None:
    fill(folder, bad=1)
    assert run(folder, DEVICE) == 0
    assert texts(folder, "value") == ["20", "30"]


def test_a_device_that_is_not_here(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(folder)
    assert run(folder, DeviceId.parse("1EMH0000000001")) == 1
    assert "no device 1EMH0000000001 is in this database" in capsys.readouterr().err


def test_a_span_that_ends_before_it_begins(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(folder)
    assert run(folder, DEVICE, until="2025-01-01") == 1
    assert "--to is not after --from" in capsys.readouterr().err


def test_a_trust_folder_without_the_gateway(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(folder)
    (folder / "trust" / "peers").rename(folder / "elsewhere")
    (folder / "trust" / "peers").mkdir()
    assert run(folder, DEVICE) == 1
    assert f"no certificate for signatures of gateway {GATEWAY}" in capsys.readouterr().err


FACTS_OF = EvaluationFacts("two-steps", "DE1", "Europe/Berlin", 1)


def test_evaluations_that_name_the_usage_point_are_found(folder: Path) -> None:
    fill(folder, facts=FACTS_OF)
    assert run(folder, DEVICE, tariff=()) == 0
    owners = {name.split(".", 1)[1] for name in texts(folder, "qualifiedLogicalName")}
    assert owners == {f"{DEVICE}.sm", f"{EVALUATION}.sm"}
    assert texts(folder, "tariffName") == ["two-steps"]


def test_the_readings_of_the_meter_need_not_be_here(folder: Path) -> None:
    fill(folder, facts=FACTS_OF)
    assert run(folder, tariff=("--meter", "1EMH0000000002")) == 0
    assert set(texts(folder, "meterId")) == {"1EMH0000000002"}


def test_without_its_meter_an_evaluation_would_look_like_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(folder, facts=FACTS_OF)
    assert run(folder) == 1
    assert "the file needs the meter" in capsys.readouterr().err


def test_an_evaluation_of_another_usage_point_is_left_out(folder: Path) -> None:
    fill(folder, facts=FACTS_OF._replace(usage_point="DE2"))
    assert run(folder, DEVICE) == 0
    assert texts(folder, "qualifiedLogicalName") == [f"0100010800ff.{DEVICE}.sm"]


def test_without_an_evaluation_the_tariff_must_be_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(folder)
    assert run(folder, DEVICE, tariff=()) == 1
    assert "with --tariff: no evaluation names this usage point" in capsys.readouterr().err


def test_a_usage_point_that_nothing_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(folder)
    assert run(folder, point="DE9") == 1
    assert "no evaluation names usage point DE9; name the meter with --device" in capsys.readouterr().err
