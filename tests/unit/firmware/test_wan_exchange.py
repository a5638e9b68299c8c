"""One exchange with a real HTTP server."""

import errno
import gzip
import os
import re
import select
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from captures_made import DEVICE, ENERGY
from line_meter import until
from small_emp import OK, Answer, SmallEmp
from smgw.cosem import NULL, DeviceId, StatusWord
from smgw.cosemxml.document import Document, Register, Row, encode
from smgw.trust.errors import TrustError
from smgw.wan.cosem_xml import connection as connection_module
from smgw.wan.cosem_xml import exchange as exchange_module
from smgw.wan.cosem_xml.exchange import Answer as Reply
from smgw.wan.cosem_xml.exchange import Exchange
from smgw.wan.cosem_xml.guard import Guard
from soon import LIMIT, soon

GATEWAY = DeviceId.parse("EXYZ0012345678")
ROW = Row(1, None, None, False, StatusWord(5), (NULL,))
BODY = encode(Document(GATEWAY, "ab" * 16, DEVICE, (Register(ENERGY, -1, 30),), (ROW,)))


@pytest.fixture
def exchange(emp: SmallEmp) -> Iterator[Exchange]:
    made = Exchange(emp.url, LIMIT)
    yield made
    made.close()


@pytest.fixture
def hasty(emp: SmallEmp) -> Iterator[Exchange]:
    """For an EMP that gives no answer in time."""
    made = Exchange(emp.url, 0.4)
    yield made
    made.close()


def test_a_put_has_the_headers_of_the_annex(emp: SmallEmp, exchange: Exchange) -> None:
    for _ in range(3):
        assert exchange.put(DEVICE, BODY).status == 200
    for put in emp.puts:
        assert put.path == f"/smgw/cosem/ldevs/{DEVICE.uri}"
        assert put.headers["Content-Type"] == put.headers["Accept"] == "application/vnd.de-dke-k461-cosem+xml"
        assert put.headers["Content-Length"] == str(len(BODY))
        assert "Transfer-Encoding" not in put.headers
        assert put.headers["Host"] == f"127.0.0.1:{emp.port}"
        assert re.fullmatch(
            r"uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", put.headers["x-CID"]
        )
    assert len({put.headers["x-CID"] for put in emp.puts}) == 3


def test_plain_http_to_a_public_address_is_not_sent(
    emp: SmallEmp, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "is_public", lambda address: address == "127.0.0.1")
    with pytest.raises(TrustError) as caught:
        exchange.put(DEVICE, BODY)
    assert str(caught.value) == (
        "127.0.0.1: it has the address 127.0.0.1, which is not private, and http has no encryption. "
        "Write https:// in url, or name a host of a private network."
    )
    monkeypatch.undo()
    assert exchange.put(DEVICE, BODY).status == 200
    assert len(emp.puts) == 1


def test_a_foreign_device_id_is_percent_encoded(emp: SmallEmp, exchange: Exchange) -> None:
    exchange.put(DeviceId(b"\x09\x01 /?"), BODY)
    assert emp.puts[0].path == "/smgw/cosem/ldevs/%09%01%20%2F%3F"


@pytest.mark.parametrize("status", [200, 204, 404, 422, 503])
def test_one_connection_serves_many_puts(emp: SmallEmp, exchange: Exchange, status: int) -> None:
    emp.answer = lambda _: Answer(status, b"" if status == 204 else b"as you like\n")
    for _ in range(20):
        assert exchange.put(DEVICE, BODY).status == status
    assert emp.accepted == 1


def test_a_connection_that_the_emp_closed_between_puts_is_opened_again(emp: SmallEmp, exchange: Exchange) -> None:
    emp.answer = lambda _: Answer(200, close=True)
    for _ in range(3):
        assert exchange.put(DEVICE, BODY).status == 200
        assert select.select([exchange._watch.connection.sock], [], [], LIMIT)[0]  # the end is there
    assert emp.accepted == 3


