"""The head-end and bad clients: slow ones, garbage, bombs, hostile addresses and filters."""

import gzip
import random
import socket
import threading
import time
import zlib

import emp_process
import pytest
from emp_process import DEVICE, PATH, XML, connect, content, numbers, read_all, resident_kib, row
from smgw.cosemxml import document
from soon import LIMIT


@pytest.fixture
def emp(tmp_path):
    options = ("--header-timeout", "1", "--body-timeout", "1", "--max-body", "64")
    with emp_process.running(tmp_path / "emp.db", *options) as running:
        yield running


def test_a_client_that_drips_its_headers_is_closed_and_others_are_served(emp):
    with connect(emp) as slow:
        slow.sendall(b"GET /cosem HTTP/1.1\r\nX: ")
        closed = False
        for _ in range(1200):  # a minute
            try:
                slow.sendall(b"x")
            except ConnectionError:
                closed = True
                break
            time.sleep(0.05)
            assert emp.put(content(row(1, 1))).status in (200, 201)
        assert closed


def test_a_client_that_says_nothing_is_closed(emp):
    with connect(emp) as silent:
        assert read_all(silent) == b""


def test_a_client_that_drips_its_body_gets_408(emp):
    with connect(emp) as slow:
        slow.sendall(
            f"PUT {PATH} HTTP/1.1\r\nHost: [::1]\r\nContent-Type: {XML}\r\nContent-Length: 1000\r\n\r\n".encode()
        )
        answer = []
        reader = threading.Thread(target=lambda: answer.append(read_all(slow)))
        reader.start()
        for _ in range(900):  # of 1000 octets
            try:
                slow.sendall(b"<")
            except ConnectionError:
                break
            if answer:
                break
            time.sleep(0.05)
        reader.join(LIMIT)
        assert answer[0].startswith(b"HTTP/1.1 408 ")


def test_many_slow_clients_do_not_keep_others_out(emp):
    slow = [connect(emp) for _ in range(200)]
    try:
        for connection in slow:
            connection.sendall(
                f"PUT {PATH} HTTP/1.1\r\nHost: [::1]\r\nContent-Type: {XML}\r\nContent-Length: 60000\r\n\r\n".encode()
            )
            connection.sendall(b"x" * 30_000)
        assert emp.put(content(row(1, 1))).status == 201
    finally:
        for connection in slow:
            connection.close()


def test_bombs_are_refused_without_being_unpacked(emp):
    emp.put(content(row(1, 1)))
    before = resident_kib(emp)
    deflated = zlib.compress(bytes(50_000_000), 9)
    bombs = [gzip.compress(bytes(50_000_000), 9), deflated, deflated[2:-4]]
    for octets, encoding in zip(bombs, ("gzip", "deflate", "deflate"), strict=True):
        assert len(octets) < 65_536
        answer = emp.ask("PUT", PATH, octets, Content_Type=XML, Content_Encoding=encoding)
        assert answer.status == 413
    entities = b'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %c "&%c;&%c;&%c;&%c;&%c;&%c;&%c;&%c;">' % ((98 + n,) + (97 + n,) * 8) for n in range(12)
    )
    bomb = entities + b']><ldev id="&m;">&m;</ldev>'
    answer = emp.ask("PUT", PATH, bomb, Content_Type=XML)
    assert (answer.status, "document type" in answer.text) == (422, True)
    deep = b"<ldev>" + b"<objects>" * 3000
    assert emp.ask("PUT", PATH, deep, Content_Type=XML).status == 422
    assert resident_kib(emp) - before < 40_000


