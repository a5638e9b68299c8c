"""One question at the HAN and its answer, as a view knows them: no server and no socket."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from smgw.han.house import House

_NOTHING: Mapping[str, str] = {}


class Role(StrEnum):
    """What somebody may ask for, by the name that stands in the address."""

    CONSUMER = "con"
    TECHNICIAN = "srv"


class Who(NamedTuple):
    """Somebody who has shown who they are. A consumer's name is that of the profiles."""

    role: Role
    name: str


class Request(NamedTuple):
    """A question whose limits are kept and whose sender is known. Names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]  # of a repeated key the last
    headers: Mapping[str, str]
    body: bytes
    who: Who | None
    address: str
    language: str  # "de" or "en"


class Answer(NamedTuple):
    """What goes back. An iterator is taken piece by piece, in a thread: the whole need not fit into the memory."""

    status: int
    body: bytes | Iterator[bytes] = b""
    media: str = "application/json"
    headers: Mapping[str, str] = _NOTHING


class View(NamedTuple):
    """One way to ask. Of several views whose prefix a path has, the longest prefix wins."""

    name: str
    prefixes: tuple[str, ...]
    role: Role | None  # None: whoever asks
    answer: "Callable[[Request, House], Answer]"  # runs in one of few threads, with the House of that thread
    about: str


def problem(status: int, text: str = "", headers: Mapping[str, str] = _NOTHING) -> Answer:
    """A refusal, in the words of JSON. A browser is shown it as a page by the server."""
    import json

    told = {"status": status, "error": HTTPStatus(status).phrase, "text": text or HTTPStatus(status).description}
    return Answer(status, json.dumps(told, ensure_ascii=False).encode() + b"\n", "application/problem+json", headers)
