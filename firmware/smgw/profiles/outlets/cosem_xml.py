"""COSEM-XML documents by HTTP PUT (TR-03109-1 Annex II), over TLS and in CMS."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from smgw.profiles import checks
from smgw.profiles.outlet import OutletKind
from smgw.profiles.section import Key

OFF = "off"
_SUITES = ("aes-128-gcm", "aes-128-cbc-cmac")
_BSI = "bsi"
#: What is said of an EMP with an address without TLS.
PLAIN = "plain HTTP, as insecure = true permits: who listens on the way can read and change the readings"
_PARTICIPANT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")


class CosemXmlOptions(NamedTuple):
    """The keys of this outlet that need certificates. An EMP with plain HTTP and no CMS has none."""

    participant: str = ""  # the EMP's name in its certificates; "": the name of its profile
    cms: str = _SUITES[0]  # cipher of a sealed document, or OFF
    cms_kdf: str = _BSI  # how the key of a sealed document is derived


def is_plain(url: str) -> bool:
    """True for an address without TLS."""
    return url.lower().startswith("http:")


def _build(own: Mapping[str, Any]) -> CosemXmlOptions | None:
    """None for plain HTTP without CMS, so that such a profile keeps the version that it had before there was TLS."""
    cms = own.get("cms", OFF if own.get("insecure") else _SUITES[0])
    if own.get("insecure") and cms == OFF:
        return None
    return CosemXmlOptions(own.get("participant", ""), cms, own.get("cms_kdf", _BSI))


def _contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    url = values.get("url")
    if url is None:
        return
    plain, insecure = is_plain(url), values.get("insecure", False)
    if plain and not insecure:
        yield (
            "url",
            (
                f"{checks.shown(url)} has no encryption; write https://, or for a network that you trust add the line "
                "insecure = true"
            ),
        )
    elif insecure and not plain:
        yield "insecure", "https is always encrypted and checked; leave insecure out, or write http:// in url"
    if "cms_kdf" in values and values.get("cms", OFF if plain else "") == OFF:
        yield "cms_kdf", f"nothing is sealed here; leave it out, or write cms = {checks.shown(_SUITES[0])}"


OUTLET = OutletKind(
    name="cosem-xml",
    opens="smgw.wan.cosem_xml.signing:opened",
    keys={
        "url": Key(
            checks.http_url,
            needed='"https://host:port/path"',
            about="Address of the EMP, with https:// for TLS; documents go to paths below it; it has no default.",
        ),
        "timeout": Key(
            checks.integer(1, 600, "s"),
            about="Seconds that one HTTP exchange may take; 20 s by default.",
        ),
        "insecure": Key(
            checks.boolean,
            about="Permits http:// in url, which is neither encrypted nor checked, in a private network; "
            "false by default.",
        ),
        "participant": Key(
            checks.text('the owner in the certificates, such as "Stadtwerke"', _PARTICIPANT),
            about="The EMP's name in its certificates, without the ending .EMT; the key name by default.",
        ),
        "cms": Key(
            checks.choice(*_SUITES, OFF),
            about="Cipher of the CMS in which each document is signed and sealed, or off; "
            '"aes-128-gcm" by default, and "off" with http.',
        ),
        "cms_kdf": Key(
            checks.choice(_BSI, "rfc5753"),
            about='How the key of a sealed document is derived: as in TR-03109-1 or in RFC 5753; "bsi" by default.',
        ),
    },
    build=_build,
    weakness=lambda url: PLAIN if is_plain(url) else "",
    contradictions=_contradictions,
)