def test_garbage_leaves_it_standing(emp):
    chance = random.Random(1)
    good = document.encode(content(row(1, 1)))
    for attempt in range(300):
        with connect(emp) as connection:
            if attempt % 3 == 0:
                connection.sendall(chance.randbytes(chance.randrange(1, 2000)))
            elif attempt % 3 == 1:
                body = bytearray(good)
                for _ in range(3):
                    body[chance.randrange(len(body))] = chance.randrange(256)
                head = (
                    f"PUT {PATH} HTTP/1.1\r\nHost: [::1]\r\nContent-Type: {XML}\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                connection.sendall(head.encode() + body)
                status = connection.recv(12)
                assert status in (b"HTTP/1.1 200", b"HTTP/1.1 201", b"HTTP/1.1 422"), status
            else:
                connection.sendall(f"PUT {PATH} HTTP/1.1\r\nContent-Length: {chance.randrange(99)}\r\nHo".encode())
    assert emp.ask("GET", "/healthz").status == 200


def test_a_client_that_goes_away_leaves_all_or_nothing(emp):
    body = document.encode(content(*[row(n, n) for n in range(1, 51)]))
    head = f"PUT {PATH} HTTP/1.1\r\nHost: [::1]\r\nContent-Type: {XML}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for cut in (10, len(head), len(head) + 100, len(head) + len(body) - 1):
        with connect(emp) as connection:
            connection.sendall((head + body)[:cut])
    assert numbers(emp) == []
    with connect(emp) as connection:
        connection.sendall(head + body)
    deadline = time.monotonic() + 5
    while not numbers(emp) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert numbers(emp) in ([], list(range(1, 51)))


HOSTILE = [
    "/cosem/" + "a" * 10_000,
    "/devices/" + "a" * 10_000,
    f"/devices/{DEVICE.uri}/registers/" + "9" * 10_000,
    "/" + "%ff" * 3_000,
    "/api/keys?gateway=" + "a" * 10_000,
    "/" + "/" * 9_000,
    PATH + "/objects/7-0100630100ff?sa.retrievecolumns=" + "[" * 3_000,
    PATH + "/objects/7-0100630100ff?sa.filtercolumn=" + "{long:" * 400,
    PATH + "/objects/7-0100630100ff?q.fromidx=999999999999999999&q.count=999999999999999999",
    PATH + "/objects/7-0100630100ff?q.fromidx=9999999999999999999",
    PATH + "/objects/7-0100630100ff?q.fromtime=9999-12-31T23:59:59Z&q.totime=0001-01-01",
    PATH + "/objects/7-0100630100ff?q.fromtime=0001-01-01T00:00:00%2B23:59",
    PATH + "/objects/7-0100630100ff?" + "&".join(["q.count=1"] * 33),
    PATH + "/objects/7-0100630100ff?format=../../etc/passwd",
    PATH + "/objects/7-0100630100ff/attributes/2?sa.fromcol=999999999999999999&sa.tocol=1",
    f"/devices/{DEVICE.uri}/registers/3-0100010800ff?day=2025-02-30",
    f"/devices/{DEVICE.uri}/registers/3-0100010800ff?day=9998-12-31&range=month",
    f"/devices/{DEVICE.uri}/registers/3-0100010800ff?day=1970-01-01&range=week&as=interval",
    f"/devices/{DEVICE.uri}/registers/3-0100010800ff.5555",
    f"/devices/{DEVICE.uri}?month=9998-12",
    f"/devices/{DEVICE.uri}?month=1970-01",
    f"/devices/{DEVICE.uri}?month=-1",
    f"/devices/{DEVICE.uri}/rows?page=999999999",
    "/static/../../../etc/passwd",
    "/static/%2e%2e/%2e%2e/cli.py",
    "/static/uplot/../look.css",
]


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    with emp_process.running(tmp_path_factory.mktemp("standing") / "emp.db") as running:
        running.put(content(*[row(n, n) for n in range(1, 30)]))
        yield running


@pytest.mark.parametrize("path", HOSTILE, ids=[f"{number}" for number in range(len(HOSTILE))])
def test_hostile_addresses_are_answered_in_words(standing, path):
    for port in (standing.port, standing.people):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n".encode())
            answer = read_all(connection)
        status = int(answer.split(b" ", 2)[1])
        assert status in (200, 400, 404, 414), answer[:200]
        assert b"Traceback" not in answer
        if len(path) > 4_000:
            assert status in (404, 414)


def test_hostile_ranges_and_headers_are_answered_in_words(standing):
    emp = standing
    path = PATH + "/objects/7-0100630100ff"
    nines = "9" * 200
    for value in (
        *("", "-", "--1", "1", "9-1", f"{nines}-", "-0", f"0-{nines}", "\xff-", "0-0," * 200, "999999999-", "a-b"),
    ):
        assert emp.ask("GET", path, Range=f"bytes={value}").status in (200, 400, 416), value
    for value in ("pages=1-2", "", "bytes", "="):
        assert emp.ask("GET", path, Range=value).status in (200, 400, 416), value
    for headers in (
        {"If_None_Match": '"' * 5000},
        {"If_Range": "x" * 5000, "Range": "bytes=0-1"},
        {"Accept": "," * 5000},
        {"Accept": "a/b;q=9999999999999999999999"},
        {"Authorization": "Basic " + "=" * 7000},
        {"x_CID": "uuid:" + "0" * 5000},
    ):
        assert emp.ask("GET", path, **headers).status in (200, 400, 406), headers
    assert emp.ask("GET", "/healthz").status == 200


def test_random_filters_never_break_it(standing):
    chance = random.Random(7)
    import_register = "{long:3,octet-string:0100010800ff,integer:2,long:0}"
    names = [f"q.{name}" for name in ("fromidx", "count", "depth", "fromtime", "totime")] + ["format"]
    names += ["sa.fromidx", "sa.toidx", "sa.count", "sa.fromcol", "sa.tocol", "sa.retrievecolumns"]
    names += ["sa.filtercolumn", "sa.fromtype", "sa.totype"]
    values = ["0", "1", "7", "99", "2025-01-01", "json", "csv", "[]", "{}", "long:1", "octet-string:00", ""]
    values += [import_register, f"[{import_register}]", "date_time:07e70b0e02160d1d00000000"]
    values += ["{unsigned:8,octet-string:0000010000ff,integer:2,long:0}"]
    seen = set()
    for _ in range(400):
        query = "&".join(f"{chance.choice(names)}={chance.choice(values)}" for _ in range(chance.randrange(1, 5)))
        node = chance.choice(["", "/objects", "/objects/7-0100630100ff", "/objects/7-0100630100ff/attributes/2"])
        status = standing.ask("GET", f"{PATH}{node}?{query}").status
        assert status in (200, 400, 406), query
        seen.add(status)
    assert seen == {200, 400, 406}
