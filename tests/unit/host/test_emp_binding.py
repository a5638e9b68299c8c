"""With TLS a gateway has its own resources only: those of others answer as if they were not there."""

import contextlib
import itertools
import json
import logging
import sqlite3

import pytest
from emp.cli import main
from emp.store.sqlite_storage import SqliteView
from emp.store.storage import ForeignDeviceError, Proof
from emp_process import DEVICE, GATEWAY, PATH, POWER, XML, content, row
from emp_trust import CMS, OTHERS, OURS, Trial
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosemxml import document, writer
from smgw.cosemxml.resources import MethodRequest

OTHER_GATEWAY = DeviceId.parse("ESMG0000000002")
MISSING = DeviceId.parse("1EMH0005347999")
THEIRS = DeviceId.parse("1EMH0000000002")
RESET = writer.encode(MethodRequest(Data(DataType.INTEGER, 0)))
NOTICE = writer.encode(MethodRequest(Data(DataType.UNSIGNED, 7)))


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return Trial(tmp_path_factory.mktemp("trial"))


@pytest.fixture(scope="module")
def ours(trial):
    """The head-end, asked by the gateway that delivered the device."""
    with trial.inside() as running:
        assert running.put(content(row(1, 10), row(2, 11))).status == 201
        yield running


@pytest.fixture(scope="module")
def others(trial, ours):
    """The same, asked by another gateway, which has a device of its own."""
    asked = trial.as_gateway(ours, OTHERS)
    assert asked.put(content(row(1, 5), gateway=OTHER_GATEWAY, device=THEIRS)).status == 201
    return asked


def told(answer, device):
    """Everything of an answer but its date; the device's names stand for those of any other."""
    text = answer.text.replace(device.uri, "URI").replace(str(device), "DEVICE")
    return answer.status, {name: value for name, value in answer.headers.items() if name != "Date"}, text


PATHS = [
    *itertools.chain.from_iterable(
        (f"{node}", f"{node}?format=json", f"{node}?q.depth=1", f"{node}?sa.count=1&q.count=x")
        for node in (
            "",
            "/",
            "/objects",
            "/objects/",
            "/objects/1-0000636203ff",
            "/objects/7-0100630100ff",
            "/objects/7-0100630100ff/attributes",
            "/objects/7-0100630100ff/attributes/2",
            "/objects/7-0100630100ff/methods",
            "/objects/3-0100010800ff",
            "/objects/3-0100010800ff/attributes/2",
            "/objects/3-0100010800ff/attributes/9",
            "/containers",
            "/containers/7-0100630100ff",
        )
    )
]


@pytest.mark.parametrize("path", PATHS)
def test_a_device_of_another_gateway_reads_as_a_missing_one(others, path):
    found, missing = (others.ask("GET", f"/cosem/ldevs/{one.uri}{path}") for one in (DEVICE, MISSING))
    assert told(found, DEVICE) == told(missing, MISSING)
    assert found.status in (400, 404)


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("DELETE", "", None),
        ("DELETE", "/objects/7-0100630100ff", None),
        ("POST", "/objects/7-0100630100ff/methods/1", RESET),
        ("POST", "/objects/7-0100630100ff/methods/1", None),
        ("POST", "/objects/7-0100630100ff/methods/2", RESET),
        ("POST", "/objects/3-0100010800ff/methods/1", NOTICE),
        ("POST", "/objects/9-0100010800ff/methods/1", NOTICE),
        ("POST", "/objects/9-0100010800ff/methods/1", None),
        ("PUT", "/objects/3-0100010800ff", RESET),
        ("PUT", "/objects/3-0100010800ff/attributes/2", RESET),
        ("PUT", "/containers/7-0100630100ff", RESET),
        ("PUT", "", b"<no document/>"),
    ],
)  # fmt: skip
def test_a_device_of_another_gateway_is_written_as_a_missing_one(ours, others, verb, path, body):
    before = ours.ask("GET", PATH + "?format=json").text
    headers = {} if body is None else {"Content_Type": XML}
    if verb == "POST" and body is None:
        headers["Content_Length"] = "0"
    found, missing = (others.ask(verb, f"/cosem/ldevs/{one.uri}{path}", body, **headers) for one in (DEVICE, MISSING))
    assert told(found, DEVICE) == told(missing, MISSING)
    assert found.status >= 400
    assert ours.ask("GET", PATH + "?format=json").text == before


