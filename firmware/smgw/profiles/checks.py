"""Checks of single values: each takes a value of the file and returns a value of the profile, or reports a fault.

A check is called with the value and a `report` function. It reports every fault it finds, with the path below the key
(an index in an array) where that helps to find the line, and then returns None.
"""

import os
import re
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from sys import intern
from urllib.parse import urlsplit

from smgw.cosem import units as units_table
from smgw.cosem.device_id import DeviceId, DeviceIdError
from smgw.cosem.obis import Obis, ObisError
from smgw.profiles.gpio_line import is_gpio, line_name
from smgw.profiles.problems import nearest

Report = Callable[..., None]  # report(text, *path below the key)
Check = Callable[[object, Report], object]


NAME = re.compile(r"[a-z0-9-]+")
_HOST = r"(?:\[[0-9A-Fa-f:.%a-z]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)"
_HOST_PORT = re.compile(rf"({_HOST})(?::(\d{{1,5}}))?")
_NETWORK = ("socket", "tls", "udp", "rfc2217")
_SOCKET_URL = re.compile(rf"(?:socket|tls|udp|rfc2217)://{_HOST}:(\d{{1,5}})/?")
#: Before host and port of a time server that is asked over TLS.
TLS_TIME = "tls://"
_RFC2217_OPTIONS = re.compile(r"(?:(?:ign_set_control|poll_modem|timeout=[0-9.]+|logging=[a-z]+)(?:&|$))*")
_SHOWN = 60  # characters of a wrong value that a message repeats


def shown(value: object) -> str:
    """A value as the file would have it, cut short."""
    match value:
        case bool():
            text = "true" if value else "false"
        case str():
            text = '"' + value.replace("\n", "\\n") + '"'
        case dict():
            return "a table"
        case list():
            return "an array"
        case int() if value.bit_length() > 256:  # Python refuses to print numbers of thousands of digits
            return "a number of this size"
        case _:
            text = str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def integer(low: int, high: int, unit: str = "") -> Check:
    """A whole number from `low` to `high`, both included."""
    wanted = f"a whole number from {low} to {high}{unit and ' ' + unit}"

    def check(value: object, report: Report) -> int | None:
        if not isinstance(value, int) or isinstance(value, bool):  # a bool is an int to Python, not to TOML
            report(f"{shown(value)} is wrong here; write {wanted}")
            return None
        if not low <= value <= high:
            report(f"{shown(value)} is out of range; write {wanted}")
            return None
        return value

    return check


def boolean(value: object, report: Report) -> bool | None:
    """True or false."""
    if isinstance(value, bool):
        return value
    report(f"{shown(value)} is wrong here; write true or false")
    return None


def choice(*allowed: str | int) -> Check:
    """One of a few texts or numbers."""
    wanted = " or ".join(map(shown, allowed))

    def check(value: object, report: Report) -> object:
        if not any(type(value) is type(one) and value == one for one in allowed):
            close = nearest(value, [one for one in allowed if isinstance(one, str)]) if isinstance(value, str) else ""
            report(f"{shown(value)} is wrong here; write {wanted}{close}")
            return None
        return value

    return check


def text(wanted: str, pattern: re.Pattern[str]) -> Check:
    """A text that the pattern matches as a whole."""

    def check(value: object, report: Report) -> str | None:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            report(f"{shown(value)} is wrong here; write {wanted}")
            return None
        return intern(value)  # a name stands in many profiles: in memory it is there once

    return check


name = text("a name of small letters, digits and -, such as house-1", NAME)


identity = text("1 to 64 characters without blanks", re.compile(r"[!-~]{1,64}"))


def array(wanted: str, element: Check) -> Check:
    """An array of at least one element, none of them twice."""

    def check(value: object, report: Report) -> tuple[object, ...] | None:
        if not isinstance(value, list):
            report(f"{shown(value)} is wrong here; write {wanted}")
            return None
        if not value:
            report(f"an empty array names nothing; write {wanted}, or leave the key out")
            return None
        found: list[object] = []
        for index, one in enumerate(value):

            def report_below(message: str, *path: int, at: int = index) -> None:
                report(message, at, *path)

            checked = element(one, report_below)
            if checked is not None and checked in found:
                report(f"{shown(one)} stands here twice; name it once", index)
            found.append(checked)
        return tuple(found)

    return check


def obis(value: object, report: Report) -> Obis | None:
    """An OBIS code in any form that `Obis.parse` reads."""
    if isinstance(value, str):
        try:
            return Obis.parse(value)
        except ObisError:
            pass
    report(f'{shown(value)} is no OBIS code; write "1-0:1.8.0" (groups 0 to 255)')
    return None


