"""What a trust folder holds, as a table, and what of it ends soon.

Only what is in use counts as ending: a certificate that was renewed may end, and so may an authority whose successor
is here. A damaged file is a fault and hides no other.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from smgw.trust.certificate import Certificate, Purpose, utc
from smgw.trust.crl import RevocationList
from smgw.trust.errors import TrustError
from smgw.trust.folder import AUTHORITIES, CERTIFICATE, OWN, PEERS, REVOCATION_LIST, read_certificates, stamp
from smgw.trust.meter_certificate import MeterCertificate
from smgw.trust.meter_tls import METERS, own_files
from smgw.trust.names import Subject

#: Days before the end of something at which it is told; each once.
STEPS: Final = (60, 30, 7)
#: Days from which on it counts as a fault of the gateway and not as a note.
URGENT: Final = 7
_DAY: Final = 86400

_PINNED, _OWN, _AUTHORITY, _LIST = "pinned", "own", "authority", "list"
_LMN, _METER = "lmn", "meter"  # self-signed ones of the local metrological network
_THEN: Final = "Then run `smgw-pki export` again and copy the folder; on a gateway `smgw keys install` takes it."
_REMEDIES: Final = {
    _OWN: f"Renew it with `smgw-pki renew`; a gateway makes new requests before (`smgw keys request`). {_THEN}",
    _PINNED: f"Let its owner renew it (`smgw-pki renew`). {_THEN}",
    _AUTHORITY: f"Renew it (`smgw-pki renew ca`, or `renew root`), and then what it issued. {_THEN}",
    _LMN: "Renew it with `smgw keys lmn --renew`, and give the new one to the meters.",
    _METER: "Let the meter make a new one, then pin it: `smgw keys meter METER FILE`. If it is gone: --remove.",
    _LIST: f"Let its authority sign a new one (`smgw-pki crl`). {_THEN}",
}


class Item(NamedTuple):
    """One certificate or revocation list."""

    kind: str
    """`own`, `pinned`, `lmn`, `meter`, `authority` or `list`."""
    use: str
    """`TLS`, `SIG`, `ENC`, `CA` or `CRL`."""
    subject: str
    file: Path
    not_before_s: int
    until_s: int
    fingerprint: str
    """SHA-256, in hex."""
    in_use: bool
    """False if something newer has its place."""

    def days_left(self, now_s: int) -> int:
        """Whole days until its end; negative after it."""
        return (self.until_s - now_s) // _DAY

    def step(self, now_s: int) -> int | None:
        """The smallest of STEPS that it has passed, 0 after its end; None while there is time."""
        if now_s > self.until_s:
            return 0
        return min((step for step in STEPS if self.until_s - now_s <= step * _DAY), default=None)


class Ending(NamedTuple):
    """Something in use that ends soon or has ended. What ends together in one folder is told together."""

    items: tuple[Item, ...]
    step: int
    """Days: 60, 30 or 7; 0: it has ended."""
    text: str

    @property
    def is_urgent(self) -> bool:
        """True if it has ended or ends within URGENT days."""
        return self.step <= URGENT


def inventory(trust: Path) -> tuple[list[Item], list[TrustError]]:
    """All certificates and revocation lists of a folder, in the order of `kind`, and the faults of its files."""
    items: list[Item] = []
    faults: list[TrustError] = []
    for part, kind in ((OWN, _OWN), (PEERS, _PINNED), (AUTHORITIES, _AUTHORITY)):
        try:
            found = stamp(trust / part, (CERTIFICATE,), deep=True) if (trust / part).exists() else ()
        except TrustError as error:
            faults.append(error)
            continue
        items += _in_use_marked(_certificates((Path(name) for name, *_ in found), kind, faults))
    for file, kind in _of_meters(trust):
        try:
            several = MeterCertificate.several(file)
        except TrustError as error:
            faults.append(error)
        else:
            newest = max(one.not_after_s for one in several)
            items += [_meter_item(one, kind, file, in_use=one.not_after_s == newest) for one in several]
    return items + _lists(trust / AUTHORITIES, faults), faults


def endings(items: Iterable[Item], now_s: int) -> list[Ending]:
    """What ends soon, the most urgent first. The caller knows that this time is trusted."""
    together: dict[object, list[Item]] = {}
    for one in items:
        if one.in_use and one.step(now_s) is not None:
            together.setdefault((one.until_s, one.kind, one.subject, one.file.parent), []).append(one)
    found = []
    for several in together.values():
        step = several[0].step(now_s)
        assert step is not None
        found.append(Ending(tuple(several), step, _text(several, step, now_s)))
    return sorted(found, key=lambda ending: ending.items[0].until_s)


def _text(several: Sequence[Item], step: int, now_s: int) -> str:
    first = several[0]
    file = first.file if len(several) == 1 else first.file.parent
    plural = "" if len(several) == 1 else "s"
    what = f"revocation list{plural}" if first.kind == _LIST else f"{first.kind} certificate{plural} {_uses(several)}"
    when = f"at {utc(first.until_s)}"
    if step:
        days = first.days_left(now_s)
        verb, when = ("ends" if not plural else "end"), f"{when}, in {days} {'day' if days == 1 else 'days'}"
    else:
        verb = "ended"
    return f"{file}: {what} of {first.subject} {verb} {when}. {_REMEDIES[first.kind]}"


def _uses(several: Sequence[Item]) -> str:
    return ", ".join(one.use for one in several)


def _certificates(files: Iterable[Path], kind: str, faults: list[TrustError]) -> list[tuple[Certificate, Item]]:
    found = []
    for file in files:
        try:
            several = read_certificates(file)
        except TrustError as error:
            faults.append(error)
            continue
        for one in several:
            if (one.purpose is Purpose.AUTHORITY) == (kind == _AUTHORITY):  # behind others stand those of the sub-CAs
                found.append((one, _item(one, kind, file)))
    return found


def _item(one: Certificate, kind: str, file: Path) -> Item:
    use = one.purpose.value.upper()
    return Item(kind, use, str(one.subject), file, one.not_before_s, one.not_after_s, one.fingerprint, True)


def _of_meters(trust: Path) -> Iterator[tuple[Path, str]]:
    """The files of the local metrological network. Only one user and root may look at the gateway's own."""
    own = own_files(trust).certificate
    if os.access(own, os.R_OK, effective_ids=True):
        yield own, _LMN
    if (folder := trust / METERS).is_dir():
        for file in sorted(folder.glob(f"*{CERTIFICATE}")):
            yield file, _METER


