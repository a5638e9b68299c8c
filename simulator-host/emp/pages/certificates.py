"""The certificates of a gateway on the overview: until when they are valid, and which ones signed."""

from typing import Any

from emp.pages.language import N_
from emp.pages.view import View
from emp.store.storage import GatewayView
from emp.trust.expiry import Expiries

_USES = {"TLS": N_("connection (TLS)"), "SIG": N_("signature")}
MAX_SIGNERS = 3


def certificates(gateway: GatewayView, expiries: Expiries | None, view: View) -> list[dict[str, Any]]:
    """The certificates for the connection and for signatures; `warning` as of `Validity.warning`."""
    now_s = view.now_us / 1_000_000
    return [
        {
            "use": _USES[one.use],
            "until": view.moment(one.until_s * 1_000_000),
            "days": view.language.number(max(0, one.days_left(now_s))),
            "warning": one.warning(now_s),
        }
        for one in (expiries.of(gateway.gateway, gateway) if expiries else ())
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
