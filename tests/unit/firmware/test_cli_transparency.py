"""`smgw transparency`: the file of a usage point from the gateway's own database, by the rules of AR 2418-6."""

from datetime import UTC, datetime
from pathlib import Path

import ar2418
import pytest
from captures_made import MIDNIGHT, SECOND, capture, energy
from delivering import GATEWAY
from lxml import etree
from registering import Clock
from smgw.cli import main
from smgw.metering.evaluations import Evaluations
from smgw.metering.period_ends import PeriodEnds
from smgw.metering.registrar import Registrar
from smgw.profiles.toml_importer import load
from smgw.store import paths
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.wan.store import WanStore
from smgw.trust.keys.folder import FolderKeys
from smgw.trust.validity import Moment
from smgw.wan.cosem_xml.signing import row_signer
from smgw.wan.outlet import Surroundings
from trial_pki import NOW, TrialPki

TEXT = f"""\
[gateway]
device_id = "{GATEWAY}"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/null"
[[evaluation]]
name = "day-night"
taf = 2
meters = ["house"]
usage_point = "DE1"
consumer = "anna"
supplier = "9900000000001"
zone = "UTC"
[evaluation.calendar]
zone = "UTC"
days = {{ day = {{ "00:00" = 2, "02:00" = 1 }} }}
season = [{{ name = "year", week = {{ mon-sun = "day" }} }}]
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "gateway.toml").write_text(TEXT)
    TrialPki("p256").write_gateway(tmp_path / "trust")
    fill(tmp_path)
    return tmp_path


def fill(state: Path) -> None:
    """Twenty quarter hours, each of which uses 10."""
    clock = Clock()
    with LmnStore.open(paths.lmn_directory(state), ballast_bytes=0) as store:
        evaluations = Evaluations(store, clock.stamp)
        evaluations.configure(load(state / "gateway.toml").evaluations)
        store.evaluate_with(evaluations)
        registrar = Registrar(store, clock, {"house": 900})
        registrar.signs = PeriodEnds(load(state / "gateway.toml").evaluations)
        for place in range(20):
            clock.now_us = MIDNIGHT + place * 900 * SECOND
            one = capture(place * 900 * SECOND, energy(10 * place))
            registrar.capture(one._replace(meter="house", stamp=clock.stamp()))
            registrar.run_once(0)
        store.flush(now=True)


def iso(slot: int) -> str:
    return datetime.fromtimestamp(MIDNIGHT // SECOND + slot * 900, UTC).isoformat()


def run(state: Path, *more: str, point: str = "DE1", begin: int = 0, end: int = 19) -> tuple[int, Path]:
    file = state / "out.xml"
    common = ("--config", str(state / "gateway.toml"), "--state", str(state))
    span = ("--usage-point", point, "--from", iso(begin), "--to", iso(end))
    return main(["transparency", str(file), *span, *common, *more]), file


def texts(root: etree._Element, name: str) -> list[str]:
    return [found.text or "" for found in root.iter(f"{ar2418.AR}{name}", f"{ar2418.ESPI}{name}")]


def test_the_file_keeps_the_rules_and_is_readable_by_its_owner_alone(state: Path) -> None:
    status, file = run(state)
    assert status == 0
    ar2418.check(file.read_bytes())
    assert file.stat().st_mode & 0o777 == 0o600


def test_it_has_the_readings_of_the_meter_and_the_registers_of_the_period(state: Path) -> None:
    root = ar2418.check(run(state)[1].read_bytes())
    names = texts(root, "qualifiedLogicalName")
    assert names[0] == f"0100010800ff.{texts(root, 'meterId')[0]}.sm"
    assert len(texts(root, "value")) >= 20
    derived = [name for name in names if ".taf2-" in name]
    assert [name[:12] for name in derived] == ["0100010800ff", "0100010801ff", "0100010802ff", "010001083fff"]


@pytest.mark.parametrize(("taf", "values"), [(1, 1), (6, 1), (7, 0)])
def test_it_has_the_readings_that_other_use_cases_form(tmp_path: Path, taf: int, values: int) -> None:
    """TAF 1: of the period's begin; TAF 6: of the billing day's. TAF 7 has the meter's own readings alone."""
    text = TEXT[: TEXT.index("[evaluation.calendar]")].replace("taf = 2", f"taf = {taf}")
    (tmp_path / "gateway.toml").write_text(text)
    TrialPki("p256").write_gateway(tmp_path / "trust")
    fill(tmp_path)
    root = ar2418.check(run(tmp_path)[1].read_bytes())
    lists = list(root.iter(f"{ar2418.AR}MeterReading"))
    own = [one for one in lists if f".taf{taf}-" in texts(one, "qualifiedLogicalName")[0]]
    assert [len(texts(one, "value")) for one in own] == ([values] if values else [])
    assert len(lists) == 1 + len(own)


