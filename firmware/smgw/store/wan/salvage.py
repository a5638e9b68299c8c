"""Salvages a damaged wan.db: all readable rows go into a new file."""

import contextlib
import os
import sqlite3
from pathlib import Path

from smgw.store.errors import is_full
from smgw.store.file.connection import connect_salvage
from smgw.store.rescue.copying import copy_ends, present, version_of
from smgw.store.wan.pseudonyms import RAISE_CURSORS
from smgw.store.wan.schema import wan_schema

_PSEUDONYMS = ("pseudonym", "pseudonym_period", "pseudonym_run")
_TABLES = (
    "cursor",
    "set_aside",
    "channel",
    "time_sample",
    "work_order",
    "order_taken",
    "counts",
    "log",
    "log_head",
    "value_signature",
    "logged_cursor",
    *_PSEUDONYMS,
)
#: Most rows of a table that are copied: a start must not take long. No table is larger but that of quarantined rows,
#: if an EMP rejected so many one by one.
_MOST_ROWS = 100_000


def salvage_wan(damaged: Path, target: sqlite3.Connection) -> str:
    """Copy all readable rows into an empty `target`, inside the caller's transaction; returns a line for the log.

    Rows of an older schema version go into tables of that version, which are then migrated. Rows whose cursor is lost
    are delivered again. New rows go under new pseudonyms, since the numbers of the old ones may be lost.
    """
    schema = wan_schema()
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
    target.execute(RAISE_CURSORS)
    cursors = int(target.execute("SELECT count(*) FROM cursor").fetchone()[0])
    devices = int(target.execute("SELECT count(*) FROM pseudonym").fetchone()[0])
    quarantined = int(target.execute("SELECT count(*) FROM set_aside").fetchone()[0])
    full = f"; only {_MOST_ROWS} quarantined rows were saved" if quarantined >= _MOST_ROWS else ""
    renamed = f"; {devices} devices under pseudonyms get new ones" if devices else ""
    return f"{cursors} cursors were saved; rows behind the others are delivered again{full}{renamed}"
