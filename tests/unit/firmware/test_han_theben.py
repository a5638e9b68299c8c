"""The JSON of Theben's gateways, over the house of two consumers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from house_asked import ask, told
from house_state import DEVICE, make, opened
from smgw.han.exchange import Answer
from smgw.han.house import House
from smgw.han.views.theben import PATH, VIEW
from smgw.store import paths
from smgw.store.lmn.view import LmnView


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    make(folder)
    return folder


@pytest.fixture
def house(state: Path) -> Iterator[House]:
    with LmnView.open(paths.lmn_directory(state)) as view:
        yield opened(state, view)


def post(house: House, method: str, consumer: str = "anna", **fields: Any) -> Answer:
    body = {"method": method, **{name.replace("_", "-"): value for name, value in fields.items()}}
    return raw(house, json.dumps(body).encode(), consumer)


def raw(house: House, body: bytes, consumer: str = "anna") -> Answer:
    headers = {"content-type": "application/json"}
    return ask(VIEW.answer, house, f"{PATH}/{consumer}/json", consumer, method="POST", headers=headers, body=body)


def inner(answer: Answer, method: str) -> Any:
    assert answer.status == 200, answer.body
    return told(answer)[method]


def every_value(found: Any) -> Iterator[Any]:
    if isinstance(found, dict | list):
        for one in found.values() if isinstance(found, dict) else found:
            yield from every_value(one)
    else:
        yield found


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_first_question_is_sent_on_without_a_body(house: House, path: str, method: str) -> None:
    answer = ask(VIEW.answer, house, path, method=method)
    assert (answer.status, answer.body, answer.headers["Location"]) == (307, b"", f"{PATH}/anna")


@pytest.mark.parametrize("path", [f"{PATH}/anna", f"{PATH}/anna/json", f"{PATH}/anna/json/"])
def test_each_form_of_the_address_is_answered(house: House, path: str) -> None:
    answer = ask(VIEW.answer, house, path, method="POST", body=b'{"method": "smgw-info"}')
    assert inner(answer, "smgw-info")["smgw-id"] == str(house.configuration.gateway.device_id).lower()


def test_an_answer_repeats_version_method_and_time(house: House) -> None:
    found = told(post(house, "smgw-info"))
    assert list(found) == ["version", "method", "elapsed-time", "smgw-info"]
    assert found["method"] == "smgw-info"


@pytest.mark.parametrize("method", ["smgw-info", "user-info", "log"])
def test_all_values_are_texts(house: House, method: str) -> None:
    assert all(isinstance(one, str) for one in every_value(told(post(house, method))))


def test_usage_points_are_the_contracts(house: House) -> None:
    points = inner(post(house, "user-info"), "user-info")["usage-points"]
    assert [(one["usage-point-id"], one["taf-number"], one["taf-state"]) for one in points] == [
        ("day-night", "2", "running"), ("series", "7", "running"),
    ]  # fmt: skip
    assert points[0]["meters"] == [{"meter-id": f"{str(DEVICE).lower()}.sm"}]


def test_a_contract_that_ended_is_in_the_archive(house: House) -> None:
    (point,) = inner(post(house, "user-info", "berta"), "user-info")["usage-points"]
    assert (point["taf-state"], point["end-time"]) == ("archive", "2026-03-02T10:00:00Z")


def test_a_usage_point_has_its_channels(house: House) -> None:
    found = inner(post(house, "usage-point-info", usage_point_id="series", database="origin"), "usage-point-info")
    (channel,) = found["databases"][0]["channels"]
    assert (channel["obis"], channel["scaler"], channel["unit"]) == ("0100010800ff", "-1", "30")
    every = inner(post(house, "usage-point-info", usage_point_id="day-night"), "usage-point-info")["databases"]
    assert [one["database"] for one in every] == ["origin", "derived", "calculated", "daily"]
    assert len(every[1]["channels"]) > 1


def readings(house: House, **fields: Any) -> list[dict[str, str]]:
    found = inner(post(house, "readings", usage_point_id="series", database="origin", **fields), "readings")
    (channel,) = found["channels"]
    rows: list[dict[str, str]] = channel["readings"]
    return rows


def test_readings_begin_after_fromtime_and_end_with_totime(house: House) -> None:
    rows = readings(house, fromtime="2026-03-01T00:00:00Z", totime="2026-03-01T00:30:00Z")
    assert [one["target-time"] for one in rows] == ["2026-03-01T00:15:00Z", "2026-03-01T00:30:00Z"]
    assert rows[0] == {
        "obis": "0100010800ff", "capture-time": "2026-03-01T00:15:00Z", "target-time": "2026-03-01T00:15:00Z",
        "value": "10", "cosem-status": "a000000000000000", "smgw-status": "a0000000", "meter-status": "00000000",
        "signature": "", "owner-number": rows[0]["owner-number"],
    }  # fmt: skip


def test_times_may_have_an_offset(house: House) -> None:
    rows = readings(house, fromtime="2026-03-01T01:00:00+01:00", totime="2026-03-01T01:15:00+01:00")
    assert [one["target-time"] for one in rows] == ["2026-03-01T00:15:00Z"]


@pytest.mark.parametrize("last", ["true", True])
def test_the_last_reading_alone(house: House, last: object) -> None:
    (row,) = readings(house, last_reading=last)
    assert (row["value"], row["target-time"]) == ("2970", "2026-03-04T02:15:00Z")


def test_channels_choose_registers(house: House) -> None:
    fields = {"usage_point_id": "series", "last_reading": "true"}
    for channels, count in (([{"obis": "0100010800ff"}], 1), (["1-0:1.8.0"], 1), (["0100020800ff"], 0)):
        found = inner(post(house, "readings", **fields, channels=channels), "readings")
        assert len(found["channels"]) == count


def test_derived_registers_are_a_database_of_the_contract(house: House) -> None:
    found = inner(
        post(house, "readings", usage_point_id="day-night", database="derived", last_reading="true"), "readings"
    )
    assert len(found["channels"]) > 1


def test_what_an_evaluation_says_of_itself_is_no_channel(house: House) -> None:
    found = inner(post(house, "usage-point-info", usage_point_id="day-night"), "usage-point-info")["databases"]
    assert {channel["obis"][:6] for channel in found[1]["channels"]} == {"010001"}


def test_a_log_begins_with_fromtime_and_ends_before_totime(house: House) -> None:
    every = inner(post(house, "log"), "log")["entries"]
    assert "of anna" in [one["message"] for one in every]
    at = next(one["time"] for one in every if one["message"] == "of anna")
    later = "2030-01-01T00:00:00Z"
    found = inner(post(house, "log", fromtime=at, totime=later), "log")["entries"]
    assert "of anna" in [one["message"] for one in found]
    before = inner(post(house, "log", fromtime="2026-01-01T00:00:00Z", totime=at), "log")["entries"]
    assert "of anna" not in [one["message"] for one in before]


def test_a_log_by_index_and_count(house: House) -> None:
    every = inner(post(house, "log"), "log")["entries"]
    first = every[0]["record-number"]
    assert inner(post(house, "log", fromindex=first, count="1"), "log")["entries"] == every[:1]


def test_the_self_test_cannot_be_started(house: House) -> None:
    assert post(house, "self-test").status == 403


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b'{"method": "none"}', b'{"method": []}', b"[" * 100_000, b'{"method": "usage-point-info"}',
        b'{"method": "readings", "usage-point-id": "series"}',
        b'{"method": "readings", "usage-point-id": "series", "database": "all", "last-reading": "true"}',
        b'{"method": "readings", "usage-point-id": "series", "fromtime": "2026-03-01", "totime": "2026-05-01"}',
        b'{"method": "readings", "usage-point-id": "series", "fromtime": "2026-03-02", "totime": "2026-03-01"}',
        b'{"method": "readings", "usage-point-id": "series", "fromtime": "x", "totime": "2026-03-01"}',
        b'{"method": "readings", "usage-point-id": "series", "last-reading": "true", "channels": 7}',
        b'{"method": "log", "count": "1501"}', b'{"method": "log", "fromindex": "-1"}',
    ],
    ids=range(15),
)  # fmt: skip
def test_what_cannot_be_understood_is_400(house: House, body: bytes) -> None:
    assert raw(house, body).status == 400


def test_what_is_anothers_does_not_exist(house: House) -> None:
    assert ask(VIEW.answer, house, f"{PATH}/berta/json", method="POST", body=b'{"method": "user-info"}').status == 404
    for method in ("usage-point-info", "readings"):
        for name in ("flat-total", "nothing"):
            assert post(house, method, usage_point_id=name, last_reading="true").status == 404
    assert ask(VIEW.answer, house, f"{PATH}/anna/json", method="GET").status == 405
