"""One hostile peer does not use up what all share: connections, memory for bodies, decoding, lines of the log."""

import asyncio
import contextlib
import gzip
import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import emp_process
import pytest
from emp.web import body, door, listener
from emp.web.body import Budget
from emp.web.bounds import Bounds
from emp.web.peers import Turns, name_of
from emp.web.seldom import Seldom
from emp.web.server import Settings
from emp_process import PATH, XML, content, row
from smgw.webservice.error import ServiceUnavailable, Unprocessable
from soon import LIMIT

HOSTILE = "127.0.0.2"


def connect(emp, source=HOSTILE):
    return socket.create_connection(("127.0.0.1", emp.port), timeout=LIMIT, source_address=(source, 0))


def is_served(connection):
    """True if the server answers on this connection, False if it has closed it."""
    try:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return connection.recv(1000).startswith(b"HTTP/1.1 404")
    except ConnectionError:
        return False


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_peer_is_an_address_or_a_network_of_64_bits(address, peer):
    assert name_of(address) == peer


def test_one_peer_has_a_fourth_of_the_connections(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(listener, "most_connections", lambda: 8)
    with emp_process.inside(tmp_path / "emp.db") as emp, contextlib.ExitStack() as opened:
        connections = [opened.enter_context(connect(emp)) for _ in range(20)]
        assert [is_served(connection) for connection in connections] == [True] * 2 + [False] * 18
        assert emp.put(content(row(1, 1))).status == 201
    lines = [record for record in caplog.records if "further ones are closed" in record.getMessage()]
    assert len(lines) == 1
    assert HOSTILE in lines[0].getMessage()


def test_more_connections_than_there_are_files_for_wait_until_one_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(listener, "most_connections", lambda: 4)
    with emp_process.inside(tmp_path / "emp.db") as emp, contextlib.ExitStack() as opened:
        first = [opened.enter_context(connect(emp, f"127.0.0.{number}")) for number in range(2, 6)]
        assert all(is_served(connection) for connection in first)
        late = opened.enter_context(connect(emp, "127.0.0.9"))
        late.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        first[0].close()
        assert late.recv(1000).startswith(b"HTTP/1.1 404")


def test_both_listeners_leave_files_for_the_database(monkeypatch):
    monkeypatch.setattr(door.resource, "getrlimit", lambda _: (1024, 1024))
    assert 2 * door.most_connections() + 256 <= 1024


def test_slow_bodies_of_one_peer_leave_room_for_those_of_others(tmp_path):
    settings = Settings(bounds=Bounds(body_octets=20_000, held_octets=80_000))
    head = f"PUT {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {XML}\r\nContent-Length: 20000\r\n\r\n".encode()
    with emp_process.inside(tmp_path / "emp.db", settings) as emp, contextlib.ExitStack() as opened:
        slow = [opened.enter_context(connect(emp)) for _ in range(8)]
        for connection in slow:
            connection.sendall(head + b"x" * 19_000)
        answers = [connection.recv(1000)[:12] for connection in slow[1:]]
        assert answers == [b"HTTP/1.1 503"] * 7
        assert emp.put(content(row(1, 1))).status == 201


def test_a_body_that_arrives_slowly_gives_way_to_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(body, "_SLOW_S", 0.0)
    settings = Settings(bounds=Bounds(body_octets=20_000, held_octets=20_000))
    with emp_process.inside(tmp_path / "emp.db", settings) as emp, connect(emp, "127.0.0.1") as slow:
        head = f"PUT {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {XML}\r\nContent-Length: 20000\r\n"
        slow.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert slow.recv(1000).startswith(b"HTTP/1.1 100")
        slow.sendall(b"x" * 19_990)
        while emp.put(content(*[row(number, number) for number in range(1, 20)])).status not in (200, 201):
            pass
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")


def test_a_body_that_arrives_quickly_does_not_give_way():
    budget = Budget(100, 30)

    async def take():
        with budget.account("one") as first, budget.account("one") as second:
            first.arrives = asyncio.timeout(1)
            budget.take(first, 30)
            budget.take(second, 1)

    with pytest.raises(ServiceUnavailable):
        asyncio.run(take())


def with_turns(talk):
    async def bounded():
        async with asyncio.timeout(LIMIT):
            return await talk(Turns(workers))

    with ThreadPoolExecutor(2) as workers:
        return asyncio.run(bounded())


def test_a_peer_has_one_decoder_and_another_peer_the_other():
    held, begun = threading.Event(), threading.Event()

    def hold():
        begun.set()
        assert held.wait(LIMIT)
        return "held"

    async def talk(turns):
        hostile = [asyncio.create_task(turns.decode("hostile", hold)) for _ in range(24)]
        assert await turns.decode("right", lambda: "right") == "right"
        assert begun.wait(LIMIT)
        held.set()
        return await asyncio.gather(*hostile)

    assert with_turns(talk) == ["held"] * 24


def test_after_a_refused_body_its_peer_waits_in_proportion_and_no_other(monkeypatch):
    slept = []
    ticks = iter([0.0, 0.5])  # of processor time for the first body
    monkeypatch.setattr("emp.web.peers.time.thread_time", lambda: next(ticks, 9.0))
    monkeypatch.setattr("emp.web.peers.time.monotonic", lambda: 100.0)

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr("emp.web.peers.asyncio.sleep", sleep)

    def refuse():
        raise Unprocessable("no document")

    async def talk(turns):
        with contextlib.suppress(Unprocessable):
            await turns.decode("hostile", refuse)
        await turns.decode("hostile", lambda: None)
        await turns.decode("right", lambda: None)

    with_turns(talk)
    assert slept == [0.0, 2.0, 0.0]


def test_a_document_is_taken_while_a_peer_sends_packed_nothing(tmp_path):
    bomb = gzip.compress(b"<a>" * 1_300_000)
    head = (
        f"PUT {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {XML}\r\nContent-Encoding: gzip\r\n"
        f"Content-Length: {len(bomb)}\r\n\r\n"
    )
    with emp_process.inside(tmp_path / "emp.db") as emp, contextlib.ExitStack() as opened:
        hostile = [opened.enter_context(connect(emp)) for _ in range(24)]
        for connection in hostile:
            connection.sendall(head.encode() + bomb)
        assert emp.put(content(row(1, 1))).status == 201


def test_of_many_lines_alike_one_a_minute_is_written_with_their_number(caplog):
    now = [0.0]
    told = Seldom(logging.getLogger("seldom"), lambda: now[0])
    for _ in range(1000):
        told.say(logging.WARNING, "kind", "from %s", "a")
    now[0] = 61.0
    told.say(logging.WARNING, "kind", "from %s", "b")
    assert [record.getMessage() for record in caplog.records] == [
        "from a",
        "from b (and 999 lines like this one before)",
    ]


def test_lines_of_many_kinds_are_bounded_too(caplog):
    told = Seldom(logging.getLogger("seldom"), lambda: 0.0)
    for number in range(10_000):
        told.say(logging.WARNING, str(number), "from %d", number)
    assert len(caplog.records) <= 21
