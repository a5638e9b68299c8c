"""Salvages a damaged file whose tables are small: all readable rows go into a new one."""

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from smgw.store.errors import is_full
from smgw.store.file.connection import connect_salvage
from smgw.store.file.schema import Schema
from smgw.store.rescue.copying import copy_ends, present, version_of

#: Most rows of a table that are copied: a start must not take long.
MOST_ROWS = 100_000


def copy_tables(damaged: Path, target: sqlite3.Connection, schema: Schema, tables: Sequence[str]) -> None:
    """Copy all readable rows of these tables into an empty `target`, inside the caller's transaction.

    Rows of an older schema version go into tables of that version, which are then migrated.
    """
    version = version_of(damaged, schema.version)
    schema.create(target, os.urandom(16), version)
    try:
        with contextlib.closing(connect_salvage(damaged)) as source:
            for table in present(target, tables):
                copy_ends(source, target, table, MOST_ROWS)
    except sqlite3.DatabaseError as error:
        if is_full(error):
            raise
    schema.advance(target, version)
