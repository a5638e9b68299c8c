"""Writes the waiting rows of an EMP into an export archive. They do not count as delivered."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from smgw.cosem import DeviceId
from smgw.cosemxml import document as cosem_document
from smgw.cosemxml.document import DocumentError
from smgw.errors import SmgwError
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.feed import Feed
from smgw.profiles.gateway import Configuration
from smgw.store import paths
from smgw.store.errors import StoreAbsent
from smgw.store.lmn.view import LmnView
from smgw.store.progress import progress
from smgw.store.records import StoredRecord
from smgw.store.wan.pseudonyms import Numbered, Unnumbered, number_beside
from smgw.store.wan.records import Cursor
from smgw.store.wan.view import WanView
from smgw.wan.cosem_xml.documents import parts
from smgw.wan.pseudonyms import mask
from smgw.webservice.parcel import ParcelWriter

_ROWS = 500  # rows read at a time, and most rows in a document
_ALL_UNDER_PSEUDONYMS = (
    "--all is not possible for EMP {}, which gets devices under pseudonyms: the record numbers of delivered rows are "
    "forgotten, so it would get those rows a second time; leave --all out"
)


def export(
    configuration: Configuration, state: Path, emp: CommunicationProfile, file: Path, *, everything: bool = False
) -> tuple[int, int]:
    """Export unacknowledged rows of `emp`, or all rows; returns (rows, rows that fit no document).

    Works while the services run. Rows under a pseudonym get their numbers now, in wan.db.
    Raises StoreError, ParcelError; SmgwError where all rows cannot be told apart.
    """
    if everything and emp.pseudonym_days:
        raise SmgwError(_ALL_UNDER_PSEUDONYMS.format(emp.name))
    unfit = 0
    gateway = configuration.gateway.device_id
    number = partial(_number, paths.wan_directory(state))
    with LmnView.open(paths.lmn_directory(state)) as view, ParcelWriter(file) as parcel:
        known = progress(configuration, view.sources(), [] if everything else _cursors(state), view.store_id)
        for feed in known.feeds:
            if feed.who != emp.name:
                continue
            last = view.last_position(feed.source)
            position = known.position(emp.name, feed.source)
            while position < last:  # later rows are for the next archive
                piece = known.piece(view, feed, position, _ROWS)
                if not piece.read:  # retention removed the rest
                    break
                position = piece.position
                for named, records in _named(feed, piece.records, number):
                    unfit += _pack(parcel, gateway, named, records)
    return parcel.rows, unfit


def _number(directory: Path, feed: Feed, rows: Sequence[Unnumbered]) -> Numbered | None:
    return number_beside(directory, feed.who, feed.source, feed.pseudonym_days, rows)


def _named(
    feed: Feed, records: Sequence[StoredRecord], number: Callable[[Feed, Sequence[Unnumbered]], Numbered | None]
) -> Iterator[tuple[Feed, Sequence[StoredRecord]]]:
    """The rows under the names by which the EMP knows them."""
    while records and feed.pseudonym_days:
        masked = mask(feed, records, number)
        if masked is not None:
            yield masked
        records = records[1 if masked is None else len(masked.records) :]
    if records:
        yield feed, records


def _cursors(state: Path) -> list[Cursor]:
    try:
        with WanView.open(paths.wan_directory(state)) as view:
            return view.cursors()
    except StoreAbsent:  # nothing was ever delivered
        return []


def _pack(parcel: ParcelWriter, gateway: DeviceId, feed: Feed, records: Sequence[StoredRecord]) -> int:
    unfit = 0
    for part in parts(feed.recorder or gateway, feed.delivered, records):
        try:
            parcel.add(cosem_document.encode(part.document), len(part.records))
        except DocumentError:
            if len(part.records) == 1:
                unfit += 1
            else:
                unfit += sum(_pack(parcel, gateway, feed, [record]) for record in part.records)
    return unfit
