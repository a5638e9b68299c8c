"""No question breaks a view of another maker's: each has an answer or a refusal, and never says what is another's."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from house_asked import ask
from house_state import FLAT, make, opened
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from smgw.han.exchange import Answer
from smgw.han.house import House
from smgw.han.views import emh, ppc, theben
from smgw.store import paths
from smgw.store.lmn.view import LmnView

REFUSALS = {400, 403, 404, 405, 413, 415, 501}
NAMES = ["usage-point-id", "database", "channels", "last-reading", "fromtime", "totime", "fromindex", "count"]
KNOWN = [
    "series",
    "day-night",
    "flat-total",
    "origin",
    "derived",
    "daily",
    "true",
    "2026-03-01",
    "2026-03-02T00:00:00Z",
    "1",
]
WORDS = some.one_of(some.sampled_from(KNOWN), some.text(max_size=12))
VALUES = some.recursive(
    some.one_of(some.none(), some.booleans(), some.integers(), some.floats(), WORDS),
    lambda inner: some.one_of(some.lists(inner, max_size=3), some.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=5,
)
QUICK = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    make(folder, range(20))
    return folder


@pytest.fixture
def house(state: Path) -> Iterator[House]:
    with LmnView.open(paths.lmn_directory(state)) as view:
        yield opened(state, view)


def right(answer: Answer) -> None:
    assert answer.status in {200, *REFUSALS}
    assert isinstance(answer.body, bytes)
    assert str(FLAT).lower().encode() not in answer.body.lower()


@QUICK
@given(some.sampled_from([*theben._METHODS, ""]), some.dictionaries(some.sampled_from(NAMES), VALUES))
def test_theben(house: House, method: str, fields: dict[str, Any]) -> None:
    body = json.dumps({"method": method, **fields}).encode()
    right(ask(theben.VIEW.answer, house, f"{theben.PATH}/anna/json", method="POST", body=body))


@QUICK
@given(
    some.sampled_from([*ppc._ACTIONS, *ppc._UNPUBLISHED, "x"]),
    some.dictionaries(some.sampled_from(["mid", "tid", "from", "to", "page", "tkn"]), WORDS),
)
def test_ppc(house: House, action: str, fields: dict[str, str]) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    body = urlencode({"action": action, **fields}).encode()
    right(ask(ppc.VIEW.answer, house, ppc.PATH, method="POST", headers=headers, body=body))


@QUICK
@given(
    some.lists(
        some.one_of(WORDS, some.sampled_from(["metering", "origin", "billingperiods", "0", "9999-12", "current"]))
    )
)
def test_emh(house: House, parts: list[str]) -> None:
    path = "/".join(one.replace("?", "").replace("%", "") for one in parts)
    right(ask(emh.VIEW.answer, house, f"{emh.PATH}{path}"))
    right(ask(emh.VIEW.answer, house, f"{emh.PATH}metering/derived/{path}"))
    right(ask(emh.VIEW.answer, house, f"{emh.PATH}metering/origin/1emh0011802881/{path}"))