def by_obis(wanted: str, number: Check) -> Check:
    """A table with a number for each OBIS code; `wanted` is an example of it."""

    def check(value: object, report: Report) -> tuple[tuple[Obis, int], ...] | None:
        if not isinstance(value, dict):
            report(f"{shown(value)} is wrong here; write {wanted}")
            return None
        found = []
        for key, one in value.items():

            def report_below(message: str, *path: str | int, at: str = key) -> None:
                report(message, at, *path)

            name, checked = obis(key, report_below), number(one, report_below)
            if isinstance(name, Obis) and isinstance(checked, int):
                found.append((name, checked))
        return tuple(found)

    return check


def unit(value: object, report: Report) -> int | None:
    """A unit by its symbol or its DLMS number."""
    found = units_table.number_of(value) if isinstance(value, str) else value
    if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= 255:
        return found
    report(f'{shown(value)} is no unit; write "W", "Wh", "var", "V", "A", "Hz", "m3", or a DLMS unit from 0 to 255')
    return None


scaler = integer(-128, 127)
scalers = by_obis('a table of scalers, such as { "1-0:1.8.0" = -1 }', scaler)
units = by_obis('a table of units, such as { "1-0:16.7.0" = "W" }', unit)
factors = by_obis('a table of factors, such as { "1-0:1.8.0" = 40 }', integer(1, 1_000_000))


#: A place of a pushed list: a word, or OBIS code, scaler, and unit (None: the usual one).
Column = str | tuple[Obis, int, int | None]
_COLUMN_WORDS = ("clock", "device-id", "skip", "...")


def _column(value: object, report: Report) -> Column | None:
    if isinstance(value, str) and value in _COLUMN_WORDS:
        return value
    table = value if isinstance(value, dict) else {"obis": value}
    if not isinstance(value, str | dict) or "obis" not in table or set(table) - {"obis", "scaler", "unit"}:
        words = ", ".join(map(shown, _COLUMN_WORDS))
        report(f'{shown(value)} is wrong here; write {words}, or {{ obis = "1-0:1.8.0", scaler = 0, unit = "Wh" }}')
        return None
    name = obis(table["obis"], report)
    decimals = scaler(table.get("scaler", 0), report)
    its_unit = unit(table["unit"], report) if "unit" in table else None
    if not isinstance(name, Obis) or not isinstance(decimals, int):
        return None
    return (name, decimals, its_unit)


def columns(value: object, report: Report) -> tuple[Column, ...] | None:
    """The places of a list of bare values."""
    if not isinstance(value, list) or not value:
        report(f'{shown(value)} is wrong here; write an array, such as ["clock", "1-0:1.8.0", "device-id"]')
        return None
    found = []
    for index, one in enumerate(value):

        def report_below(message: str, *path: str | int, at: int = index) -> None:
            report(message, at, *path)

        checked = _column(one, report_below)
        if checked is not None:
            found.append(checked)
    if found.count("...") > 1:
        report('"..." stands here twice; it can stand once')
    return tuple(found)


def time_zone(value: object, report: Report) -> str | None:
    """The name of a time zone of this system."""
    from zoneinfo import ZoneInfo  # only for a meter that needs it

    try:
        ZoneInfo(value if isinstance(value, str) else "")
    except (ValueError, OSError, LookupError):
        report(f'{shown(value)} is no time zone of this system; write "Europe/Berlin"')
        return None
    return str(value)


def device_id(example: str, medium: int | None = None) -> Check:
    """A DIN 43863-5 device id, of one medium where that is given."""

    def check(value: object, report: Report) -> DeviceId | None:
        if isinstance(value, str):
            try:
                device = DeviceId.parse(value)
            except DeviceIdError:
                device = None
            if device is not None and device.is_din and medium in (None, device[1]):
                return device
        of_medium = "" if medium is None else f" of medium {medium:X}"
        report(
            f"{shown(value)} is no DIN 43863-5 id{of_medium}; write medium, three letters, two hex digits, "
            f'eight digits, such as "{example}"'
        )
        return None

    return check


def any_device_id(value: object, report: Report) -> DeviceId | None:
    """A device id of any kind, as `smgw status` shows it: a DIN 43863-5 id, or octets in hex."""
    if isinstance(value, str):
        try:
            return DeviceId.parse(value)
        except DeviceIdError:
            pass
    report(f'{shown(value)} is no device id; write "1EMH0011802881", or the octets of another kind of id in hex')
    return None


