"""Whether to believe a certificate: chain, revocation, role, purpose, curve, owner, pin and, last, the time.

The chain is walked by code of our own, because `cryptography.x509.verification` refuses brainpool curves. Sub-CAs and
revocation lists come from the trust folder and never from the peer. Python 3.11 does not say which chain a peer sent,
and a sub-CA without a revocation list could not be believed. So TLS and CMS are checked by the same function.

The time is checked last. `ClockNotTrustedError` therefore says that everything else is right, and whoever has no time
yet (NTP in TLS) may go on from there.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from cryptography import x509

from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.crl import RevocationList
from smgw.trust.errors import (
    CrlError,
    CrlOutdatedError,
    RevokedError,
    UntrustedError,
    WrongCurveError,
    WrongIdentityError,
    WrongPinError,
    WrongPurposeError,
    WrongRoleError,
)
from smgw.trust.names import Role
from smgw.trust.validity import Moment as Moment
from smgw.trust.validity import check_valid, utc

_LONGEST: Final = 4  # certificates from the end entity to the root
_CACHED: Final = 4096


class Expected(NamedTuple):
    """Which certificate is right for a peer or a signer."""

    purpose: Purpose
    roles: frozenset[Role]
    curve: str = "brainpoolP256r1"
    owner: str = ""
    """The gateway's id or the organization; empty: any."""
    pins: frozenset[str] = frozenset()
    """Fingerprints of the certificates that the profile names, old and new while one is renewed; empty: any."""


class Authorities:
    """The roots and sub-CAs that are believed, with their newest revocation lists. It does not change."""

    def __init__(self, certificates: Iterable[Certificate], lists: Iterable[RevocationList]) -> None:
        """A root is a self-signed certificate of the role ROOT: what is here is believed, so mind who writes here."""
        self._by_name: dict[bytes, list[Certificate]] = {}
        for one in certificates:
            if one.purpose is Purpose.AUTHORITY:
                self._by_name.setdefault(_key(one.x509.subject), []).append(one)
        self._lists: dict[bytes, list[RevocationList]] = {}
        for found in lists:
            self._lists.setdefault(_key(found.issuer), []).append(found)
        self._chains: dict[bytes, tuple[Certificate, ...]] = {}
        self._usable: dict[Certificate, RevocationList] = {}

    def __iter__(self) -> Iterator[Certificate]:
        for several in self._by_name.values():
            yield from several

    def chain(self, certificate: Certificate) -> tuple[Certificate, ...]:
        """The certificates from this one to a root, both included. Every signature in it is right.

        :raises UntrustedError: there is no such chain.
        """
        if (known := self._chains.get(certificate.der)) is not None:
            return known
        found = [certificate]
        while not _is_root(found[-1]):
            found.append(self._issuer(found[-1], below=len(found) - 1))
            if len(found) > _LONGEST:
                raise _untrusted(certificate, f"its chain has more than {_LONGEST} certificates")
        if found[-1] not in self._by_name.get(_key(found[-1].x509.subject), ()):
            raise _untrusted(certificate, f"the root {found[-1].subject} is not one of those believed here")
        if not found[-1].is_signed_by(found[-1]):
            raise _untrusted(certificate, f"the signature of the root {found[-1].subject} is wrong")
        if len(self._chains) >= _CACHED:
            self._chains.clear()
        self._chains[certificate.der] = tuple(found)
        return self._chains[certificate.der]

    def _issuer(self, certificate: Certificate, below: int) -> Certificate:
        """The authority that signed; `below`: how many authorities stand between it and the end entity."""
        named = self._by_name.get(_key(certificate.issuer), [])
        if not named:
            raise _untrusted(certificate, f"its issuer {certificate.issuer.rfc4514_string()} is not known here")
        for one in named:
            if certificate.aki is not None and one.ski is not None and certificate.aki != one.ski:
                continue
            if certificate.is_signed_by(one):
                if one.path_length is not None and below > one.path_length:
                    raise _untrusted(certificate, f"{one.subject} may not issue a certificate of an authority")
                return one
        raise _untrusted(certificate, f"{named[0].subject} did not sign it")

    def revocation_list(self, authority: Certificate) -> RevocationList:
        """The newest list of an authority that it really signed.

        :raises CrlError: there is none.
        """
        if (usable := self._usable.get(authority)) is not None:
            return usable
        found = self._lists.get(_key(authority.x509.subject), [])
        signed = [one for one in found if one.is_signed_by(authority)]
        if not signed:
            fault = f"{authority.subject} did not sign this revocation list" if found else "no revocation list is here"
            raise CrlError(
                fault,
                "Copy the newest list of this authority into the trust folder (`smgw-pki crl` makes it).",
                subject=str(authority.subject),
                file=found[0].file if found else None,
            )
        newest = max(signed, key=lambda one: (one.number, one.this_update_s))
        self._usable[authority] = newest
        return newest


