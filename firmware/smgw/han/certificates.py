"""The certificates of the gateway in a consumer's file: that for signatures with its sub-CA, or that for the house."""

import contextlib
from pathlib import Path

from smgw.errors import SmgwError
from smgw.store import paths
from smgw.transparency.document import HAN, SIGNATURE, SUB_CA, Certificate
from smgw.trust.errors import TrustError
from smgw.trust.folder import AUTHORITIES, read_authorities
from smgw.trust.han_tls import own_files
from smgw.trust.meter_certificate import MeterCertificate
from smgw.trust.own import active_triple
from smgw.trust.validity import Moment


def of_the_gateway(state: Path, now_us: int) -> tuple[Certificate, ...]:
    """A file needs at least one. SmgwError if there is none."""
    trust = paths.trust_directory(state)
    now_s = now_us // 1_000_000
    for trusted in (True, False):  # that of today, or else the newest
        with contextlib.suppress(TrustError, OSError):
            own = active_triple(trust, Moment(now_s, trusted)).signature
            chain = read_authorities(trust / AUTHORITIES).chain(own)
            return (Certificate(SIGNATURE, own.der, 1), Certificate(SUB_CA, chain[1].der))
    try:
        house = MeterCertificate.from_file(own_files(paths.han_directory(state)).certificate)
    except (TrustError, OSError) as error:
        raise SmgwError(f"the file needs a certificate of the gateway, and there is none: {error}") from None
    return (Certificate(HAN, house.der),)
