"""What `smgw status` says of the HAN: whether it is answered, where, and the certificate that people compare."""

from pathlib import Path
from typing import Any

from smgw.profiles.han import SELF_SIGNED, HanProfile
from smgw.store import paths
from smgw.store.file.lock import owner_running
from smgw.trust.errors import TrustError
from smgw.trust.han_tls import HAN, in_groups, own_files
from smgw.trust.meter_certificate import MeterCertificate


def certificate_of(profile: HanProfile, state: Path) -> MeterCertificate | None:
    """The certificate that the house is shown; None if there is none yet, or it cannot be read."""
    own = profile.certificate == SELF_SIGNED
    folder = paths.han_directory(state) if own else paths.trust_directory(state) / HAN
    try:
        return MeterCertificate.from_file(own_files(folder).certificate)
    except TrustError:
        return None


def house(profile: HanProfile, state: Path) -> dict[str, Any]:
    """The part of the report; the fingerprint is SHA-256 of the certificate, as browsers show it."""
    found = certificate_of(profile, state)
    return {
        "running": owner_running(paths.lock_of(paths.han_directory(state) / paths.HAN)),
        "listen": str(profile.listen),
        "views": list(profile.views),
        "fingerprint": None if found is None else in_groups(found.fingerprint),
        "until_us": None if found is None else found.not_after_s * 1_000_000,
    }