def test_the_body_is_packed_only_once_the_emp_says_that_it_unpacks(emp: SmallEmp, exchange: Exchange) -> None:
    announced = [Answer(200, headers={"Accept-Encoding": value}) for value in ("deflate", "br, gzip;q=0.5", "gzip")]
    following = iter([OK, *announced, OK])
    emp.answer = lambda _: next(following)
    for _ in range(5):
        assert exchange.put(DEVICE, BODY).status == 200
    assert [put.headers.get("Content-Encoding") for put in emp.puts] == [None, None, None, "gzip", "gzip"]
    assert emp.puts[3].octets == len(gzip.compress(BODY, 4, mtime=0))
    assert emp.puts[3].headers["Content-Length"] == str(emp.puts[3].octets)


@pytest.mark.parametrize("value", ["identity", "gzip;q=0", "gzip; q=0.000, deflate", "gzipped", ""])
def test_what_does_not_say_gzip_is_no_announcement(emp: SmallEmp, exchange: Exchange, value: str) -> None:
    emp.answer = lambda _: Answer(200, headers={"Accept-Encoding": value})
    for _ in range(2):
        exchange.put(DEVICE, BODY)
    assert "Content-Encoding" not in emp.puts[1].headers


def test_an_emp_that_announces_gzip_and_then_refuses_it_gets_it_plain(emp: SmallEmp, exchange: Exchange) -> None:
    def answer(put: object) -> Answer:
        packed = "Content-Encoding" in emp.puts[-1].headers
        return Answer(415 if packed else 200, headers={"Accept-Encoding": "gzip"})

    emp.answer = answer
    assert [exchange.put(DEVICE, BODY).status for _ in range(4)] == [200] * 4
    assert [put.headers.get("Content-Encoding") for put in emp.puts] == [None, "gzip", None, None, None]
    assert len({put.headers["x-CID"] for put in emp.puts}) == 5


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("7", 7),
        (" 120 ", 120),
        ("99999999", 86_400),
        ("9" * 5000, 86_400),
        ("0" * 5000 + "7", 7),
        ("Wed, 21 Oct 2026 07:30:00 +" + "9" * 20, None),
        ("Wed, 21 Oct 99999 07:30:00 GMT", None),
        ("Wed, 21 Oct 2026 " + "9" * 5000, None),
        ("Wed, 21 Oct 2026 07:30:00 GMT", 120),
        ("Wednesday, 21-Oct-26 07:30:00 GMT", 120),
        ("Wed, 21 Oct 2026 07:00:00 GMT", 0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 86_400),
        ("Wed Oct 21 07:30:00 2026", 120),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
    ],
)
def test_retry_after_is_a_number_or_a_date_and_at_most_a_day(
    emp: SmallEmp, exchange: Exchange, given: str, understood: int | None
) -> None:
    headers = {"Retry-After": given, "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}
    emp.answer = lambda _: Answer(503, headers=headers)
    assert exchange.put(DEVICE, BODY).retry_after == understood


def test_a_date_without_a_date_to_compare_counts_from_now(emp: SmallEmp, exchange: Exchange) -> None:
    emp.answer = lambda _: Answer(503, headers={"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT", "Date": "today"})
    assert exchange.put(DEVICE, BODY).retry_after == 86_400


def test_what_the_emp_says_is_kept_short_and_fit_for_a_log(emp: SmallEmp, exchange: Exchange) -> None:
    emp.answer = lambda _: Answer(422, b"  record 7:\x1b[31m no\x00 such\tregister \xff" + b"x" * 500 + b"\nmore")
    detail = exchange.put(DEVICE, BODY).detail
    assert detail.startswith("record 7: [31m no  such register \N{REPLACEMENT CHARACTER}xxx")
    assert len(detail) == 200
    assert detail.isprintable()


def test_a_long_error_page_is_not_read_to_its_end(emp: SmallEmp, exchange: Exchange) -> None:
    emp.answer = lambda _: Answer(422, b"no\n" * 100_000)
    assert exchange.put(DEVICE, BODY) == (422, "no", None)
    emp.answer = lambda _: OK
    assert exchange.put(DEVICE, BODY).status == 200


def test_a_redirection_is_not_followed(emp: SmallEmp, exchange: Exchange) -> None:
    emp.answer = lambda _: Answer(307, headers={"Location": f"{emp.url}/elsewhere"})
    assert exchange.put(DEVICE, BODY).status == 307
    assert len(emp.puts) == 1


@pytest.mark.parametrize(
    "octets",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\xff" * 50,
        b"HTTP/1.1 abc nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
        b"",
    ],
    ids=["ssh", "noise", "status", "chunk", "headers", "long line", "closed"],
)
def test_what_is_no_http_is_no_answer_and_the_next_exchange_is_a_new_one(
    emp: SmallEmp, exchange: Exchange, octets: bytes
) -> None:
    emp.answer = lambda _: Answer(octets=octets)
    answer = exchange.put(DEVICE, BODY)
    assert answer.status is None
    assert answer.detail
    assert "object at 0x" not in answer.detail
    emp.answer = lambda _: OK
    assert exchange.put(DEVICE, BODY).status == 200


