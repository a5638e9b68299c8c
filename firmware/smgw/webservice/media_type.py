"""Media types with their parameters, and the media types of COSEM-XML (TR-03109-1 Annex II, 7.3)."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from smgw.webservice.error import BadRequest

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the grammar's word for it (RFC 9110, 5.6.2)
_TYPE = re.compile(rf"\s*({_TOKEN})/({_TOKEN})\s*")
_WEIGHT = re.compile(r"(?:^|;)\s*q\s*=\s*([01])(?:\.([0-9]{0,3}))?\s*(?:;|$)", re.IGNORECASE)
_PARAMETER = re.compile(rf';\s*(?:({_TOKEN})=(?:({_TOKEN})|"((?:[^"\\]|\\.)*)")\s*)?')


class MediaType(NamedTuple):
    """A media type; type, subtype and the parameters' names are lower-case, the parameters sorted by name."""

    type: str
    subtype: str
    parameters: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "MediaType":
        """Read the value of a Content-Type header; BadRequest if it is malformed."""
        match = _TYPE.match(text)
        if match is None:
            raise BadRequest(f"{text!r:.80} is no media type; {COSEM_XML} is one")
        kind, subtype = match[1].lower(), match[2].lower()
        parameters: dict[str, str] = {}
        position = match.end()
        while position < len(text):
            found = _PARAMETER.match(text, position)
            if found is None:
                raise BadRequest(f"{text[position:]!r:.80} is no parameter of a media type; ;name=value is one")
            if found[1]:
                quoted = re.sub(r"\\(.)", r"\1", found[3] or "")
                parameters.setdefault(found[1].lower(), found[2] or quoted)
            position = found.end()
        return cls(kind, subtype, tuple(sorted(parameters.items())))

    @property
    def essence(self) -> str:
        """Type and subtype without parameters."""
        return f"{self.type}/{self.subtype}"

    def parameter(self, name: str) -> str | None:
        """The value of one parameter."""
        return dict(self.parameters).get(name)

    def __str__(self) -> str:
        return self.essence + "".join(f";{name}={_quoted(value)}" for name, value in self.parameters)


def _quoted(value: str) -> str:
    if re.fullmatch(_TOKEN, value):
        return value
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


#: The media type that we send. With `encap=cms-tr03109` the body is a CMS message around the XML.
COSEM_XML = MediaType("application", "vnd.de-dke-k461-cosem+xml")
JSON = MediaType("application", "json")
CSV = MediaType("text", "csv", (("charset", "utf-8"),))
HTML = MediaType("text", "html", (("charset", "utf-8"),))

#: Media types read as bare COSEM-XML: the annex's name, the one seen in the field, the successor's plain one.
COSEM_XML_NAMES = frozenset({COSEM_XML.essence, "application/vnd.de-dke-k461-ic1+xml", "application/xml", "text/xml"})
ENCAPSULATION = "encap"


def is_bare_cosem_xml(media_type: MediaType) -> bool:
    """True for COSEM-XML that is not wrapped in CMS and is UTF-8."""
    charset = (media_type.parameter("charset") or "utf-8").lower()
    return (
        media_type.essence in COSEM_XML_NAMES
        and media_type.parameter(ENCAPSULATION) is None
        and charset in ("utf-8", "utf8", "us-ascii")
    )


def accepts(header: str | None, offered: MediaType) -> bool:
    """True if an Accept header (None: any) allows a media type. Its most specific entry decides."""
    return preference(header, offered) > 0


def preference(header: str | None, offered: MediaType) -> int:
    """The quality of a media type in an Accept header, 0 (refused) to 1000. Malformed entries are ignored."""
    if header is None or not header.strip():
        return 1000
    best, verdict = -1, 0
    for entry in header.split(","):
        essence, _, parameters = entry.partition(";")
        rank = {offered.essence: 2, f"{offered.type}/*": 1, "*/*": 0}.get(essence.strip().lower(), -1)
        if rank > best:
            best = rank
            weight = _WEIGHT.search(parameters)
            verdict = 1000 if weight is None else int(weight[1]) * 1000 + int((weight[2] or "").ljust(3, "0"))
    return min(verdict, 1000)


def choose(header: str | None, offered: Sequence[MediaType]) -> MediaType | None:
    """The offered media type of the highest quality, the first of equals; None if the header allows none."""
    best = max(offered, key=lambda media_type: preference(header, media_type))
    return best if preference(header, best) else None
