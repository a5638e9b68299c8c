"""Salvages a damaged han.db: all readable rows go into a new file."""

import sqlite3
from pathlib import Path

from smgw.store.han.schema import han_schema
from smgw.store.rescue.small import copy_tables

_TABLES = ("account", "certificate", "counts", "log")


def salvage_han(damaged: Path, target: sqlite3.Connection) -> str:
    """Copy all readable rows into an empty `target`, inside the caller's transaction; returns a line for the log."""
    copy_tables(damaged, target, han_schema(), _TABLES)
    accounts = int(target.execute("SELECT count(*) FROM account").fetchone()[0])
    return f"{accounts} accounts were saved; make missing ones anew: smgw consumer add"
