"""Whether an address is on a link of this computer: nobody behind a router, and nobody from the internet."""

import ipaddress
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

_ROUTES, _ROUTES6 = Path("/proc/net/route"), Path("/proc/net/ipv6_route")
_UP, _GATEWAY = 0x1, 0x2
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_on_link(address: str, routes: Path = _ROUTES, routes6: Path = _ROUTES6) -> bool:
    """True for this computer, for link-local addresses, and for networks that are reached without a router."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if found.is_loopback or found.is_link_local:
        return True
    networks = _networks(routes) if found.version == 4 else _networks6(routes6)
    return any(found in one for one in networks)


def _networks(routes: Path) -> Iterator[_Network]:
    """Kernel's table: interface, destination, gateway, flags, three numbers, mask; addresses in hex, host order."""
    for line in _lines(routes)[1:]:
        fields = line.split()
        if len(fields) < 8 or not int(fields[3], 16) & _UP or int(fields[3], 16) & _GATEWAY:
            continue
        destination, mask = (socket.inet_ntoa(struct.pack("<I", int(fields[place], 16))) for place in (1, 7))
        if mask != "0.0.0.0":  # noqa: S104 - a mask
            yield ipaddress.ip_network(f"{destination}/{mask}", strict=False)


def _networks6(routes: Path) -> Iterator[_Network]:
    """Destination and its length, source and its length, next hop, metric, two numbers, flags, interface."""
    for line in _lines(routes):
        fields = line.split()
        if len(fields) < 10 or int(fields[4], 16) or not int(fields[8], 16) & _UP or not int(fields[1], 16):
            continue
        destination = ipaddress.IPv6Address(int(fields[0], 16))
        if not destination.is_multicast:
            yield ipaddress.ip_network(f"{destination}/{int(fields[1], 16)}", strict=False)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
