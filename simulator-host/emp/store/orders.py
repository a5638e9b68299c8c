"""Other work of the writer, each step a transaction: removing rows and storing notices."""

import sqlite3
from concurrent.futures import Future
from typing import Protocol

from smgw.cosem.device_id import DeviceId

from emp.store.schema import VERSION, keep_highest
from emp.store.storage import Notice

STEP_ROWS = 2000  # so that deliveries are not held up
KEPT_EVENTS = 10_000


class Order(Protocol):
    """Work in several steps."""

    @property
    def begun(self) -> bool:
        """True after a step if the next one depends on the rows that were there then."""

    def step(self, connection: sqlite3.Connection) -> bool:
        """One step, inside a transaction; True after the last one."""

    def finish(self) -> None:
        """Report the result: the last step is durable."""

    def fail(self, error: Exception) -> None:
        """Report that it failed, or did not finish."""


class Removal:
    """Removes the rows that a device has at the start; with `whole` the device too, if it got no rows since."""

    def __init__(self, device: DeviceId, *, whole: bool) -> None:
        self.future: Future[int] = Future()
        self._removed = 0
        self._device = device
        self._whole = whole
        self._until: int | None = None

    @property
    def begun(self) -> bool:
        """See Order."""
        return self._until is not None

    def step(self, connection: sqlite3.Connection) -> bool:
        """See Order."""
        found = connection.execute("SELECT id FROM device WHERE octets=?", (bytes(self._device),)).fetchone()
        if found is None:
            return True
        device = found[0]
        keep_highest(connection)
        if self._until is None:
            self._until = connection.execute("SELECT coalesce(max(id), 0) FROM record").fetchone()[0]
        rows = connection.execute(
            "SELECT id, gateway FROM record WHERE device=? AND id<=? ORDER BY id LIMIT ?",
            (device, self._until, STEP_ROWS),
        ).fetchall()
        connection.execute("DELETE FROM latest WHERE device=? AND record<=?", (device, self._until))
        connection.executemany("DELETE FROM reading WHERE record=?", [(row,) for row, _ in rows])
        connection.executemany("DELETE FROM record WHERE id=?", [(row,) for row, _ in rows])
        connection.executemany(
            "UPDATE sighting SET records=records-1 WHERE gateway=? AND device=?",
            [(gateway, device) for _, gateway in rows],
        )
        connection.execute(
            "UPDATE sighting SET last_record=NULL WHERE device=? AND last_record<=?", (device, self._until)
        )
        self._removed += len(rows)
        if len(rows) == STEP_ROWS:
            return False
        if self._whole and not connection.execute("SELECT 1 FROM record WHERE device=? LIMIT 1", (device,)).fetchone():
            for table in ("register", "sighting"):
                connection.execute(f"DELETE FROM {table} WHERE device=?", (device,))  # noqa: S608 - our own names only
            connection.execute("DELETE FROM device WHERE id=?", (device,))
            connection.execute("DELETE FROM event WHERE device=?", (bytes(self._device),))
        return True

    def finish(self) -> None:
        """See Order."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_result(self._removed)

    def fail(self, error: Exception) -> None:
        """See Order."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


class Probe:
    """Asks the writer whether it can write; writes only if `tries`."""

    def __init__(self, *, tries: bool) -> None:
        self.future: Future[None] = Future()
        self._tries = tries

    @property
    def begun(self) -> bool:
        """See Order."""
        return False

    def step(self, connection: sqlite3.Connection) -> bool:
        """See Order."""
        if self._tries:
            connection.execute(f"PRAGMA user_version={VERSION}")  # the same as before, but it is written
        return True

    def finish(self) -> None:
        """See Order."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_result(None)

    def fail(self, error: Exception) -> None:
        """See Order."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


class Entry:
    """Stores a notice in the table of events and removes the oldest."""

    def __init__(self, notice: Notice) -> None:
        self.future: Future[bool] = Future()
        self._notice = notice
        self._is_new = False

    @property
    def begun(self) -> bool:
        """See Order."""
        return False

    def step(self, connection: sqlite3.Connection) -> bool:
        """See Order."""
        device, class_id, obis, method, parameter, cid, received_us = self._notice
        done = connection.execute(
            "INSERT OR IGNORE INTO event (device, class_id, obis, method, parameter, cid, received_us)"
            " VALUES (?,?,?,?,?,?,?)",
            (bytes(device), class_id, bytes(obis), method, parameter, cid, received_us),
        )
        self._is_new = done.rowcount > 0
        connection.execute(
            "DELETE FROM event WHERE id <= (SELECT id FROM event ORDER BY id DESC LIMIT 1 OFFSET ?)", (KEPT_EVENTS,)
        )
        return True

    def finish(self) -> None:
        """See Order."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_result(self._is_new)

    def fail(self, error: Exception) -> None:
        """See Order."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)
