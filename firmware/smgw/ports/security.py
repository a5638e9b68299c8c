"""What a tls:// port needs besides its address: certificates and a time. It loads neither `ssl` nor `trust`."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from smgw.cosem import Stamp


class Security(NamedTuple):
    """Of one line.

    trust    the trust folder: pinned certificates of meters, and the gateway's own
    meters   names of the meters on the line; without any, each peer is believed: for a look at a meter, as `smgw scan`
    stamp    the gateway's time
    shown    gets the certificate (DER) that the peer shows
    """

    trust: Path
    meters: tuple[str, ...]
    stamp: Callable[[], Stamp]
    shown: Callable[[bytes], object] = len


def is_tls(url: str) -> bool:
    """True for a port whose octets are protected by TLS."""
    return url.lower().startswith("tls://")
