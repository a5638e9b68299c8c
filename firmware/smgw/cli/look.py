"""A look at a meter with TLS that is not pinned yet: `scan`, `setup` and `dump` show its certificate."""

from collections.abc import Callable
from pathlib import Path

from smgw.clock import GatewayClock
from smgw.cosem.printable import printable
from smgw.ports import Security
from smgw.ports.security import is_tls
from smgw.store import paths


def look_at(port: str, state: Path, say: Callable[[str], None]) -> Security | None:
    """What a tls:// port needs; each certificate that a meter shows is told once. None for another port.

    Whoever answers is believed, because nobody is pinned. So no password may be sent to such a port.
    """
    if not is_tls(port):
        return None
    told: set[bytes] = set()

    def shown(der: bytes) -> None:
        if der in told:
            return
        told.add(der)
        from smgw.trust.meter_certificate import MeterCertificate
        from smgw.trust.validity import utc

        found = MeterCertificate(der)
        say(
            printable(f"  certificate of {found.name or 'nobody named'}, {found.curve}, until {utc(found.not_after_s)}")
        )
        say(f"  fingerprint {found.fingerprint}")
        say(f"  to pin it, if its maker says the same: smgw keys meter NAME {port} --fingerprint {found.fingerprint}")

    return Security(paths.trust_directory(state), (), GatewayClock().stamp, shown)
