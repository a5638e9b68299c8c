"""One question over plain HTTP and its answer, without a socket. A connection carries one of them.

Only GET and HEAD are known. A browser that was led here by a foreign name (DNS rebinding) is refused by that name.
"""

import re
from collections.abc import Callable, Collection
from http import HTTPStatus
from ipaddress import ip_address
from typing import NamedTuple

#: Longest header in octets.
LARGEST = 8192
_LINE = re.compile(rb"(GET|HEAD) (/[!-~]*) HTTP/1\.[01]")
_HOST = re.compile(rb"^host:[ \t]*([!-~]*)[ \t]*$", re.IGNORECASE | re.MULTILINE)
#: Ends of names that belong to a house and to nobody on the internet.
_OF_HOUSES = (".local", ".lan", ".home", ".internal", ".home.arpa", ".fritz.box", ".localdomain")


class Reply(NamedTuple):
    """Status, octets and media type."""

    status: int
    body: bytes
    media: str


NOT_FOUND = Reply(404, b"There is nothing at this address.\n", "text/plain; charset=utf-8")


def answered(received: bytes, answer: Callable[[str], Reply], names: Collection[str] = ()) -> bytes | None:
    """The octets that answer the header received so far; None until it is whole. `names`: of this computer."""
    head, end, _ = received.replace(b"\r\n", b"\n").partition(b"\n\n")
    if not end and len(received) <= LARGEST:
        return None
    if not end:
        return _octets(_refusal(431))
    line, _, fields = head.partition(b"\n")
    match = _LINE.fullmatch(line)
    if match is None:
        known = line.endswith((b" HTTP/1.1", b" HTTP/1.0"))
        return _octets(_refusal(405 if known else 400))
    hosts = _HOST.findall(fields)
    if len(hosts) > 1 or not all(_own(host.decode("ascii"), names) for host in hosts):
        return _octets(_refusal(421))
    path = match[2].partition(b"?")[0].decode("ascii")
    return _octets(answer(path), with_body=match[1] == b"GET")


def _own(host: str, names: Collection[str]) -> bool:
    name = re.sub(r":\d{0,5}$", "", host).strip("[]").lower().rstrip(".")
    if "." not in name or name.endswith(_OF_HOUSES) or name in names:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _refusal(status: int) -> Reply:
    found = HTTPStatus(status)
    return Reply(status, f"{found.phrase}: {found.description or found.phrase}\n".encode(), "text/plain; charset=utf-8")


def _octets(reply: Reply, *, with_body: bool = True) -> bytes:
    head = (
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\nContent-Type: {reply.media}\r\n"
        f"Content-Length: {len(reply.body)}\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        f"{'Allow: GET, HEAD' + chr(13) + chr(10) if reply.status == HTTPStatus.METHOD_NOT_ALLOWED else ''}"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + (reply.body if with_body else b"")
