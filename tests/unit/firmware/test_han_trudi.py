"""/trudi/: the four questions of TRuDI, and files of AR 2418-6 that a child process makes."""

import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import ar2418
import pytest
from house_asked import ask, told
from house_state import DAY, DEVICE, FLAT, MIDNIGHT, MOVED, SLOT, TEXT, make, opened
from lxml import etree
from smgw.han.certificate import self_signed
from smgw.han.exchange import Answer
from smgw.han.files import BusyError, Files, NoFileError
from smgw.han.house import House, Wanted
from smgw.han.views.trudi import VIEW
from smgw.store import paths
from smgw.store.lmn.view import LmnView
from trial_pki import TrialPki

LAST = 3 * DAY + 9
SECOND = 10**6


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory: Path = tmp_path_factory.mktemp("trudi")
    make(directory)
    TrialPki("p256").write_gateway(directory / "trust")
    return directory


@pytest.fixture(scope="module")
def house(state: Path) -> Iterator[House]:
    with LmnView.open(paths.lmn_directory(state)) as view:
        found = opened(state, view)
        found.transparency = Files(state / "gateway.toml", state).transparency
        yield found


def get(house: House, target: str, consumer: str = "anna") -> Answer:
    return ask(VIEW.answer, house, f"/trudi/{target}", consumer)


def file(house: House, target: str, consumer: str = "anna") -> etree._Element:
    answer = get(house, target, consumer)
    assert isinstance(answer.body, bytes)
    assert (answer.status, answer.media) == (200, "application/xml"), answer.body[:300]
    return ar2418.check(answer.body)


def texts(root: etree._Element, name: str) -> list[str]:
    return [found.text or "" for found in root.iter(f"{ar2418.AR}{name}", f"{ar2418.ESPI}{name}")]


