"""The folder of a trial's PKI, for years: keys of authorities, index, and the files to copy to gateways and EMPs.

    index.json       0600  all that was issued and revoked; back it up with private/
    private/         0700  *.key of root and sub-CAs, mode 0600
    authorities/           *.crt and *.crl of root and sub-CAs: copy it to every gateway and EMP
    participants/NAME/N/   tls, sig, enc: .crt, and .key if the key was made here; N counts renewals

A command changes the index first and the other files after it. What a kill left out, the next command writes.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from smgw.trust.certificate import TRIPLE, Certificate, Purpose, utc
from smgw.trust.errors import FileError, MalformedError, PassphraseError, TrustError
from smgw.trust.files import PRIVATE, PUBLIC, make_folder, replace
from smgw.trust.keys.private_file import read_private
from smgw.trust.names import Role, Subject, root
from smgw.trust.request import KEY, key_octets, read_triple

from pki import profile
from pki.index import Entry, Index

_Key = ec.EllipticCurvePrivateKey
DAY: Final = 86400


class Days(NamedTuple):
    """How long things live. Not verified in a norm, but for the two years of end entities."""

    root: int = 8 * 365
    sub_ca: int = 5 * 365
    end: int = 2 * 365
    root_list: int = 365
    list: int = 90
    begin: int = 0
    """How many days from now new certificates of participants begin: time to bring them to the others."""


DEFAULT_DAYS: Final = Days()


class Pki:
    """An opened folder. One process at a time has it: use `opened`."""

    def __init__(self, folder: Path, now_s: int, passphrase: bytes = b"", days: Days = DEFAULT_DAYS) -> None:
        self.folder, self.now_s, self.days = folder, now_s, days
        self._passphrase = passphrase
        self.index_file = folder / "index.json"

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, now_s: int, passphrase: bytes = b"", days: Days = DEFAULT_DAYS) -> Iterator["Pki"]:
        """Lock the folder, and read it if there is a PKI in it.

        :raises FileError: another command works here, or the folder cannot be used.
        """
        make_folder(folder, 0o700)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FileError(
                    "another smgw-pki works in this folder", "Wait until it ends, and try again.", file=folder
                ) from None
            yield cls(folder, now_s, passphrase, days)
        finally:
            os.close(descriptor)

    def init(self, curve: str, name: str, terms: profile.Terms) -> None:
        """Make root, sub-CA and their first revocation lists.

        :raises FileError: there is a PKI already.
        """
        if self.index_file.exists():
            raise FileError("there is a PKI already", "Choose another folder with --pki.", file=self.index_file)
        index = Index(curve, terms.crl_url, terms.contact)
        make_folder(self.folder / "private", 0o700)
        subject = root()
        key = self._new_authority_key(subject, 0, curve)
        made = profile.root_certificate(subject, key, self.now_s, self.days.root, terms)
        index.entries.append(Entry(made.pem.decode(), 1))
        self._add_sub_ca(index, Subject.checked(Role.CA, name), 1)
        self._list_all(index)
        self._commit(index)

    def renew_authority(self) -> list[Entry]:
        """The next generation of the sub-CA: new serialNumber in the name, new key. The old one signs its lists on."""
        index = self.load()
        added = self._add_next_sub_ca(index)
        self._list_all(index)
        self._commit(index)
        return [added]

    def renew_root(self) -> list[Entry]:
        """The next root, and a sub-CA under it. Both roots are believed by all who get the new folder."""
        index = self.load()
        generation = index.root.generation + 1
        subject = root()._replace(serial=str(generation))
        key = self._new_authority_key(subject, 0, index.curve)
        terms = profile.Terms(index.crl_url, index.contact)
        made = profile.root_certificate(subject, key, self.now_s, self.days.root, terms)
        added = [Entry(made.pem.decode(), generation)]
        index.entries += added
        added.append(self._add_next_sub_ca(index))
        self._list_all(index)
        self._commit(index)
        return added

    def issue_for_keys_of(self, subject: Subject, requests: Path, *, renewal: bool) -> list[Entry]:
        """A triple for the requests of a folder.

        :raises TrustError: the requests do not fit; nothing was issued.
        """
        found = read_triple(requests)
        if found[0].subject != subject:
            raise MalformedError(
                f"the requests are of {found[0].subject}, and not of {subject}",
                "Take those of the right gateway.",
                file=requests,
            )
        return self._issue(subject, [one.public_key for one in found], (), renewal=renewal)

    def issue_with_keys(
        self, subject: Subject, hosts: tuple[str, ...], passphrase: bytes = b"", *, renewal: bool
    ) -> list[Entry]:
        """A triple with keys made here, in the participant's folder (mode 0600), encrypted if there is a passphrase."""
        index = self.load()
        folder = self._participant(subject.common_name, _newest(index.of(subject.common_name)) + 1)
        make_folder(folder, 0o700)
        keys = [ec.generate_private_key(profile.CURVES[index.curve][2]) for _ in TRIPLE]
        for purpose, key in zip(TRIPLE, keys, strict=True):
            replace(folder / f"{purpose.value}{KEY}", key_octets(key, passphrase), PRIVATE)
        return self._issue(subject, [key.public_key() for key in keys], hosts, renewal=renewal)

    def _issue(
        self, subject: Subject, keys: list[ec.EllipticCurvePublicKey], hosts: tuple[str, ...], *, renewal: bool
    ) -> list[Entry]:
        index = self.load()
        before = index.of(subject.common_name)
        valid = [one for one in before if one.state(self.now_s) == "valid"]
        if valid and not renewal:
            raise FileError(
                f"it has certificates until {utc(max(one.certificate.not_after_s for one in valid))}",
                "Use `smgw-pki renew`: the old ones stay valid until the new ones are in use.",
                subject=str(subject),
                file=self.index_file,
            )
        if renewal and not before:
            raise self._unknown(str(subject))
        begins_s = self.now_s + self.days.begin * DAY
        if (state := index.sub_ca.state(begins_s)) != "valid":
            raise FileError(
                f"the sub-CA is {state} at {utc(begins_s)}",
                "Make its next generation: `smgw-pki renew ca`.",
                file=self.index_file,
            )
        wanted = profile.CURVES[index.curve][2].name
        known = {one.certificate.public_key.public_numbers() for one in index.entries}
        for key in keys:
            if key.curve.name != wanted:
                raise MalformedError(
                    f"the key is on {key.curve.name}, and this PKI is on {wanted}",
                    f"Make the requests with `smgw keys request --curve {index.curve}`.",
                    subject=str(subject),
                )
            if key.public_numbers() in known:
                raise MalformedError(
                    "this key has a certificate already",
                    "Make new keys: a renewal needs new keys.",
                    subject=str(subject),
                )
        by, terms = self._issuer(index.sub_ca), profile.Terms(index.crl_url, index.contact)
        made = [
            profile.end_certificate(subject, purpose, key, by, begins_s, self.days.end, terms, hosts or _hosts(before))
            for purpose, key in zip(TRIPLE, keys, strict=True)
        ]
        added = [Entry(one.pem.decode(), _newest(before) + 1) for one in made]
        index.entries.extend(added)
        self._commit(index)
        return added

    def revoke(self, name: str, generation: int | None) -> list[Entry]:
        """Revoke all certificates of a participant, or those of one generation, and sign the lists anew.

        :returns: those that were not revoked before.
        :raises FileError: there is no such participant or generation.
        """
        index = self.load()
        found = index.of(name)
        if not found or len({one.name for one in found}) > 1:
            raise self._unknown(name)
        if found[0].certificate.subject.role is Role.ROOT:
            raise FileError("a root cannot be revoked", "Make a new PKI.", subject=name, file=self.index_file)
        generations = sorted({one.generation for one in found})
        if generation not in (None, *generations):
            numbers = ", ".join(map(str, generations))
            raise FileError(
                f"there is no generation {generation}", f"There are: {numbers}.", subject=name, file=self.index_file
            )
        chosen = [one for one in found if one.revoked_s is None and generation in (None, one.generation)]
        for one in chosen:
            one.revoked_s = self.now_s
        self._list_all(index)
        self._commit(index)
        return chosen

    def renew_lists(self) -> list[str]:
        """Sign the revocation lists of all authorities anew; their names."""
        index = self.load()
        self._list_all(index)
        self._commit(index)
        return list(index.lists)

    def load(self) -> Index:
        """The index. Files that a kill left out are written now."""
        index = Index.load(self.index_file)
        self._publish(index)
        return index

    def find(self, name: str) -> Entry:
        """The newest entry of a participant.

        :raises FileError: nobody has this name, or several have it.
        """
        found = Index.load(self.index_file).of(name)
        if not found or len({one.name for one in found}) > 1:
            raise self._unknown(name)
        return found[-1]

    def participant_folder(self, entry: Entry) -> Path:
        """Where its files are."""
        return self._participant(entry.name, entry.generation)

    def _participant(self, name: str, generation: int) -> Path:
        return self.folder / "participants" / name / str(generation)

    def _add_next_sub_ca(self, index: Index) -> Entry:
        old = index.sub_ca
        generation = old.generation + 1
        return self._add_sub_ca(index, old.certificate.subject._replace(serial=str(generation)), generation)

    def _add_sub_ca(self, index: Index, subject: Subject, generation: int) -> Entry:
        by = self._issuer(index.root)
        key = self._new_authority_key(subject, 1, index.curve)
        terms = profile.Terms(index.crl_url, index.contact)
        made = profile.sub_ca_certificate(subject, key.public_key(), by, self.now_s, self.days.sub_ca, terms)
        index.entries.append(Entry(made.pem.decode(), generation))
        return index.entries[-1]

    def _list_all(self, index: Index) -> None:
        for authority in index.authorities:
            if authority.certificate.not_after_s < self.now_s:
                continue
            name = profile.authority_file(authority.certificate.subject)
            number = index.lists.get(name, (0, ""))[0] + 1
            revoked = [
                (one.certificate.serial_number, one.revoked_s)
                for one in index.entries
                if one.revoked_s is not None and one.certificate.issuer == authority.certificate.x509.subject
            ]
            is_root = authority.certificate.subject.role is Role.ROOT
            days = self.days.root_list if is_root else self.days.list
            made = profile.revocation_list(self._issuer(authority), number, revoked, self.now_s, days)
            index.lists[name] = (number, made.pem.decode())

    def _commit(self, index: Index) -> None:
        index.save(self.index_file)
        try:
            self._publish(index)
        except FileError as error:
            error.remedy += " The command itself is done: the next one, such as `smgw-pki list`, writes this file."
            raise

    def _publish(self, index: Index) -> None:
        folder = self.folder / "authorities"
        make_folder(folder)
        by_name = {entry.certificate.x509.subject: entry for entry in index.authorities}
        for entry in index.authorities:
            _put(folder / f"{profile.authority_file(entry.certificate.subject)}.crt", entry.pem)
        for name, (_, pem) in index.lists.items():
            _put(folder / f"{name}.crl", pem)
        for entry in index.entries:
            purpose = entry.certificate.purpose
            if purpose is Purpose.AUTHORITY:
                continue
            place = self.participant_folder(entry)
            make_folder(place)
            behind = by_name[entry.certificate.issuer].pem if purpose is Purpose.TLS else ""
            _put(place / f"{purpose.value}.crt", entry.pem + behind)

    def _issuer(self, authority: Entry) -> profile.Issuer:
        file = self._key_file(authority.certificate.subject)
        octets = read_private(file)
        try:
            key = load_pem_private_key(octets, self._passphrase or None)
        except (ValueError, TypeError):
            raise PassphraseError(
                "this key does not open", "Name the file with its passphrase by --passphrase.", file=file
            ) from None
        if not isinstance(key, _Key) or not _fits(key, authority.certificate):
            raise FileError("this key is not that of its certificate", "Restore it from a backup.", file=file)
        return profile.Issuer(authority.certificate, key)

    def _new_authority_key(self, subject: Subject, level: int, curve: str) -> _Key:
        key = ec.generate_private_key(profile.CURVES[curve][level])
        replace(self._key_file(subject), key_octets(key, self._passphrase), PRIVATE)
        return key

    def _key_file(self, subject: Subject) -> Path:
        return self.folder / "private" / f"{profile.authority_file(subject)}.key"

    def _unknown(self, name: str) -> TrustError:
        return FileError(
            "nobody here has this name, or several have it", "See `smgw-pki list`.", subject=name, file=self.index_file
        )


def _fits(key: _Key, certificate: Certificate) -> bool:
    return key.public_key().public_numbers() == certificate.public_key.public_numbers()


def _hosts(entries: list[Entry]) -> list[str]:
    """The host names of the newest certificate, for its successor."""
    if not entries:
        return []
    try:
        found = entries[-1].certificate.x509.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:  # of a gateway
        return []
    return found.value.get_values_for_type(x509.DNSName)


def _newest(entries: list[Entry]) -> int:
    return max((one.generation for one in entries), default=0)


def _put(file: Path, text: str) -> None:
    if not file.exists() or file.read_bytes() != text.encode():
        replace(file, text.encode(), PUBLIC)
