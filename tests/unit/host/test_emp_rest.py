"""What the annex offers beside PUT and GET: DELETE, methods, notices, selective access; forms, parts and versions."""

import csv
import io
import json
import re

import emp_process
import pytest
from emp_process import DEVICE, ENERGY, GATEWAY, POWER, STORE, XML, content, row
from smgw.cosem.data import NULL, Data, DataType
from smgw.cosem.obis import Obis
from smgw.cosemxml import resources as xml
from smgw.cosemxml import writer
from smgw.cosemxml.document import Register
from smgw.cosemxml.reader import decode

LDEV = f"/cosem/ldevs/{DEVICE.uri}"
PROFILE = LDEV + "/objects/7-0100630100ff"
BUFFER = PROFILE + "/attributes/2"
RESET = PROFILE + "/methods/1"
NOTICE = f"/cosem/ldevs/{GATEWAY.uri}/objects/7-0100636200ff/methods/1"
EXPORT = f"/devices/{DEVICE.uri}"
CAPTURED = "{unsigned:8,octet-string:0000010000ff,integer:2,long:0}"
NUMBER = "{long:1,octet-string:00005e31f001,integer:2,long:0}"
IMPORT = "{long:3,octet-string:0100010800ff,integer:2,long:0}"


@pytest.fixture(scope="module")
def emp(tmp_path_factory):
    with emp_process.inside(tmp_path_factory.mktemp("emp") / "emp.db") as running:
        rows = [row(n, 100 + n, -n) for n in range(1, 11)]
        assert running.put(content(*rows, registers=(ENERGY, POWER))).status == 201
        yield running


@pytest.fixture
def fresh(tmp_path):
    with emp_process.inside(tmp_path / "emp.db") as running:
        assert running.put(content(*[row(n, 100 + n) for n in range(1, 4)])).status == 201
        yield running


def numbers(answer):
    assert answer.status == 200, answer.text
    return [structure.value[0].value for structure in decode(answer.body).value.value]


def keys(emp):
    return json.loads(emp.ask("GET", "/api/keys?form=list").body)["sources"][0]["record_numbers"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sa.fromidx=3&sa.toidx=5", [3, 4, 5]),
        ("sa.fromidx=9&sa.toidx=0", [9, 10]),
        ("sa.fromidx=2&sa.count=2", [2, 3]),
        ("sa.fromidx=2&sa.toidx=9&q.fromidx=4&q.count=3", [4, 5, 6]),
        ("sa.fromidx=5&sa.toidx=4", []),
        (f"sa.filtercolumn={NUMBER}&sa.fromtype=long:4&sa.totype=long:6", [4, 5, 6]),
        (f"sa.filtercolumn={NUMBER}&sa.fromtype=long:4&sa.fromidx=2&sa.count=2", [5, 6]),
        (f"sa.filtercolumn={IMPORT}&sa.totype=long64:102", [1, 2]),
        (f"sa.filtercolumn={CAPTURED}&sa.fromtype=date_time:07e70b0e02160d1d00000000", [9, 10]),
        (f"sa.filtercolumn={CAPTURED}&sa.totype=date_time:07e70b0e02160d1500000000", [1]),
        (f"sa.filtercolumn={CAPTURED}", list(range(1, 11))),
    ],
)
def test_selective_access_narrows_the_buffer(emp, query, expected):
    assert numbers(emp.ask("GET", f"{BUFFER}?{query}")) == expected


@pytest.mark.parametrize(
    ("query", "width"),
    [
        (f"sa.retrievecolumns=[{NUMBER},{IMPORT}]", 2),
        ("sa.fromcol=6", 2),
        ("sa.fromcol=1&sa.tocol=3", 3),
        ("sa.tocol=99", 7),
    ],
)
def test_columns_are_chosen_in_the_rows_and_in_what_names_them(emp, query, width):
    found = decode(emp.ask("GET", f"{PROFILE}?{query}").body)
    assert {len(structure.value) for structure in found.attributes.members[1].value.value} == {width}
    assert len(found.attributes.members[2].value.value) == width


@pytest.mark.parametrize(
    "query",
    [
        "sa.retrievecolumns=[{long:3,octet-string:0100020800ff,integer:2,long:0}]",
        f"sa.filtercolumn={CAPTURED}&sa.fromtype=long:1",
        f"sa.filtercolumn={CAPTURED}&sa.fromtype=date_time:07e70b0e02160d1d0000ffff",
        f"sa.filtercolumn={IMPORT}&sa.fromtype=octet-string:00",
        "sa.filtercolumn={long:1,octet-string:0000600a01ff,integer:2,long:0}&sa.fromtype=octet-string:00",
    ],
)
def test_what_cannot_be_selected_is_a_bad_request(emp, query):
    assert emp.ask("GET", f"{BUFFER}?{query}").status == 400


