"""Salvages a damaged wan.db: all readable rows go into a new file."""

import sqlite3
from pathlib import Path

from smgw.store.rescue import small
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


def salvage_wan(damaged: Path, target: sqlite3.Connection) -> str:
    """Copy all readable rows into an empty `target`, inside the caller's transaction; returns a line for the log.

    No table is larger than `small.MOST_ROWS` but that of quarantined rows, if an EMP rejected so many one by one.
    Rows whose cursor is lost are delivered again. New rows go under new pseudonyms, since the numbers of the old ones
    may be lost.
    """
    small.copy_tables(damaged, target, wan_schema(), _TABLES)
    target.execute(RAISE_CURSORS)
    cursors = int(target.execute("SELECT count(*) FROM cursor").fetchone()[0])
    devices = int(target.execute("SELECT count(*) FROM pseudonym").fetchone()[0])
    quarantined = int(target.execute("SELECT count(*) FROM set_aside").fetchone()[0])
    full = f"; only {small.MOST_ROWS} quarantined rows were saved" if quarantined >= small.MOST_ROWS else ""
    renamed = f"; {devices} devices under pseudonyms get new ones" if devices else ""
    return f"{cursors} cursors were saved; rows behind the others are delivered again{full}{renamed}"
