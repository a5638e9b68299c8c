"""The mandatory headers of a request, and those that the annex adds (TR-03109-1 Annex II, 7.1 and 7.3)."""

import re
import uuid
from collections.abc import Mapping

from smgw.webservice.error import BadRequest, LengthRequired, UnsupportedMediaType

CID = "x-CID"

_CID = re.compile(r"uuid:([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})")
_WITH_BODY = frozenset({"PUT", "POST"})
#: Supported content encodings. deflate is zlib's format, or the bare stream that some clients send by this name.
ENCODINGS = ("gzip", "deflate")


def new_cid() -> str:
    """A fresh correlation id: `uuid:` and a random UUID."""
    return f"uuid:{uuid.uuid4()}"


def parse_cid(text: str) -> str:
    """The correlation id to echo; BadRequest unless `uuid:<uuid>`."""
    if not _CID.fullmatch(text.strip()):
        raise BadRequest(f"{CID}: {text!r:.60} is no correlation id; write uuid: and a UUID")
    return text.strip()


def check_request(verb: str, headers: Mapping[str, str]) -> int:
    """Check the mandatory headers of a request and return the length of its body in octets.

    `headers` look up case-insensitively. BadRequest without Host, LengthRequired for a body without Content-Length.
    """
    if not headers.get("Host", "").strip():
        raise BadRequest("the header Host is missing")
    length = headers.get("Content-Length")
    if length is None:
        if verb in _WITH_BODY or "Transfer-Encoding" in headers:
            raise LengthRequired("the header Content-Length is missing; bodies come with their length, not in chunks")
        return 0
    # RFC 9110, 5.5: blanks and tabs around a value. Python strips more, and int() does not.
    digits = length.strip(" \t")
    if not re.fullmatch(r"[0-9]{1,18}", digits):
        raise BadRequest(f"Content-Length: {length!r:.40} is no number of octets")
    if int(digits) and "Content-Type" not in headers:
        raise BadRequest("the header Content-Type is missing; a body has one")
    return int(digits)


def content_encoding(headers: Mapping[str, str]) -> str | None:
    """The encoding to undo: gzip, deflate or None; UnsupportedMediaType for any other or for several."""
    name = headers.get("Content-Encoding", "").strip().lower().replace("x-gzip", "gzip")
    if name in ("", "identity"):
        return None
    if name not in ENCODINGS:
        raise UnsupportedMediaType(
            f"Content-Encoding {name!r:.40} is not read; {' and '.join(ENCODINGS)} are",
            {"Accept-Encoding": ", ".join(ENCODINGS)},
        )
    return name
