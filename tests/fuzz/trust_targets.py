"""Certificates, revocation lists and sealed messages of a stranger."""

import atexit
import contextlib
import tempfile
from functools import cache
from pathlib import Path

from fuzz_input import SEPARATOR, Target
from lmn_tls import Lmn, shake
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
from smgw.trust.layer import Layer
from smgw.trust.meter_certificate import MeterCertificate

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


def meter_certificate(octets: bytes) -> None:
    """A certificate that a meter shows, read without the large library."""
    with contextlib.suppress(TrustError):
        MeterCertificate(octets)


def tls_handshake(octets: bytes) -> None:
    """What a stranger sends in a handshake, to a client and to a server; each part at once."""
    for server_side in (False, True):
        end = tls_end(server_side=server_side)
        with contextlib.suppress(TrustError):
            end.begin()
            for part in octets.split(SEPARATOR):
                assert end.receive(part) == b""
                assert end.lacks <= 65_535
            end.end_of_line()
        assert not end.established
        assert len(end.take()) < 10_000


def tls_connection(octets: bytes) -> None:
    """Octets on a line with a connection that the peer did not encrypt: nothing plain, and a limited answer."""
    client, server = tls_end(server_side=False), tls_end(server_side=True)
    shake(client, server)
    with contextlib.suppress(TrustError):
        for part in octets.split(SEPARATOR):
            assert client.receive(part) == b""
        client.end_of_line()
    assert len(client.take()) < 10_000


def tls_end(*, server_side: bool) -> Layer:
    """One end of a connection in the LMN."""
    lmn = tls_files()
    return lmn.server() if server_side else lmn.client()


@cache
def tls_files() -> Lmn:
    """A gateway and a meter, for the whole run."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return Lmn(Path(folder.name))


TRUST_TARGETS: tuple[Target, ...] = (
    certificate,
    cms_open,
    cms_parts,
    meter_certificate,
    tls_handshake,
    tls_connection,
)
