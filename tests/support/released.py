"""The stores that a released package wrote, unpacked into a state directory."""

import gzip
from pathlib import Path

from smgw.store import paths

_STORES = Path(__file__).parents[1] / "captures" / "stores" / "released-0.1.0"


def unpack(state: Path) -> None:
    """Make lmn/lmn.db and wan/wan.db below `state`, each with an empty -wal beside it, as after a clean end."""
    for directory, name in ((paths.lmn_directory(state), paths.LMN), (paths.wan_directory(state), paths.WAN)):
        directory.mkdir(parents=True)
        database = directory / name
        database.write_bytes(gzip.decompress((_STORES / f"{name}.gz").read_bytes()))
        paths.wal_of(database).touch()
