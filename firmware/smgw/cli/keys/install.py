"""`smgw keys install DIR`: take over a trust folder of `smgw-pki export`, after all of it was checked."""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from smgw.store import paths
from smgw.store.errors import StoreAbsent, StoreError
from smgw.store.wan.orders import place_order
from smgw.store.wan.records import OrderKind
from smgw.trust.certificate import TRIPLE, Certificate, read_file, utc
from smgw.trust.chain import Authorities, Moment, check_chain, check_time
from smgw.trust.errors import FileError, KeyMismatchError, TrustError, WrongRoleError
from smgw.trust.files import Content, make_folder, remove_all, write_all
from smgw.trust.folder import (
    AUTHORITIES,
    CERTIFICATE,
    OWN,
    PEERS,
    REVOCATION_LIST,
    read_authorities,
    read_certificates,
    stamp,
    triples,
    trust_directory,
)
from smgw.trust.names import Role
from smgw.trust.own import Triple, own_triples
from smgw.trust.owners import give_keys
from smgw.trust.request import REQUEST, Request, read_triple

_Keys = tuple[object, ...]  # the three public keys of a triple

_EPILOG: Final = """\
DIR is the folder that `smgw-pki export` wrote. Afterwards the gateway's own folder has the same certificates and
revocation lists: new ones come first, then those that DIR does not have any more go. Private keys are not touched.
Nothing is written if something in DIR is wrong. Run it again with a newer DIR after each renewal and revocation.
A running gateway takes what is new at once, and tries every EMP again.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder."""
    parser.add_argument("source", type=Path, metavar="DIR", help="trust folder that smgw-pki export wrote")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Check and write; exit code 0."""
    source, trust = arguments.source, trust_directory(arguments.state)
    authorities = read_authorities(source / AUTHORITIES)
    if not list(authorities):
        raise FileError("no root is here", "Name the folder that `smgw-pki export` wrote.", file=source / AUTHORITIES)
    notes: list[str] = []
    own = _own(source, trust, authorities, notes)
    peers = _peers(source, authorities, notes)
    wanted = _files(source, AUTHORITIES) | _files(source, PEERS)
    for number, triple in own.items():
        for purpose in TRIPLE:
            octets = read_file(triple.certificate_file(purpose))
            wanted[f"{OWN}/{number}/{purpose.value}{CERTIFICATE}"] = Content(octets)

    make_folder(trust)
    written = write_all(trust, wanted)
    removed = remove_all(_outdated(trust, wanted, with_own=bool(own)), trust)
    give_keys(triples(trust))

    if written or removed:
        _deliver_now(arguments.state, notes)

    print(f"{trust}: {written} files written, {removed} removed")
    for number, triple in own.items():
        print(f"  own triple {number} of {triple.subject}, until {utc(triple.not_after_s)}")
    print(f"  knows {', '.join(sorted(peers)) or 'nobody'}")
    for note in notes:
        print(f"  note: {note}")
    return 0


def _deliver_now(state: Path, notes: list[str]) -> None:
    """A channel may be held because of what is mended now: it would be tried again after 15 minutes only."""
    try:
        place_order(paths.wan_directory(state), None, OrderKind.DELIVER)
    except StoreAbsent:
        pass  # nothing was delivered yet
    except StoreError as error:
        notes.append(f"{error}. A channel that is held is tried again within 15 minutes, or by `smgw deliver`.")


def _own(source: Path, trust: Path, authorities: Authorities, notes: list[str]) -> dict[int, Triple]:
    """The triples of `source` by the number of the folder that has their keys.

    The newest must fit. Of older ones the keys may have been removed, or the authority may have expired.
    """
    if not (found := own_triples(source)):
        return {}
    here = {_key(requests): number for number, requests in _requests(trust).items()}
    newest = found[-1]
    _refuse_foreign(newest, here)
    for purpose in TRIPLE:
        _judge(newest.certificate(purpose), newest.certificate_file(purpose), authorities, notes)
    matched = {}
    for triple in found:
        number = here.get(_triple_key(triple))
        if number is not None and (triple is newest or _is_believed(triple, authorities)):
            matched[number] = triple
    return matched


def _refuse_foreign(newest: Triple, here: Mapping[_Keys, int]) -> None:
    if newest.subject.role is not Role.SMGW:
        raise WrongRoleError(
            f"this trust folder belongs to {newest.subject}, and not to a gateway",
            "Take the folder that `smgw-pki export` wrote for this gateway.",
            file=newest.folder,
        )
    if _triple_key(newest) not in here:
        raise KeyMismatchError(
            f"it is for none of the keys here ({len(here)} triples)",
            "Take the folder of this gateway. If its keys were made again (`smgw keys request`), give the new requests "
            "to `smgw-pki renew`, and export again.",
            subject=newest.tls.described,
            file=newest.folder,
        )


def _is_believed(triple: Triple, authorities: Authorities) -> bool:
    try:
        for purpose in TRIPLE:
            check_chain(triple.certificate(purpose), authorities)
    except TrustError:
        return False
    return True


def _requests(trust: Path) -> dict[int, list[Request]]:
    """The requests of each folder `own/N` that has all three: a kill may have left one without."""
    return {
        int(folder.name): read_triple(folder)
        for folder in triples(trust)
        if all((folder / f"{purpose.value}{REQUEST}").exists() for purpose in TRIPLE)
    }


def _key(requests: list[Request]) -> _Keys:
    return tuple(one.public_key.public_numbers() for one in requests)


def _triple_key(triple: Triple) -> _Keys:
    return tuple(triple.certificate(purpose).public_key.public_numbers() for purpose in TRIPLE)


def _peers(source: Path, authorities: Authorities, notes: list[str]) -> set[str]:
    if not (folder := source / PEERS).is_dir():
        return set()
    names = set()
    for name, *_ in stamp(folder, (CERTIFICATE,), deep=True):
        first = read_certificates(Path(name))[0]
        _judge(first, Path(name), authorities, notes)
        names.add(str(first.subject))
    return names


def _judge(certificate: Certificate, file: Path, authorities: Authorities, notes: list[str]) -> None:
    """Chain and revocation must be right. The time is only told: the clock of a gateway may be wrong."""
    try:
        chain, lists = check_chain(certificate, authorities)
    except TrustError as error:
        raise error.at(file) from None
    try:
        check_time(chain, lists, Moment(int(time.time())))
    except TrustError as error:
        notes.append(str(error.at(file)))


def _files(source: Path, part: str) -> dict[str, Content]:
    if not (source / part).is_dir():
        return {}
    found = stamp(source / part, (CERTIFICATE, REVOCATION_LIST), deep=True)
    return {str(Path(name).relative_to(source)): Content(read_file(Path(name))) for name, *_ in found}


def _outdated(trust: Path, wanted: dict[str, Content], *, with_own: bool) -> list[Path]:
    """Certificates and lists that the new folder does not have; those of one's own only if it has some."""
    parts = (AUTHORITIES, PEERS, OWN) if with_own else (AUTHORITIES, PEERS)
    found = [
        Path(name)
        for part in parts
        if (trust / part).is_dir()
        for name, *_ in stamp(trust / part, (CERTIFICATE, REVOCATION_LIST), deep=True)
    ]
    return [one for one in found if str(one.relative_to(trust)) not in wanted]