def _meter_item(one: MeterCertificate, kind: str, file: Path, *, in_use: bool) -> Item:
    subject = one.name if kind == _LMN else f"{file.stem} ({one.name or 'nobody named'})"
    return Item(kind, "TLS", subject, file, one.not_before_s, one.not_after_s, one.fingerprint, in_use)


def _in_use_marked(found: list[tuple[Certificate, Item]]) -> list[Item]:
    """The newest for each participant and use is in use. Generations of an authority differ in the serialNumber."""
    newest: dict[object, tuple[int, int]] = {}
    for one, _ in found:
        newest[_place(one)] = max(newest.get(_place(one), _rank(one)), _rank(one))
    return [item._replace(in_use=_rank(one) == newest[_place(one)]) for one, item in found]


def _place(one: Certificate) -> object:
    return (one.subject.role, one.subject.owner, one.subject.extension, one.purpose)


def _rank(one: Certificate) -> tuple[int, int]:
    return one.not_before_s, one.not_after_s


def _lists(folder: Path, faults: list[TrustError]) -> list[Item]:
    """The revocation lists; the newest of each authority is in use."""
    found: list[RevocationList] = []
    try:
        files = stamp(folder, (REVOCATION_LIST,)) if folder.exists() else ()
    except TrustError:
        return []  # told already
    for name, *_ in files:
        try:
            found.append(RevocationList.from_file(Path(name)))
        except TrustError as error:
            faults.append(error)
    newest: dict[bytes, int] = {}
    for one in found:
        issuer = one.issuer.public_bytes()
        newest[issuer] = max(newest.get(issuer, 0), one.number)
    return [_list_item(one, in_use=one.number == newest[one.issuer.public_bytes()]) for one in found]


def _list_item(one: RevocationList, *, in_use: bool) -> Item:
    assert one.file is not None
    digest = sha256(one.der).hexdigest()
    return Item(_LIST, "CRL", _issuer(one), one.file, one.this_update_s, one.next_update_s, digest, in_use)


def _issuer(one: RevocationList) -> str:
    try:
        return str(Subject.from_name(one.issuer))
    except TrustError:
        return one.issuer.rfc4514_string()
