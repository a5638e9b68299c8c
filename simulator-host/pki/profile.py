"""Makes certificates and revocation lists by the profile of TR-03109-4 annex A (here without a file: pure functions).

extension                root, sub-CA             TLS                 SIG                 ENC
KeyUsage (critical)      keyCertSign, cRLSign     digitalSignature    digitalSignature    keyAgreement
BasicConstraints (crit.) CA, path length 1 and 0  no CA               no CA               no CA
ExtendedKeyUsage (crit.) -                        server and client   -                   -
CertificatePolicies      0.4.0.127.0.7.3.4.1.1.1  the same            the same            the same
SKI, AKI, IssuerAltName, CRLDistributionPoints: in all. SubjectAltName: EMT, GWA, GWH; a gateway must not have it.

Not verified in a norm, so options with a default: how long certificates live, and what the alternative names hold.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.crl import RevocationList
from smgw.trust.names import Role, Subject
from smgw.trust.oids import SM_PKI_POLICY

#: What `--curve` chooses: the curve of root, of the sub-CA and of end entities.
CURVES: Final[dict[str, tuple[ec.EllipticCurve, ec.EllipticCurve, ec.EllipticCurve]]] = {
    "brainpool": (ec.BrainpoolP384R1(), ec.BrainpoolP256R1(), ec.BrainpoolP256R1()),
    "p256": (ec.SECP384R1(), ec.SECP256R1(), ec.SECP256R1()),
}
_DAY: Final = 86400
_EARLIER_S: Final = 300
"""A certificate begins this much before now, because the clocks of a trial differ."""


class Issuer(NamedTuple):
    """A certification authority with its private key."""

    certificate: Certificate
    key: ec.EllipticCurvePrivateKey


class Terms(NamedTuple):
    """What all certificates of a trial have in common."""

    crl_url: str = "http://crl.invalid"
    """The address before `/<CA>.crl`."""
    contact: str = "urn:smgw:trial"
    """A URI: the alternative name of issuers, and of participants that have no other."""


def root_certificate(
    subject: Subject, key: ec.EllipticCurvePrivateKey, now_s: int, days: int, terms: Terms
) -> Certificate:
    """A root, signed by itself."""
    builder = _begun(subject, subject.to_name(), key.public_key(), now_s, now_s + days * _DAY)
    builder = _authority(builder, path_length=1)
    return _signed(_common(builder, key.public_key(), key.public_key(), subject, terms), key)


def sub_ca_certificate(
    subject: Subject, key: ec.EllipticCurvePublicKey, by: Issuer, now_s: int, days: int, terms: Terms
) -> Certificate:
    """A certification authority for end entities. It does not outlive the root."""
    builder = _begun(subject, by.certificate.x509.subject, key, now_s, _end(by, now_s, days))
    builder = _authority(builder, path_length=0)
    return _signed(_common(builder, key, by.key.public_key(), by.certificate.subject, terms), by.key)


def end_certificate(
    subject: Subject,
    purpose: Purpose,
    key: ec.EllipticCurvePublicKey,
    by: Issuer,
    now_s: int,
    days: int,
    terms: Terms,
    hosts: Iterable[str] = (),
) -> Certificate:
    """A certificate of a participant; `hosts`: names in the SubjectAltName, which a gateway does not have."""
    builder = _begun(subject, by.certificate.x509.subject, key, now_s, _end(by, now_s, days))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(
        _usage(digital_signature=purpose is not Purpose.ENCRYPTION, key_agreement=purpose is Purpose.ENCRYPTION),
        critical=True,
    )
    if purpose is Purpose.TLS:
        both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(both, critical=True)
    if subject.role is not Role.SMGW:
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
        names = names or [x509.UniformResourceIdentifier(terms.contact)]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return _signed(_common(builder, key, by.key.public_key(), by.certificate.subject, terms), by.key)


def revocation_list(
    by: Issuer, number: int, revoked: Iterable[tuple[int, int]], now_s: int, days: int
) -> RevocationList:
    """The list of an authority; `revoked`: serial number and Unix second of each."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(by.certificate.x509.subject)
    builder = builder.last_update(_moment(now_s - _EARLIER_S)).next_update(_moment(now_s + days * _DAY))
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    for serial_number, at_s in revoked:
        one = x509.RevokedCertificateBuilder().serial_number(serial_number).revocation_date(_moment(at_s))
        builder = builder.add_revoked_certificate(one.build())
    return RevocationList(builder.sign(by.key, _digest(by.key)).public_bytes(Encoding.DER))


def _begun(
    subject: Subject, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now_s: int, end_s: int
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject.to_name()).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(_moment(now_s - _EARLIER_S)).not_valid_after(_moment(end_s))


def _authority(builder: x509.CertificateBuilder, path_length: int) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    return builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)


def _common(
    builder: x509.CertificateBuilder,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    issuer: Subject,
    terms: Terms,
) -> x509.CertificateBuilder:
    policy = x509.PolicyInformation(x509.ObjectIdentifier(SM_PKI_POLICY), None)
    address = x509.UniformResourceIdentifier(f"{terms.crl_url}/{authority_file(issuer)}.crl")
    for extension in (
        x509.SubjectKeyIdentifier.from_public_key(key),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key),
        x509.CertificatePolicies([policy]),
        x509.IssuerAlternativeName([x509.UniformResourceIdentifier(terms.contact)]),
        x509.CRLDistributionPoints([x509.DistributionPoint([address], None, None, None)]),
    ):
        builder = builder.add_extension(extension, critical=False)
    return builder


def authority_file(subject: Subject) -> str:
    """The file name of an authority, without its end: `Trial.CA`, of a later generation `Trial.CA-2`."""
    return f"{subject.common_name}-{subject.serial}" if subject.serial else subject.common_name


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> Certificate:
    return Certificate(builder.sign(key, _digest(key)).public_bytes(Encoding.DER))


def _digest(key: ec.EllipticCurvePrivateKey) -> hashes.SHA256 | hashes.SHA384:
    return hashes.SHA384() if key.key_size > 256 else hashes.SHA256()


def _end(by: Issuer, now_s: int, days: int) -> int:
    return min(now_s + days * _DAY, by.certificate.not_after_s)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)


def _usage(
    *, digital_signature: bool = False, key_agreement: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=key_agreement,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
