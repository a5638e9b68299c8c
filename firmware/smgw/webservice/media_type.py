"""Media types with their parameters, and the media types of COSEM-XML, bare (TR-03109-1 Annex II, 7.3) or in CMS."""

import re
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from smgw.webservice.error import BadRequest, UnsupportedMediaType

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


ENCAPSULATION = "encap"
#: The media type that we send.
COSEM_XML = MediaType("application", "vnd.de-dke-k461-cosem+xml")
#: The same in a CMS message. TR-03109-1 v2.0 (table 6.1) says that its content is compressed; Annex II leaves it open.
COSEM_XML_CMS = COSEM_XML._replace(parameters=((ENCAPSULATION, "cms-tr03109"),))
JSON = MediaType("application", "json")
CSV = MediaType("text", "csv", (("charset", "utf-8"),))
HTML = MediaType("text", "html", (("charset", "utf-8"),))

#: Media types read as bare COSEM-XML: the annex's name, the one seen in the field, the successor's plain one.
COSEM_XML_NAMES = frozenset({COSEM_XML.essence, "application/vnd.de-dke-k461-ic1+xml", "application/xml", "text/xml"})


class Encapsulation(Enum):
    """The layers of CMS around a body, the outermost first, by the names of TR-03109-1 v2.0."""

    SIGNED = ("signedData",)
    SEALED = ("signedData", "authEnvelopedData")
    SEALED_COMPRESSED = ("signedData", "authEnvelopedData", "compressedData")


#: Media types of TR-03109-1 v2.0 (table 6.1), whose parameter lists the layers.
CMS_XML, CMS_JSON = "application/cms+xml", "application/cms+json"
_LAYERS = "encapsulatingcontent"
#: Annex II, and what deployed gateways send. A message itself shows whether its content is compressed.
_ENCAPSULATIONS = {
    "cms-tr03109": Encapsulation.SEALED,
    "cms-tr03109-zlib": Encapsulation.SEALED_COMPRESSED,
    "cms": Encapsulation.SEALED,
}


def encapsulation(media_type: MediaType) -> Encapsulation | None:
    """The layers of CMS that a media type announces; None: the body is bare. UnsupportedMediaType: other layers."""
    value = media_type.parameter(ENCAPSULATION)
    found: Encapsulation | None = None
    if media_type.essence in (CMS_XML, CMS_JSON):
        value = media_type.parameter(_LAYERS) or ""
        layers = tuple(name.strip().lower() for name in value.split(","))
        found = _BY_LAYERS.get(layers)
    elif value is None:
        return None
    else:
        found = _ENCAPSULATIONS.get(value.lower())
    if found is None:
        raise UnsupportedMediaType(f"{value!r:.80} is no encapsulation that is known here; {COSEM_XML_CMS} has one")
    return found


_BY_LAYERS = {tuple(name.lower() for name in one.value): one for one in Encapsulation}


def is_cms_cosem_xml(media_type: MediaType) -> bool:
    """True for COSEM-XML in CMS, in any of its layers. UnsupportedMediaType as of `encapsulation`."""
    return media_type.essence in (COSEM_XML_NAMES | {CMS_XML}) and encapsulation(media_type) is not None


def cms_media_type(essence: str, layers: Encapsulation) -> MediaType:
    """A media type of TR-03109-1 v2.0 with its layers; `essence` is CMS_XML or CMS_JSON."""
    kind, subtype = essence.split("/")
    return MediaType(kind, subtype, ((_LAYERS, " , ".join(layers.value)),))


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
