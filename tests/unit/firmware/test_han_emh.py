"""The GETs of EMH's gateways, over the house of two consumers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from captures_made import MIDNIGHT, SECOND, capture, energy
from house_asked import ask, told
from house_state import DEVICE, FLAT, SLOT, make, opened
from smgw.han.exchange import Answer
from smgw.han.house import House
from smgw.han.views.emh import VIEW
from smgw.store import paths
from smgw.store.live_reader import Live
from smgw.store.lmn.view import LmnView

METER = str(DEVICE).lower()
LAST = MIDNIGHT + 298 * SLOT


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    make(folder)
    return folder


@pytest.fixture
def view(state: Path) -> Iterator[LmnView]:
    with LmnView.open(paths.lmn_directory(state)) as found:
        yield found


@pytest.fixture
def house(state: Path, view: LmnView) -> House:
    return opened(state, view)


def get(house: House, path: str, consumer: str = "anna", method: str = "GET") -> Answer:
    return ask(VIEW.answer, house, f"/json/{path}", consumer, method=method)


def json_of(house: House, path: str, consumer: str = "anna") -> Any:
    answer = get(house, path, consumer)
    assert answer.status == 200, path
    assert answer.headers["Cache-Control"] == "no-store"
    return told(answer)


def test_a_client_finds_the_meter_by_the_contracts(house: House) -> None:
    """As emh-casa-go does: contracts, the first with sensor domains, its meter, values by logical names."""
    contracts = json_of(house, "metering/derived")
    assert contracts == ["day-night", "series"]
    contract = json_of(house, f"metering/derived/{contracts[0]}")
    assert (contract["taf_type"], contract["sensor_domains"]) == ("TAF-2", [METER])
    reading = json_of(house, f"metering/origin/{contract['sensor_domains'][0]}/extended")
    assert reading["values"][0] == {
        "logical_name": f"0100010800ff.{METER}.sm", "value": "2970", "scaler": -1, "unit": 30, "signature": "",
    }  # fmt: skip
    assert (reading["timestamp"], reading["status"]) == ("2026-03-04T02:15:00Z", "a000000000000000")


def test_the_newest_telegram_comes_before_the_stored_row(state: Path, view: LmnView) -> None:
    one = capture(LAST + 7 * SECOND, energy(98_765))
    found = json_of(
        opened(state, view, LAST + 8 * SECOND, lambda: [Live("/dev/null", one)]), f"metering/origin/{METER}"
    )
    assert (found["capture_time"], found["values"][0]["value"]) == ("2026-03-04T02:30:07Z", "98765")


def test_the_gateway_is_described(house: House) -> None:
    found = json_of(house, "systeminformations")
    assert len(found["firmwareversion"].partition(" / ")[2]) == 64
    assert found["huid"] == str(house.configuration.gateway.device_id).lower()


def test_meters_are_listed_with_and_without_a_slash(house: House) -> None:
    assert json_of(house, "metering/origin/") == json_of(house, "metering/origin") == [METER]
    assert json_of(house, "metering/origin/", "carl") == [str(FLAT).lower()]


def test_a_meter_may_be_named_with_its_ending(house: House) -> None:
    assert json_of(house, f"metering/origin/{METER}.sm/extended") == json_of(house, f"metering/origin/{METER}/extended")


def test_a_month_has_both_times_of_each_row(house: House) -> None:
    rows = json_of(house, f"metering/origin/{METER}/2026-03/extended")
    assert len(rows) == 298
    assert [one["timestamp_nom"] for one in rows[:2]] == ["2026-03-01T00:00:00Z", "2026-03-01T00:15:00Z"]
    assert rows[1]["timestamp_act"] == "2026-03-01T00:15:00Z"
    assert json_of(house, f"metering/origin/{METER}/2025-03") == []


def test_periods_and_registers_of_a_contract(house: House) -> None:
    (period,) = json_of(house, "metering/derived/day-night/billingperiods")
    assert (period["id"], period["end"]) == (0, "")
    values = json_of(house, "metering/derived/day-night/billingperiods/0/extended")["values"]
    amounts = {one["logical_name"][:12]: int(one["value"]) for one in values}
    assert amounts["0100010801ff"] + amounts["0100010802ff"] + amounts["010001083fff"] == amounts["0100010800ff"]
    assert json_of(house, "metering/derived/day-night/current/extended")["values"]
    assert json_of(house, "metering/derived/day-night/daily") is not None


def test_the_log_is_the_consumers(house: House) -> None:
    texts = [one["text"] for one in json_of(house, "conlogbook/")]
    assert "of anna" in texts
    assert "of berta" not in texts


@pytest.mark.parametrize(
    "path",
    [
        "", "metering", "metering/derived/flat-total", "metering/derived/flat-total/billingperiods",
        "metering/derived/flat-total/signedprofile", "metering/derived/day-night/billingperiods/9",
        f"metering/origin/{str(FLAT).lower()}", f"metering/origin/{str(FLAT).lower()}/2026-03",
        f"metering/origin/{METER}/2026-13", "metering/origin/nothing/extended",
    ],
    ids=range(10),
)  # fmt: skip
def test_what_is_anothers_or_nowhere_is_404(house: House, path: str) -> None:
    assert get(house, path).status == 404


def test_what_is_not_published_is_501(house: House) -> None:
    assert get(house, "metering/derived/day-night/signedprofile").status == 501
    assert get(house, "download/certificate.pem").status == 501


def test_only_get_is_possible(house: House) -> None:
    assert get(house, "metering/derived", method="POST").status == 405
