"""/smgw/con/v1/: lists, filters, statuses and JSON, by plain requests."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from captures_made import capture, energy
from house_asked import ask, check, told
from house_state import DAY, DEVICE, FLAT, MIDNIGHT, SLOT, make, opened
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from smgw.han import calendar
from smgw.han.exchange import Answer
from smgw.han.house import House
from smgw.han.views.v1 import VIEW
from smgw.han.views.v1.asked import MOST
from smgw.store import paths
from smgw.store.live_reader import Live
from smgw.store.lmn.view import LmnView
from smgw.trust.errors import KeysUnavailableError

BASE = "/smgw/con/v1"
READINGS = f"{BASE}/exp/readings/{DEVICE}"
LAST = 3 * DAY + 9
CONSUMERS = ("anna", "berta", "carl")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    state: Path = tmp_path_factory.mktemp("v1")
    make(state)
    live = [
        Live("/dev/null", capture(0, energy(1))),
        Live("/dev/zero", capture(0, energy(2), meter="flat", device=FLAT)),
    ]
    with LmnView.open(paths.lmn_directory(state)) as view:
        yield opened(state, view, live=lambda: list(live))


def get(house: House, target: str, consumer: str = "anna") -> Answer:
    return ask(VIEW.answer, house, target, consumer)


def slot(place: int, offset_hours: int = 0) -> str:
    moment = datetime.fromtimestamp((MIDNIGHT + place * SLOT) // 10**6, UTC) + timedelta(hours=offset_hours)
    return f"{moment:%Y-%m-%dT%H:%M:%S}" + ("Z" if not offset_hours else f"{offset_hours:+03d}:00")


def targets(house: House, query: str, consumer: str = "anna") -> list[str]:
    return [one["target_time"] for one in told(get(house, f"{READINGS}?{query}", consumer))]


def every_target(house: House, consumer: str) -> Iterator[str]:
    """All addresses that lists lead this consumer to."""
    waiting = ["/smgw/"]
    while waiting:
        target = waiting.pop()
        yield target
        if target.endswith("/"):
            waiting += [target + quote(one["id"], safe="/") for one in told(get(house, target, consumer))]


def template(target: str) -> str:
    """The path of the OpenAPI document for an address."""
    parts = target.split("/")
    return target if target.endswith("/") else "/".join([*parts[:-1], "{id}"])


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_every_answer_that_lists_lead_to_has_its_schema(house: House, consumer: str) -> None:
    document = told(get(house, f"{BASE}/openapi.json"))
    for target in every_target(house, consumer):
        answer = get(house, target, consumer)
        assert answer.status == 200, target
        if not target.endswith("openapi.json"):
            operation = document["paths"][template(target)]["get"]
            schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
            check(told(answer), schema, document, target)


def test_the_document_names_every_address_and_no_other(house: House) -> None:
    document = told(get(house, f"{BASE}/openapi.json"))
    seen = {template(one) for consumer in CONSUMERS for one in every_target(house, consumer)}
    assert seen - {f"{BASE}/{{id}}"} == set(document["paths"])


def test_an_address_of_another_is_as_one_that_does_not_exist(house: House) -> None:
    reached = {consumer: set(every_target(house, consumer)) for consumer in CONSUMERS}
    for consumer in CONSUMERS:
        missing = get(house, f"{BASE}/rts/meter/none", consumer)
        for target in set().union(*reached.values()) - reached[consumer]:
            assert get(house, target, consumer) == missing, target


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_no_answer_says_anything_of_others(house: House, consumer: str) -> None:
    others = {name for name in CONSUMERS if name != consumer}
    secrets = {"anna": [str(FLAT), "DE2"], "berta": [str(DEVICE), "DE1"], "carl": [str(DEVICE), "DE1", "DE2"]}
    for target in every_target(house, consumer):
        body = get(house, target, consumer).body
        assert isinstance(body, bytes)
        for text in [*secrets[consumer], *others]:
            assert text.encode() not in body, (target, text)


def test_fromtime_is_inclusive_and_totime_exclusive(house: House) -> None:
    assert targets(house, f"q.fromtime={slot(1)}&q.totime={slot(3)}") == [slot(1), slot(2)]


def test_a_time_may_have_any_offset(house: House) -> None:
    query = f"q.fromtime={quote(slot(4, 2))}&q.totime={slot(6, -5)}"
    assert targets(house, query) == [slot(4), slot(5)]


def test_a_plus_that_was_not_encoded_is_understood(house: House) -> None:
    assert targets(house, f"q.fromtime={slot(4, 2)}&q.totime={slot(5, 2)}") == [slot(4)]


def test_count_with_fromtime_gives_the_first(house: House) -> None:
    assert targets(house, f"q.fromtime={slot(7)}&q.count=2") == [slot(7), slot(8)]


def test_count_alone_gives_the_newest(house: House) -> None:
    assert targets(house, "q.count=2") == [slot(LAST - 1), slot(LAST)]


def test_count_may_be_more_than_there_are(house: House) -> None:
    assert len(targets(house, f"q.count={MOST}")) == LAST + 1


def test_obis_chooses_registers(house: House) -> None:
    (row,) = told(get(house, f"{READINGS}?q.count=1&q.obis=2.8.0"))
    assert [(one["obis"], one["value"], one["unit"]) for one in row["values"]] == [("1-0:2.8.0*255", "29.7", "Wh")]


def test_a_value_is_a_decimal_text_with_status_and_times(house: House) -> None:
    (row,) = told(get(house, f"{READINGS}?q.fromtime={slot(1)}&q.count=1&q.obis=1.8.0"))
    assert row == {
        "target_time": slot(1),
        "capture_time": slot(1),
        "time_valid": True,
        "origin": "measured",
        "status": "0000000500000000",
        "ptb_status": 0,
        "values": [{"obis": "1-0:1.8.0*255", "value": "1.0", "unit": "Wh"}],
    }


def test_a_body_is_in_canonical_form(house: House) -> None:
    for target in (f"{BASE}/rts/meter/house", READINGS, f"{BASE}/fas/"):
        body = get(house, target).body
        assert isinstance(body, bytes)
        assert body == json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":")).encode()


def test_level_leaves_out_what_is_less(house: House) -> None:
    levels = {one["level"] for one in told(get(house, f"{BASE}/exp/log/anna"))}
    assert levels == {"I", "W"}
    assert {one["level"] for one in told(get(house, f"{BASE}/exp/log/anna?q.level=W"))} == {"W"}


def test_days_of_a_meter_add_up(house: House) -> None:
    query = f"q.type=day&q.fromtime={slot(0)}&q.totime={slot(LAST)}"
    found = told(get(house, f"{BASE}/exp/amounts/house?{query}"))
    assert sum(int(one["value"].replace(".", "")) for one in found if one["value"]) == 10 * LAST


@pytest.mark.parametrize("what", ["amounts/house", "gaps/house", f"closings/{DEVICE}"])
def test_a_long_series_in_pieces_is_that_of_the_whole(house: House, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target = f"{BASE}/exp/{what}?q.type=quarter-hour&q.fromtime={slot(3)}&q.totime={slot(200)}"
    whole = told(get(house, target))
    monkeypatch.setattr(calendar, "_MARKS_AT_ONCE", 7)
    assert told(get(house, target)) == whole
    assert len(whole) == 197 + (what[0] == "c")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (f"{READINGS}?q.fromtime=2026-03-01T00:00:00", 400),
        (f"{READINGS}?q.fromtime=yesterday", 400),
        (f"{READINGS}?q.fromtime=2026-03-02T00:00:00Z&q.totime=2026-03-01T00:00:00Z", 400),
        (f"{READINGS}?q.count=0", 400),
        (f"{READINGS}?q.count=1e3", 400),
        (f"{READINGS}?q.obis=house", 400),
        (f"{READINGS}?q.type=all", 400),
        (f"{READINGS}?q.level=W", 400),
        (f"{READINGS}?q.limit=1", 400),
        (f"{READINGS}?q.signed=yes", 400),
        (f"{BASE}/exp/log/anna?q.level=warning", 400),
        (f"{BASE}/exp/amounts/house?q.type=second", 400),
        (f"{BASE}/exp/amounts/house?q.obis=1.8.0,2.8.0", 400),
        (f"{BASE}/exp/amounts/house?q.type=hour&q.fromtime=1990-01-01T00:00:00Z", 400),
        (f"{BASE}/rts/meter/house?q.count=1", 400),
        (f"{BASE}/exp/amounts/flat?q.fromtime={slot(0)}&q.totime=2026-03-01T00:00:00.000001Z", 404),
        (f"{READINGS}/", 404),
        (f"{READINGS}/x", 404),
        (f"{BASE}/rts/meter", 404),
        (f"{BASE}/rts/none/", 404),
        (f"{BASE}/rts", 404),
        (f"{BASE}/xyz/meter/house", 404),
        (f"{BASE}/exp/log/berta", 404),
        ("/smgw/srv/v1/", 404),
        ("/smgw/con/v2/", 404),
        (f"{BASE}", 404),
    ],
)
def test_a_wrong_question_has_the_status_of_the_specification(house: House, target: str, status: int) -> None:
    answer = get(house, target)
    assert answer.status == status
    assert told(answer)["status"] == status
    assert told(answer)["text"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(house: House, method: str) -> None:
    answer = ask(VIEW.answer, house, f"{BASE}/rts/meter/", method=method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("accept", "status"), [("text/html", 406), ("text/html, */*;q=0.1", 200), ("application/json", 200)]
)
def test_only_json_is_given(house: House, accept: str, status: int) -> None:
    assert ask(VIEW.answer, house, f"{BASE}/", headers={"accept": accept}).status == status


def test_without_an_agent_of_keys_a_signed_answer_is_refused_in_words(house: House) -> None:
    answer = get(house, f"{BASE}/rts/meter/house?q.signed=CMS_ECDSA_SHA256_Detached")
    assert answer.status == 503
    assert "does not sign" in told(answer)["text"]


def test_an_agent_that_refuses_is_told(house: House) -> None:
    def sign(_body: bytes) -> bytes:
        raise KeysUnavailableError("the user may not sign", "Ask root.")

    house.sign = sign
    try:
        answer = get(house, f"{BASE}/rts/meter/house?q.signed=CMS_ECDSA_SHA256_Detached")
    finally:
        house.sign = None
    assert answer.status == 503
    assert "the user may not sign" in told(answer)["text"]


def instant(at_s: int, offset_hours: int) -> str:
    moment = datetime.fromtimestamp(at_s, UTC) + timedelta(hours=offset_hours)
    return quote(f"{moment:%Y-%m-%dT%H:%M:%S}{offset_hours:+03d}:00")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(-2 * 900, (LAST + 2) * 900), st.integers(1, 40 * 900), st.integers(-12, 14))
def test_a_range_has_each_registration_time_from_fromtime_until_before_totime(
    house: House, begin_s: int, length_s: int, offset: int
) -> None:
    first_s = MIDNIGHT // 10**6
    query = f"q.fromtime={instant(first_s + begin_s, offset)}&q.totime={instant(first_s + begin_s + length_s, -offset)}"
    inside = [one for one in range(LAST + 1) if begin_s <= one * 900 < begin_s + length_s]
    assert targets(house, query) == [slot(one) for one in inside]