def port(value: object, report: Report) -> str | None:
    """A serial device or a pyserial URL that this gateway can open."""
    wanted = 'write a device such as "/dev/ttyUSB0" or "socket://host:33333"'
    if not isinstance(value, str) or not value:
        report(f"{shown(value)} is no port; {wanted}")
        return None
    scheme, separator, rest = value.partition("://")
    fault = ""
    if not separator:
        if not value.startswith("/"):
            fault = f"{shown(value)} is no path from the root; {wanted}"
    elif scheme in _NETWORK:
        where, _, options = value.partition("?") if scheme == "rfc2217" else (value, "", "")
        match = _SOCKET_URL.fullmatch(where)
        if not match or not 1 <= int(match[1]) <= 65535 or not _RFC2217_OPTIONS.fullmatch(options):
            kind = "UDP" if scheme == "udp" else "TCP"
            fault = f'{shown(value)} is no {kind} port; write "{scheme}://host:port", port 1 to 65535'
    elif is_gpio(value):
        named = line_name(value)
        fault = named if isinstance(named, str) else ""
    elif scheme == "spy":
        if not rest.startswith("/"):
            fault = f'{shown(value)} names no device; write "spy:///dev/ttyUSB0?file=/tmp/octets.txt"'
    else:
        fault = f'"{scheme}://" is no port of this gateway{nearest(scheme, [*_NETWORK, "gpio", "spy"])}; {wanted}'
    if fault or "\0" in value:
        report(fault or f"a port has no NUL in its name; {wanted}")
        return None
    return value


def rs485(value: object, report: Report) -> str | None:
    """What switches an RS-485 line."""
    if isinstance(value, str) and is_gpio(value):
        return port(value, report)
    if value in ("none", "kernel", "rts"):
        return str(value)
    report(f'{shown(value)} is wrong here; write "none", "kernel", "rts" or a GPIO line such as "gpio://header/4"')
    return None


def claimed_by(port_url: str) -> str | None:
    """The identity of a port: the device behind links and `spy://`, a GPIO line, or host and port.

    None if it is not a port.
    """
    scheme, separator, rest = port_url.partition("://")
    if is_gpio(port_url):
        named = line_name(port_url)
        return None if isinstance(named, str) else named.claim
    if scheme.lower() in _NETWORK and separator:
        kind = "udp" if scheme.lower() == "udp" else "tcp"
        return f"{kind}://{rest.partition('?')[0].rstrip('/').lower()}"
    path = rest.partition("?")[0] if separator else port_url
    return os.path.realpath(path) if path.startswith("/") and "\0" not in path else None  # resolve() may raise


def http_url(value: object, report: Report) -> str | None:
    """The PoC of a market participant; a closing slash is dropped. Without TLS its address must be private."""
    wanted = 'write "https://host:port/path"'
    if not isinstance(value, str):
        report(f"{shown(value)} is no URL; {wanted}")
        return None
    try:
        parts = urlsplit(value)
        host_ok = bool(parts.hostname) and parts.port != 0
    except ValueError:
        report(f"{shown(value)} is no URL; {wanted}")
        return None
    fault = ""
    if "@" in parts.netloc:
        fault = f"a user or password does not stand in a URL; {wanted}"
    elif parts.scheme not in ("http", "https") or not host_ok or not re.fullmatch(r"[!-~]+", value):
        fault = f"{shown(value)} is no HTTP address; {wanted}"
    elif parts.query or parts.fragment:
        fault = f"{shown(value)} has a query or fragment, but paths are added to it; {wanted}"
    elif parts.scheme == "http" and is_public(parts.hostname or ""):
        fault = f"{parts.hostname} is no private address, and http has no encryption; {wanted}"
    if fault:
        report(fault)
        return None
    return value.rstrip("/")


def is_public(address: str) -> bool:
    """True for an IP address outside private, loopback and link-local networks; False for a name of a host."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found
    return not (found.is_private or found.is_loopback or found.is_link_local)


def host(value: object, report: Report) -> str | None:
    """`host` or `host:port`; an IPv6 address is written in brackets."""
    match = _HOST_PORT.fullmatch(value) if isinstance(value, str) else None
    if match is None or not (match[2] is None or 1 <= int(match[2]) <= 65535):
        report(f'{shown(value)} is no host; write "host" or "host:port"')
        return None
    return match[0]


def time_server(value: object, report: Report) -> str | None:
    """A host as above, or `tls://host:port`, which is a time server of a gateway administrator."""
    if not isinstance(value, str) or "://" not in value:
        return host(value, report)
    match = _HOST_PORT.fullmatch(value.removeprefix(TLS_TIME))
    if not value.startswith(TLS_TIME) or match is None or not match[2] or not 1 <= int(match[2]) <= 65535:
        report(f'{shown(value)} is no time server; write "host", "host:port" or "tls://host:port"')
        return None
    return value


def path(value: object, report: Report) -> Path | None:
    """A path; whether it is there is not asked now."""
    if isinstance(value, str) and value and "\0" not in value:
        return Path(value)
    report(f'{shown(value)} is no file; write its path, such as "/etc/smgw/house.password"')
    return None
