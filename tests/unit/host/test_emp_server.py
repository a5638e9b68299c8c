"""The server's own behaviour: connections that stall, errors nobody foresaw, the sum of all bodies."""

import asyncio
import logging

import pytest
from emp.answers import sending
from emp.store.sqlite_storage import SqliteStorage
from emp.web.body import Budget
from emp.web.bounds import Bounds
from emp.web.listener import Address, ListenError
from emp.web.server import HeadEnd, Settings
from emp_process import DEVICE, XML, content, row
from smgw.cosemxml import document
from smgw.webservice.error import ServiceUnavailable

PATH = f"/cosem/ldevs/{DEVICE.uri}"
ANY = Address("127.0.0.1", 0)
PUT = f"PUT {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {XML}\r\nContent-Length: "


@pytest.fixture
def storage(tmp_path):
    opened = SqliteStorage(tmp_path / "emp.db")
    yield opened
    opened.close()


def with_server(storage, talk, bounds=None, *, for_people=False, more=lambda _: ()):
    async def run():
        head_end = HeadEnd(storage, Settings(bounds=bounds or Bounds()))
        try:
            gateways, people = await head_end.start(ANY, ANY)
            reader, writer = await asyncio.open_connection(*(people if for_people else gateways))
            try:
                async with asyncio.timeout(60):
                    return await talk(reader, writer, *more(head_end))
            finally:
                writer.transport.abort()
        finally:
            await head_end.stop()

    return asyncio.run(run())


@pytest.mark.parametrize("count", [3000, 10_000])  # sent whole, and in chunks
def test_a_client_that_does_not_read_its_answer_is_closed(storage, count):
    storage.deposit(content(*[row(number, number) for number in range(count)]), 0).result(30)

    async def talk(reader, writer, server):
        for _ in range(16):
            writer.write(
                f"GET {PATH}/objects/7-0100630100ff?q.count={count} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            )
        while not server.connections:
            await asyncio.sleep(0.01)
        while server.connections:
            await asyncio.sleep(0.05)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(60_000_000)

    bounds = Bounds(header_timeout=1, body_timeout=1, idle_timeout=1)
    with_server(storage, talk, bounds, more=lambda head_end: (head_end._gateways._runner.server,))


def test_an_idle_connection_is_closed(storage):
    async def talk(reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return await reader.read()

    assert with_server(storage, talk, Bounds(idle_timeout=1), for_people=True).startswith(b"HTTP/1.1 200 OK")


def test_an_error_nobody_foresaw_is_a_500_without_its_inside(storage, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("inside")

    async def talk(reader, writer):
        writer.write(b"GET /cosem HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return await reader.read()

    monkeypatch.setattr(storage, "devices", broken)
    with caplog.at_level(logging.INFO):
        answer = with_server(storage, talk)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"inside" not in answer
    assert "RuntimeError: inside" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_put_is_answered_by_201_then_200_on_one_connection(storage):
    body = document.encode(content(row(1, 1)))

    async def talk(reader, writer):
        answers = []
        for _ in range(2):
            writer.write(PUT.encode() + b"%d\r\n\r\n" % len(body) + body)
            answers.append((await reader.readuntil(b"\r\n\r\n"))[:12])
        return answers

    assert with_server(storage, talk) == [b"HTTP/1.1 201", b"HTTP/1.1 200"]


def test_a_client_may_wait_for_100_continue(storage):
    body = document.encode(content(row(1, 1)))

    async def talk(reader, writer):
        writer.write(PUT.encode() + b"%d\r\nExpect: 100-continue\r\n\r\n" % len(body))
        first = await reader.readuntil(b"\r\n\r\n")
        writer.write(body)
        return first[:12], (await reader.readuntil(b"\r\n\r\n"))[:12]

    assert with_server(storage, talk) == (b"HTTP/1.1 100", b"HTTP/1.1 201")


def test_more_bodies_than_the_memory_allows_are_put_off(storage):
    async def talk(reader, writer):
        writer.write(PUT.encode() + b"2000\r\n\r\n" + b"x" * 2000)
        return await reader.readuntil(b"\r\n\r\n")

    answer = with_server(storage, talk, Bounds(held_octets=1000))
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 5\r\n" in answer


def test_the_budget_is_given_back():
    budget = Budget(10, 10)
    with budget.account("one") as first:
        budget.take(first, 10)
        with pytest.raises(ServiceUnavailable), budget.account("two") as another:
            budget.take(another, 1)
    with budget.account("two") as again:
        budget.take(again, 10)


def test_a_taken_port_is_told(storage):
    async def run():
        one, two = HeadEnd(storage), HeadEnd(storage)
        try:
            address, _ = await one.start(ANY, ANY)
            with pytest.raises(ListenError, match=f"cannot listen on {address}"):
                await two.start(address, ANY)
        finally:
            await two.stop()
            await one.stop()

    asyncio.run(run())


def test_a_part_of_rows_that_go_meanwhile_is_broken_off(storage, monkeypatch):
    storage.deposit(content(*[row(number, number) for number in range(50)]), 0).result(30)
    passes = []
    batches = storage.batches

    def vanishing(device, span):
        passes.append(span)
        return batches(device, span) if len(passes) == 1 else iter(())

    async def talk(reader, writer):
        asked = f"GET /devices/{DEVICE.uri}.csv HTTP/1.1\r\nHost: localhost\r\nRange: bytes=-100\r\n\r\n"
        writer.write(asked.encode())
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1_000_000)

    monkeypatch.setattr(storage, "batches", vanishing)
    with_server(storage, talk, for_people=True)
    assert len(passes) == 2


def test_more_long_answers_than_there_is_room_for_are_put_off(storage, monkeypatch):
    monkeypatch.setattr(sending, "MAX_STREAMS", 0)

    async def talk(reader, writer):
        asked = f"GET /devices/{DEVICE.uri}.csv HTTP/1.1\r\nHost: localhost\r\nRange: bytes=-100\r\n\r\n"
        writer.write(asked.encode())
        return await reader.readuntil(b"\r\n\r\n")

    storage.deposit(content(row(1, 1)), 0).result(30)
    answer = with_server(storage, talk, for_people=True)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 5" in answer
