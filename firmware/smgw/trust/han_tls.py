"""TLS in the house: the gateway is the server, with a certificate that people compare once (TR-03109-1, HKS).

    <state>/han/tls.crt, tls.key         self-signed, CN <id>.smgw, made at the first start
    <state>/trust/han/tls.crt, tls.key   of the SM-PKI, put there by the administrator; not that for the WAN

Clients may show a certificate. Only a pinned one is accepted, whoever signed it; who it belongs to is asked afterwards.
"""

import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from smgw.trust.keys.private_file import read_private
from smgw.trust.meter_certificate import MeterCertificate
from smgw.trust.tls_rules import Own, load_own, restrict

HAN: Final = "han"


def own_files(directory: Path) -> Own:
    """Certificate and key in a directory: that of han.db, or `han` of the trust folder."""
    return Own(directory / "tls.crt", directory / "tls.key")


def read_own(own: Own) -> MeterCertificate:
    """The certificate that the house is shown.

    :raises TrustError: one of the two files cannot be used; the error names it.
    """
    read_private(own.key)
    return MeterCertificate.from_file(own.certificate)


def server_context(own: Own, pins: Iterable[bytes] = ()) -> ssl.SSLContext:
    """A context for the house. `pins`: certificates of clients, in DER.

    :raises TrustError: the files cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    restrict(context, read_own(own).curve)
    load_own(context, own)
    learn(context, pins)
    return context


def learn(context: ssl.SSLContext, pins: Iterable[bytes]) -> None:
    """Accept these certificates of clients too. Without any, no client is asked for one: browsers would ask people."""
    if octets := b"".join(pins):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=octets)
        context.verify_mode = ssl.CERT_OPTIONAL


def in_groups(fingerprint: str) -> str:
    """A fingerprint as people compare it: in pairs, as browsers show it."""
    return ":".join(fingerprint[place : place + 2] for place in range(0, len(fingerprint), 2)).upper()
