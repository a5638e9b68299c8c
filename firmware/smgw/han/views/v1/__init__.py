"""/smgw/con/v1/...: the gateway's own API in JSON, after the skeleton of TR-03109-1 (Detailspezifikationen 2.0, 6).

The addresses, filters and statuses are those of the specification. It does not publish the JSON, so that is ours:
`openapi.json` describes it.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from smgw.han.exchange import Answer, Request, Role, View, problem
from smgw.han.house import House
from smgw.han.rights import NotYoursError
from smgw.han.views.v1.asked import Asked, RefusedError, read
from smgw.han.views.v1.resources import EXPORTS, RESOURCES, Resource
from smgw.han.views.v1.signing import signature

BASE = "/smgw/con/v1/"
_KINDS = {"rts": RESOURCES, "exp": EXPORTS}
_JSON = ("application/json", "application/*", "*/*")
#: Elements of one piece of an array; octets of an answer that is signed.
_AT_ONCE, _SIGNED_OCTETS = 200, 8 * 1024 * 1024


def answer(request: Request, house: House) -> Answer:
    """The answer to any question below /smgw/."""
    try:
        assert request.who is not None  # the view has a role
        return _answer(request, house, request.who.name)
    except NotYoursError:
        return problem(404)
    except RefusedError as error:
        return problem(error.status, str(error), error.headers)


def _answer(request: Request, house: House, consumer: str) -> Answer:
    if request.method not in ("GET", "HEAD"):
        raise RefusedError(405, "Only GET is possible here.", Allow="GET, HEAD")
    accepted = request.headers.get("accept", "*/*")
    if not any(one.partition(";")[0].strip().lower() in _JSON for one in accepted.split(",")):
        raise RefusedError(406, "The answer is application/json.")
    known, found = _found(request.path, house, consumer)
    asked = read(request.query, known)
    content = found(asked)
    if asked.signed:
        return _signed(house, content)
    if isinstance(content, dict):
        return Answer(200, _text(content))
    return _streamed(content)


def _found(path: str, house: House, consumer: str) -> tuple[tuple[str, ...], Any]:
    """The filters of a path, and what gives its content; NotYoursError."""
    if path in _INDEX:
        return (), lambda _: [{"id": one} for one in _INDEX[path]]
    if path == f"{BASE}openapi.json":
        from smgw.han.views.v1.openapi import document  # its schemas are large, and few ask for them

        return (), lambda _: document()
    kind, _, rest = path.removeprefix(BASE).partition("/")
    name, slash, identity = rest.partition("/")
    resources = _KINDS.get(kind, {}) if path.startswith(BASE) else {}
    if name not in resources or not slash or "/" in identity:
        raise NotYoursError
    resource: Resource = resources[name]
    if not identity:
        return (), lambda _: resource.every(house, consumer)

    def one(asked: Asked) -> Any:
        return resource.one(house, consumer, identity, asked)

    return resource.filters, one


#: Lists whose elements end with a slash are lists again.
_INDEX = {
    "/smgw/": ("con/",),
    "/smgw/con/": ("v1/",),
    BASE: ("exp/", "fas/", "openapi.json", "rts/"),
    f"{BASE}rts/": tuple(f"{one}/" for one in RESOURCES),
    f"{BASE}exp/": tuple(f"{one}/" for one in EXPORTS),
    f"{BASE}fas/": (),
}


def _text(content: object) -> bytes:
    """The canonical form: nothing between tokens."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _streamed(content: Iterable[object]) -> Answer:
    """An array. Its first piece is made now, so a refusal is one."""
    pieces = _pieces(iter(content))
    first = next(pieces)
    return Answer(200, _chain(first, pieces))


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _pieces(content: Iterator[object]) -> Iterator[bytes]:
    before = b"["
    while some := list(islice(content, _AT_ONCE)):
        yield before + _text(some)[1:-1]
        before = b","
    yield b"[]" if before == b"[" else b"]"


def _signed(house: House, content: Any) -> Answer:
    """The whole answer with a detached signature in a head field."""
    pieces = [_text(content)] if isinstance(content, dict) else _pieces(iter(content))
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > _SIGNED_OCTETS:
            raise RefusedError(400, f"An answer of more than {_SIGNED_OCTETS} octets is not signed; ask for less.")
    return Answer(200, bytes(body), headers={"Content-Signature": signature(house, bytes(body))})


VIEW = View("v1", ("/smgw/",), Role.CONSUMER, answer, "the gateway's own API in JSON, described by OpenAPI")
