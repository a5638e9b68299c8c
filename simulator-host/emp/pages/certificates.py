"""The certificates of a gateway on the overview: until when they are valid, and which ones signed."""

from collections.abc import Iterable
from typing import Any

from smgw.look.language import N_

from emp.pages.view import View
from emp.store.storage import GatewayView
from emp.trust.expiry import Expiries, Validity

_USES = {"TLS": N_("connection (TLS)"), "SIG": N_("signature")}
MAX_SIGNERS = 3
MAX_SILENT = 50


def certificates(gateway: GatewayView, expiries: Expiries | None, view: View) -> list[dict[str, Any]]:
    """The certificates for the connection and for signatures; `warning` as of `Validity.warning`."""
    return _shown(expiries.of(gateway.gateway, gateway) if expiries else (), view)


def silent(gateways: Iterable[GatewayView], expiries: Expiries | None, view: View) -> list[dict[str, Any]]:
    """The gateways with a certificate that have delivered nothing under their name."""
    found = expiries.silent(gateways) if expiries else []
    return [{"id": str(gateway), "certificates": _shown(several, view)} for gateway, several in found[:MAX_SILENT]]


def _shown(several: Iterable[Validity], view: View) -> list[dict[str, Any]]:
    now_s = view.now_us / 1_000_000
    return [
        {
            "use": _USES[one.use],
            "until": view.moment(one.until_s * 1_000_000),
            "days": view.language.number(max(0, one.days_left(now_s))),
            "warning": one.warning(now_s),
        }
        for one in several
    ]


def signers(gateway: GatewayView, view: View) -> list[dict[str, Any]]:
    """The certificates that signed, those used last first."""
    return [
        {
            "subject": one.signer.subject,
            "fingerprint": one.signer.fingerprint.hex(),
            "documents": view.language.number(one.documents),
            "seen": view.moment(one.last_seen_us),
        }
        for one in gateway.signers[:MAX_SIGNERS]
    ]
