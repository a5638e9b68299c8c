"""The schema versions of the stores: those that this program knows, and those of the files on the card."""

import contextlib
import sqlite3
from pathlib import Path

from smgw.store import paths
from smgw.store.errors import StoreError
from smgw.store.file.connection import connect_reader
from smgw.store.file.schema import usable_from, version_of
from smgw.store.lmn.schema import lmn_schema
from smgw.store.wan.schema import wan_schema
from smgw.update.bundle import Store


def of_this_program() -> dict[str, Store]:
    """By name, lmn and wan."""
    known = {"lmn": lmn_schema(), "wan": wan_schema()}
    return {name: Store(schema.version, schema.usable_from) for name, schema in known.items()}


def on_the_card(state: Path) -> dict[str, Store]:
    """By name; a store that is not there yet is left out. StoreError if one cannot be read."""
    found = {}
    for path in (paths.lmn_directory(state) / paths.LMN, paths.wan_directory(state) / paths.WAN):
        try:
            if not path.exists():
                continue
            with contextlib.closing(connect_reader(path)) as connection:
                found[path.stem] = Store(version_of(connection), usable_from(connection))
        except (OSError, sqlite3.Error) as error:
            raise StoreError(path, f"its schema version cannot be read ({error})") from error
    return found
