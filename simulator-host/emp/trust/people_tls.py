"""TLS of the pages for people: a certificate chain and a key in PEM of any kind, or a self-signed one made here."""

import ipaddress
import logging
import re
import ssl
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from smgw.errors import reason
from smgw.trust.certificate import blocks, read_file, seconds_of, to_pem
from smgw.trust.errors import FileError, KeyMismatchError, PassphraseError, TrustError
from smgw.trust.files import PRIVATE, PUBLIC, make_folder, replace
from smgw.trust.keys.private_file import read_private
from smgw.trust.request import key_octets

from emp.trust.expiry import Validity

_LOG = logging.getLogger(__name__)
_LOOK_S: Final = 1.0
_HOST: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
DAYS: Final = 730  # some browsers believe none that is valid for more than 825 days
NAMES: Final = ("people.crt", "people.key")


class Files(NamedTuple):
    """The certificate with its chain, and its private key, which has no passphrase."""

    certificate: Path
    key: Path


class PeopleTls:
    """Gives the context for the next connection; files that changed are read again."""

    def __init__(self, files: Files) -> None:
        """:raises TrustError: a file cannot be used; the error names it."""
        self._files = files
        self._stamp = self._look()
        self._look_again_s = 0.0
        self._context, self.validity = _context(files), _validity(files.certificate)

    def current(self) -> ssl.SSLContext:
        """The context of the files."""
        now_s = time.monotonic()
        if now_s >= self._look_again_s:
            self._look_again_s = now_s + _LOOK_S
            seen = self._look()
            if seen != self._stamp:
                self._renew()
                self._stamp = seen
        return self._context

    def ending(self) -> str:
        """What to say if the certificate ends soon; nothing while there is time."""
        now_s = time.time()
        if self.validity.warning(now_s) is None:
            return ""
        when = f"in {self.validity.days_left(now_s)} days" if now_s <= self.validity.until_s else "already"
        return f"{self._files.certificate}: the certificate of the pages for people ends {when}. Renew it."

    def _look(self) -> object:
        try:
            return [(one.st_mtime_ns, one.st_size, one.st_ino) for one in (file.stat() for file in self._files)]
        except OSError:
            return None  # that the file cannot be read is told by who reads it

    def _renew(self) -> None:
        try:
            self._context, self.validity = _context(self._files), _validity(self._files.certificate)
        except TrustError as error:
            _LOG.error("the pages for people go on with the certificate before: %s", error)


def make(folder: Path, hosts: Iterable[str], days: int = DAYS, *, renew: bool = False) -> tuple[Files, str]:
    """Make a self-signed certificate (P-256) for these names and addresses; returns its files and its SHA-256 as
    browsers show it.

    :raises FileError: there is one already and `renew` is not wanted, or it cannot be written.
    """
    files = Files(*(folder / name for name in NAMES))
    if not renew and any(file.exists() for file in files):
        raise FileError(
            "is there already", "Add --renew to make another one; who has it as trusted must trust the new one.",
            file=files.certificate if files.certificate.exists() else files.key,
        )  # fmt: skip
    key = ec.generate_private_key(ec.SECP256R1())
    names = list(dict.fromkeys(hosts))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    begins = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins - timedelta(hours=1))  # browsers' clocks
        .not_valid_after(begins + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_name(one) for one in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    der = certificate.public_bytes(Encoding.DER)
    make_folder(folder)
    replace(files.key, key_octets(key), PRIVATE)
    replace(files.certificate, to_pem("CERTIFICATE", der), PUBLIC)
    return files, sha256(der).digest().hex(":").upper()


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        pass
    try:
        name = text.encode("idna").decode()
    except UnicodeError:
        name = ""
    if not _HOST.fullmatch(name):
        raise FileError(f"{text!r:.80} is no name of a host", "Write emp.example.org or an address.")
    return x509.DNSName(name)


def _context(files: Files) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    key = read_private(files.key)
    try:
        context.load_cert_chain(files.certificate, files.key, password=bytes)  # nobody is asked for a passphrase
    except ssl.SSLError as error:
        if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
            raise KeyMismatchError(
                f"this private key does not belong to the certificate {files.certificate}",
                "Name the key of this certificate.",
                file=files.key,
            ) from None
        if b"ENCRYPTED" in key:
            raise PassphraseError(
                "is encrypted", "Write it without a passphrase (`openssl pkey`), with mode 0600.",
                file=files.key,
            ) from None  # fmt: skip
        raise FileError(
            f"this and {files.key} are no certificate and private key in PEM", "Name both files in PEM.",
            file=files.certificate,
        ) from None  # fmt: skip
    except OSError as error:
        raise FileError(f"cannot be read ({reason(error)})", "Check the path.", file=files.certificate) from None
    return context


def _validity(file: Path) -> Validity:
    try:
        found = x509.load_der_x509_certificate(blocks(read_file(file), "CERTIFICATE")[0])
    except ValueError:
        raise FileError("holds no certificate in PEM", "Name the certificate of the pages.", file=file) from None
    return Validity("TLS", seconds_of(found, "not_valid_after") or 0)
