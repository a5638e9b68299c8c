"""The HAN's server among clients that are slow, idle, many, or hostile: others are answered, and nothing stays."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from han_login import add_consumer, authorization, challenge_of, door_of
from han_server import ECHO, PATIENCE_S, Running, echo, everything, serving, status
from smgw.han.exchange import Answer, Request, Role, View
from smgw.han.server import talk
from smgw.han.server.head import BODY_MOST, HEAD_MOST
from smgw.han.server.listener import MOST, OF_ONE
from smgw.han.server.work import THREADS
from smgw.trust.han_tls import own_files, server_context
from smgw.trust.self_signed import write_self_signed

_HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


@contextlib.contextmanager
def _many(server: Running, number: int, octets: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections, of several addresses of loopback, that each sent these octets."""
    with contextlib.ExitStack() as stack:
        found = []
        for index in range(number):
            source = (f"127.0.{index // 30}.{index % 30 + 2}", 0)
            one = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE_S, source))
            with contextlib.suppress(OSError):
                one.sendall(octets)
            found.append(one)
        yield found


def _soon(condition: object) -> None:
    ends = time.monotonic() + PATIENCE_S
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < ends
        time.sleep(0.02)


def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The times of a connection, a twentieth of what they are."""
    for name in ("_FIRST_S", "_IDLE_S", "_WHOLE_S", "_TAKEN_S"):
        monkeypatch.setattr(talk, name, getattr(talk, name) / 20)


@pytest.mark.parametrize("octets", [b"", _HEAD, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx"],
                         ids=["silent", "half-a-head", "half-a-body"])  # fmt: skip
def test_a_thousand_connections_keep_nobody_out_and_are_bounded(octets: bytes) -> None:
    with serving() as server, _many(server, 1000, octets):
        assert server.listener is not None
        assert status(server.get("/")) == 200
        assert server.listener.connections <= MOST


def test_one_address_has_a_part_of_the_places() -> None:
    with serving() as server, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(OF_ONE + 20)]
        _soon(lambda: server.listener is not None and server.listener.connections == OF_ONE)
        assert connections[0].recv(1) == b""  # the longest idle one had to go
        connections[-1].sendall(_HEAD + b"Connection: close\r\n\r\n")
        assert status(everything(connections[-1])) == 200


def test_a_client_that_drips_is_ended_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _quick(monkeypatch)
    with serving() as server, server.connect() as connection:
        stop = threading.Event()

        def drip() -> None:
            for octet in _HEAD + b"X: " + b"a" * 10_000:
                with contextlib.suppress(OSError):
                    connection.sendall(bytes([octet]))
                if stop.wait(0.05):
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert status(everything(connection)) == 408
            assert status(server.get("/")) == 200
        finally:
            stop.set()
            dripping.join()


@pytest.mark.parametrize("octets", [b"", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx"])
def test_a_client_that_says_no_more_is_ended(monkeypatch: pytest.MonkeyPatch, octets: bytes) -> None:
    _quick(monkeypatch)
    with serving() as server, server.connect() as connection:
        connection.sendall(octets)
        everything(connection)
        _soon(lambda: server.listener is not None and server.listener.connections == 0)


def test_a_client_that_takes_no_answer_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    _quick(monkeypatch)
    closed = threading.Event()

    def pieces() -> Iterator[bytes]:
        try:
            while True:
                yield b"x" * 65536
        finally:
            closed.set()

    endless = View("endless", ("/endless",), None, lambda _request, _house: Answer(200, pieces()), "")
    with serving([ECHO, endless]) as server, server.connect() as connection:
        connection.sendall(_HEAD.replace(b" / ", b" /endless ") + b"\r\n")
        connection.recv(1)
        assert closed.wait(PATIENCE_S)
        assert status(server.get("/")) == 200


def test_views_that_hang_for_one_address_leave_threads_for_others() -> None:
    release = threading.Event()

    def answer(request: Request, _house: object) -> Answer:
        release.wait(PATIENCE_S)
        return Answer(200)

    slow = View("slow", ("/slow",), None, answer, "")
    with serving([ECHO, slow]) as server, contextlib.ExitStack() as stack:
        try:
            for _ in range(THREADS * 2):
                stack.enter_context(server.connect()).sendall(_HEAD.replace(b" / ", b" /slow ") + b"\r\n")
            source = ("127.0.0.9", 0)
            other = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE_S, source))
            other.sendall(_HEAD + b"Connection: close\r\n\r\n")
            assert status(everything(other)) == 200
        finally:
            release.set()


def test_a_flood_of_requests_is_answered_or_told_to_come_later() -> None:
    release = threading.Event()

    def answer(request: Request, _house: object) -> Answer:
        release.wait(PATIENCE_S)
        return Answer(200)

    slow = View("slow", ("/",), None, answer, "")
    with serving([slow]) as server, _many(server, 100, _HEAD + b"Connection: close\r\n\r\n") as connections:
        ends = time.monotonic() + PATIENCE_S
        refused = 0
        while not refused and time.monotonic() < ends:
            for one in connections:
                one.settimeout(0.01)
                with contextlib.suppress(TimeoutError):
                    refused += one.recv(12)[9:] == b"503"
        release.set()
        assert refused


_POST, _GET = b"POST / HTTP/1.1\r\nHost: localhost\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(_POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="both"),
        pytest.param(_POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="chunked"),
        pytest.param(_POST + b"Content-Length: 0\r\nContent-Length: 50\r\n\r\n", id="two-lengths"),
        pytest.param(_POST + b"Content-Length : 50\r\n\r\n", id="space"),
        pytest.param(_GET + b"X: a\r\n Content-Length: 50\r\n\r\n", id="folded"),
        pytest.param(_GET + b"X: a\nContent-Length: 50\r\n\r\n", id="bare-line-feed"),
        pytest.param(b"GET / HTTP/1.1\nHost: localhost\n\n", id="line-feeds"),
    ],
)
def test_a_request_cannot_be_smuggled_behind_one_that_has_two_meanings(first: bytes) -> None:
    asked: list[str] = []

    def answer(request: Request, _house: object) -> Answer:
        asked.append(request.path)
        return Answer(200)

    with serving([View("all", ("/",), None, answer, "")]) as server, server.connect() as connection:
        connection.sendall(first + b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        told = everything(connection)
    assert told.count(b"HTTP/1.1 ") <= 1
    assert status(told) in (400, 411)
    assert not asked


@pytest.mark.parametrize(
    "octets", [b"\x16\x03\x01" + b"\0" * 200, b"\0" * 5000, b"A" * (HEAD_MOST + 100), b"GET " * 20_000]
)
def test_octets_that_are_no_request_end_the_connection(octets: bytes) -> None:
    with serving() as server:
        with server.connect() as connection:
            with contextlib.suppress(OSError):
                connection.sendall(octets)
                connection.shutdown(socket.SHUT_WR)
            told = everything(connection)
        assert told == b"" or status(told) in (400, 414, 431)
        assert status(server.get("/")) == 200


def test_bodies_of_many_are_bounded_together() -> None:
    """The places hold 128 bodies of 256 KiB; not all of them are taken at once."""
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % BODY_MOST
    with serving() as server, _many(server, 60, head + b"x" * 1000) as connections:
        told = []
        for one in connections:
            one.settimeout(0.05)
            with contextlib.suppress(TimeoutError, ConnectionResetError):
                told.append(one.recv(12)[9:])
        assert b"503" in told
        assert server.shared.bodies <= 4 * 2**20
        assert status(server.get("/")) == 200


def test_a_flood_of_guesses_from_one_address_locks_it_and_no_other(tmp_path: Path) -> None:
    add_consumer(tmp_path, "anna", "right")
    view = View("own", ("/",), Role.CONSUMER, echo, "")
    with door_of(tmp_path) as door, serving([view], door) as server:
        challenge = challenge_of(server.get("/"))
        answers = [status(server.get("/", authorization(challenge, "anna", f"guess{n}"))) for n in range(30)]
        assert answers[:4] == [401] * 4
        assert set(answers[4:]) == {403}
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S, ("127.0.0.7", 0)) as other:
            other.sendall(_HEAD + b"\r\n")
            line = authorization(challenge_of(other.recv(65536)), "anna", "right")
            other.sendall(_HEAD + b"Connection: close\r\n" + line.encode() + b"\r\n\r\n")
            assert status(everything(other)) == 200


def test_half_a_handshake_keeps_nobody_out(tmp_path: Path) -> None:
    write_self_signed(own_files(tmp_path), "a", "p256", 1_780_000_000)
    context = server_context(own_files(tmp_path))
    with serving(context=context) as server, _many(server, 300, b"\x16\x03\x01\x02\x00\x01"):
        import ssl

        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        with server.connect() as plain, client.wrap_socket(plain) as connection:
            connection.sendall(_HEAD + b"Connection: close\r\n\r\n")
            assert status(connection.recv(65536)) == 200
