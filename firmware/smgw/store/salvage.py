"""Readable rows of a damaged store, brought into a new one under the identity they were recorded under."""

import sqlite3
from pathlib import Path


def salvage_lmn(damaged: Path, target: sqlite3.Connection) -> str:
    return ""


def salvage_wan(damaged: Path, target: sqlite3.Connection) -> str:
    return ""