@pytest.mark.parametrize(
    "octets",
    [b"HTTP/1.1 200", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: y"],
    ids=["code", "status line", "headers", "in a header"],
)
def test_a_head_that_is_cut_off_acknowledges_nothing(emp: SmallEmp, exchange: Exchange, octets: bytes) -> None:
    emp.answer = lambda _: Answer(octets=octets)
    assert exchange.put(DEVICE, BODY) == (None, "the answer is cut off", None)
    emp.answer = lambda _: OK
    assert exchange.put(DEVICE, BODY).status == 200


def test_interim_answers_are_skipped(emp: SmallEmp, exchange: Exchange) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
    emp.answer = lambda _: Answer(octets=interim + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nkept")
    assert exchange.put(DEVICE, BODY) == (200, "kept", None)


@pytest.mark.parametrize("repeated", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nX: y\r\n\r\n"])
def test_interim_answers_without_end_are_no_answer(emp: SmallEmp, repeated: bytes) -> None:
    exchange = Exchange(emp.url, 600)
    emp.answer = lambda _: Answer(octets=repeated * 100_000)
    assert soon(lambda: exchange.put(DEVICE, BODY)) == (None, "more than 20 interim answers", None)
    exchange.close()


def test_trailers_without_end_are_no_answer(emp: SmallEmp) -> None:
    exchange = Exchange(emp.url, 600)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
    emp.answer = lambda _: Answer(octets=head + b"X: y\r\n" * 1_000_000)
    answer = soon(lambda: exchange.put(DEVICE, BODY))
    assert answer == (None, "the answer has no end", None)
    exchange.close()


def test_a_status_counts_although_its_page_is_cut_off(emp: SmallEmp, exchange: Exchange) -> None:
    emp.answer = lambda _: Answer(octets=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut off")
    assert exchange.put(DEVICE, BODY) == (200, "cut off", None)
    emp.answer = lambda _: OK
    assert exchange.put(DEVICE, BODY).status == 200


def test_an_answer_in_chunks_is_read(emp: SmallEmp, exchange: Exchange) -> None:
    octets = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    emp.answer = lambda _: Answer(octets=octets)
    assert exchange.put(DEVICE, BODY) == (200, "abc", None)


def test_an_emp_that_never_answers_is_given_up_after_the_time_out(emp: SmallEmp, hasty: Exchange) -> None:
    emp.answer = lambda _: Answer(hang=True)
    answer = soon(lambda: hasty.put(DEVICE, BODY))
    assert answer.status is None
    assert "timed out" in answer.detail.lower()


def test_an_answer_that_drips_for_ever_is_cut_off_after_twice_the_time_out(emp: SmallEmp, hasty: Exchange) -> None:
    """As a whole it would take 1000 s, and no two octets are further apart than the timeout."""
    emp.answer = lambda _: Answer(drip=0.1, body=b"x" * 10_000)
    assert soon(lambda: hasty.put(DEVICE, BODY)).status is None


def test_nobody_at_the_address_is_told_in_words(exchange: Exchange) -> None:
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        dead = Exchange(f"http://127.0.0.1:{bound.getsockname()[1]}", 60)
        answer = dead.put(DEVICE, BODY)
        dead.close()
    assert answer.status is None
    assert answer.detail == "Connection refused"
    assert "object at 0x" not in answer.detail


def ended(exchange: Exchange, when: Callable[[], object]) -> Reply:
    """The answer to a PUT that `end` breaks off."""

    def end() -> None:
        until(when)
        exchange.end()

    other = threading.Thread(target=end)
    other.start()
    answer = soon(lambda: exchange.put(DEVICE, BODY))
    other.join()
    return answer


def test_an_end_breaks_an_exchange_off_and_lets_no_other_begin(emp: SmallEmp) -> None:
    exchange = Exchange(emp.url, 600)
    emp.answer = lambda _: Answer(hang=True)
    assert ended(exchange, lambda: emp.puts).status is None
    assert exchange.put(DEVICE, BODY) == (None, "stopping", None)
    assert len(emp.puts) == 1
    exchange.close()


def test_an_end_interrupts_even_a_connection_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # a full backlog: the next connection hangs
            filler.setblocking(False)
            filler.connect_ex(address)
        monkeypatch.setattr(exchange_module, "_CONNECT_S", 600)
        exchange = Exchange(f"http://127.0.0.1:{address[1]}", 600)
        connecting = [thread.name for thread in threading.enumerate()].count("connect")
        answer = ended(
            exchange, lambda: [thread.name for thread in threading.enumerate()].count("connect") > connecting
        )
        assert answer.status is None
        exchange.close()
        for filler in fillers:
            filler.close()
    for thread in threading.enumerate():
        if thread.name == "connect":
            thread.join(LIMIT)


def test_a_host_that_is_silent_is_given_up_after_the_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        exchange = Exchange(f"http://127.0.0.1:{address[1]}", 0.3)
        assert soon(lambda: exchange.put(DEVICE, BODY)).status is None
        exchange.close()
        for filler in fillers:
            filler.close()
    for thread in threading.enumerate():
        if thread.name == "connect":
            thread.join(LIMIT)


def test_a_peer_that_hangs_up_at_once_leaves_no_socket_open(
    emp: SmallEmp, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[socket.socket] = []

    def gone(self: socket.socket) -> object:
        asked.append(self)
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    monkeypatch.setattr(socket.socket, "getpeername", gone, raising=False)
    assert exchange.put(DEVICE, BODY).status is None
    assert [one.fileno() for one in asked] == [-1]


def test_many_exchanges_have_one_thread_that_ends_them_if_they_take_too_long(emp: SmallEmp) -> None:
    exchange, guards = Exchange(emp.url, 60), set()
    before = set(threading.enumerate())
    try:
        for _ in range(20):
            assert exchange.put(DEVICE, BODY).status == 200
            guards |= {one for one in threading.enumerate() if one.name == "exchange guard"} - before
    finally:
        exchange.end()
        exchange.close()
    assert len(guards) == 1


def test_the_guard_ends_when_no_exchange_is_under_way_and_begins_again_with_the_next() -> None:
    aborted, before = threading.Event(), set(threading.enumerate())
    guard = Guard(0.1, aborted.set)
    for _ in range(2):
        with guard:
            pass
        until(lambda: set(threading.enumerate()) <= before)
    assert not aborted.is_set()
    with guard:
        assert aborted.wait(10), "an exchange that takes too long is aborted"
    guard.end()


def test_the_caller_works_while_the_emp_does(emp: SmallEmp, exchange: Exchange) -> None:
    called = threading.Event()

    def answer(_: object) -> Answer:
        return OK if called.wait(LIMIT) else Answer(500)

    emp.answer = answer
    assert Exchange(emp.url, 2 * LIMIT).put(DEVICE, BODY, called.set).status == 200
    assert called.is_set()
