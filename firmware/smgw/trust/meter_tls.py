"""TLS in the local metrological network: the gateway is the client, the meter the server (TR-03109-1, LKS).

    trust/meters/METER.crt       the pinned certificate of each meter; old and new while the meter renews it
    trust/lmn/tls.crt, tls.key   the gateway's own; only the process that reads meters may read the key

Both sides have self-signed certificates and pin each other's. TLS 1.2 with the suites of TR-03116-3, on one curve: that
of both certificates; 1.3 where the curve is P-256. There are no tickets: each connection has a full handshake, so that
a session ends with its connection. `ports.tls` renews a connection before it is SESSION_S old.
"""

import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from smgw.errors import reason
from smgw.trust.errors import FileError, WrongCurveError
from smgw.trust.keys.private_file import read_private
from smgw.trust.meter_certificate import MeterCertificate
from smgw.trust.tls_rules import Own, load_own, restrict

METERS: Final = "meters"
LMN: Final = "lmn"
#: A session ends after this time (TR-03116-3: 31 days in the LMN).
SESSION_S: Final = 31 * 86_400


def pin_file(trust: Path, meter: str) -> Path:
    """The file of a meter's pinned certificate."""
    return trust / METERS / f"{meter}.crt"


def own_files(trust: Path) -> Own:
    """The gateway's own certificate and key for the LMN."""
    return Own(trust / LMN / "tls.crt", trust / LMN / "tls.key")


def read_pins(trust: Path, meters: Iterable[str]) -> tuple[MeterCertificate, ...]:
    """The pinned certificates of the meters on one line, at least one.

    :raises FileError: none of them is pinned.
    :raises TrustError: a file cannot be used; the error names it.
    """
    files = [pin_file(trust, meter) for meter in meters]
    if not (found := [file for file in files if file.exists()]):
        raise FileError(
            "no certificate of this meter is pinned",
            f"See its fingerprint with `smgw scan tls://HOST:PORT`, then: smgw keys meter {files[0].stem} FILE",
            file=files[0],
        )
    return tuple(one for file in found for one in MeterCertificate.several(file))


def read_own(own: Own) -> MeterCertificate:
    """The gateway's own certificate, if its key is private.

    :raises FileError: there is none.
    :raises TrustError: one of the two files cannot be used; the error names it.
    """
    try:
        present = own.certificate.exists()
    except OSError as error:
        raise FileError(f"cannot be read ({reason(error)})", "Run it as root.", file=own.certificate) from None
    if not present:
        raise FileError("the gateway has no certificate for meters", "Make it: `smgw keys lmn`.", file=own.certificate)
    read_private(own.key)
    return MeterCertificate.from_file(own.certificate)


def client_context(own: Own | None, pins: Sequence[MeterCertificate], curve: str = "") -> ssl.SSLContext:
    """A context for the gateway. The caller checks the pin after the handshake: OpenSSL checks no certificate here.

    Without `own` it shows no certificate, which suits a look at a meter only. `curve` is for a look without pins.

    :raises TrustError: the files cannot be used, or the certificates are on different curves.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    curves = {pin.curve for pin in pins} or {curve}
    if own is not None:
        curves.add((found := read_own(own)).curve)
        if len(curves) > 1:
            raise WrongCurveError(
                f"its key is on {found.curve}, and that of the meter's certificate on {(pins or [found])[0].curve}",
                "Both sides need certificates on the same curve (`smgw keys lmn --renew --curve`).",
                subject=found.described,
                file=own.certificate,
            )
    restrict(context, curves.pop())
    context.verify_mode = ssl.CERT_NONE
    context.options |= ssl.OP_NO_TICKET
    if own is not None:
        load_own(context, own)
    return context


def server_context(own: Own, client: MeterCertificate | None) -> ssl.SSLContext:
    """A context for a meter. With `client`, the gateway must show that certificate.

    :raises TrustError: the files cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    restrict(context, read_own(own).curve)
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    if client is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client.der)
    load_own(context, own)
    return context
