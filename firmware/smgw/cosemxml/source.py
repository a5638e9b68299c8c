"""Untrusted octets to an element tree: bounded in size, depth and number, without DTD, entities or network."""

import re
from typing import NamedTuple

from lxml import etree

from smgw.cosemxml.error import CosemXmlError
from smgw.cosemxml.names import local_name


class Limits(NamedTuple):
    """Bounds of a text that is read."""

    octets: int = 4 * 1024 * 1024
    elements: int = 250_000
    attributes: int = 256  # a tag; old XML parsers compare each attribute with each other


DEFAULT_LIMITS = Limits()

_UTF8_MARK = b"\xef\xbb\xbf"
_DECLARATION = re.compile(rb"<\?xml\s[^>]{0,200}?encoding\s*=\s*[\"']([^\"'>]{1,40})[\"']")
# Allowed before the root element. Only here a document type can be.
_PROLOG = re.compile(rb"(?:\s++|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)


def parse(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> etree._Element:
    """The root element of a UTF-8 text; CosemXmlError unless it is plain, bounded XML."""
    check_bounds(octets, limits)
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        return etree.fromstring(octets, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise CosemXmlError(f"not well-formed XML ({_without_quotes(error)})", line=line) from None


def check_bounds(octets: bytes, limits: Limits) -> None:
    """CosemXmlError if a text is empty, too large, not UTF-8, or has a document type."""
    if not octets.strip():
        raise CosemXmlError("the text is empty; an XML element was expected")
    if len(octets) > limits.octets:
        raise CosemXmlError(f"{len(octets)} octets; at most {limits.octets} are taken")
    # Start tags, counted before any memory is used for them. Those in a comment or a CDATA section count too.
    tags = octets.count(b"<") - octets.count(b"</") - octets.count(b"<!") - octets.count(b"<?")
    if tags > limits.elements:
        raise CosemXmlError(f"more than {limits.elements} elements")
    most = limits.attributes
    if octets.count(b"=") > most and re.search(rb"<(?:[^<=]*+=){%d}" % (most + 1), octets):
        raise CosemXmlError(f"more than {limits.attributes} attributes in one element")
    declared = _DECLARATION.match(octets.removeprefix(_UTF8_MARK))
    if declared and declared[1].lower() not in (b"utf-8", b"utf8", b"us-ascii"):
        raise CosemXmlError(f"encoding {declared[1].decode('ascii', 'replace')}; COSEM-XML is UTF-8", line=1)
    start = len(_UTF8_MARK) if octets.startswith(_UTF8_MARK) else 0
    prolog = _PROLOG.match(octets, start)
    assert prolog is not None
    if octets.startswith(b"<!", prolog.end()):
        raise CosemXmlError("a document type (DTD) is not taken; COSEM-XML has none", line=1)


def _without_quotes(error: Exception) -> str:
    # The library quotes pieces of the text. A short, printable message is enough for a log and an answer.
    text = str(error).partition("\n")[0]
    return "".join(char if char.isprintable() else "?" for char in text)[:120]


def path_of(element: etree._Element) -> str:
    """The path of an element: `ldev/objects/object[2]/attributes/attribute[3]`."""
    steps = []
    current: etree._Element | None = element
    while current is not None:
        name = local_name(str(current.tag))
        parent = current.getparent()
        if parent is not None:
            same = [child for child in parent if child.tag == current.tag]
            if len(same) > 1:
                name += f"[{same.index(current) + 1}]"
        steps.append(name)
        current = parent
    return "/".join(reversed(steps))


def refusal(element: etree._Element, reason: str) -> CosemXmlError:
    """The error of this element."""
    line = element.sourceline
    return CosemXmlError(reason, path_of(element), line if isinstance(line, int) else None)
