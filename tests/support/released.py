"""The stores that a released package wrote, unpacked into a state directory."""

import gzip
from pathlib import Path

from smgw.cosem import Capture
from smgw.store import paths
from smgw.store.records import StoredRecord

_STORES = Path(__file__).parents[1] / "captures" / "stores" / "released-0.1.0"


def unpack(state: Path) -> None:
    """Make lmn/lmn.db and wan/wan.db below `state`, each with an empty -wal beside it, as after a clean end."""
    for directory, name in ((paths.lmn_directory(state), paths.LMN), (paths.wan_directory(state), paths.WAN)):
        directory.mkdir(parents=True)
        database = directory / name
        database.write_bytes(gzip.decompress((_STORES / f"{name}.gz").read_bytes()))
        paths.wal_of(database).touch()


def capture_of(row: StoredRecord) -> Capture:
    """The capture of a stored row."""
    return Capture(row.meter, row.device, row.stamp, row.meter_time, row.readings, row.signature)
