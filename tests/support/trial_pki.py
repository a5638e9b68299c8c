"""A PKI in memory for tests of trust: root, sub-CA, triples, revocation lists; and its files.

`session_pki(curve)` is one PKI for all tests of a process. `write_gateway` and `write_emp` write whole trust folders,
`write_triple(..., days=, begins=, by=)` one triple, and `revoke` writes the lists anew. Variants:

    expired              days=10, and ask with Moment(NOW + 11 * DAY); or begins=NOW - 20 * DAY, days=10
    not yet valid        begins=NOW + DAY
    wrong role           Subject.checked(Role.GWA, "Stadtwerke") in place of EMT
    wrong curve          session_pki("p256") beside session_pki()
    untrusted            by=session_pki().stranger
    wrong pin            write_peer a second time with another number, and remove the first
    revoked              revoke(trust, triple)
"""

import shutil
import time
from collections.abc import Iterable
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from pki import profile
from smgw.trust.certificate import TRIPLE, Certificate, Purpose
from smgw.trust.chain import Authorities
from smgw.trust.crl import RevocationList
from smgw.trust.names import Role, Subject, gateway, root

NOW = int(time.time())
DAY = 86400
GATEWAY = gateway("EXXX0012345678")
OTHER_GATEWAY = gateway("EXXX0012345679")
EMT = Subject.checked(Role.EMT, "Stadtwerke")
OTHER_EMT = Subject.checked(Role.EMT, "Netze")
GWA = Subject.checked(Role.GWA, "Admin")
TERMS = profile.Terms()


def openssl() -> str:
    """The command; the test is skipped where it is absent."""
    if (found := shutil.which("openssl")) is None:
        pytest.skip("MISSING openssl, sudo apt-get install openssl: no peer of another make")
    return found


class Holder(NamedTuple):
    """A certificate with its private key."""

    certificate: Certificate
    key: ec.EllipticCurvePrivateKey


class HeldTriple(NamedTuple):
    """The three certificates of a participant with their private keys."""

    tls: Holder
    signature: Holder
    encryption: Holder

    def of(self, purpose: Purpose) -> Holder:
        return self[TRIPLE.index(purpose)]

    @property
    def certificates(self) -> list[Certificate]:
        return [one.certificate for one in self]


