"""Participants with a key and a certificate each for signing and opening messages, made for the tests of CMS."""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.keys.pem import PemKeys
from smgw.trust.names import Role, Subject

GATEWAY = Subject.checked(Role.SMGW, "EXXX0012345678")
OTHER_GATEWAY = Subject.checked(Role.SMGW, "EXXX0012345679")
EMP = Subject.checked(Role.EMT, "Stadtwerke")
OTHER_EMP = Subject.checked(Role.EMT, "Nachbar")
_BEGIN, _END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC)


class Party(NamedTuple):
    """One certificate with its private key."""

    key: ec.EllipticCurvePrivateKey
    certificate: Certificate

    @property
    def keys(self) -> PemKeys:
        """A holder of this key alone."""
        return PemKeys([self.key])

    @property
    def pem(self) -> bytes:
        """The private key."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def write(self, folder: Path) -> tuple[str, str]:
        """Paths of its certificate and key, as `openssl` takes them."""
        name = f"{self.certificate.purpose.value}-{self.certificate.subject.file_name}"
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        certificate.write_bytes(self.certificate.pem)
        key.write_bytes(self.pem)
        key.chmod(0o600)
        return str(certificate), str(key)


def party(
    subject: Subject,
    purpose: Purpose,
    curve: ec.EllipticCurve | None = None,
    number: int | None = None,
    *,
    identified: bool = True,
) -> Party:
    """A participant; with `number` its key is always the same, so that files of the corpus stay readable."""
    curve = curve or ec.BrainpoolP256R1()
    key = ec.generate_private_key(curve) if number is None else ec.derive_private_key(number, curve)
    signs = purpose is not Purpose.ENCRYPTION
    usage = x509.KeyUsage(signs, False, False, False, not signs, False, False, False, False)
    builder = (
        x509.CertificateBuilder(subject.to_name(), subject.to_name(), key.public_key(), 4711, _BEGIN, _END)
        .add_extension(usage, critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if identified:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return Party(key, Certificate(builder.sign(key, SHA256()).public_bytes(Encoding.DER)))


class Peers(NamedTuple):
    """A gateway that signs and an EMP that opens, on one curve."""

    gateway: Party
    emp: Party

    @classmethod
    def on(cls, curve: ec.EllipticCurve | None = None) -> "Peers":
        """New ones."""
        return cls(party(GATEWAY, Purpose.SIGNATURE, curve), party(EMP, Purpose.ENCRYPTION, curve))
