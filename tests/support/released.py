"""The stores that a released package wrote, unpacked into a state directory."""

import gzip
from pathlib import Path

from smgw.cosem import Capture
from smgw.store import paths
from smgw.store.records import StoredRecord

_STORES = Path(__file__).parents[1] / "captures" / "stores" / "released-0.1.0"
_VERSION_3 = _STORES.with_name("version-3")
_VERSION_5 = _STORES.with_name("version-5")


def unpack(state: Path) -> None:
    """Make lmn/lmn.db and wan/wan.db below `state`."""
    for directory in (paths.lmn_directory(state), paths.wan_directory(state)):
        directory.mkdir(parents=True)
        unpack_one(directory)


def unpack_one(directory: Path) -> None:
    """Make lmn.db or wan.db in the directory of that name, with an empty -wal beside it, as after a clean end."""
    database = directory / f"{directory.name}.db"
    database.write_bytes(gzip.decompress((_STORES / f"{database.name}.gz").read_bytes()))
    paths.wal_of(database).touch()


def unpack_version_3(directory: Path) -> None:
    """Make an lmn.db of schema version 3 in the directory, with 4,200 captures: see `make_version_3.py`."""
    database = directory / paths.LMN
    database.write_bytes(gzip.decompress((_VERSION_3 / f"{paths.LMN}.gz").read_bytes()))
    paths.wal_of(database).touch()


def unpack_version_5(state: Path) -> None:
    """Make lmn.db 5 and wan.db 3 with log books below `state`: see `make_version_5.py`."""
    for directory in (paths.lmn_directory(state), paths.wan_directory(state)):
        directory.mkdir(parents=True)
        database = directory / f"{directory.name}.db"
        database.write_bytes(gzip.decompress((_VERSION_5 / f"{database.name}.gz").read_bytes()))
        paths.wal_of(database).touch()


def capture_of(row: StoredRecord) -> Capture:
    """The capture of a stored row."""
    return Capture(row.meter, row.device, row.stamp, row.meter_time, row.readings, row.signature)
