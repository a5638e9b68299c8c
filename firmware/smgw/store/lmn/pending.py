"""What waits for the next commit of lmn.db, each only the newest: states of meters and clock, counters of pushes."""

import logging
import sqlite3
from collections.abc import Callable

from smgw.clock.gateway_clock import Saved
from smgw.cosem.device_id import DeviceId
from smgw.store.file.pending import UNWRITABLE, Pending, count, writable
from smgw.store.lmn import pushes
from smgw.store.records import MeterState

_log = logging.getLogger(__name__)

_Key = tuple[str, bytes]
#: Value of the column `device` in a state of a meter whose device is not known.
NO_DEVICE = b""
_INSERT = "INSERT OR REPLACE INTO meter_state VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class LmnPending(Pending):
    """Also states of meters and of the clock, and counters of pushes."""

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[_Key, MeterState | None] = {}  # None: the row is removed
        self.clock: Saved | None = None
        self.pushes: dict[tuple[str, str], int] = {}  # (key, meter and system title): the newest counter

    def __bool__(self) -> bool:
        return super().__bool__() or bool(self.states or self.clock or self.pushes)

    def note_meter(self, state: MeterState) -> None:
        """Queue the newest state of a device; one without a device replaces all of its meter."""
        state = writable(state)
        if state.device is None:
            self.states = {key: waiting for key, waiting in self.states.items() if key[0] != state.meter}
        self.states[state.meter, state.device or NO_DEVICE] = state

    def drop_meter(self, meter: str, device: DeviceId) -> None:
        """Queue the end of a device's state."""
        self.states[writable((meter,))[0], device] = None

    def write(self, connection: sqlite3.Connection) -> Callable[[], None]:
        """As `Pending.write`. A state that cannot be written is counted as `lost_state`."""
        states, clock, newest = dict(self.states), self.clock, dict(self.pushes)
        lost = 0
        for key, state in states.items():
            try:
                _write_state(connection, key, state)
            except UNWRITABLE as error:
                lost += 1
                _log.error("the state of meter %r cannot be written: %s", key[0], error)
        if clock is not None:
            try:
                connection.execute("INSERT OR REPLACE INTO clock_state VALUES (1, ?, ?, ?, ?, ?)", clock)
            except UNWRITABLE as error:
                lost += 1
                _log.error("the clock's state cannot be written: %s", error)
        pushes.write(connection, newest)
        if lost:
            count(connection, {"lost_state": lost})
        forget_others = super().write(connection)

        def forget() -> None:
            forget_others()
            self.states = {
                key: state for key, state in self.states.items() if key not in states or states[key] is not state
            }
            self.clock = None if self.clock is clock else self.clock
            self.pushes = {key: counter for key, counter in self.pushes.items() if newest.get(key) != counter}

        return forget


def _write_state(connection: sqlite3.Connection, key: _Key, state: MeterState | None) -> None:
    if state is None:
        connection.execute("DELETE FROM meter_state WHERE meter = ? AND device = ?", key)
        return
    connection.execute(_INSERT, (*key, *state[2:]))
    others = "device <> ?" if state.device is None else "device = ?"
    connection.execute(f"DELETE FROM meter_state WHERE meter = ? AND {others}", (key[0], NO_DEVICE))  # noqa: S608
