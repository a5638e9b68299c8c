"""GET on the COSEM tree: every node answers something our own codec reads."""

import gzip
import json

import emp_process
import pytest
from emp.web.server import Settings
from emp_process import DEVICE, ENERGY, GATEWAY, POWER, START_US, STORE, content, row
from smgw.cosem.data import Data, DataType, octet_string
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosemxml import resources as xml
from smgw.cosemxml.document import Register
from smgw.cosemxml.reader import decode

LDEV = f"/cosem/ldevs/{DEVICE.uri}"
PROFILE = LDEV + "/objects/7-0100630100ff"
ROWS = tuple(row(n, 100 + n, n) for n in range(1, 11))


@pytest.fixture(scope="module")
def emp(tmp_path_factory):
    with emp_process.inside(tmp_path_factory.mktemp("emp") / "emp.db") as running:
        assert running.put(content(*ROWS, registers=(ENERGY, POWER))).status == 201
        yield running


def get(emp, path):
    answer = emp.ask("GET", path)
    assert answer.status == 200, answer.text
    return decode(answer.body)


def rows_of(resource):
    if isinstance(resource, xml.Object):
        resource = resource.attributes.members[1]
    return [cells.value[0].value for cells in resource.value.value]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/cosem", xml.Cosem),
        ("/cosem/", xml.Cosem),
        ("/cosem/ldevs", xml.LogicalDevices),
        ("/cosem/containers", xml.Containers),
        (LDEV, xml.LogicalDevice),
        (LDEV + "/", xml.LogicalDevice),
        (LDEV + "/containers", xml.Containers),
        (LDEV + "/objects", xml.Objects),
        (LDEV + "/objects/1-0000636203ff", xml.Object),
        (PROFILE, xml.Object),
        (PROFILE + "/attributes", xml.Attributes),
        (PROFILE + "/attributes/7", xml.Attribute),
        (PROFILE + "/methods", xml.Methods),
        (LDEV + "/objects/3-0100010800ff", xml.Object),
        (LDEV + "/objects/3-0100010800ff/attributes/", xml.Attributes),
    ],
)
def test_every_node_answers(emp, path, kind):
    assert isinstance(get(emp, path), kind)


def test_a_register_answers_its_latest_value(emp):
    assert get(emp, LDEV + "/objects/3-0100010800ff/attributes/2").value == Data(DataType.LONG64, 110)
    scaler_unit = get(emp, LDEV + "/objects/3-0100010800ff/attributes/3").value
    assert [member.value for member in scaler_unit.value] == [-1, 30]


def test_lists_name_and_count(emp):
    assert get(emp, "/cosem/ldevs?q.depth=0") == xml.LogicalDevices((), 1)
    assert get(emp, "/cosem/ldevs/") == xml.LogicalDevices((xml.LogicalDevice(DEVICE),))
    assert {member.logical_name for member in get(emp, LDEV + "/objects/").members} >= {ENERGY.obis, POWER.obis}
    assert get(emp, PROFILE + "/attributes/").members[1] == xml.Attribute(2)


def test_the_profile_answers_the_rows_with_their_source(emp):
    buffer = get(emp, PROFILE + "/attributes/2")
    assert rows_of(buffer) == list(range(1, 11))
    first = buffer.value.value[0].value
    assert first[4].value == (octet_string(bytes(GATEWAY)), octet_string(bytes.fromhex(STORE)))
    assert first[5:] == (Data(DataType.LONG64, 101), Data(DataType.LONG64, 1))
    assert len(get(emp, PROFILE + "/attributes/3").value.value) == len(first)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("q.count=3", [1, 2, 3]),
        ("q.fromidx=9", [9, 10]),
        ("q.fromidx=4&q.count=2", [4, 5]),
        ("q.count=0", []),
        ("q.fromidx=99", []),
        ("q.fromtime=2023-11-14T22:13:25Z", [5, 6, 7, 8, 9, 10]),
        ("q.fromtime=2023-11-14T22:13:25Z&q.totime=2023-11-14T22:13:27Z", [5, 6]),
        ("q.fromtime=2023-11-14T23:13:25%2B01:00&q.count=1", [5]),
    ],
)
def test_filters_narrow_the_rows(emp, query, numbers):
    assert START_US == 1_700_000_000_000_000
    assert rows_of(get(emp, f"{PROFILE}?{query}")) == numbers


