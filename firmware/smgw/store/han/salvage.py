"""Salvages a damaged han.db: all readable rows go into a new file."""

import contextlib
import os
import sqlite3
from pathlib import Path

from smgw.store.errors import is_full
from smgw.store.file.connection import connect_salvage
from smgw.store.han.schema import han_schema
from smgw.store.rescue.copying import copy_ends, present, version_of

_TABLES = ("account", "certificate", "counts", "log")
_MOST_ROWS = 100_000


def salvage_han(damaged: Path, target: sqlite3.Connection) -> str:
    """Copy all readable rows into an empty `target`, inside the caller's transaction; returns a line for the log."""
    schema = han_schema()
    version = version_of(damaged, schema.version)
    schema.create(target, os.urandom(16), version)
    try:
        with contextlib.closing(connect_salvage(damaged)) as source:
            for table in present(target, _TABLES):
                copy_ends(source, target, table, _MOST_ROWS)
    except sqlite3.DatabaseError as error:
        if is_full(error):
            raise
    schema.advance(target, version)
    accounts = int(target.execute("SELECT count(*) FROM account").fetchone()[0])
    return f"{accounts} accounts were saved; make missing ones anew: smgw consumer add"