def test_a_comparison_that_nothing_meets_is_an_empty_answer_in_every_form(emp):
    query = f"sa.filtercolumn={IMPORT}&sa.fromtype=long64:999"
    assert numbers(emp.ask("GET", f"{BUFFER}?{query}")) == []
    assert json.loads(emp.ask("GET", f"{EXPORT}.json?{query}").body)["rows"] == []
    assert len(emp.ask("GET", f"{EXPORT}.csv?{query}").text.splitlines()) == 1


def test_a_selection_that_names_its_rows_has_no_next_part(emp):
    assert "Link" not in emp.ask("GET", f"{PROFILE}?sa.fromidx=1&sa.count=2").headers
    assert "Link" in emp.ask("GET", f"{PROFILE}?q.count=2").headers


@pytest.mark.parametrize(
    ("path", "headers"),
    [(PROFILE + "?format=csv", {}), (BUFFER, {"Accept": "text/csv"}), (EXPORT + ".csv", {})],
)
def test_rows_as_csv(emp, path, headers):
    answer = emp.ask("GET", path, port=emp.people, **headers)
    assert answer.headers["Content-Type"] == "text/csv;charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [line["record_number"] for line in lines] == [str(number) for number in range(1, 11)]
    assert lines[0]["gateway"] == str(GATEWAY)
    assert lines[0]["store_id"] == STORE
    assert lines[0]["1-0:1.8.0*255 [Wh]"] == "10.1"
    assert lines[9]["1-0:16.7.0*255 [W]"] == "-10"
    assert lines[0]["capture_time"] == "2023-11-14T22:13:21.00Z"


@pytest.mark.parametrize(
    ("path", "headers"),
    [(PROFILE + "?format=json", {}), (BUFFER, {"Accept": "application/json"}), (EXPORT + ".json", {})],
)
def test_rows_as_json(emp, path, headers):
    answer = emp.ask("GET", path, port=emp.people, **headers)
    found = json.loads(answer.body)
    assert found["device"] == str(DEVICE)
    assert [line["record_number"] for line in found["rows"]] == list(range(1, 11))
    assert found["rows"][0]["values"][0]["value"] == "10.1"


def test_an_export_is_a_file_with_all_rows_of_its_columns(emp):
    answer = emp.ask("GET", f"{EXPORT}.xml?sa.retrievecolumns=[{IMPORT}]")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="1EMH0005347109.xml"'
    assert answer.headers["Content-Type"] == "application/xml"
    assert len(decode(answer.body).attributes.members[1].value.value) == 10
    head = emp.ask("GET", f"{EXPORT}.csv?sa.retrievecolumns=[{IMPORT}]").text.splitlines()[0]
    assert head.endswith("received,1-0:1.8.0*255 [Wh]")


def test_every_node_is_had_as_json(emp):
    for path, name in (("/cosem", "cosem"), ("/cosem/ldevs", "ldevs"), (LDEV, "ldev"), (LDEV + "/objects/", "objects")):
        assert name in json.loads(emp.ask("GET", f"{path}?format=json").body)
    found = json.loads(emp.ask("GET", LDEV + "/objects/3-0100010800ff", Accept="application/json").body)
    value = {"id": 2, "value": {"long64": 110}, "scaled": "11.0", "unit": "Wh"}
    assert found["object"]["attributes"][1] == value
    alone = json.loads(emp.ask("GET", LDEV + "/objects/3-0100010800ff/attributes/2?format=json").body)
    assert alone == {"attribute": value}
    methods = json.loads(emp.ask("GET", PROFILE + "/methods?format=json").body)
    assert methods == {"methods": [{"id": 1}]}


def test_text_of_a_meter_is_no_formula_in_a_spreadsheet(fresh):
    evil = Data(DataType.VISIBLE_STRING, "=1+1")
    register = Register(Obis.parse("0-0:96.1.0*255"), 0, 255, 1)
    assert fresh.put(content(row(9)._replace(values=(evil,)), registers=(register,))).status == 200
    assert ",'=1+1" in fresh.ask("GET", EXPORT + ".csv").text
    assert ",'=1+1" in fresh.ask("GET", f"{EXPORT}/registers/1-{register.obis.hex()}.csv?day=2023-11-14").text


