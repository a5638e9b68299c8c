"""The head-end under bad luck and bad will: slow clients, garbage, bombs, kill -9, a full disk."""

import contextlib
import gzip
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import zlib
from pathlib import Path

import emp_process
import pytest
from emp_process import DEVICE, GATEWAY, STORE, XML, content, row
from smgw.cosemxml import document

PATH = f"/cosem/ldevs/{DEVICE.uri}"


@pytest.fixture
def emp(tmp_path):
    options = ("--header-timeout", "1", "--body-timeout", "1", "--max-body", "64")
    with emp_process.running(tmp_path / "emp.db", *options) as running:
        yield running


def connect(emp):
    return socket.create_connection(("127.0.0.1", emp.port), timeout=10)


def read_all(connection):
    answer = b""
    try:
        while part := connection.recv(65536):
            answer += part
    except ConnectionError:
        pass
    return answer


def resident_kib(emp):
    lines = Path(f"/proc/{emp.process.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def numbers(emp):
    sources = json.loads(emp.ask("GET", "/api/keys?form=list").body)["sources"]
    return sources[0]["record_numbers"] if sources else []


def test_a_client_that_drips_its_headers_is_closed_and_others_are_served(emp):
    with connect(emp) as slow:
        started = time.monotonic()
        closed = False
        for octet in b"GET /cosem HTTP/1.1\r\nX: " + b"x" * 200:
            try:
                slow.sendall(bytes((octet,)))
            except ConnectionError:
                closed = True
                break
            time.sleep(0.05)
            assert emp.put(content(row(1, 1))).status in (200, 201)
        assert closed
        assert time.monotonic() - started < 5


def test_a_client_that_says_nothing_is_closed(emp):
    with connect(emp) as silent:
        started = time.monotonic()
        assert read_all(silent) == b""
        assert time.monotonic() - started < 5


def test_a_client_that_drips_its_body_gets_408(emp):
    with connect(emp) as slow:
        slow.sendall(
            f"PUT {PATH} HTTP/1.1\r\nHost: emp\r\nContent-Type: {XML}\r\nContent-Length: 1000\r\n\r\n".encode()
        )
        answer = []
        reader = threading.Thread(target=lambda: answer.append(read_all(slow)))
        reader.start()
        for _ in range(100):
            try:
                slow.sendall(b"<")
            except ConnectionError:
                break
            if answer:
                break
            time.sleep(0.05)
        reader.join(10)
        assert answer[0].startswith(b"HTTP/1.1 408 ")


def test_many_slow_clients_do_not_keep_others_out(emp):
    slow = [connect(emp) for _ in range(200)]
    try:
        for connection in slow:
            connection.sendall(
                f"PUT {PATH} HTTP/1.1\r\nHost: emp\r\nContent-Type: {XML}\r\nContent-Length: 60000\r\n\r\n".encode()
            )
            connection.sendall(b"x" * 30_000)
        started = time.monotonic()
        assert emp.put(content(row(1, 1))).status == 201
        assert time.monotonic() - started < 1
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
                head = f"PUT {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: {XML}\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body)
                status = connection.recv(12)
                assert status in (b"HTTP/1.1 200", b"HTTP/1.1 201", b"HTTP/1.1 422"), status
            else:
                connection.sendall(f"PUT {PATH} HTTP/1.1\r\nContent-Length: {chance.randrange(99)}\r\nHo".encode())
    assert emp.ask("GET", "/healthz").status == 200


def test_a_client_that_goes_away_leaves_all_or_nothing(emp):
    body = document.encode(content(*[row(n, n) for n in range(1, 51)]))
    head = f"PUT {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: {XML}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
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


def test_after_kill_9_every_answered_row_is_there_once(tmp_path):
    database = tmp_path / "emp.db"
    acknowledged: set[int] = set()
    upcoming = iter(range(0, 1_000_000, 10))
    lock = threading.Lock()

    def deliver(emp):
        while True:
            with lock:
                first = next(upcoming)
            rows = [row(number, number) for number in range(first, first + 10)]
            try:
                if emp.put(content(*rows)).status not in (200, 201):
                    return
            except OSError:
                return
            except Exception:  # the answer was cut in its middle
                return
            with lock:
                acknowledged.update(range(first, first + 10))

    for _ in range(5):
        emp = emp_process.start(database)
        senders = [threading.Thread(target=deliver, args=(emp,)) for _ in range(4)]
        for sender in senders:
            sender.start()
        time.sleep(random.uniform(0.3, 0.8))
        emp.process.send_signal(signal.SIGKILL)
        for sender in senders:
            sender.join()
        emp.process.communicate()
    assert len(acknowledged) > 100
    with emp_process.running(database) as emp:
        found = numbers(emp)
        assert set(found) >= acknowledged
        assert len(set(found)) == len(found)
        assert {number // 10 for number in found} == {number // 10 for number in set(found)}
        for first in {number // 10 * 10 for number in found}:
            assert set(range(first, first + 10)) <= set(found)  # documents are kept whole
        # A gateway that heard no answer repeats: nothing is counted twice.
        last = max(found) // 10 * 10
        assert emp.put(content(*[row(number, number) for number in range(last, last + 10)])).status == 200
        assert numbers(emp) == found
    connection = sqlite3.connect(database)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM record").fetchone() == (len(found),)
        assert connection.execute("SELECT count(*) FROM reading").fetchone() == (len(found),)
        assert connection.execute("SELECT sum(records) FROM sighting").fetchone() == (len(found),)
    finally:
        connection.close()


@pytest.fixture
def small_disk(tmp_path):
    where = tmp_path / "disk"
    where.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "emp-test", where]).returncode:
        pytest.skip("A FULL DISK WAS NOT TESTED: mounting a small tmpfs needs root and CAP_SYS_ADMIN")
    yield where
    subprocess.run(["umount", where], check=True)


def test_a_full_disk_keeps_nothing_half_and_recovers(small_disk):
    with emp_process.running(small_disk / "emp.db") as emp:
        assert emp.put(content(row(0, 0))).status == 201
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        kept, refused = {0}, []
        for first in range(10, 4000, 100):
            answer = emp.put(content(*[row(number, number) for number in range(first, first + 100)]))
            if answer.status == 200:
                kept.update(range(first, first + 100))
            else:
                assert answer.status in (503, 507), answer.text
                assert int(answer.headers["Retry-After"]) > 0
                refused.append(first)
            if len(refused) > 3:
                break
        assert refused
        assert emp.ask("GET", PATH).status == 200
        assert set(numbers(emp)) == kept
        ballast.unlink()
        for first in refused:
            assert emp.put(content(*[row(number, number) for number in range(first, first + 100)])).status == 200
            kept.update(range(first, first + 100))
        assert set(numbers(emp)) == kept
        found = json.loads(emp.ask("GET", f"/api/keys?gateway={GATEWAY}").body)["sources"]
        assert [(entry["store_id"], entry["records"]) for entry in found] == [(STORE, len(kept))]
        emp.process.send_signal(signal.SIGTERM)
        _, said = emp.process.communicate(timeout=10)
    assert "no room left" in said
    assert "Traceback" not in said


def test_a_stop_under_load_is_quick_and_keeps_what_was_answered(tmp_path):
    emp = emp_process.start(tmp_path / "emp.db")
    acknowledged: set[int] = set()

    def deliver(sender):
        for first in range(sender * 1_000_000, (sender + 1) * 1_000_000, 50):
            try:
                if emp.put(content(*[row(number, number) for number in range(first, first + 50)])).status > 201:
                    return
            except Exception:  # no connection, or an answer cut in its middle
                return
            acknowledged.update(range(first, first + 50))

    senders = [threading.Thread(target=deliver, args=(sender,)) for sender in range(4)]
    for sender in senders:
        sender.start()
    time.sleep(1)
    started = time.monotonic()
    said = emp_process.stop(emp)
    took = time.monotonic() - started
    for sender in senders:
        sender.join()
    assert (took < 2, said, emp.process.returncode) == (True, "", 0)
    with emp_process.running(tmp_path / "emp.db") as emp:
        assert set(numbers(emp)) >= acknowledged
