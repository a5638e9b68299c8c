"""The HAN's server: what a client gets for what it sends."""

import json
from collections.abc import Iterator

from han_server import ECHO, everything, serving, status
from smgw.han.exchange import Answer, Request, Role, View


def _view(name: str, prefix: str, answer: Answer, role: Role | None = None) -> View:
    return View(name, (prefix,), role, lambda _request, _house: answer, "")


def test_a_view_is_asked_what_the_client_sent() -> None:
    with serving() as server:
        told = server.get("/a%20b?x=1", "Accept-Language: de", method="POST", body=b"text")
    assert told.endswith(b"POST /a b {'x': '1'} b'text' de None")


def test_several_requests_share_a_connection() -> None:
    with serving() as server, server.connect() as connection:
        connection.sendall(b"GET /one HTTP/1.1\r\nHost: localhost\r\n\r\nPOST /two HTTP/1.1\r\nHost: localhost\r\n")
        connection.sendall(
            b"Content-Length: 2\r\n\r\nabGET /three HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        told = everything(connection)
    assert told.count(b"HTTP/1.1 200 OK") == 3
    assert told.index(b"GET /one") < told.index(b"POST /two {} b'ab'") < told.index(b"GET /three")


def test_the_view_with_the_longest_prefix_answers() -> None:
    views = [ECHO, _view("deep", "/smgw/", Answer(204))]
    with serving(views) as server:
        assert status(server.get("/smgw/x")) == 204
        assert status(server.get("/smg")) == 200


def test_a_folder_without_its_slash_is_redirected() -> None:
    with serving([_view("deep", "/smgw/", Answer(204))]) as server:
        told = server.get("/smgw")
    assert status(told) == 308
    assert b"\r\nLocation: /smgw/\r\n" in told


def test_a_refusal_is_json_for_a_program_and_a_page_for_a_browser() -> None:
    def page(number: int, text: str, language: str) -> bytes:
        return f"<h1>{number} {language}</h1>{text}".encode()

    with serving([], page=page) as server:
        program, browser = server.get("/x"), server.get("/x", "Accept: text/html", "Accept-Language: de")
    assert json.loads(program.partition(b"\r\n\r\n")[2])["status"] == 404
    assert browser.endswith(b"<h1>404 de</h1>There is nothing here.")


def test_an_answer_of_pieces_is_chunked_and_whole() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"one"
        yield b""
        yield b"twenty-six"

    view = View("pieces", ("/",), None, lambda _request, _house: Answer(200, pieces(), "text/csv"), "")
    with serving([view]) as server, server.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        first, _, rest = everything(connection).partition(b"0\r\n\r\n")
    assert first.endswith(b"\r\n\r\n3\r\none\r\na\r\ntwenty-six\r\n")
    assert rest.endswith(b"\r\n\r\nonetwenty-six")


def test_head_is_the_answer_without_its_body() -> None:
    with serving() as server:
        told = server.get("/", method="HEAD")
    assert b"\r\nContent-Length: " in told
    assert told.endswith(b"\r\n\r\n")


def test_every_answer_forbids_to_be_kept_framed_or_guessed() -> None:
    with serving() as server:
        told = server.get("/")
    for line in (b"Cache-Control: no-store", b"X-Frame-Options: DENY", b"X-Content-Type-Options: nosniff"):
        assert b"\r\n" + line + b"\r\n" in told


def test_a_header_of_a_view_cannot_begin_another() -> None:
    with serving([_view("bad", "/", Answer(200, b"", headers={"X-Name": "a\r\nX-Evil: 1"}))]) as server:
        assert b"\r\nX-Evil" not in server.get("/")


def test_a_view_that_needs_a_login_is_not_asked_without_one() -> None:
    asked: list[Request] = []

    def answer(request: Request, _house: object) -> Answer:
        asked.append(request)
        return Answer(200)

    with serving([View("own", ("/",), Role.CONSUMER, answer, "")]) as server:
        assert status(server.get("/")) == 401
    assert not asked


def test_a_request_for_another_name_is_refused_and_told() -> None:
    told: list[str] = []
    with serving(refused=lambda error, address: told.append(f"{error.status} {address}")) as server:
        assert status(server.ask(b"GET / HTTP/1.0\r\nHost: evil.example\r\n\r\n")) == 403
    assert told == ["403 127.0.0.1"]
