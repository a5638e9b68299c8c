"""Certificates of signers and recipients: what a message names them by, and what they must be."""

from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.cms.profile import CURVES
from smgw.trust.errors import MalformedError, WrongCurveError, WrongPurposeError


def key_identifier(certificate: Certificate) -> bytes:
    """Its subjectKeyIdentifier.

    :raises MalformedError: it has none.
    """
    if not certificate.ski:
        raise MalformedError(
            "the extension SubjectKeyIdentifier is missing",
            "Ask for a certificate by TR-03109-4, which has it.",
            subject=certificate.described,
        )
    return certificate.ski


def check(certificate: Certificate, purpose: Purpose) -> None:
    """Its use and its curve. Chain, revocation and validity are checked by `chain` before.

    :raises WrongPurposeError: its key is for another use.
    :raises WrongCurveError: its key is on a curve that messages do not use.
    """
    if certificate.purpose is not purpose:
        raise WrongPurposeError(
            f"this certificate is not for {purpose.name.lower()}",
            f"Use the {purpose.value.upper()} certificate of this participant.",
            subject=certificate.described,
        )
    if certificate.curve not in CURVES:
        raise WrongCurveError(
            f"its key is on {certificate.curve}",
            f"Keys that sign and open messages are on {' or '.join(CURVES)}.",
            subject=certificate.described,
        )