def test_a_cut_answer_tells_where_the_next_part_is(emp):
    answer = emp.ask("GET", PROFILE + "?q.count=4")
    assert answer.headers["Link"] == f'<{PROFILE}?q.count=4&q.fromidx=5>; rel="next"'
    assert "Link" not in emp.ask("GET", PROFILE + "?q.fromidx=9&q.count=4").headers


def test_answers_are_compressed_if_asked(emp):
    plain = emp.ask("GET", PROFILE)
    packed = emp.ask("GET", PROFILE, Accept_Encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


def test_a_browser_gets_plain_xml_and_a_gateway_the_annexes_type(emp):
    assert emp.ask("GET", "/cosem").headers["Content-Type"] == "application/vnd.de-dke-k461-cosem+xml"
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    assert emp.ask("GET", "/cosem", Accept=accept).headers["Content-Type"] == "application/xml"


def test_a_point_of_contact_stands_before_the_tree(tmp_path):
    with emp_process.inside(tmp_path / "emp.db", Settings(poc="/hes")) as emp:
        assert emp.ask("GET", "/hes/cosem").status == 200
        assert emp.ask("GET", "/cosem").status == 404


def test_a_changed_scaler_travels_in_a_column_of_its_own(tmp_path):
    with emp_process.inside(tmp_path / "emp.db") as emp:
        emp.put(content(row(1, 1000)))
        emp.put(content(row(2, 100), registers=(ENERGY._replace(scaler=0),)))
        profile = get(emp, PROFILE)
        cells = [structure.value[5:] for structure in profile.attributes.members[1].value.value]
        assert [(value.value, tuple(m.value for m in scaler.value)) for value, scaler in cells] == [
            (1000, (-1, 30)),
            (100, (0, 30)),
        ]
        assert emp.ask("GET", f"/devices/{DEVICE.uri}").status == 200


def test_the_latest_value_is_the_latest_capture_not_the_latest_arrival(tmp_path):
    path = LDEV + "/objects/3-0100010800ff/attributes/2"
    with emp_process.inside(tmp_path / "emp.db") as emp:
        emp.put(content(row(100, 100)))
        emp.put(content(row(50, 50)))
        assert get(emp, path).value.value == 100
        emp.put(content(row(101, 7, capture_time_us=START_US, time_valid=True)))  # history read later
        assert get(emp, path).value.value == 100
        emp.put(content(row(102, 102, capture_time_us=0, time_valid=False)))  # later by its number
        assert get(emp, path).value.value == 102
        other = content(row(1, 1, capture_time_us=0, time_valid=False), gateway=DeviceId.parse("ESMG0000000002"))
        emp.put(other)
        assert get(emp, path).value.value == 102


def test_values_of_every_kind_come_back(tmp_path):
    values = (
        Data(DataType.LONG64_UNSIGNED, (1 << 64) - 1),
        Data(DataType.LONG64, -(1 << 63)),
        Data(DataType.FLOAT64, bytes.fromhex("400921fb54442d18")),
        Data(DataType.VISIBLE_STRING, "<b>&"),
        Data(DataType.STRUCTURE, (Data(DataType.INTEGER, 1), Data(DataType.ARRAY, ()))),
        Data(DataType.BOOLEAN, 1),
        Data(DataType.DONT_CARE, None),
    )
    registers = tuple(Register(Obis(bytes((1, 0, n, 0, 0, 255))), 0, 255) for n in range(len(values)))
    with emp_process.inside(tmp_path / "emp.db") as emp:
        assert emp.put(content(row(1)._replace(values=values), registers=registers)).status == 201
        assert get(emp, PROFILE).attributes.members[1].value.value[0].value[5:] == values
        assert emp.put(content(row(1)._replace(values=values), registers=registers)).status == 200
        page = emp.ask("GET", f"/devices/{DEVICE.uri}").text
        assert "&lt;b&gt;&amp;" in page
        found = json.loads(emp.ask("GET", f"/devices/{DEVICE.uri}.json").body)["rows"][0]["values"]
        assert found[0]["raw"] == (1 << 64) - 1
        assert found[0]["value"] == "18446744073709551615"