FORMS = (
    "{0.uri}", "1EMH0005347109.SM", "%31emh0005347109.sm", "%0a%01%45%4d%48%00%00%51%97%25", "1emh0005347109%2Esm",
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_no_form_of_the_name_writes_a_device_of_another_gateway(ours, others, form, caplog):
    before = ours.ask("GET", PATH + "?format=json").text
    path = "/cosem/ldevs/" + form.format(DEVICE)
    body = document.encode(content(row(9, 99), registers=(POWER,), gateway=OTHER_GATEWAY))
    answer = others.ask("PUT", path, body, Content_Type=XML)
    assert answer.status in (404, 422)  # 422: that form names another device
    assert others.ask("GET", path).status == 404
    assert others.ask("DELETE", path).status == 404
    assert ours.ask("GET", PATH + "?format=json").text == before


def test_a_put_to_a_device_of_another_gateway_answers_as_the_get_of_a_missing_one(others, caplog):
    put = others.put(content(row(9, 99), gateway=OTHER_GATEWAY))
    get = others.ask("GET", f"/cosem/ldevs/{MISSING.uri}")
    assert told(put, DEVICE) == told(get, MISSING)


def test_a_document_that_names_another_gateway_is_refused_without_a_reason(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    trial = Trial(tmp_path)
    with trial.inside() as ours:
        answer = trial.as_gateway(ours, OTHERS).put(content(row(3, 12)))
        assert (answer.status, answer.text) == (404, f"no device {DEVICE} is known here\n")
        assert f"gateway {OTHER_GATEWAY}: a document is refused: it names the gateway {GATEWAY}" in caplog.text
        assert json.loads(ours.ask("GET", "/api/gateways").body)["gateways"] == []


def test_the_lists_of_a_gateway_have_its_own_devices_only(ours, others):
    for path in ("/cosem", "/cosem/ldevs", "/cosem/ldevs/", "/cosem?q.depth=2"):
        assert DEVICE.xml_id in ours.ask("GET", path).text
        assert THEIRS.xml_id not in ours.ask("GET", path).text
        assert DEVICE.xml_id not in others.ask("GET", path).text
        assert THEIRS.xml_id in others.ask("GET", path).text


def test_a_gateway_reads_and_deletes_its_own_without_a_password(tmp_path):
    trial = Trial(tmp_path)
    with trial.inside() as ours:
        assert ours.put(content(row(1, 10), row(2, 11))).status == 201
        assert ours.put(content(row(1, 10), row(2, 11))).status == 200
        notice = f"{PATH}/objects/9-0100010800ff/methods/1"
        assert ours.ask("POST", notice, NOTICE, Content_Type=XML).status == 200
        assert ours.ask("GET", PATH).status == 200
        reset = ours.ask("POST", f"{PATH}/objects/7-0100630100ff/methods/1", RESET, Content_Type=XML)
        assert reset.status == 200
        assert ours.ask("DELETE", PATH).status == 204
        assert ours.ask("GET", PATH).status == 404


def test_a_notice_of_a_gateway_itself_is_its_own_only(ours, others):
    path = f"/cosem/ldevs/{GATEWAY.uri}/objects/9-0100010800ff/methods/1"
    assert ours.ask("POST", path, NOTICE, Content_Type=XML).status == 200
    answer = others.ask("POST", path, NOTICE, Content_Type=XML)
    missing = others.ask(
        "POST", f"/cosem/ldevs/{MISSING.uri}/objects/9-0100010800ff/methods/1", NOTICE, Content_Type=XML
    )
    assert told(answer, GATEWAY) == told(missing, MISSING)


def test_a_gateway_delivers_no_device_with_the_id_of_another_gateway(ours, others, caplog):
    path = f"/cosem/ldevs/{OTHER_GATEWAY.uri}"
    notice = f"{path}/objects/9-0100010800ff/methods/1"
    assert others.ask("POST", notice, NOTICE, Content_Type=XML).status == 200
    put, get = ours.put(content(row(5, 10), device=OTHER_GATEWAY)), ours.ask("GET", f"/cosem/ldevs/{MISSING.uri}")
    assert told(put, OTHER_GATEWAY) == told(get, MISSING)
    assert f"device {OTHER_GATEWAY} belongs to gateway {OTHER_GATEWAY}" in caplog.text
    assert ours.ask("POST", notice, NOTICE, Content_Type=XML).status == 404
    assert ours.ask("DELETE", path).status == 404


def test_the_id_of_a_gateway_that_was_delivered_before_it_came_gives_no_right_to_its_notices(tmp_path):
    trial = Trial(tmp_path)
    path = f"/cosem/ldevs/{OTHER_GATEWAY.uri}"
    notice = f"{path}/objects/9-0100010800ff/methods/1"
    with trial.inside() as ours:
        others = trial.as_gateway(ours, OTHERS)
        assert ours.put(content(row(5, 10), device=OTHER_GATEWAY)).status == 201
        assert others.put(content(row(1, 5), gateway=OTHER_GATEWAY, device=THEIRS)).status == 201
        assert others.ask("POST", notice, NOTICE, Content_Type=XML).status == 200
        assert ours.ask("POST", notice, NOTICE, Content_Type=XML).status == 404
        assert ours.ask("DELETE", path).status == 404


def test_a_gateway_delivers_rows_of_its_own(tmp_path):
    trial = Trial(tmp_path)
    with trial.inside() as ours:
        assert ours.put(content(row(1, 10))).status == 201
        assert ours.put(content(row(2, 10), device=GATEWAY)).status == 201
        assert ours.ask("GET", f"/cosem/ldevs/{GATEWAY.uri}").status == 200


def test_a_device_goes_over_when_the_certificates_of_its_gateway_are_revoked(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    trial = Trial(tmp_path)
    with trial.inside() as ours:
        assert ours.put(content(row(1, 10))).status == 201
        others = trial.as_gateway(ours, OTHERS)
        after = content(row(1, 20), gateway=OTHER_GATEWAY)
        assert others.put(after).status == 404
        assert f"device {DEVICE} belongs to gateway {GATEWAY}; if it was replaced, revoke" in caplog.text
        trial.pki.revoke(trial.emp, trial.pki.triple(OURS))
        assert others.put(after).status == 200
        assert f"device {DEVICE}: from now on of gateway {OTHER_GATEWAY}" in caplog.text
        assert others.put(content(row(2, 21), gateway=OTHER_GATEWAY)).status == 200
        # The rows of the gateway before are not shown to the new one.
        assert others.ask("GET", PATH).status == 404
        assert others.ask("DELETE", PATH).status == 404


PSEUDONYM = DeviceId.parse("psn-abcdefghijklmnopqrstuvwx")


def test_a_pseudonym_belongs_to_the_gateway_that_delivered_under_it_first(tmp_path, caplog):
    trial = Trial(tmp_path)
    path = f"/cosem/ldevs/{PSEUDONYM.uri}"
    named = content(row(1, 10), gateway=PSEUDONYM, device=PSEUDONYM)
    with trial.inside() as ours:
        others = trial.as_gateway(ours, OTHERS)
        sealed = ours.ask("PUT", path, trial.seal(named), Content_Type=CMS)
        assert sealed.status == 201
        assert ours.put(named).status == 200
        assert ours.ask("GET", path).status == 200
        assert others.put(content(row(2, 11), gateway=PSEUDONYM, device=PSEUDONYM)).status == 404
        assert f"the pseudonym {PSEUDONYM} belongs to another gateway" in caplog.text
        assert others.ask("GET", path).status == 404
        assert others.ask("DELETE", path).status == 404
        # Only a document whose device is the pseudonym too may have it as its gateway.
        assert ours.put(content(row(1, 10), gateway=PSEUDONYM)).status == 404
        assert ours.put(content(row(1, 10), device=PSEUDONYM)).status == 404
        assert ours.ask("DELETE", path).status == 204
        assert others.put(named).status == 201


def test_no_table_names_a_gateway_beside_its_pseudonym(tmp_path):
    trial = Trial(tmp_path)
    named = content(row(1, 10), gateway=PSEUDONYM, device=PSEUDONYM)
    with trial.inside() as ours:
        assert ours.ask("PUT", f"/cosem/ldevs/{PSEUDONYM.uri}", trial.seal(named), Content_Type=CMS).status == 201
    with contextlib.closing(sqlite3.connect(tmp_path / "emp.db")) as connection:
        dump = "\n".join(connection.iterdump())
    assert bytes(PSEUDONYM).hex().upper() in dump.upper()
    assert str(GATEWAY) not in dump
    assert bytes(GATEWAY).hex().upper() not in dump.upper()


def test_a_moved_meter_is_delivered_by_another_gateway_after_emp_allow(tmp_path, capsys):
    trial = Trial(tmp_path)
    store = ["--db", str(tmp_path / "emp.db")]
    assert main(["allow", str(DEVICE), str(OTHER_GATEWAY), *store]) == 1
    with trial.inside() as ours:
        assert ours.put(content(row(1, 10))).status == 201
        others = trial.as_gateway(ours, OTHERS)
        moved = content(row(9, 20), gateway=OTHER_GATEWAY)
        assert others.put(moved).status == 404
        assert main(["allow", str(DEVICE), str(OTHER_GATEWAY), *store]) == 1
        assert main(["allow", str(MISSING), str(GATEWAY), *store]) == 1
        assert others.put(content(row(1, 5), gateway=OTHER_GATEWAY, device=THEIRS)).status == 201
        assert main(["allow", str(DEVICE), str(OTHER_GATEWAY), *store]) == 0
        assert others.put(moved).status == 200
        assert ours.put(content(row(2, 11))).status == 200
        assert others.ask("GET", PATH).status == 404  # it has rows of another gateway
    told = capsys.readouterr()
    assert f"gateway {OTHER_GATEWAY} may deliver device {DEVICE}\n" in told.out
    assert "if the meter was moved: emp allow" in told.err
    assert "no such file" in told.err
    assert f"no gateway {OTHER_GATEWAY} is known here; let it deliver another meter first" in told.err
    assert f"no device {MISSING} is known here" in told.err


def test_of_two_gateways_that_claim_a_new_device_at_once_one_gets_it(tmp_path):
    from emp.store.sqlite_storage import SqliteStorage

    storage = SqliteStorage(tmp_path / "emp.db")
    try:
        claims = [
            storage.deposit(content(row(1, 10), gateway=gateway), 1, Proof(gateway))
            for gateway in (GATEWAY, OTHER_GATEWAY)
        ]
        assert claims[0].result().device_is_new
        with pytest.raises(ForeignDeviceError, match=f"device {DEVICE} belongs to gateway {GATEWAY}"):
            claims[1].result()
    finally:
        storage.close()
    view = SqliteView(tmp_path / "emp.db")
    assert view.gateways_of(DEVICE) == [GATEWAY]
    assert [one.gateway for one in view.gateways()] == [GATEWAY]  # nothing of the refused document
    view.close()
