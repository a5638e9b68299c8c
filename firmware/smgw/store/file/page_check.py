"""Checks the pages of a large store in the background: damage in old rows is found without delaying the start."""

import sqlite3
import threading
from pathlib import Path

from smgw.store.errors import is_damaged
from smgw.store.file.connection import connect_reader


class PageCheck:
    """One pass of SQLite's quick_check in a thread of its own. `verdict` is the fault found, or None."""

    def __init__(self, path: Path) -> None:
        self.verdict: str | None = None
        self._connection = connect_reader(path)
        self._thread = threading.Thread(target=self._run, name="store-check", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, finished or not."""
        while self._thread.is_alive():
            self._connection.interrupt()
            self._thread.join(0.05)
        self._connection.close()

    def _run(self) -> None:
        try:
            verdict = str(self._connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.Error as error:
            verdict = str(error) if is_damaged(error) else "ok"
        if verdict != "ok":
            self.verdict = verdict
