"""The head of a request: strict, so that nobody reads it in two ways (RFC 9112), and bounded."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes

from smgw.han.refusal import RefusedError

#: Octets of a whole head, of its first line, and header fields. TR-03109-1 wants 8500 octets accepted.
HEAD_MOST: Final = 16_384
TARGET_MOST: Final = 8192
_FIELDS_MOST: Final = 100
#: Octets of a body.
BODY_MOST: Final = 256 * 1024
_QUERY_MOST: Final = 100
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE"})
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_START: Final = re.compile(rb"([A-Z]{1,16}) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
_LENGTH: Final = re.compile(r"[0-9]{1,12}")
_ABSOLUTE: Final = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
#: Fields that a browser or a client sends once. Of others the last counts.
_ONCE: Final = frozenset({"host", "content-length", "authorization", "content-type", "origin", "sec-fetch-site"})


class Head(NamedTuple):
    """A head that was understood."""

    method: str
    target: str  # as it was sent: a digest is about it
    path: str  # decoded
    query: Mapping[str, str]
    headers: Mapping[str, str]
    length: int  # octets of the body
    persistent: bool

    @property
    def host(self) -> str:
        """The name that the client used, without a port, in lower case; "" if it named none."""
        given = self.headers.get("host", "").lower()
        name = given.partition("]")[0][1:] if given.startswith("[") else given.partition(":")[0]
        return name.removesuffix(".")


def parse(octets: bytes) -> Head:
    """The head before the empty line; RefusedError."""
    first, *lines = octets.split(b"\r\n")
    method, target, newer = _start(first)
    headers = _headers(lines)
    if newer and "host" not in headers:
        raise RefusedError(400, "The request has no Host.")
    if "transfer-encoding" in headers:
        raise RefusedError(411, "Send the body with Content-Length, not in chunks.")
    path, query = split(target)
    words = {word.strip().lower() for word in headers.get("connection", "").split(",")}
    persistent = "close" not in words if newer else "keep-alive" in words
    return Head(method, target, path, query, headers, _length(headers), persistent)


def _start(line: bytes) -> tuple[str, str, bool]:
    found = _START.fullmatch(line)
    if found is None:
        if len(line) > TARGET_MOST:
            raise RefusedError(414, "The address is too long.")
        raise RefusedError(400, "The first line is no request of HTTP/1.1.")
    if found[3] != b"1":
        raise RefusedError(505, "This server speaks HTTP/1.1.")
    if len(found[2]) > TARGET_MOST:
        raise RefusedError(414, "The address is too long.")
    method = found[1].decode()
    if method not in _METHODS:
        raise RefusedError(405, f"There is no {method} here.", headers={"Allow": ", ".join(sorted(_METHODS))})
    return method, found[2].decode(), found[4] != b"0"


def _headers(lines: list[bytes]) -> dict[str, str]:
    if len(lines) > _FIELDS_MOST:
        raise RefusedError(431, f"The request has more than {_FIELDS_MOST} header fields.")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or _TOKEN.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise RefusedError(400, "A header field is malformed.")
        key = name.decode().lower()
        if key in headers and key in _ONCE:
            raise RefusedError(400, f"The header field {key} stands there twice.")
        headers[key] = value.strip(b" \t").decode("latin-1")
    return headers


def _length(headers: Mapping[str, str]) -> int:
    text = headers.get("content-length", "0")
    if _LENGTH.fullmatch(text) is None:
        raise RefusedError(400, "Content-Length is no number.")
    length = int(text)
    if length > BODY_MOST:
        raise RefusedError(413, f"A body has at most {BODY_MOST} octets.")
    return length


def split(target: str) -> tuple[str, dict[str, str]]:
    """Decoded path and query of a target; RefusedError for a path that could be read in two ways."""
    if (absolute := _ABSOLUTE.match(target)) is not None:
        target = target[absolute.end() :] or "/"
    raw, _, query = target.partition("?")
    if not raw.startswith("/") or "#" in target:
        raise RefusedError(400, "The address is no path.", closing=False)
    try:
        path = unquote_to_bytes(raw).decode("utf-8")
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_QUERY_MOST)
    except ValueError:
        raise RefusedError(400, "The address is not UTF-8, or its query is too long.", closing=False) from None
    segments = path.split("/")[1:]
    odd = {".", ".."}.intersection(segments) or "" in segments[:-1] or "%2f" in raw.lower()
    if odd or "\\" in path or not path.isprintable() or any("\0" in text for _, text in pairs):
        raise RefusedError(400, "The path is not a plain one.", closing=False)
    return path, dict(pairs)
