"""A PKI in memory for tests of trust: root, sub-CA, triples, revocation lists; and its files."""

import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from pki import profile
from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.chain import Authorities
from smgw.trust.crl import RevocationList
from smgw.trust.names import Role, Subject, gateway, root

NOW = int(time.time())
DAY = 86400
GATEWAY = gateway("EXXX0012345678")
EMT = Subject.checked(Role.EMT, "Stadtwerke")
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


class TrialPki:
    """Certificates made on demand, as of `now`."""

    def __init__(self, curve: str = "brainpool", now: int = NOW, name: str = "Trial") -> None:
        self.now = now
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
    ) -> Holder:
        key = ec.generate_private_key(curve or self.curves[2])
        begins = self.now if begins is None else begins
        made = profile.end_certificate(subject, purpose, key.public_key(), by or self.sub_ca, begins, days, TERMS)
        return Holder(made, key)

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
