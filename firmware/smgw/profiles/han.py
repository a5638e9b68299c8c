"""The table [han]: where a house asks its gateway, and by which views."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from smgw.profiles import checks, house
from smgw.profiles.house import MqttProfile, P1Profile, PortProfile
from smgw.profiles.section import Key

SELF_SIGNED, SM_PKI = "self-signed", "sm-pki"
PORT = 443
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class ViewEntry(NamedTuple):
    """A view: the module with its `VIEW`, imported when it is switched on."""

    module: str
    standard: bool = False  # switched on where the file names none


#: The views, by the name that [han] uses. This is the only list of them.
VIEWS: Mapping[str, ViewEntry] = {
    "trudi": ViewEntry("smgw.han.views.trudi", standard=True),
    "v1": ViewEntry("smgw.han.views.v1", standard=True),
    "pages": ViewEntry("smgw.han.views.pages", standard=True),
    "technician": ViewEntry("smgw.han.views.technician", standard=True),
    "setup": ViewEntry("smgw.han.views.setup", standard=True),
    "static": ViewEntry("smgw.han.views.static", standard=True),
    "theben": ViewEntry("smgw.han.views.theben"),
    "emh": ViewEntry("smgw.han.views.emh"),
    "ppc": ViewEntry("smgw.han.views.ppc"),
}
STANDARD = tuple(name for name, entry in VIEWS.items() if entry.standard)


class Address(NamedTuple):
    """Where to listen; host "" is every address."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class HanProfile(NamedTuple):
    """How the house reaches its gateway. Field and key of the file have the same name."""

    listen: Address = Address("", PORT)
    names: tuple[str, ...] = ()
    views: tuple[str, ...] = STANDARD
    certificate: str = SELF_SIGNED
    mqtt: MqttProfile | None = None  # live values for the house; each is off by default
    vzlogger: PortProfile | None = None
    p1: P1Profile | None = None
    metrics: PortProfile | None = None


def _listen(value: object, report: checks.Report) -> Address | None:
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        if bare:
            ipaddress.ip_address(bare)
        if (":" not in bare or bare != host) and port.isascii() and port.isdecimal() and 0 < int(port) <= 65535:
            return Address(bare, int(port))
    except ValueError:
        pass
    report(
        f'{checks.shown(value)} is no place to listen; write an address and a port, such as "192.168.1.200:443" or '
        '":443" for all addresses'
    )
    return None


KEYS: Mapping[str, Key] = {
    "listen": Key(
        _listen,
        about='Address and port of the HAN, such as "192.168.1.200:443"; ":443", all addresses, by default.',
    ),
    "names": Key(
        checks.array('an array of names, such as ["meter.fritz.box"]', checks.text("a name of a host", _HOST)),
        about="Further names of this gateway in the house; its address, its id with .local and smgw.local always hold.",
    ),
    "views": Key(
        checks.array("an array of views", checks.choice(*VIEWS)),
        about="Ways to ask, for pages and for programs of other makers; those of pages, v1 and trudi by default.",
    ),
    "certificate": Key(
        checks.choice(SELF_SIGNED, SM_PKI),
        about='Certificate for TLS in the house: "self-signed", which is made at the first start, or "sm-pki".',
    ),
    **house.KEYS,
}


def build(values: Mapping[str, Any]) -> HanProfile:
    """The profile of checked values."""
    return HanProfile(**values)
