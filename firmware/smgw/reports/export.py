"""Writes rows of an EMP into an export archive, signed and sealed for it if its profile has CMS.

They do not count as delivered.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import NamedTuple

from smgw.cosem import DeviceId
from smgw.cosemxml import document as cosem_document
from smgw.cosemxml.document import DocumentError
from smgw.errors import SmgwError
from smgw.profiles.communication import DEFAULT_OUTLET, CommunicationProfile
from smgw.profiles.feed import Feed
from smgw.profiles.gateway import Configuration
from smgw.store import paths
from smgw.store.errors import StoreAbsent
from smgw.store.lmn.view import LmnView
from smgw.store.progress import Progress, progress
from smgw.store.records import StoredRecord
from smgw.store.wan.pseudonyms import Numbered, Unnumbered, number_beside
from smgw.store.wan.records import Cursor, SetAside
from smgw.store.wan.signatures import SignaturesBeside
from smgw.store.wan.view import WanView
from smgw.wan.cosem_xml.documents import parts
from smgw.wan.cosem_xml.securities import secured
from smgw.wan.cosem_xml.signing import RowSigner, row_signer
from smgw.wan.outlet import Surroundings
from smgw.wan.pseudonyms import Number, mask
from smgw.wan.requeued import found
from smgw.webservice.media_type import COSEM_XML, COSEM_XML_CMS
from smgw.webservice.parcel import ParcelWriter

_ROWS = 500  # rows read at a time, and most rows in a document
_ALL_UNDER_PSEUDONYMS = (
    "--all is not possible for EMP {}, which gets devices under pseudonyms: the record numbers of delivered rows are "
    "forgotten, so it would get those rows a second time; leave --all out"
)
_Some = tuple[Feed, Sequence[StoredRecord]]


class Which(Enum):
    """Which rows of an EMP."""

    WAITING = "waiting"  # not acknowledged yet
    ALL = "all"
    QUARANTINED = "quarantined"  # which the EMP rejected; each is a document of its own


class Exported(NamedTuple):
    """The rows in the archive, those that fit no document, and whether all documents are sealed."""

    rows: int
    unfit: int
    sealed: bool


def export(
    configuration: Configuration,
    state: Path,
    emp: CommunicationProfile,
    file: Path,
    surroundings: Surroundings,
    which: Which = Which.WAITING,
) -> Exported:
    """Export rows of `emp`. Works while the services run. Rows under a pseudonym get their numbers now, in wan.db.

    Raises StoreError, ParcelError; TrustError if it cannot be sealed; SmgwError where all rows cannot be told apart.
    """
    if which is Which.ALL and emp.pseudonym_days:
        raise SmgwError(_ALL_UNDER_PSEUDONYMS.format(emp.name))
    gateway, sealing = configuration.gateway.device_id, None
    if emp.outlet == DEFAULT_OUTLET:
        sealing = secured(gateway, emp, surroundings).sealing
    seal: Callable[[bytes], bytes] = bytes
    if sealing is not None:
        seal = partial(sealing.seal, pair=sealing.pair())
    number = partial(_number, paths.wan_directory(state))
    signer = None
    if emp.outlet == DEFAULT_OUTLET:
        signer = row_signer(surroundings, SignaturesBeside(paths.wan_directory(state)), strict=True)
    media_type = COSEM_XML if sealing is None else COSEM_XML_CMS
    with LmnView.open(paths.lmn_directory(state)) as view, ParcelWriter(file, media_type) as parcel:
        packer = _Packer(parcel, gateway, seal)
        for feed, records in _chosen(configuration, state, emp, view, which):
            for some in _named(feed, records, number):
                packer.pack(*(some if signer is None else _signed(signer, *some)))
    return Exported(parcel.rows, packer.unfit, sealing is not None)


def _chosen(
    configuration: Configuration, state: Path, emp: CommunicationProfile, view: LmnView, which: Which
) -> Iterator[_Some]:
    cursors = [] if which is Which.ALL else _cursors(state)
    known = progress(configuration, view.sources(), cursors, view.store_id)
    own = [feed for feed in known.feeds if feed.who == emp.name]
    if which is Which.QUARANTINED:
        for aside in _set_aside(state, emp.name):
            feed, record = found(aside, own, view)
            if feed is not None and record is not None:
                yield feed, (record,)
        return
    for feed in own:
        yield from _from(view, known, feed)


def _from(view: LmnView, known: Progress, feed: Feed) -> Iterator[_Some]:
    """The rows of a feed behind its cursor; later rows are for the next archive."""
    last, position = view.last_position(feed.source), known.position(feed.who, feed.source)
    while position < last:
        piece = known.piece(view, feed, position, _ROWS)
        if not piece.read:  # retention removed the rest
            break
        position = piece.position
        yield feed, piece.records


def _number(directory: Path, feed: Feed, rows: Sequence[Unnumbered]) -> list[Numbered | None]:
    return number_beside(directory, feed.who, feed.source, feed.pseudonym_days, rows)


def _named(feed: Feed, records: Sequence[StoredRecord], number: Number) -> Iterator[_Some]:
    """The rows under the names by which the EMP knows them."""
    while records and feed.pseudonym_days:
        masked = mask(feed, records, number)
        if masked is not None:
            yield masked
        records = records[1 if masked is None else len(masked.records) :]
    if records:
        yield feed, records


def _signed(signer: RowSigner, feed: Feed, records: Sequence[StoredRecord]) -> _Some:
    """The rows as they will be delivered: signed now if they are to be signed, and were not yet."""
    if fault := signer.sign(feed.delivered, records):
        raise SmgwError(fault)
    return feed, [signer.signed(feed.delivered, record) for record in records]


def _cursors(state: Path) -> list[Cursor]:
    try:
        with WanView.open(paths.wan_directory(state)) as view:
            return view.cursors()
    except StoreAbsent:  # nothing was ever delivered
        return []


def _set_aside(state: Path, emp: str) -> list[SetAside]:
    try:
        with WanView.open(paths.wan_directory(state)) as view:
            return view.set_aside(emp)
    except StoreAbsent:
        return []


class _Packer:
    """Puts rows into an archive; counts those that fit no document."""

    def __init__(self, parcel: ParcelWriter, gateway: DeviceId, seal: Callable[[bytes], bytes]) -> None:
        self._parcel = parcel
        self._gateway = gateway
        self._seal = seal
        self.unfit = 0

    def pack(self, feed: Feed, records: Sequence[StoredRecord]) -> None:
        for part in parts(feed.recorder or self._gateway, feed.delivered, records):
            try:
                octets = cosem_document.encode(part.document)
            except DocumentError:
                if len(part.records) == 1:
                    self.unfit += 1
                    continue
                for record in part.records:
                    self.pack(feed, [record])
            else:
                self._parcel.add(self._seal(octets), len(part.records))
