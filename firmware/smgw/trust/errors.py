"""What can be wrong with certificates, keys and sealed messages. One class for each fault, each with the same fields.

An error never holds a key, a passphrase or the content of a message.
"""

from pathlib import Path

from smgw.errors import SmgwError


class TrustError(SmgwError):
    """Somebody or something is not trusted. Its text: `file: subject: fault. Remedy.`

    fault    what is wrong: a clause without a full stop
    remedy   what to do: whole sentences
    subject  the certificate, the key or the message that it concerns, if there is one
    file     where it was read, if it was read from a file
    """

    def __init__(self, fault: str, remedy: str, *, subject: str = "", file: Path | str | None = None) -> None:
        self.fault = fault
        self.remedy = remedy
        self.subject = subject
        self.file = None if file is None else Path(file)
        super().__init__(fault)

    def __str__(self) -> str:
        where = "".join(f"{part}: " for part in (self.file, self.subject) if part)
        return f"{where}{self.fault}. {self.remedy}"

    def at(self, file: Path | str) -> "TrustError":
        """The same error with its file, for a caller who knows it; a file that is known already stays."""
        if self.file is None:
            self.file = Path(file)
        return self


# Files


class FileError(TrustError):
    """A file of the trust folder is absent, not readable, or not what it should be."""


class OpenToOthersError(FileError):
    """Users besides the owner may read or write a private key, or the owner is a wrong one."""


class PassphraseError(FileError):
    """The passphrase of a private key is missing or wrong."""


class KeyMismatchError(FileError):
    """A private key does not belong to its certificate."""


class MalformedError(TrustError):
    """Octets are no certificate, no CRL, no request or no CMS message, or their structure breaks the profile."""


class NameFormatError(TrustError):
    """A name does not have the form that the SM-PKI prescribes."""


class KeysUnavailableError(TrustError):
    """Who holds the private keys does not answer: the agent is not running, or the security module is not there."""


class PinError(KeysUnavailableError):
    """The security module does not accept the PIN. It is not tried again by itself: the module would lock."""


# Certificates of a peer or of one's own


class CertificateError(TrustError):
    """A certificate is not accepted."""


class UntrustedError(CertificateError):
    """No chain of valid signatures leads from the certificate to a configured root."""


class ExpiredError(CertificateError):
    """The validity ended before the trusted time."""


class NotYetValidError(CertificateError):
    """The validity begins after the trusted time: the clock is right, and the certificate is for later."""


class ClockNotTrustedError(CertificateError):
    """Nobody can say whether the certificate is valid now, because the time is not trusted."""


class RevokedError(CertificateError):
    """The certification authority revoked the certificate."""


class WrongRoleError(CertificateError):
    """The certificate belongs to a participant of another role, such as an EMT in place of a gateway."""


class WrongPurposeError(CertificateError):
    """The certificate is for another use: TLS, signature or encryption."""


class WrongCurveError(CertificateError):
    """The key of the certificate lies on a curve that is not allowed here."""


class WrongPinError(CertificateError):
    """The chain is right, but the certificate is not the one that the profile names."""


class WrongIdentityError(CertificateError):
    """The certificate belongs to another gateway or organization than expected."""


class NoCertificateError(CertificateError):
    """The peer sent no certificate."""


class HandshakeError(TrustError):
    """TLS found nothing that both sides can, or the peer ended the handshake with an alert."""


class CrlError(TrustError):
    """A revocation list cannot be used: absent, not readable, or not signed by its certification authority."""


class CrlOutdatedError(CrlError):
    """A revocation list should have been replaced by a newer one before now."""


# Sealed messages


class MessageError(TrustError):
    """A CMS message is not accepted."""


class SignatureError(MessageError):
    """The signature of a message is wrong."""


class IntegrityError(MessageError):
    """The MAC of a message is wrong: it was changed on the way, or another key sealed it."""


class WrongSignerError(MessageError):
    """A message is signed by somebody else than expected."""


class WrongRecipientError(MessageError):
    """A message is sealed for somebody else."""


class ReplayedError(MessageError):
    """A message came a second time."""


class TooLargeError(MessageError):
    """A message is, or would become, larger than the limit."""
