"""han.db, written by the HAN process, and by commands beside it: accounts and the log book of logins."""

import sqlite3
from pathlib import Path
from typing import Self

from smgw.store import paths
from smgw.store.file.owned import Begun
from smgw.store.file.pending import Pending
from smgw.store.file.writer import StoreWriter
from smgw.store.han.schema import han_schema

_BALLAST_BYTES = 64 * 1024


def _salvage(damaged: Path, target: sqlite3.Connection, _store_id: str | None, _aside: str) -> Begun:
    from smgw.store.han.salvage import salvage_han  # not loaded unless the file is damaged

    return Begun(salvage_han(damaged, target))


class HanStore(StoreWriter):
    """The owner of han.db."""

    _REMEDY = "entries of its log book wait in memory"

    def __init__(self, directory: Path) -> None:
        super().__init__(
            directory / paths.HAN, han_schema(), _salvage, Pending(), whole_wal=False, reserve=_BALLAST_BYTES
        )

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open han.db in its directory, or make it. Raises StoreOwned, StoreTooNew, StoreError."""
        return cls(directory)
