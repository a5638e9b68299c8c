"""The check of all log books of a gateway: numbers, chains of hashes, and the signatures of heads."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from smgw.clock.text import utc_text
from smgw.store import paths
from smgw.store.errors import StoreAbsent, StoreError
from smgw.store.file.log_check import Checked, check
from smgw.store.file.log_head import Head
from smgw.store.file.view import View
from smgw.store.wan.view import WanView

if TYPE_CHECKING:
    from smgw.trust.certificate import Certificate


class CheckedBook(NamedTuple):
    """A book of one process. `notes` are what is to be known and no fault."""

    process: str
    book: str
    checked: Checked
    faults: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def lines(self) -> Iterator[str]:
        """For a person."""
        where = f"{self.process}: book {self.book!r}"
        found = self.checked
        about = f"{where}: {found.entries} entries ({found.first} to {found.last})" if found.entries else where
        if not self.faults:
            yield f"{about}, numbers and seals are whole{''.join(f'; {note}' for note in self.notes)}"
            return
        yield f"{about}: {len(self.faults)} faults{''.join(f'; {note}' for note in self.notes)}"
        for fault in self.faults:
            yield f"{where}: {fault}"


def heads_of(state: Path) -> list[Head]:
    """The signed heads in wan.db; none if there is no wan.db."""
    try:
        with WanView.open(paths.wan_directory(state)) as view:
            return view.log_heads()
    except StoreAbsent:
        return []


def checked_books(process: str, view: View, heads: list[Head], signatures: "Signatures") -> Iterator[CheckedBook]:
    """The check of each book in one database."""
    signed = {head.book: 0 for head in heads if head.store_id == view.store_id}
    for book in {**view.books(), **signed}:
        own = [head for head in heads if (head.store_id, head.book) == (view.store_id, book)]
        faults = [fault for head in own if (fault := signatures.fault(head))]
        good = {head.number: head for head in own if not signatures.fault(head)}
        checked = check(view.log_rows(book), {number: head.digest for number, head in good.items()})
        faults = [fault.text for fault in checked.faults] + faults
        notes = []
        if checked.signed:
            at = utc_text(good[checked.signed].utc_us)
            known = "signed" if signatures.known else "signed, signatures not checked,"
            notes.append(f"{known} up to entry {checked.signed} at {at}")
        elif checked.entries:
            notes.append("not signed")
        yield CheckedBook(process, book, checked, tuple(faults), tuple(notes))


class Signatures:
    """Checks the signatures of heads by the gateway's own certificates SIG."""

    def __init__(self, trust: Path, *, needed: bool) -> None:
        """`needed`: there are heads. Without one, no certificate is read."""
        self.why = ""
        self._certificates: dict[bytes, Certificate] = {}
        self._faults: dict[Head, str] = {}
        if not needed:
            return
        from smgw.trust.errors import TrustError  # a large library, only if something is signed
        from smgw.trust.own import own_triples

        try:
            found = [triple.signature for triple in own_triples(trust)]
        except (TrustError, OSError) as error:
            self.why = f"the signatures of log books are not checked: {error}"
            return
        self._certificates = {bytes.fromhex(one.fingerprint): one for one in found}
        if not found:
            self.why = f"the signatures of log books are not checked: no certificates in {trust}"

    @property
    def known(self) -> bool:
        """Whether there are certificates to check with."""
        return bool(self._certificates)

    def fault(self, head: Head) -> str:
        """What is wrong with a signature; empty if it is good, or if there are no certificates."""
        if not self.known:
            return ""
        if head not in self._faults:
            self._faults[head] = self._fault(head)
        return self._faults[head]

    def _fault(self, head: Head) -> str:
        from smgw.trust.plain_signature import is_signed

        certificate = self._certificates.get(head.signer)
        if certificate is None:
            return f"entry {head.number} was signed by a certificate that is not in the trust folder"
        if not is_signed(certificate, head.signed_octets, head.signature):
            return f"the signature of entry {head.number} is wrong"
        return ""


def check_all(state: Path) -> tuple[list[CheckedBook], list[StoreError], str]:
    """All books, the errors of databases that cannot be read, and why no signature was checked."""
    from smgw.store.han.view import HanView
    from smgw.store.lmn.view import LmnView

    books: list[CheckedBook] = []
    errors: list[StoreError] = []
    heads: list[Head] = []
    with contextlib.suppress(StoreError):  # the same error comes below
        heads = heads_of(state)
    signatures = Signatures(paths.trust_directory(state), needed=bool(heads))
    for process, view, directory in (
        ("lmn", LmnView, paths.lmn_directory(state)),
        ("wan", WanView, paths.wan_directory(state)),
        ("han", HanView, paths.han_directory(state)),
    ):
        if view is HanView and not (directory / paths.HAN).exists():  # not every gateway has one
            continue
        try:
            with view.open(directory) as opened:
                books += checked_books(process, opened, heads, signatures)
        except StoreError as error:
            errors.append(error)
    return books, errors, signatures.why
