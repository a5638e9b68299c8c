"""Writes the waiting rows of an EMP into an export archive. They do not count as delivered."""

from collections.abc import Sequence
from pathlib import Path

from smgw.cosem import DeviceId
from smgw.cosemxml import document as cosem_document
from smgw.cosemxml.document import DocumentError
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.feed import Feed
from smgw.profiles.gateway import Configuration
from smgw.store import paths
from smgw.store.errors import StoreAbsent
from smgw.store.lmn.view import LmnView
from smgw.store.progress import progress
from smgw.store.records import StoredRecord
from smgw.store.wan.records import Cursor
from smgw.store.wan.view import WanView
from smgw.wan.cosem_xml.documents import parts
from smgw.webservice.parcel import ParcelWriter

_ROWS = 500  # rows read at a time, and most rows in a document


def export(
    configuration: Configuration, state: Path, emp: CommunicationProfile, file: Path, *, everything: bool = False
) -> tuple[int, int]:
    """Export unacknowledged rows of `emp`, or all rows; returns (rows, rows that fit no document).

    Works while the services run. Raises StoreError, ParcelError.
    """
    unfit = 0
    gateway = configuration.gateway.device_id
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
                unfit += _pack(parcel, gateway, feed, piece.records)
    return parcel.rows, unfit


def _cursors(state: Path) -> list[Cursor]:
    try:
        with WanView.open(paths.wan_directory(state)) as view:
            return view.cursors()
    except StoreAbsent:  # nothing was ever delivered
        return []


def _pack(parcel: ParcelWriter, gateway: DeviceId, feed: Feed, records: Sequence[StoredRecord]) -> int:
    unfit = 0
    for part in parts(gateway, feed.delivered, records):
        try:
            parcel.add(cosem_document.encode(part.document), len(part.records))
        except DocumentError:
            if len(part.records) == 1:
                unfit += 1
            else:
                unfit += sum(_pack(parcel, gateway, feed, [record]) for record in part.records)
    return unfit