class TrialPki:
    """Certificates made on demand, as of `now`."""

    def __init__(self, curve: str = "brainpool", now: int = NOW, name: str = "Trial") -> None:
        self.now, self.curve = now, curve
        self._triples: dict[object, HeldTriple] = {}
        self.curves = profile.CURVES[curve]
        key = ec.generate_private_key(self.curves[0])
        self.root = profile.Issuer(profile.root_certificate(root(), key, now, 2000, TERMS), key)
        self.sub_ca = self.make_sub_ca(name)

    def make_sub_ca(self, name: str = "Trial", days: int = 1000) -> profile.Issuer:
        key = ec.generate_private_key(self.curves[1])
        subject = Subject.checked(Role.CA, name)
        made = profile.sub_ca_certificate(subject, key.public_key(), self.root, self.now, days, TERMS)
        return profile.Issuer(made, key)

    def issue(
        self,
        subject: Subject = GATEWAY,
        purpose: Purpose = Purpose.TLS,
        *,
        days: int = 730,
        begins: int | None = None,
        curve: ec.EllipticCurve | None = None,
        by: profile.Issuer | None = None,
        hosts: Iterable[str] = (),
    ) -> Holder:
        key = ec.generate_private_key(curve or self.curves[2])
        begins = self.now if begins is None else begins
        issuer = by or self.sub_ca
        made = profile.end_certificate(subject, purpose, key.public_key(), issuer, begins, days, TERMS, hosts)
        return Holder(made, key)

    def triple(
        self,
        subject: Subject = GATEWAY,
        number: int = 1,
        *,
        days: int = 730,
        begins: int | None = None,
        by: profile.Issuer | None = None,
    ) -> HeldTriple:
        """The triple of a participant; the same one for the same arguments."""
        asked = (subject, number, days, begins, by and by.certificate)
        if asked not in self._triples:
            made = (self.issue(subject, purpose, days=days, begins=begins, by=by) for purpose in TRIPLE)
            self._triples[asked] = HeldTriple(*made)
        return self._triples[asked]

    @cached_property
    def stranger(self) -> profile.Issuer:
        """A sub-CA with the same name, under another root."""
        return TrialPki(self.curve, self.now).sub_ca

    def revocations(
        self, revoked: Iterable[Certificate] = (), by: profile.Issuer | None = None, number: int = 1, days: int = 90
    ) -> RevocationList:
        entries = [(one.serial_number, self.now) for one in revoked]
        return profile.revocation_list(by or self.sub_ca, number, entries, self.now, days)

    def authorities(self, revoked: Iterable[Certificate] = ()) -> Authorities:
        lists = [self.revocations(by=self.root), self.revocations(revoked)]
        return Authorities([self.root.certificate, self.sub_ca.certificate], lists)

    def write(self, folder: Path, revoked: Iterable[Certificate] = ()) -> Path:
        """The folder `authorities`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "root.crt").write_bytes(self.root.certificate.pem)
        (folder / "sub.crt").write_bytes(self.sub_ca.certificate.pem)
        (folder / "root.crl").write_bytes(self.revocations(by=self.root).pem)
        (folder / "sub.crl").write_bytes(self.revocations(revoked).pem)
        return folder

    def write_holder(
        self, folder: Path, holder: Holder, name: str = "tls", passphrase: bytes = b""
    ) -> tuple[Path, Path]:
        """The files of certificate (with the sub-CA behind it) and key."""
        folder.mkdir(parents=True, exist_ok=True)
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        certificate.write_bytes(holder.certificate.pem + self.sub_ca.certificate.pem)
        protection = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        key.write_bytes(holder.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))
        key.chmod(0o600)
        return certificate, key

    # Whole trust folders

    def write_gateway(
        self, trust: Path, subject: Subject = GATEWAY, *, days: int = 730, passphrase: bytes = b""
    ) -> Path:
        """A gateway's: authorities, its first triple with keys, the certificates of EMT and GWA as peers."""
        self.write(trust / "authorities")
        self.write_triple(trust, subject, days=days, passphrase=passphrase)
        for one in (EMT, GWA):
            self.write_peer(trust, one)
        return trust

    def write_emp(
        self, trust: Path, subject: Subject = EMT, gateways: Iterable[Subject] = (GATEWAY,), passphrase: bytes = b""
    ) -> Path:
        """An EMP's: authorities, its first triple with keys, the certificates of gateways as peers."""
        self.write(trust / "authorities")
        self.write_triple(trust, subject, passphrase=passphrase)
        for one in gateways:
            self.write_peer(trust, one)
        return trust

    def write_triple(
        self,
        trust: Path,
        subject: Subject = GATEWAY,
        number: int = 1,
        *,
        days: int = 730,
        begins: int | None = None,
        by: profile.Issuer | None = None,
        passphrase: bytes = b"",
    ) -> HeldTriple:
        """`own/NUMBER` with certificates and keys."""
        found = self.triple(subject, number, days=days, begins=begins, by=by)
        for purpose in TRIPLE:
            self.write_holder(trust / "own" / str(number), found.of(purpose), purpose.value, passphrase)
        return found

    def write_peer(
        self,
        trust: Path,
        subject: Subject,
        number: int = 1,
        *,
        days: int = 730,
        begins: int | None = None,
        by: profile.Issuer | None = None,
    ) -> HeldTriple:
        """`peers/NAME/NUMBER` with the certificates of a participant."""
        folder = trust / "peers" / subject.file_name / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        found = self.triple(subject, number, days=days, begins=begins, by=by)
        for purpose in TRIPLE:
            behind = self.sub_ca.certificate.pem if purpose is Purpose.TLS else b""
            (folder / f"{purpose.value}.crt").write_bytes(found.of(purpose).certificate.pem + behind)
        return found

    def revoke(self, trust: Path, revoked: HeldTriple | Iterable[Certificate]) -> None:
        """Write the revocation lists of a trust folder anew: these certificates are revoked."""
        certificates = revoked.certificates if isinstance(revoked, HeldTriple) else list(revoked)
        self.write(trust / "authorities", certificates)


@cache
def session_pki(curve: str = "brainpool") -> TrialPki:
    """The PKI of this process for a curve (brainpool, p256): made once, since keys cost time."""
    return TrialPki(curve)