def span(first: int, last: int, zone: str = "Z") -> str:
    begin, end = (datetime.fromtimestamp((MIDNIGHT + place * SLOT) // SECOND).astimezone() for place in (first, last))
    return "&".join(
        f"{name}={quote(one.astimezone(datetime.fromisoformat(f'2026-01-01T00:00:00{zone}').tzinfo).isoformat())}"
        for name, one in (("Start", begin), ("End", end))
    )


DATA = "data?TafName=day-night&TafId=2"


def test_firmware_has_component_version_and_hash(house: House) -> None:
    for one in told(get(house, "firmware")):
        assert set(one) == {"Component", "Version", "Hash"}


def test_contracts_have_what_trudi_reads(house: House) -> None:
    first, second = told(get(house, "contracts"))
    assert first == {
        "TafId": 2,
        "TafName": "day-night",
        "Description": "time-variable",
        "Meters": [str(DEVICE)],
        "MeteringPointId": "DE1",
        "SupplierId": "9900000000001",
        "ConsumerId": "anna",
        "Begin": "2026-03-01T00:00:00+00:00",
        "End": None,
        "BillingPeriods": [{"Begin": "2026-03-01T00:00:00+00:00", "End": None}],
    }
    assert (second["TafId"], second["TafName"]) == (7, "series")


def test_a_series_of_readings_has_the_periods_of_its_months(house: House) -> None:
    series = told(get(house, "contracts"))[1]
    assert series["BillingPeriods"] == [{"Begin": "2026-03-01T01:00:00+01:00", "End": None}]


def test_a_contract_that_has_ended_says_when(house: House) -> None:
    (contract,) = told(get(house, "contracts", "berta"))
    assert contract["End"] == "2026-03-02T10:00:00+00:00"
    assert contract["Meters"] == [str(FLAT)]


def test_a_consumer_without_contracts_has_an_empty_list(house: House) -> None:
    assert get(house, "contracts", "carl").body == b"[]"


def test_both_ends_of_the_data_are_included(house: House) -> None:
    root = file(house, f"{DATA}&{span(4, 8)}")
    (first, *_) = root.iter(f"{ar2418.AR}MeterReading")
    assert len(texts(first, "targetTime")) == 5


@pytest.mark.parametrize("zone", ["+00:00", "+01:00", "-07:00"])
def test_the_same_instants_give_the_same_file_in_any_offset(house: House, zone: str) -> None:
    assert get(house, f"{DATA}&{span(4, 8, zone)}").body == get(house, f"{DATA}&{span(4, 8)}").body


def test_a_time_without_an_offset_is_local_time_of_the_contract(house: House) -> None:
    local = "Start=2026-03-01T02:00:00&End=2026-03-01T03:00:00"
    utc = "Start=2026-03-01T01:00:00Z&End=2026-03-01T02:00:00Z"
    series = "data?TafName=series&TafId=7"
    assert get(house, f"{series}&{local}").body == get(house, f"{series}&{utc}").body


def test_the_data_name_consumer_contract_and_certificates(house: House) -> None:
    root = file(house, f"{DATA}&{span(0, LAST)}")
    who = {name: texts(root, name) for name in ("usagePointId", "customerId", "tariffName", "certType")}
    assert who == {"usagePointId": ["DE1"], "customerId": ["anna"], "tariffName": ["day-night"], "certType": ["1", "2"]}


def test_log_data_come_only_when_they_are_wanted(house: House) -> None:
    assert texts(file(house, f"{DATA}&{span(0, LAST + 1)}&WithLogData=true"), "recordNumber")
    assert not texts(file(house, f"{DATA}&{span(0, LAST + 1)}&WithLogData=false"), "recordNumber")


def test_current_has_each_register_once(house: House) -> None:
    root = file(house, "current?TafName=day-night&TafId=2")
    codes = texts(root, "obisCode")
    assert codes == ["0100010800ff", "0100010801ff", "0100010802ff", "010001083fff"]
    values = list(map(int, texts(root, "value")))
    assert values[0] == sum(values[1:]) == 10 * LAST


def test_current_of_a_series_is_the_newest_reading(house: House) -> None:
    root = file(house, "current?TafName=series&TafId=7")
    assert texts(root, "value") == [str(10 * LAST)]


def test_who_moved_out_gets_no_later_value(house: House) -> None:
    root = file(house, f"data?TafName=flat-total&{span(0, LAST)}", "berta")
    assert max(map(int, texts(root, "value"))) == 7 * MOVED


def test_a_data_sparing_contract_has_its_own_rows_at_period_ends(house: House) -> None:
    root = file(house, f"data?TafName=flat-total&{span(0, LAST)}", "berta")
    names = texts(root, "qualifiedLogicalName")
    assert [name.split(".")[1][:5] for name in names if ".taf" in name] == ["taf1-"]


@pytest.mark.parametrize(
    ("target", "consumer", "status"),
    [
        (f"{DATA}&{span(0, 1)}", "berta", 404),
        (f"{DATA}&{span(0, 1)}", "carl", 404),
        (f"data?TafName=none&{span(0, 1)}", "anna", 404),
        (f"data?TafName=day-night&TafId=7&{span(0, 1)}", "anna", 404),
        (f"data?{span(0, 1)}", "anna", 400),
        (f"{DATA}&{span(1, 0)}", "anna", 400),
        (f"{DATA}&Start=now&End=now", "anna", 400),
        (DATA, "anna", 400),
        ("current?TafName=day-night", "berta", 404),
        ("current", "anna", 400),
        ("contract", "anna", 404),
        ("", "anna", 404),
    ],
)
def test_a_wrong_question_has_its_status(house: House, target: str, consumer: str, status: int) -> None:
    assert get(house, target, consumer).status == status


def test_nothing_can_be_changed(house: House) -> None:
    assert ask(VIEW.answer, house, "/trudi/contracts", method="POST").status == 405


def test_without_certificates_of_the_pki_that_for_the_house_is_in_the_file(tmp_path: Path) -> None:
    make(tmp_path, range(4))
    paths.han_directory(tmp_path).mkdir()
    self_signed(paths.han_directory(tmp_path), "ESMG0000000001")
    files = Files(tmp_path / "gateway.toml", tmp_path)
    wanted = Wanted("anna", "day-night", MIDNIGHT // SECOND, MIDNIGHT // SECOND + 900, MIDNIGHT)
    root = ar2418.check(b"".join(files.transparency(wanted, False)))
    assert texts(root, "certType") == ["3"]


def test_a_profile_without_a_supplier_is_said(tmp_path: Path) -> None:
    make(tmp_path, range(2), TEXT.replace('supplier = "9900000000001"\n', ""))
    TrialPki("p256").write_gateway(tmp_path / "trust")
    files = Files(tmp_path / "gateway.toml", tmp_path)
    with pytest.raises(NoFileError, match="day-night: supplier is missing"):
        files.transparency(Wanted("anna", "day-night", 0, 1, MIDNIGHT), False)


def test_a_child_that_takes_too_long_is_killed(state: Path) -> None:
    files = Files(state / "gateway.toml", state, seconds=0.01)
    with pytest.raises(NoFileError, match="takes longer than"):
        files.transparency(Wanted("anna", "day-night", 0, 1, MIDNIGHT), False)


def test_few_files_are_made_at_one_time(state: Path) -> None:
    files = Files(state / "gateway.toml", state, at_once=1)
    wanted = Wanted("anna", "day-night", MIDNIGHT // SECOND, MIDNIGHT // SECOND + 900, MIDNIGHT)
    outcomes: list[str] = []
    begin = threading.Barrier(2)

    def ask_one() -> None:
        begin.wait()
        try:
            b"".join(files.transparency(wanted, False))
            outcomes.append("made")
        except BusyError:
            outcomes.append("busy")

    threads = [threading.Thread(target=ask_one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["busy", "made"]
    b"".join(files.transparency(wanted, False))  # and later one is free again


def test_the_child_gives_nothing_of_another(state: Path) -> None:
    files = Files(state / "gateway.toml", state)
    with pytest.raises(NoFileError):
        files.transparency(Wanted("berta", "day-night", 0, 1 << 32, MIDNIGHT), False)
