"""One's own triples, and which of them is in use: the newest that is valid now."""

from pathlib import Path
from typing import NamedTuple

from smgw.trust.certificate import TRIPLE, Certificate, Purpose, utc
from smgw.trust.chain import Moment
from smgw.trust.errors import (
    ExpiredError,
    FileError,
    MalformedError,
    NotYetValidError,
    TrustError,
    WrongIdentityError,
    WrongPurposeError,
    WrongRoleError,
)
from smgw.trust.folder import CERTIFICATE, OWN, triples
from smgw.trust.names import Role, Subject
from smgw.trust.request import KEY


class Triple(NamedTuple):
    """One triple with its certificates; whether its keys are there and fit is not asked."""

    number: int
    """It counts renewals from 1."""
    folder: Path
    tls: Certificate
    signature: Certificate
    encryption: Certificate

    @property
    def subject(self) -> Subject:
        """Whose triple it is."""
        return self.tls.subject

    @property
    def not_before_s(self) -> int:
        """Since when all three are valid."""
        return max(one.not_before_s for one in self[2:])

    @property
    def not_after_s(self) -> int:
        """Until when all three are valid."""
        return min(one.not_after_s for one in self[2:])

    def certificate(self, purpose: Purpose) -> Certificate:
        """The certificate for TLS, signature or encryption."""
        return {Purpose.TLS: self.tls, Purpose.SIGNATURE: self.signature, Purpose.ENCRYPTION: self.encryption}[purpose]

    def certificate_file(self, purpose: Purpose) -> Path:
        """Its file; that for TLS has the certificates of the sub-CAs behind it."""
        return self.folder / f"{purpose.value}{CERTIFICATE}"

    def key_file(self, purpose: Purpose) -> Path:
        """The file of its private key; with a security module there may be none."""
        return self.folder / f"{purpose.value}{KEY}"


def own_triples(trust: Path) -> list[Triple]:
    """The triples of a trust folder that have all three certificates, oldest first.

    :raises TrustError: a certificate cannot be read, or is not what its name says; the error names the file.
    """
    return [_read(one) for one in triples(trust) if all((one / f"{use.value}{CERTIFICATE}").exists() for use in TRIPLE)]


def active_triple(trust: Path, now: Moment) -> Triple:
    """The newest triple that is valid now. While the time is not trusted: the newest.

    :raises FileError: there is no triple with certificates.
    :raises ExpiredError, NotYetValidError: there are, but none is valid now.
    :raises TrustError: as of `own_triples`.
    """
    if not (found := own_triples(trust)):
        raise FileError(
            "there are no certificates of one's own here",
            "Make them on the PC (`smgw-pki gateway`, `emp` or `gwa`), and copy the folder of `smgw-pki export` here. "
            "A gateway takes it with `smgw keys install`.",
            file=trust / OWN,
        )
    valid = [one for one in found if not now.trusted or one.not_before_s <= now.utc_s <= one.not_after_s]
    if not valid:
        raise _not_valid(found[-1], now)
    return valid[-1]


def check_role(triple: Triple, role: Role, remedy: str) -> None:
    """Return if a triple belongs to a participant of this role.

    :raises WrongRoleError: it does not; the error names the certificate for TLS.
    """
    if triple.subject.role is not role:
        raise WrongRoleError(
            f"it belongs to {triple.subject.role.described}, expected is {role.described}",
            remedy,
            subject=triple.tls.described,
            file=triple.certificate_file(Purpose.TLS),
        )


def _not_valid(newest: Triple, now: Moment) -> TrustError:
    purposes = {purpose: newest.certificate(purpose) for purpose in TRIPLE}
    if now.utc_s > newest.not_after_s:
        purpose = min(purposes, key=lambda one: purposes[one].not_after_s)
        return ExpiredError(
            f"it expired at {utc(newest.not_after_s)}, and now is {utc(now.utc_s)}",
            "Renew it: `smgw keys request`, then `smgw-pki renew` on the PC, then `smgw keys install`.",
            subject=purposes[purpose].described,
            file=newest.certificate_file(purpose),
        )
    purpose = max(purposes, key=lambda one: purposes[one].not_before_s)
    return NotYetValidError(
        f"it is valid from {utc(newest.not_before_s)}, and now is {utc(now.utc_s)}",
        "Wait, or install certificates that are valid now. If this time is wrong, mend the time servers.",
        subject=purposes[purpose].described,
        file=newest.certificate_file(purpose),
    )


def _read(folder: Path) -> Triple:
    files = {purpose: folder / f"{purpose.value}{CERTIFICATE}" for purpose in TRIPLE}
    found = {purpose: Certificate.from_file(file) for purpose, file in files.items()}
    for purpose, one in found.items():
        if one.purpose is not purpose:
            raise WrongPurposeError(
                f"it is for {one.purpose.value.upper()}, expected is {purpose.value.upper()}",
                "Copy the three certificates again, each with its own name.",
                subject=one.described,
                file=files[purpose],
            )
        if one.subject != found[Purpose.TLS].subject:
            raise WrongIdentityError(
                f"it belongs to {one.subject}, and {files[Purpose.TLS].name} beside it to {found[Purpose.TLS].subject}",
                "Copy the three certificates of one participant again.",
                subject=one.described,
                file=files[purpose],
            )
        if one.curve != found[Purpose.TLS].curve:
            raise MalformedError(
                f"its key is on {one.curve}, and that of {files[Purpose.TLS].name} on {found[Purpose.TLS].curve}",
                "Take three certificates of one request.",
                subject=one.described,
                file=files[purpose],
            )
    return Triple(int(folder.name), folder, *(found[purpose] for purpose in TRIPLE))
