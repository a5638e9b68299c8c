"""One certificate revocation list (CRL): whom a certification authority does not vouch for any more (RFC 5280, 5)."""

from pathlib import Path
from typing import Final, Self

from cryptography import x509

from smgw.trust.certificate import Certificate, blocks, is_signed, read_file, seconds_of, to_pem
from smgw.trust.errors import CrlError, TrustError

_RENEW: Final = "Copy the newest list of this authority (`smgw-pki crl` makes it)."


class RevocationList:
    """A list that was read; whether its authority signed it is asked with `is_signed_by`."""

    __slots__ = ("der", "file", "issuer", "next_update_s", "number", "this_update_s", "x509")

    def __init__(self, der: bytes, file: Path | None = None) -> None:
        """:raises CrlError: these octets are no revocation list, or it does not say when the next one comes."""
        try:
            self._read(der)
        except Exception as error:  # as for a certificate: the octets are a stranger's
            first_line = (str(error) or type(error).__name__).splitlines()[0][:200]
            raise CrlError(f"this is no revocation list ({first_line})", _RENEW, file=file) from None
        self.file = file

    def _read(self, der: bytes) -> None:
        found = x509.load_der_x509_crl(der)
        this_update, next_update = seconds_of(found, "last_update"), seconds_of(found, "next_update")
        if this_update is None or next_update is None:
            raise ValueError("it does not say when the next one comes")
        if unknown := [one.oid.dotted_string for one in found.extensions if one.critical]:
            raise ValueError(f"nobody here knows the critical extension {unknown[0]}")  # such as of a partial list
        self.x509: x509.CertificateRevocationList = found
        self.der = der
        self.issuer: x509.Name = found.issuer
        self.this_update_s = this_update
        self.next_update_s = next_update
        numbers = [one.value.crl_number for one in found.extensions if isinstance(one.value, x509.CRLNumber)]
        self.number = int(numbers[0]) if numbers else 0

    @classmethod
    def from_octets(cls, octets: bytes) -> Self:
        """Read PEM or DER."""
        return cls(blocks(octets, "X509 CRL")[0])

    @classmethod
    def from_file(cls, file: Path) -> Self:
        """Read PEM or DER.

        :raises CrlError: the file is not readable or holds no revocation list.
        """
        try:
            return cls(blocks(read_file(file), "X509 CRL")[0], file)
        except CrlError:
            raise
        except TrustError as error:
            raise CrlError(error.fault, _RENEW, file=file) from None

    @property
    def pem(self) -> bytes:
        """The list as a PEM block."""
        return to_pem("X509 CRL", self.der)

    def is_signed_by(self, issuer: Certificate) -> bool:
        """True if the key of `issuer` signed the list."""
        return is_signed(self.x509.signature, self.x509.tbs_certlist_bytes, self.x509, issuer)

    def revoked_s(self, serial_number: int) -> int | None:
        """When the certificate with this serial number was revoked, in Unix seconds; None if it was not."""
        found = self.x509.get_revoked_certificate_by_serial_number(serial_number)
        return None if found is None else seconds_of(found, "revocation_date")
