"""What waits for an EMP, into a parcel that is carried by hand. Nothing counts as delivered by it."""

from collections.abc import Sequence
from pathlib import Path

from smgw.cosem import DeviceId
from smgw.cosemxml import document as cosem_document
from smgw.cosemxml.document import DocumentError
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.gateway import Configuration
from smgw.profiles.meter import MeterProfile
from smgw.store import by_meter, paths
from smgw.store.errors import StoreAbsent
from smgw.store.lmn_view import LmnView
from smgw.store.records import StoredRecord
from smgw.store.wan_view import WanView
from smgw.wan.batch import batches
from smgw.webservice.parcel import ParcelWriter

_ROWS = 500  # at a time, and in a document at most

_Cursors = dict[tuple[str, str], int]  # (store id, meter) -> position


def export(
    configuration: Configuration, state: Path, emp: CommunicationProfile, file: Path, *, everything: bool = False
) -> tuple[int, int]:
    """Pack what `emp` has not acknowledged, or all that is in the store; (rows, rows that fit no document).

    Works beside running services. Raises StoreError, ParcelError.
    """
    unfit = 0
    with LmnView.open(paths.lmn_directory(state)) as view, ParcelWriter(file) as parcel:
        cursors = {} if everything else _cursors(state, emp.name)
        for meter in configuration.meters_for(emp):
            last = by_meter.last_position(view, meter.name)
            position = cursors.get((view.store_id, meter.name), 0)
            while records := by_meter.records(view, meter.name, position, _ROWS):
                position = records[-1].position
                waiting = [row for row in records if row.record_number > cursors.get((row.store_id, row.meter), 0)]
                unfit += _pack(parcel, configuration.gateway.device_id, meter, waiting)
                if position >= last:  # what comes meanwhile is for the next parcel
                    break
    return parcel.rows, unfit


def _cursors(state: Path, emp: str) -> _Cursors:
    try:
        with WanView.open(paths.wan_directory(state)) as view:
            return {(row.store_id, row.meter): row.position for row in view.cursors() if row.emp == emp}
    except StoreAbsent:  # nothing was ever delivered
        return {}


def _pack(parcel: ParcelWriter, gateway: DeviceId, meter: MeterProfile, records: Sequence[StoredRecord]) -> int:
    unfit = 0
    for batch in batches(gateway, meter.device_id, records):
        try:
            parcel.add(cosem_document.encode(batch.document), len(batch.records))
        except DocumentError:
            if len(batch.records) == 1:
                unfit += 1
            else:
                unfit += sum(_pack(parcel, gateway, meter, [record]) for record in batch.records)
    return unfit
