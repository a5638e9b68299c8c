"""Makes self-signed certificates for the local metrological network, and checks those that a person wants to pin."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from smgw.trust.errors import MalformedError
from smgw.trust.files import PRIVATE, PUBLIC, make_folder, replace
from smgw.trust.meter_certificate import VALIDITY_MAX_S, MeterCertificate
from smgw.trust.request import END_CURVES, key_octets
from smgw.trust.tls_rules import Own

YEARS_MAX: Final = 7


def make_self_signed(
    name: str, curve: str, begins_s: int, years: int = YEARS_MAX, hosts: Sequence[str] = ()
) -> tuple[bytes, bytes]:
    """A new key and its certificate for TLS, both in PEM.

    `curve`: a word of END_CURVES; `name`: the CN; `hosts`: names by which a client may reach its owner.
    """
    key = ec.generate_private_key(END_CURVES[curve])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begins = datetime.fromtimestamp(begins_s, UTC)
    ends = begins + timedelta(seconds=VALIDITY_MAX_S * years // YEARS_MAX)
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(both, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(map(x509.DNSName, hosts)), critical=False)
    return key_octets(key), builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def write_self_signed(
    own: Own,
    name: str,
    curve: str,
    begins_s: int,
    years: int = YEARS_MAX,
    owner: tuple[int, int] | None = None,
    hosts: Sequence[str] = (),
) -> MeterCertificate:
    """Make key (mode 0600) and certificate, and write both; files that are there are replaced.

    `owner`: user and group; None: one's own. `hosts`: as of `make_self_signed`.

    :raises FileError: they cannot be written.
    """
    key, certificate = make_self_signed(name, curve, begins_s, years, hosts)
    for file, octets, mode in ((own.key, key, PRIVATE), (own.certificate, certificate, PUBLIC)):
        make_folder(file.parent)
        replace(file, octets, mode, owner)
    return MeterCertificate.from_file(own.certificate)


def check_self_signed_file(file: Path) -> MeterCertificate:
    """As `check_self_signed`; the error names the file."""
    found = MeterCertificate.from_file(file)
    check_self_signed(found.der, file)
    return found


def check_self_signed(der: bytes, file: Path | None = None) -> MeterCertificate:
    """A certificate that may be pinned: for TLS in the LMN, and signed by its own key.

    :raises TrustError: it is not.
    """
    found = MeterCertificate(der, file)
    fault = ""
    try:
        certificate = x509.load_der_x509_certificate(found.der)
        key, digest = certificate.public_key(), certificate.signature_hash_algorithm
        if not isinstance(key, ec.EllipticCurvePublicKey) or digest is None or digest.digest_size < 32:
            fault = "its signature is not ECDSA with a digest of 256 bits or more"
        else:
            key.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(digest))
    except InvalidSignature:
        fault = "it is not signed by its own key: a certificate in the LMN is self-signed"
    except Exception as error:  # the library raises what its many parsers raise
        fault = f"these octets are no certificate ({(str(error) or type(error).__name__).splitlines()[0][:200]})"
    if fault:
        raise MalformedError(fault, "Get the meter's own certificate for TLS.", subject=found.described, file=file)
    return found
