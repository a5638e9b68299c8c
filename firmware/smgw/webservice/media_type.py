"""Media types with their parameters, and the ones that COSEM-XML travels under (TR-03109-1 Annex II, 7.3)."""

import re
from typing import NamedTuple

from smgw.webservice.error import BadRequest

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the grammar's word for it (RFC 9110, 5.6.2)
_TYPE = re.compile(rf"\s*({_TOKEN})/({_TOKEN})\s*")
_PARAMETER = re.compile(rf';\s*(?:({_TOKEN})=(?:({_TOKEN})|"((?:[^"\\]|\\.)*)")\s*)?')


class MediaType(NamedTuple):
    """A media type; type, subtype and the parameters' names are lower-case, the parameters sorted by name."""

    type: str
    subtype: str
    parameters: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "MediaType":
        """Read the value of a Content-Type header; BadRequest if it is none."""
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


#: What we send. With `encap=cms-tr03109` the body is a CMS message around the XML.
COSEM_XML = MediaType("application", "vnd.de-dke-k461-cosem+xml")
JSON = MediaType("application", "json")
HTML = MediaType("text", "html", (("charset", "utf-8"),))

#: What we read as bare COSEM-XML: the annex's name, the one seen in the field, the successor's plain one.
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
    """Whether an Accept header (None: everything) takes a media type; its most specific entry decides."""
    if header is None or not header.strip():
        return True
    best, verdict = -1, False
    for entry in header.split(","):
        essence, _, parameters = entry.partition(";")
        essence = essence.strip().lower()
        rank = {offered.essence: 2, f"{offered.type}/*": 1, "*/*": 0}.get(essence, -1)
        if rank > best:
            best = rank
            verdict = re.search(r"(?:^|;)\s*q\s*=\s*0(?:\.0*)?\s*(?:;|$)", parameters) is None
    return verdict
