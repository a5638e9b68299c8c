"""What can be read of a damaged wan.db goes into a new one."""

import contextlib
import os
import sqlite3
from pathlib import Path

from smgw.store.errors import is_full
from smgw.store.file.connection import connect_salvage
from smgw.store.rescue.copying import copy_ends, version_of
from smgw.store.wan.schema import wan_schema

_TABLES = ("cursor", "set_aside", "channel", "time_sample", "work_order", "order_taken", "counts", "log")


def salvage_wan(damaged: Path, target: sqlite3.Connection, _: str | None) -> str:
    """Make wan.db in an empty `target` of what can be read, inside the caller's transaction; a line that says what.

    A file of an older schema version goes into tables of that version, and these are then migrated. What is lost is
    delivered again.
    """
    schema = wan_schema()
    version = version_of(damaged, schema.version)
    schema.create(target, os.urandom(16), version)
    try:
        with contextlib.closing(connect_salvage(damaged)) as source:
            for table in _TABLES:
                copy_ends(source, target, table)
    except sqlite3.DatabaseError as error:
        if is_full(error):
            raise
    schema.advance(target, version)
    cursors = int(target.execute("SELECT count(*) FROM cursor").fetchone()[0])
    return f"{cursors} cursors were saved; rows behind the others are delivered again"
