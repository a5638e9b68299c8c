"""PUT of documents: kept once by key, durable before the answer, refused with a reason."""

import gzip
import http.client
import json
import socket
import zlib

import emp_process
import pytest
from emp.web.bounds import Bounds
from emp.web.server import Settings
from emp_process import DEVICE, ENERGY, GATEWAY, POWER, STORE, XML, content, row
from smgw.cosem.data import NULL
from smgw.cosem.device_id import DeviceId
from smgw.cosemxml import document

PATH = f"/cosem/ldevs/{DEVICE.uri}"
BODY = document.encode(content(row(1, 10)))


@pytest.fixture(scope="module")
def emp(tmp_path_factory):
    with emp_process.inside(
        tmp_path_factory.mktemp("emp") / "emp.db", Settings(bounds=Bounds(body_octets=65_536))
    ) as running:
        yield running


@pytest.fixture
def fresh(tmp_path):
    with emp_process.inside(tmp_path / "emp.db") as running:
        yield running


def keys(emp, form="list"):
    return json.loads(emp.ask("GET", f"/api/keys?form={form}").body)["sources"]


def raw(emp, text: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", emp.port), timeout=10) as connection:
        connection.sendall(text)
        answer = b""
        while b"\r\n\r\n" not in answer and (part := connection.recv(65536)):
            answer += part
    return answer


def test_the_first_document_creates_and_the_next_merges(fresh):
    assert fresh.put(content(row(1, 10))).status == 201
    assert fresh.put(content(row(2, 3), registers=(POWER,))).status == 200
    answer = fresh.ask("GET", PATH + "/objects/")
    assert answer.text.count("<object ") == 4  # identity, profile, both registers
    assert keys(fresh) == [{"gateway": str(GATEWAY), "store_id": STORE, "records": 2, "record_numbers": [1, 2]}]


def test_a_repeated_document_is_kept_once(fresh):
    for _ in range(3):
        assert fresh.put(content(row(1, 10), row(2, 11))).status in (200, 201)
    assert fresh.put(content(row(2, 11), row(3, 12))).status == 200
    assert keys(fresh)[0]["record_numbers"] == [1, 2, 3]
    assert keys(fresh, "ranges")[0]["ranges"] == [[1, 3]]


def test_a_column_without_values_does_not_make_a_row_another(fresh):
    assert fresh.put(content(row(1, 10))).status == 201
    again = row(1, 10)._replace(values=(row(1, 10).values[0], NULL))
    assert fresh.put(content(again, registers=(ENERGY, POWER))).status == 200


@pytest.mark.parametrize(
    ("changed", "registers", "difference"),
    [
        (row(2, 12), (ENERGY,), "value, scaler or unit"),
        (row(2, 11), (ENERGY._replace(scaler=0),), "value, scaler or unit"),
        (row(2, 11)._replace(capture_time_us=0), (ENERGY,), "capture time"),
        (row(2, 11)._replace(target_time_us=0), (ENERGY,), "target time"),
        (row(2, 11)._replace(time_valid=False), (ENERGY,), "clock quality"),
        (row(2, 11)._replace(status=(0, 0)), (ENERGY,), "gateway status"),
    ],
)
def test_other_content_under_a_key_is_refused_and_names_the_record(fresh, changed, registers, difference):
    changed = changed._replace(status=document.StatusWord(*changed.status))
    assert fresh.put(content(row(2, 11))).status == 201
    answer = fresh.put(content(row(7, 1), registers=registers)._replace(rows=(changed, row(7, 1))))
    assert answer.status == 422
    assert "record 2" in answer.text
    assert difference in answer.text
    assert keys(fresh)[0]["record_numbers"] == [2]  # nothing of the refused document


def test_another_device_under_a_key_is_refused(fresh):
    other = DeviceId.parse("1EMH0000000001")
    assert fresh.put(content(row(1, 10))).status == 201
    answer = fresh.put(content(row(1, 10), device=other))
    assert (answer.status, "another device" in answer.text) == (422, True)
    assert fresh.ask("GET", f"/cosem/ldevs/{other.uri}").status == 404


def test_several_gateways_may_send_the_same_device(fresh):
    other = DeviceId.parse("ESMG0000000002")
    assert fresh.put(content(row(1, 10))).status == 201
    assert fresh.put(content(row(1, 99), gateway=other)).status == 200
    assert fresh.put(content(row(1, 98), store_id="cd" * 16)).status == 200
    assert [entry["records"] for entry in keys(fresh)] == [1, 1, 1]
    mine = json.loads(fresh.ask("GET", f"/api/keys?gateway={other}").body)["sources"]
    assert [entry["gateway"] for entry in mine] == [str(other)]


def test_what_was_answered_is_there_after_a_restart(tmp_path):
    with emp_process.inside(tmp_path / "emp.db") as emp:
        assert emp.put(content(row(1, 10))).status == 201
    with emp_process.inside(tmp_path / "emp.db") as emp:
        assert emp.put(content(row(1, 10), row(2, 11))).status == 200
        assert keys(emp)[0]["record_numbers"] == [1, 2]


@pytest.mark.parametrize(
    ("encoding", "octets"),
    [
        ("gzip", gzip.compress(BODY)),
        ("gzip", gzip.compress(BODY[:100]) + gzip.compress(BODY[100:])),
        ("deflate", zlib.compress(BODY)),
        ("deflate", zlib.compress(BODY)[2:-4]),
        ("identity", BODY),
    ],
)
def test_compressed_bodies_are_read(emp, encoding, octets):
    answer = emp.ask("PUT", PATH, octets, Content_Type=XML, Content_Encoding=encoding)
    assert answer.status in (200, 201)
    assert "gzip" in answer.headers["Accept-Encoding"]


def test_the_correlation_id_comes_back(emp):
    cid = "uuid:12345678-1234-4234-8234-123456789012"
    assert emp.put(content(row(1, 10)), x_CID=cid).headers["x-CID"] == cid
    assert emp.put(content(row(1, 11)), x_CID=cid).headers["x-CID"] == cid  # refused, and still
    assert emp.put(content(row(1, 10)), x_CID="7").status == 400


@pytest.mark.parametrize(
    ("status", "verb", "path", "body", "headers"),
    [
        (404, "GET", "/nowhere", None, {}),
        (404, "GET", "/cosem/ldevs/1emh0099999999.sm", None, {}),
        (404, "GET", "/cosem/containers/x", None, {}),
        (404, "POST", PATH + "/objects/3-0100010800ff/methods/1", b"", {"Content_Type": XML}),
        (404, "GET", "/static/../cli.py", None, {}),
        (404, "GET", "/devices/1emh0099999999.sm", None, {}),
        (404, "DELETE", "/cosem/ldevs/1emh0099999999.sm", None, {}),
        (404, "POST", PATH + "/objects/7-0100630100ff/methods/2", b"", {"Content_Type": XML}),
        (404, "POST", "/cosem/ldevs/1emh0099999999.sm/objects/7-0100636200ff/methods/1", b"", {"Content_Type": XML}),
        (405, "DELETE", PATH + "/objects/3-0100010800ff", None, {}),
        (405, "POST", PATH, BODY, {"Content_Type": XML}),
        (405, "PUT", PATH + "/objects/3-0100010800ff", BODY, {"Content_Type": XML}),
        (405, "POST", "/", b"", {}),
        (405, "PATCH", "/cosem", b"", {}),
        (406, "GET", "/cosem", None, {"Accept": "image/png"}),
        (400, "GET", "/cosem/ldevs?q.count=x", None, {}),
        (400, "GET", "/devices/1emh0005347109.sm/rows?page=0", None, {}),
        (400, "GET", "/api/keys?gateway=x", None, {}),
        (400, "PUT", PATH, BODY, {}),
        (400, "PUT", PATH, BODY, {"Content_Type": XML, "Content_Range": "bytes 0-9/20"}),
        (400, "GET", "/cosem?format=yaml", None, {}),
        (400, "GET", PATH + "?sa.count=1", None, {}),
        (406, "GET", "/cosem?format=csv", None, {}),
        (413, "PUT", PATH, b"x" * 70_000, {"Content_Type": XML}),
        (413, "PUT", PATH, gzip.compress(b" " * 70_000), {"Content_Type": XML, "Content_Encoding": "gzip"}),
        (414, "GET", "/cosem/" + "a" * 4000, None, {}),
        (415, "PUT", PATH, BODY, {"Content_Type": "application/json"}),
        (415, "PUT", PATH, BODY, {"Content_Type": XML + ";encap=cms-tr03109"}),
        (415, "PUT", PATH, BODY, {"Content_Type": XML, "Content_Encoding": "br"}),
        (422, "PUT", PATH, b"", {"Content_Type": XML}),
        (422, "PUT", PATH, b"<ldev", {"Content_Type": XML}),
        (422, "PUT", PATH, BODY, {"Content_Type": XML, "Content_Encoding": "gzip"}),
        (422, "PUT", PATH, gzip.compress(BODY)[:-9], {"Content_Type": XML, "Content_Encoding": "gzip"}),
        (422, "PUT", PATH, gzip.compress(BODY) + b"x", {"Content_Type": XML, "Content_Encoding": "gzip"}),
        (422, "PUT", "/cosem/ldevs/1emh0000000001.sm", BODY, {"Content_Type": XML}),
        (422, "PUT", PATH, BODY.replace(b">1<", b">99999999999999999999<"), {"Content_Type": XML}),
        (
            422,
            "PUT",
            PATH,
            BODY.replace(b"double-long-unsigned>1<", b"long64-unsigned>18446744073709551615<").replace(
                b"1</cod:double-long-unsigned><cod:date", b"</cod:long64-unsigned><cod:date"
            ),
            {"Content_Type": XML},
        ),
    ],
)
def test_what_cannot_be_served_says_why(emp, status, verb, path, body, headers):
    emp.put(content(row(1, 10)))
    answer = emp.ask(verb, path, body, **headers)
    assert answer.status == status, answer.text
    assert answer.text.strip()
    assert "Traceback" not in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    if status == 405:
        assert "GET" in answer.headers["Allow"] or verb == "PATCH"


def test_a_record_number_beyond_the_store_is_refused(emp):
    answer = emp.put(content(row(1, 10, record_number=1 << 63)))
    assert (answer.status, "numbers go up to" in answer.text) == (422, True)


def test_a_body_in_chunks_has_no_length(emp):
    connection = http.client.HTTPConnection("127.0.0.1", emp.port, timeout=10)
    connection.request("PUT", PATH, iter([BODY]), {"Content-Type": XML}, encode_chunked=True)
    assert connection.getresponse().status == 411
    connection.close()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"GET /cosem HTTP/1.1\r\n\r\n", b"400"),
        (b"GET http://emp/cosem/ldevs/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"200"),
        (b"PUT " + PATH.encode() + b" HTTP/1.1\r\nHost: emp\r\nContent-Type: a/b\r\n\r\n", b"411"),
        (b"NONSENSE\r\n\r\n", b"400"),
        (b"GET /cosem HTTP/2.0\r\nHost: localhost\r\n\r\n", b"505"),
        (b"GET /cosem HTTP/9.9\r\nHost: localhost\r\n\r\n", b"400"),
        (b"BREW /cosem HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"414"),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"PUT " + PATH.encode() + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: tea\r\n\r\n", b"417"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
    ],
)
def test_unusual_requests_are_answered(emp, text, status):
    answer = raw(emp, text)
    assert answer.split(b" ", 2)[1] == status
    assert b"Traceback" not in answer


def test_a_foreign_device_id_travels_percent_encoded(emp):
    device = DeviceId(b"\x09\x01ABC\xff/%.")
    assert emp.put(content(row(500, 1), device=device)).status == 201
    assert emp.ask("GET", f"/cosem/ldevs/{device.uri}/").status == 200
    assert emp.ask("GET", f"/devices/{device.uri}").status == 200
    assert emp.ask("GET", f"/devices/{device.uri}.json").status == 200


def test_a_connection_serves_many_requests(emp):
    connection = http.client.HTTPConnection("127.0.0.1", emp.port, timeout=10)
    for _ in range(5):
        connection.request("PUT", PATH, BODY, {"Content-Type": XML})
        answer = connection.getresponse()
        answer.read()
        assert answer.status in (200, 201)
        assert not answer.will_close
    connection.close()
