"""Who may ask under which name, and from which page: against DNS rebinding and forged requests of other sites."""

import contextlib
import ipaddress
import socket
from collections.abc import Iterable
from typing import Final

from smgw.han.refusal import RefusedError
from smgw.han.server.head import Head

SHARED_NAME: Final = "smgw.local"
_READING: Final = frozenset({"GET", "HEAD"})
_OWN_SITE: Final = frozenset({"same-origin", "none"})


def own_names(gateway_id: str, names: Iterable[str] = ()) -> frozenset[str]:
    """The names under which this gateway may be asked; an address is always one."""
    own, host = gateway_id.lower(), socket.gethostname().lower()
    known = {"localhost", SHARED_NAME, f"{own}.local", f"{own}.smgw", host, f"{host}.local"}
    return frozenset({*known, *map(str.lower, names)} - {""})


def check_host(head: Head, names: frozenset[str]) -> None:
    """RefusedError if the client asked for a name that is not ours: some page may have bound its own name to us."""
    host = head.host
    if host in names or ("host" not in head.headers and not head.persistent):
        return
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return
    text = "This gateway is not known by that name. Use its address or smgw.local, or add the name to `names` in [han]."
    raise RefusedError(403, text, closing=False)


def check_site(head: Head) -> None:
    """RefusedError if a page of another site wants to change something; a browser would add the login by itself."""
    if head.method in _READING:
        return
    site = head.headers.get("sec-fetch-site", "same-origin")
    origin = head.headers.get("origin")
    if site not in _OWN_SITE or (
        origin is not None and origin.lower() != f"https://{head.headers.get('host')}".lower()
    ):
        raise RefusedError(403, "This request comes from a page of another site.", closing=False)


def preferred(accepted: str) -> str:
    """The language of a head field Accept-Language: "de" or "en"."""
    best, rank = "en", 0.0
    for part in accepted.lower().split(",")[:20]:
        tag, _, weight = part.strip().partition(";q=")
        code = tag.strip()[:2]
        with contextlib.suppress(ValueError):
            value = float(weight or 1)
            if code in ("de", "en") and value > rank:
                best, rank = code, value
    return best


def wants_page(accepted: str) -> bool:
    """Whether a field Accept is that of a browser which shows a page."""
    return "text/html" in accepted.lower()


def peer_of(address: str) -> str:
    """An address as one peer: IPv4 as such, a network of 64 bits of IPv6; a link-local address is one device."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    if found.is_link_local or found.is_loopback:
        return str(found)
    return str(ipaddress.ip_network((found, 64), strict=False))
