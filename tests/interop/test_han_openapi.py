"""The OpenAPI document of v1 and its answers, checked by other people's validators."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from captures_made import capture, energy
from house_asked import ask, told
from house_state import make, opened
from smgw.han.house import House
from smgw.han.views.v1 import VIEW
from smgw.store import paths
from smgw.store.live_reader import Live
from smgw.store.lmn.view import LmnView

PEERS = Path(os.environ.get("SMGW_PEERS_PYTHON", Path(__file__).parents[2] / ".venv-peers/bin/python"))
SCRIPT = Path(__file__).with_name("peers") / "openapi_check.py"
DOCUMENT = "/smgw/con/v1/openapi.json"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    state: Path = tmp_path_factory.mktemp("openapi")
    make(state)
    with LmnView.open(paths.lmn_directory(state)) as view:
        yield opened(state, view, live=lambda: [Live("/dev/null", capture(0, energy(1)))])


def faults(given: Any) -> list[str]:
    if not PEERS.exists():
        pytest.fail(f"the peers' environment {PEERS} is missing; make it with: make setup")
    command = [str(PEERS), "-I", str(SCRIPT)]
    done = subprocess.run(command, input=json.dumps(given), text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    return found


def answers(house: House, document: Any) -> Iterator[dict[str, Any]]:
    """All that lists lead to, with the schema of its address."""
    waiting = ["/smgw/"]
    while waiting:
        target = waiting.pop()
        content = told(ask(VIEW.answer, house, target))
        if target.endswith("/"):
            waiting += [target + quote(one["id"], safe="/") for one in content if one["id"] != "openapi.json"]
        path = target if target.endswith("/") else target.rpartition("/")[0] + "/{id}"
        operation = document["paths"][path]["get"]["responses"]["200"]
        yield {"target": target, "schema": operation["content"]["application/json"]["schema"], "content": content}


def test_the_document_and_all_answers_are_valid(house: House) -> None:
    document = told(ask(VIEW.answer, house, DOCUMENT))
    assert faults({"document": document, "answers": list(answers(house, document))}) == []


def test_a_refusal_is_valid(house: House) -> None:
    document = told(ask(VIEW.answer, house, DOCUMENT))
    refused = told(ask(VIEW.answer, house, "/smgw/con/v1/rts/meter/none"))
    schema = {"$ref": "#/components/schemas/Problem"}
    assert faults({"document": document, "answers": [{"target": "404", "schema": schema, "content": refused}]}) == []


def test_a_wrong_answer_is_found(house: House) -> None:
    document = told(ask(VIEW.answer, house, DOCUMENT))
    wrong = {"target": "x", "schema": {"$ref": "#/components/schemas/Link"}, "content": {"id": 1}}
    assert len(faults({"document": document, "answers": [wrong]})) == 1