def check(certificate: Certificate, expected: Expected, authorities: Authorities, now: Moment) -> None:
    """Return if the certificate may be believed.

    :raises TrustError: the first thing that is wrong, in the order of this module's first line.
    """
    chain, lists = check_chain(certificate, authorities)
    check_identity(certificate, expected)
    check_time(chain, lists, now)


def check_chain(
    certificate: Certificate, authorities: Authorities
) -> tuple[tuple[Certificate, ...], list[RevocationList]]:
    """The chain up to a root and its revocation lists, if every signature is right and nothing in it is revoked.

    :raises TrustError: it is not.
    """
    chain = authorities.chain(certificate)
    lists = [authorities.revocation_list(issuer) for issuer in chain[1:]]
    for one, revocations in zip(chain, lists, strict=False):
        _check_revocation(one, revocations)
    return chain, lists


def check_identity(certificate: Certificate, expected: Expected) -> None:
    """Return if role, purpose, curve, owner and pin are those expected.

    :raises CertificateError: the first that is not.
    """
    subject, named = certificate.subject, certificate.described
    if subject.role not in expected.roles:
        wanted = " or ".join(sorted(role.described for role in expected.roles))
        raise WrongRoleError(
            f"it belongs to {subject.role.described}, expected is {wanted}",
            "Check which certificate is installed at the peer, and which address leads to it.",
            subject=named,
        )
    if certificate.purpose is not expected.purpose:
        raise WrongPurposeError(
            f"it is for {certificate.purpose.value.upper()}, expected is {expected.purpose.value.upper()}",
            "Use the certificate of the triple that is made for this.",
            subject=named,
        )
    if certificate.curve != expected.curve:
        raise WrongCurveError(
            f"its key is on the curve {certificate.curve}, expected is {expected.curve}",
            "Both sides of a connection need certificates on the same curve (`smgw-pki init --curve`).",
            subject=named,
        )
    if expected.owner and subject.owner != expected.owner:
        raise WrongIdentityError(
            f"it belongs to {subject.owner}, expected is {expected.owner}",
            "Install the certificate of the right gateway or organization.",
            subject=named,
        )
    if expected.pins and certificate.fingerprint not in expected.pins:
        raise WrongPinError(
            f"its fingerprint {certificate.fingerprint} is not one of those pinned here",
            "If the peer has renewed its certificate, export and install the new one (`smgw-pki export`, `smgw keys "
            "install`). If not, somebody else answers.",
            subject=named,
        )


def check_time(chain: Iterable[Certificate], lists: Iterable[RevocationList], now: Moment) -> None:
    """Return if every certificate is valid now and no revocation list is outdated.

    :raises ClockNotTrustedError: the time is not trusted.
    :raises CertificateError, CrlOutdatedError: the time is trusted, and one of them is not valid now.
    """
    certificates = tuple(chain)
    for one in certificates:
        check_valid(one, now, "Install a renewed certificate (`smgw-pki renew`).")
    for found in lists:
        if now.utc_s > found.next_update_s:
            raise CrlOutdatedError(
                f"its newest revocation list should have been replaced at {utc(found.next_update_s)}",
                "Copy the newest list of this authority (`smgw-pki crl` makes it).",
                subject=found.issuer.rfc4514_string(),
                file=found.file,
            )


def _check_revocation(certificate: Certificate, revocations: RevocationList) -> None:
    revoked_s = revocations.revoked_s(certificate.serial_number)
    if revoked_s is not None:
        raise RevokedError(
            f"its authority revoked it at {utc(revoked_s)}",
            "Install a new certificate, and ask the authority why this one was revoked.",
            subject=certificate.described,
        )


def _is_root(certificate: Certificate) -> bool:
    return certificate.subject.role is Role.ROOT and certificate.is_self_issued


def _key(name: x509.Name) -> bytes:
    return name.public_bytes()


def _untrusted(certificate: Certificate, fault: str) -> UntrustedError:
    return UntrustedError(
        fault,
        "If this peer is to be believed, put its root, its sub-CA and their revocation lists into the trust folder.",
        subject=certificate.described,
    )
