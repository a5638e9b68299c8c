"""The head-end under bad luck: kill -9, a full disk, a stop under load, a device deleted meanwhile."""

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time

import emp_many
import emp_process
import pytest
from effort import SEED, rounds
from emp_process import GATEWAY, PATH, STORE, connect, content, numbers, row
from line_meter import until
from smgw.cosem.device_id import DeviceId


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

    chance = random.Random(SEED)
    for _ in range(rounds(3, long=10)):
        emp = emp_process.start(database)
        senders = [threading.Thread(target=deliver, args=(emp,)) for _ in range(4)]
        for sender in senders:
            sender.start()
        time.sleep(chance.uniform(0.3, 0.8))
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


def test_a_stop_under_load_keeps_what_was_answered(tmp_path):
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
    until(lambda: len(acknowledged) > 1000)
    said = emp_process.stop(emp)
    for sender in senders:
        sender.join()
    assert (said, emp.process.returncode) == ("", 0)
    with emp_process.running(tmp_path / "emp.db") as emp:
        assert set(numbers(emp)) >= acknowledged


def test_kill_9_while_deleting_leaves_rows_whole_and_the_next_delete_ends_it(tmp_path):
    database = tmp_path / "emp.db"
    emp_many.fill(database, 60_000)
    emp = emp_process.start(database)
    with connect(emp) as connection:
        connection.sendall(f"DELETE {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            held = json.loads(emp.ask("GET", "/api/keys").body)["sources"][0]["records"]
            if held < 60_000:
                break
        emp.process.send_signal(signal.SIGKILL)
        emp.process.communicate()
    database_now = sqlite3.connect(database)
    try:
        assert database_now.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = database_now.execute("SELECT count(*) FROM record").fetchone()
        assert database_now.execute("SELECT count(*) FROM reading").fetchone() == rows
        assert database_now.execute("SELECT coalesce(sum(records), 0) FROM sighting").fetchone() == rows
    finally:
        database_now.close()
    with emp_process.running(database) as emp:
        if emp.ask("GET", PATH).status == 200:
            assert emp.ask("DELETE", PATH).status == 204
        assert emp.ask("GET", PATH).status == 404
        assert emp.put(content(row(1, 1))).status == 201


def test_deliveries_go_on_while_a_device_is_deleted(tmp_path):
    database = tmp_path / "emp.db"
    emp_many.fill(database, 200_000)
    with emp_process.running(database) as emp:
        outcome = []
        deleting = threading.Thread(target=lambda: outcome.append(emp.ask("DELETE", PATH).status))
        deleting.start()
        number = 1_000_000
        other = DeviceId.parse("1EMH0000000002")
        while deleting.is_alive():
            number += 1
            assert emp.put(content(row(number, 1), device=other)).status in (200, 201)
        deleting.join()
        assert outcome == [204]
        assert number > 1_000_002
        assert len(numbers(emp)) == number - 1_000_000