def test_it_has_who_and_the_consumers_log(state: Path) -> None:
    root = ar2418.check(run(state)[1].read_bytes())
    who = {name: texts(root, name) for name in ("usagePointId", "customerId", "invoicingPartyId", "tariffName")}
    assert who == {
        "usagePointId": ["DE1"],
        "customerId": ["anna"],
        "invoicingPartyId": ["9900000000001"],
        "tariffName": ["day-night"],
    }
    assert texts(root, "smgwId") == [f"{GATEWAY}.sm"]
    assert texts(root, "certType") == ["1", "2"]


def test_only_the_span_is_in_it(state: Path) -> None:
    root = ar2418.check(run(state, begin=4, end=8)[1].read_bytes())
    (first, *_) = root.iter(f"{ar2418.AR}MeterReading")
    assert len(texts(first, "targetTime")) == 5


def test_another_usage_point_is_refused_with_those_that_are_there(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, file = run(state, point="DE2")
    assert (status, file.exists()) == (2, False)
    assert "no [[evaluation]] has usage_point = 'DE2'; there are DE1" in capsys.readouterr().err


def test_without_certificates_nothing_is_written(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (state / "trust" / "own").rename(state / "elsewhere")
    status, file = run(state)
    assert (status, file.exists()) == (2, False)
    assert "the file needs the gateway's certificate for signatures" in capsys.readouterr().err


def test_a_missing_supplier_is_named(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = state / "gateway.toml"
    config.write_text(config.read_text().replace('supplier = "9900000000001"\n', ""))
    status, _ = run(state)
    assert status == 2
    assert "evaluation day-night: supplier is missing" in capsys.readouterr().err


def test_values_that_were_signed_have_their_signature(state: Path) -> None:
    trust = paths.trust_directory(state)
    lent = Surroundings(trust, lambda: Moment(NOW), lambda: FolderKeys(trust))
    with LmnView.open(paths.lmn_directory(state)) as lmn, WanStore.open(paths.wan_directory(state)) as wan:
        signer = row_signer(lent, wan)
        rows = [row for source in lmn.sources() for row in lmn.records(source, 0, 999) if row.to_sign]
        assert rows
        for row in rows:
            assert signer.sign(row.device, [row]) == ""
    root = ar2418.check(run(state)[1].read_bytes())
    found = texts(root, "signature")
    assert found
    assert {len(one) for one in found} == {128}, "64 octets, as gateways in the field show them"


def test_a_span_without_values_makes_no_file(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, file = run(state, begin=-2000, end=-1900)
    assert status == 2
    assert not file.exists()
    assert "no value of DE1 lies in this span" in capsys.readouterr().err


def test_verify_says_what_kind_of_file_it_is(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, file = run(state)
    assert main(["verify", "--state", str(state), str(file)]) == 2
    assert "this is a consumer's file for TRuDI; smgw verify takes" in capsys.readouterr().err
