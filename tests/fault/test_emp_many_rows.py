"""Answers of a million rows: in little memory, to readers that stall, and with kill -9 in their middle."""

import http.client
import signal
import socket
import time

import emp_many
import emp_process
import pytest
from emp_process import DEVICE, read_all, resident_kib

MILLION = 1_000_000


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    database = tmp_path_factory.mktemp("many") / "emp.db"
    emp_many.fill(database, MILLION)
    return database


@pytest.mark.parametrize(
    ("form", "rows", "around", "end"),
    [
        ("csv", MILLION, 1, b",100000.0\r\n"),
        ("json", 200_000, 2, b"\n]}\n"),
        ("xml", 200_000, 21, b"</object>\n"),
    ],
    ids=["csv", "json", "xml"],
)
def test_a_million_rows_are_sent_in_little_memory(many, form, rows, around, end):
    with emp_process.running(many) as emp:
        assert emp.ask("GET", f"/devices/{DEVICE.uri}.{form}?q.count=5000").status == 200
        before, most, lines, last = resident_kib(emp), 0, 0, b""
        connection = http.client.HTTPConnection("127.0.0.1", emp.people, timeout=60)
        connection.request("GET", f"/devices/{DEVICE.uri}.{form}?q.count={rows}")
        answer = connection.getresponse()
        assert answer.getheader("Transfer-Encoding") == "chunked"
        while part := answer.read(4_000_000):
            lines += part.count(b"\n")
            last = (last + part)[-200:]
            most = max(most, resident_kib(emp))
        connection.close()
    assert lines == rows + around
    assert last.endswith(end)
    assert most - before < 24_000


def test_a_part_at_the_end_of_many_rows_is_had_in_little_memory_too(many):
    path = f"/devices/{DEVICE.uri}.csv?q.count=100000"
    with emp_process.running(many) as emp:
        before = resident_kib(emp)
        part = emp.ask("GET", path, Range="bytes=-10")
        assert (part.status, part.body) == (206, b",10000.0\r\n")
        assert int(part.headers["Content-Range"].rpartition("/")[2]) > 10_000_000
        assert resident_kib(emp) - before < 24_000


def test_who_does_not_read_a_long_answer_is_closed_and_others_are_served(many):
    with emp_process.running(many, "--body-timeout", "1", "--header-timeout", "1") as emp:
        lazy = [socket.create_connection(("127.0.0.1", emp.people), timeout=30) for _ in range(20)]
        try:
            for connection in lazy:
                asked = f"GET /devices/{DEVICE.uri}.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                connection.sendall(asked.encode())
            deadline = time.monotonic() + 60
            streams = answered = 0
            while time.monotonic() < deadline and not (streams and answered):
                answer = emp.ask("GET", f"/devices/{DEVICE.uri}.csv?q.count=1")
                answered += answer.status == 200
                streams += emp.ask("GET", f"/devices/{DEVICE.uri}.csv?q.count=30000").status == 200
            assert streams
            assert answered
            for connection in lazy:  # cut off long before the end, and the end does not look like one
                octets = read_all(connection)
                assert len(octets) < 100_000_000
                assert not octets.endswith(b"0\r\n\r\n")
        finally:
            for connection in lazy:
                connection.close()


def test_kill_9_while_answering_leaves_a_store_that_answers_whole(many):
    for _ in range(3):
        emp = emp_process.start(many)
        connection = http.client.HTTPConnection("127.0.0.1", emp.people, timeout=30)
        connection.request("GET", f"/devices/{DEVICE.uri}.csv")
        answer = connection.getresponse()
        assert answer.read(3_000_000)
        emp.process.send_signal(signal.SIGKILL)
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
        connection.close()
        emp.process.communicate()
    with emp_process.running(many) as emp:
        tail = emp.ask("GET", f"/devices/{DEVICE.uri}.csv?q.fromidx={MILLION}").text.splitlines()
        assert len(tail) == 2
