"""Certificates, revocation lists and sealed messages of a stranger."""

import contextlib
from functools import cache

from fuzz_input import SEPARATOR, Target
from sealing import EMP, GATEWAY, Peers, party
from smgw.trust import oids
from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.chain import Authorities
from smgw.trust.cms.compressed import decompress
from smgw.trust.cms.enveloped import unwrap
from smgw.trust.cms.message import open_sealed
from smgw.trust.cms.profile import Profile
from smgw.trust.cms.signed import sign
from smgw.trust.crl import RevocationList
from smgw.trust.errors import TrustError

#: The payload of the messages in the corpus.
PAYLOAD = b"<object>4711</object>"
_LARGEST = 10_000


def certificate(octets: bytes) -> None:
    """Certificates and revocation lists of a stranger, as DER or PEM; one that can be read is walked to a root."""
    for part in octets.split(SEPARATOR):
        with contextlib.suppress(TrustError):
            RevocationList(part).revoked_s(1)
        with contextlib.suppress(TrustError):
            found = Certificate.from_octets(part)
            Authorities([found], ()).chain(found)


def cms_open(octets: bytes) -> None:
    """A message of a stranger: nothing but the payload that was sealed, or a documented error."""
    gateway, emp = peers()
    for profile in Profile:
        with contextlib.suppress(TrustError):
            opened = open_sealed(octets, emp.keys, emp.certificate, [gateway.certificate], profile=profile)
            assert opened.payload == PAYLOAD


def cms_parts(octets: bytes) -> None:
    """The parts behind the signature: an envelope, compressed data, and signed attributes and all else of a signer."""
    gateway, emp = peers()
    for part in octets.split(SEPARATOR):
        for profile in Profile:
            with contextlib.suppress(TrustError):
                unwrap(part, emp.keys, emp.certificate, profile)
        with contextlib.suppress(TrustError):
            assert len(decompress(part, _LARGEST)) <= _LARGEST
        with contextlib.suppress(TrustError):
            message = sign(part, oids.AUTH_ENVELOPED_DATA, gateway.keys, gateway.certificate)
            open_sealed(message, emp.keys, emp.certificate, [gateway.certificate])


@cache
def peers() -> Peers:
    """Always the same keys: else no input of the corpus would open."""
    return Peers(party(GATEWAY, Purpose.SIGNATURE, number=0x4711), party(EMP, Purpose.ENCRYPTION, number=0x4712))


TRUST_TARGETS: tuple[Target, ...] = (certificate, cms_open, cms_parts)
