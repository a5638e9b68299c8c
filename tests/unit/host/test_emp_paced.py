"""Many requests that nobody waits for do not fill the memory, also with the aiohttp of Debian 12."""

import asyncio
import contextlib
import socket
from collections import deque

import emp_process
import pytest
from emp.web import door
from emp.web.paced import MOST_WAITING, SLICE, Paced
from emp_process import PATH, XML, content, read_all, row
from smgw.cosemxml import document

REQUEST = b"GET / HTTP/1.1\r\n\r\n"


class Handler:
    """Takes requests as aiohttp 3.8 does; `answer` takes them from the queue."""

    def __init__(self):
        self._messages = deque()
        self._reading_paused = False
        self._octets = b""
        self.taken = 0
        self.lost = False

    def data_received(self, data):
        *whole, self._octets = (self._octets + data).split(b"\r\n\r\n")
        self._messages.extend(whole)

    def answer(self, most):
        for _ in range(min(most, len(self._messages))):
            self._messages.popleft()
            self.taken += 1

    def connection_made(self, transport):
        """As the base class."""

    def connection_lost(self, exc):
        self.lost = True


class Transport(asyncio.Transport):
    def __init__(self):
        super().__init__()
        self.reading = True

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True

    def is_closing(self):
        return False


def test_of_a_flood_of_requests_few_wait_and_all_are_answered():
    async def run():
        handler, transport = Handler(), Transport()
        paced = Paced(handler)
        paced.connection_made(transport)
        paced.data_received(REQUEST * 5000)
        assert not transport.reading
        most = 0
        while handler.taken < 5000:
            most = max(most, len(handler._messages))
            handler.answer(500)
            await asyncio.sleep(0.001)
        assert most <= MOST_WAITING + SLICE // len(REQUEST) + 1
        await asyncio.sleep(0.05)
        assert transport.reading

    asyncio.run(run())


def test_a_connection_that_ends_leaves_nothing_to_do():
    async def run():
        handler = Handler()
        paced = Paced(handler)
        paced.connection_made(Transport())
        paced.data_received(REQUEST * 5000)
        waiting = len(handler._messages)
        paced.connection_lost(None)
        handler.answer(waiting)
        await asyncio.sleep(0.05)
        assert handler.lost
        assert len(handler._messages) == 0

    asyncio.run(run())


@pytest.fixture
def emp(tmp_path, monkeypatch):
    monkeypatch.setattr(door, "IS_NEEDED", True)
    with emp_process.inside(tmp_path / "emp.db") as running:
        yield running


def test_pipelined_documents_are_all_taken_in_order(emp):
    asked = b""
    for number in range(1, 101):
        body = document.encode(content(row(number, number)))
        head = f"PUT {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {XML}\r\nContent-Length: {len(body)}\r\n"
        asked += head.encode() + (b"Connection: close\r\n" if number == 100 else b"") + b"\r\n" + body
    with socket.create_connection(("127.0.0.1", emp.port), timeout=10) as connection:
        connection.sendall(asked)
        assert read_all(connection).count(b"HTTP/1.1 20") == 100
    assert emp_process.numbers(emp) == list(range(1, 101))


def test_a_large_body_arrives_whole(emp):
    assert emp.put(content(*[row(n, n) for n in range(1, 2001)])).status == 201
    assert len(emp_process.numbers(emp)) == 2000


def test_connections_that_pipeline_without_reading_keep_nobody_waiting(emp):
    blob = b"GET /cosem/ldevs HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", emp.port), timeout=10))
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(20):
                    connection.send(blob)
        assert emp.put(content(row(1, 5))).status == 201
