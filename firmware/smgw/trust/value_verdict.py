"""Whether a value was signed by the gateway that it comes from."""

from collections.abc import Iterable
from enum import Enum

from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.names import Role
from smgw.trust.plain_signature import is_signed


class Verdict(Enum):
    """What the check of a value says."""

    SIGNED = "signed"
    UNSIGNED = "not signed"
    WRONG = "wrong"  #: the value, its time, its status or its name is not what was signed
    UNKNOWN = "unknown signer"  #: no certificate of this gateway is here that could have signed it


def signers_of(gateway: str, certificates: Iterable[Certificate]) -> tuple[Certificate, ...]:
    """The certificates SIG of this gateway. Whether they are valid now does not matter: a value is old."""
    return tuple(
        one
        for one in certificates
        if (one.purpose, one.subject.role, one.subject.owner) == (Purpose.SIGNATURE, Role.SMGW, gateway)
    )


def judged(octets: bytes, signature: bytes | None, signer: bytes, signers: Iterable[Certificate]) -> Verdict:
    """The verdict on a value. `signer`: the first octets of the SHA-256 of the certificate that signed it."""
    if signature is None:
        return Verdict.UNSIGNED
    for one in signers:
        if bytes.fromhex(one.fingerprint).startswith(signer):
            return Verdict.SIGNED if is_signed(one, octets, signature) else Verdict.WRONG
    return Verdict.UNKNOWN
