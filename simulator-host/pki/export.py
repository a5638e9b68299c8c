"""Brings a participant's trust folder to what the PKI says: its own triples, its authorities, those it deals with.

    authorities/   all that have not expired, with their revocation lists
    own/N/         its triples that are not revoked; private keys only if they were made here
    peers/NAME/N/  a gateway gets the EMPs and administrators, an EMP and an administrator get the gateways

Expired triples of its own stay: their keys open what was sealed for them.
"""

from pathlib import Path
from typing import Final, NamedTuple

from smgw.trust.certificate import read_file
from smgw.trust.errors import FileError, WrongIdentityError
from smgw.trust.files import PRIVATE, Content, make_folder, remove_all, write_all
from smgw.trust.folder import AUTHORITIES, CERTIFICATE, OWN, PEERS, REVOCATION_LIST, stamp
from smgw.trust.keys.private_file import read_private
from smgw.trust.names import Role, Subject
from smgw.trust.own import own_triples
from smgw.trust.request import KEY

from pki import profile
from pki.folder import Pki
from pki.index import Entry, Index

#: Whom a participant deals with.
_OTHERS: Final = {
    Role.SMGW: {Role.EMT, Role.GWA},
    Role.EMT: {Role.SMGW},
    Role.GWA: {Role.SMGW},
}


class Exported(NamedTuple):
    """What was done."""

    subject: Subject
    peers: list[str]
    written: int
    removed: int


def export(pki: Pki, name: str, target: Path) -> Exported:
    """Write the trust folder of a participant, or bring it to what the PKI says now.

    New files come before old ones go, so that a reader always finds a usable folder.

    :raises TrustError: nobody has this name, the folder is another's, or it cannot be written.
    """
    index = pki.load()
    subject = pki.find(name).certificate.subject
    if subject.role not in _OTHERS:
        raise FileError(
            "an authority has no trust folder", "Name a gateway, an EMP or an administrator.", subject=name, file=target
        )
    _refuse_foreign(target, subject, pki.folder)
    wanted = {**_authorities(index, pki.now_s), **_peers(pki, index, subject), **_own(pki, index, subject)}
    written = write_all(target, wanted)
    for folder in (AUTHORITIES, PEERS, OWN):
        make_folder(target / folder)
    return Exported(subject, _names(wanted), written, remove_all(_outdated(pki, target, subject, wanted), target))


def participants(pki: Pki) -> list[str]:
    """The common names of all that have a certificate which is not revoked, in the order of their first one."""
    entries = [one for one in pki.load().entries if one.certificate.subject.role in _OTHERS and one.revoked_s is None]
    return list(dict.fromkeys(one.name for one in entries))


def _refuse_foreign(target: Path, subject: Subject, pki: Path) -> None:
    if target.resolve().is_relative_to(pki.resolve()):
        raise FileError("this is a folder of the PKI itself", "Name a folder outside of it.", file=target)
    for one in own_triples(target):
        if one.subject != subject:
            raise WrongIdentityError(
                f"this trust folder belongs to {one.subject}, and not to {subject}",
                "Name another folder: each participant has its own.",
                file=target,
            )


def _authorities(index: Index, now_s: int) -> dict[str, Content]:
    wanted = {}
    for one in index.authorities:
        name = profile.authority_file(one.certificate.subject)
        if one.certificate.not_after_s >= now_s:
            wanted[f"{AUTHORITIES}/{name}{CERTIFICATE}"] = Content(one.pem.encode())
            wanted[f"{AUTHORITIES}/{name}{REVOCATION_LIST}"] = Content(index.lists[name][1].encode())
    return wanted


def _peers(pki: Pki, index: Index, subject: Subject) -> dict[str, Content]:
    return {
        f"{PEERS}/{one.name}/{one.generation}/{one.certificate.purpose.value}{CERTIFICATE}": _octets(pki, one)
        for one in index.entries
        if one.certificate.subject.role in _OTHERS[subject.role] and one.state(pki.now_s) == "valid"
    }


def _own(pki: Pki, index: Index, subject: Subject) -> dict[str, Content]:
    wanted = {}
    for one in index.entries:
        if one.certificate.subject != subject or one.revoked_s is not None:
            continue
        stem = f"{OWN}/{one.generation}/{one.certificate.purpose.value}"
        key = _key(pki, one)
        if key.exists():
            wanted[f"{stem}{KEY}"] = Content(read_private(key), PRIVATE)
        elif subject.role is not Role.SMGW:
            raise FileError("this private key is missing", "Restore it from a backup.", subject=one.name, file=key)
        wanted[f"{stem}{CERTIFICATE}"] = _octets(pki, one)
    return wanted


def _octets(pki: Pki, one: Entry) -> Content:
    return Content(read_file(pki.participant_folder(one) / f"{one.certificate.purpose.value}{CERTIFICATE}"))


def _key(pki: Pki, one: Entry) -> Path:
    return pki.participant_folder(one) / f"{one.certificate.purpose.value}{KEY}"


def _outdated(pki: Pki, target: Path, subject: Subject, wanted: dict[str, Content]) -> list[Path]:
    """Certificates and lists that no longer belong here; keys only if the PKI has them, too."""
    found = [
        Path(file)
        for folder in (AUTHORITIES, PEERS, OWN)
        for file, *_ in stamp(target / folder, (CERTIFICATE, REVOCATION_LIST, KEY), deep=True)
    ]
    outdated = []
    for file in found:
        if file.relative_to(target).as_posix() in wanted:
            continue
        if file.suffix == KEY:
            kept = pki.folder / "participants" / subject.common_name / file.parent.name / file.name
            if not kept.exists() or kept.read_bytes() != file.read_bytes():
                continue
        outdated.append(file)
    return outdated


def _names(wanted: dict[str, Content]) -> list[str]:
    return sorted({name.split("/")[1] for name in wanted if name.startswith(f"{PEERS}/")})