def test_a_part_of_an_answer(emp):
    whole = emp.ask("GET", PROFILE)
    part = emp.ask("GET", PROFILE, Range="bytes=100-199")
    assert (part.status, part.body) == (206, whole.body[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(whole.body)}"
    assert part.headers["Content-Length"] == "100"
    last = emp.ask("GET", PROFILE, Range="bytes=-7")
    assert (last.status, last.body) == (206, whole.body[-7:])
    rest = emp.ask("GET", PROFILE, Range=f"bytes={len(whole.body) - 3}-", Accept_Encoding="gzip")
    assert (rest.status, rest.body) == (206, whole.body[-3:])
    beyond = emp.ask("GET", PROFILE, Range="bytes=99999999-")
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{len(whole.body)}")
    assert emp.ask("GET", PROFILE, Range="bytes=9-1").status == 400
    assert emp.ask("GET", PROFILE, Range="lines=1-2").body == whole.body


def test_an_answer_has_a_version(fresh):
    first = fresh.ask("GET", PROFILE)
    tag = first.headers["ETag"]
    assert fresh.ask("GET", PROFILE, If_None_Match=tag).status == 304
    assert fresh.ask("GET", PROFILE, If_None_Match=f'"other", W/{tag}').status == 304
    assert fresh.ask("GET", PROFILE, Range="bytes=0-9", If_Range=tag).status == 206
    assert fresh.ask("GET", PROFILE + "?q.count=1", If_None_Match=tag).status == 200
    assert fresh.ask("GET", PROFILE + "?format=json", If_None_Match=tag).status == 200
    assert len(first.body) > 2048
    assert fresh.ask("GET", PROFILE, Accept_Encoding="gzip").headers["ETag"] == f"W/{tag}"
    fresh.put(content(row(4, 104)))
    assert fresh.ask("GET", PROFILE, If_None_Match=tag).status == 200
    assert fresh.ask("GET", PROFILE, Range="bytes=0-9", If_Range=tag).status == 200


def test_delete_forgets_a_device_and_put_makes_it_anew(fresh):
    assert fresh.put(content(row(9, 1), device=emp_process.DeviceId.parse("1EMH0000000002"))).status == 201
    answer = fresh.ask("DELETE", LDEV)
    assert (answer.status, answer.body) == (204, b"")
    assert fresh.ask("GET", LDEV).status == 404
    assert fresh.ask("DELETE", LDEV).status == 404
    assert keys(fresh) == [9]
    assert fresh.put(content(row(2, 102))).status == 201
    assert keys(fresh) == [2, 9]
    assert fresh.ask("GET", LDEV + "/objects/3-0100010800ff").status == 200


def test_reset_empties_the_load_profile_and_leaves_the_device(fresh):
    body = writer.encode(xml.MethodRequest(Data(DataType.INTEGER, 0)))
    answer = fresh.ask("POST", RESET, body, Content_Type=XML)
    assert answer.status == 200
    assert decode(answer.body) == xml.MethodResponse(0)
    assert numbers(fresh.ask("GET", BUFFER)) == []
    assert fresh.ask("GET", LDEV).status == 200
    assert keys(fresh) == []
    assert fresh.put(content(row(4, 104))).status == 200
    assert fresh.ask("POST", RESET, b"", Content_Type=XML).status == 200
    wrong = writer.encode(xml.MethodRequest(Data(DataType.INTEGER, 1)))
    assert fresh.ask("POST", RESET, wrong, Content_Type=XML).status == 422
    assert fresh.ask("POST", RESET, b"<attribute/>", Content_Type=XML).status == 422


def test_a_notice_is_kept_once(fresh):
    body = writer.encode(xml.MethodRequest(Data(DataType.LONG_UNSIGNED, 8)))
    cid = "uuid:12345678-1234-4234-8234-123456789012"
    for _ in range(2):
        answer = fresh.ask("POST", NOTICE, body, Content_Type=XML, x_CID=cid)
        assert (answer.status, answer.body) == (200, b"")
    assert fresh.ask("POST", NOTICE, b"").status == 200
    events = json.loads(fresh.ask("GET", "/api/events").body)["events"]
    assert [event["parameter"] is None for event in events] == [True, False]
    assert events[1]["device"] == str(GATEWAY)
    assert events[1]["object"] == "7-0100636200ff"
    assert "<cod:long-unsigned>8</cod:long-unsigned>" in events[1]["parameter"]
    assert "1-0:99.98.0*255" in fresh.ask("GET", "/").text


def test_a_notice_is_small(fresh):
    assert fresh.ask("POST", NOTICE, b" " * 5000, Content_Type=XML).status == 413
    assert fresh.ask("POST", NOTICE, b"<methodRequestParameter/>", Content_Type="application/json").status == 415


def test_people_deliver_nothing(emp):
    answer = emp.ask("PUT", LDEV, b"", port=emp.people, Content_Type=XML)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, DELETE")
    assert emp.ask("GET", LDEV, port=emp.people).status == 200


def test_gateways_find_no_pages(emp):
    answer = emp.ask("GET", "/", port=emp.port)
    assert answer.status == 404
    assert "--people" in answer.text
    for path in ("/api/keys", "/metrics", EXPORT, EXPORT + ".csv"):
        assert emp.ask("GET", path, port=emp.port).status == 404


def test_head_tells_what_get_would(emp):
    answer = emp.ask("HEAD", EXPORT + ".csv")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Server"] == "emp"
    assert answer.headers["Content-Length"] == str(len(emp.ask("GET", EXPORT + ".csv").body))


def test_a_row_without_a_value_is_an_empty_cell(fresh):
    fresh.put(content(row(5)._replace(values=(NULL,))))
    assert re.search(r"\n[^\n]*,5,[^\n]*,\r\n$", fresh.ask("GET", EXPORT + ".csv").text)
