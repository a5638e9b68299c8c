"""What waits for the next commit of lmn.db, each only the newest.

These are states of meters and clock, counters of pushes, and counts of pulses.

A state of a meter that only counts on is written rarely: every commit of two pages wears the card as much as one of ten
rows.
"""

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator

from smgw.clock.gateway_clock import Saved
from smgw.cosem.device_id import DeviceId
from smgw.store.file.pending import UNWRITABLE, Pending, count, writable
from smgw.store.lmn import pulses, pushes
from smgw.store.lmn.values import NO_DEVICE
from smgw.store.records import MeterState

_log = logging.getLogger(__name__)

_Key = tuple[str, bytes]
#: Longest that news wait: a log entry, a state of a meter that says something else. A commit of rows takes them along.
_NEWS_S = 5.0
#: A commit of rows takes states without news along so long after the last time, and not before.
_WITH_OTHERS_S = 60.0
#: Longest that counts of pulses wait for a commit of rows: a power cut costs no more of them.
_PULSES_S = 60.0
#: Without a commit of rows they are written by themselves after so long.
_ALONE_S = 300.0
_INSERT = "INSERT OR REPLACE INTO meter_state VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class LmnPending(Pending):
    """Also states of meters and of the clock, counters of pushes, and counts of pulses."""

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[_Key, MeterState | None] = {}  # None: the row is removed
        self.clock: Saved | None = None
        self._clock_said: tuple[str, int] | None = None
        self.pushes: dict[tuple[str, str], int] = {}  # (key, meter and system title): the newest counter
        self.pulses: dict[str, tuple[int, int]] = {}  # meter: the newest count, and the last order in it
        self._pulses_since: float | None = None  # when the oldest waiting one came
        self._orders: dict[str, int] = {}  # meter: the last order that was noted
        self._registering = False
        self._whole = False
        self._news = False  # a state says something else than the one before
        self._last: dict[_Key, tuple[object, ...]] = {}  # by device: what its newest state says
        self._written = time.monotonic()

    def __bool__(self) -> bool:
        return super().__bool__() or bool(self.states or self.clock or self.pushes or self.pulses)

    def is_due(self) -> bool:
        """True if what waits should not wait for a commit of rows."""
        waited = time.monotonic() - self._written
        if super().__bool__() or self._news:
            return waited >= _NEWS_S
        if self._pulses_since is not None and time.monotonic() - self._pulses_since >= _PULSES_S:
            return True
        return bool(self) and waited >= _ALONE_S

    @contextlib.contextmanager
    def registered(self) -> Iterator[None]:
        """The next commit has the captures of the pushes, so it has their counters too."""
        self._registering = True
        try:
            yield
        finally:
            self._registering = False

    @contextlib.contextmanager
    def wholly(self) -> Iterator[None]:
        """The next commit leaves nothing waiting."""
        self._whole = True
        try:
            yield
        finally:
            self._whole = False

    def note_clock(self, clock: Saved) -> None:
        """Another boot, or a clock that became valid or invalid, is news."""
        said = (clock.boot_id, clock.state)
        self._news = self._news or said != self._clock_said
        self.clock, self._clock_said = clock, said

    def newest_pushes(self, scope: str, title: bytes) -> list[int]:
        """The waiting counters of pushes with this key and system title."""
        end = pushes.suffix(title)
        return [counter for (key, holder), counter in self.pushes.items() if key == scope and holder.endswith(end)]

    def note_pulses(self, meter: str, count: int, ordered: int) -> None:
        """The newest count of a meter's pulses. An order in it is news."""
        before = self.pulses.get(meter)
        self.pulses[meter] = count, ordered
        if self._orders.get(meter, 0) != ordered:
            self._orders[meter] = ordered
            self._pulses_since = -_PULSES_S
        elif before is None and self._pulses_since is None:
            self._pulses_since = time.monotonic()

    def note_meter(self, state: MeterState) -> None:
        """Queue the newest state of a device; one without a device replaces all of its meter."""
        state = writable(state)
        if state.device is None:
            self.states = {key: waiting for key, waiting in self.states.items() if key[0] != state.meter}
            self._last = {key: said for key, said in self._last.items() if key[0] != state.meter}
        key, said = (state.meter, state.device or NO_DEVICE), (state.state, state.since_us, state.note, state.remark)
        self.states[key] = state
        self._news = self._news or self._last.get(key) != said
        self._last[key] = said

    def drop_meter(self, meter: str, device: DeviceId) -> None:
        """Queue the end of a device's state."""
        key = writable((meter,))[0], bytes(device)
        self.states[key] = None
        self._last.pop(key, None)
        self._news = True

    def write(self, connection: sqlite3.Connection) -> Callable[[], None]:
        """As `Pending.write`. A state that cannot be written is counted as `lost_state`.

        States and clock are left for a later commit if they were written just now and have no news.
        """
        newest = dict(self.pushes) if self._registering or self._whole else {}
        rare = self._whole or self._news or time.monotonic() - self._written >= _WITH_OTHERS_S
        states, clock = (dict(self.states), self.clock) if rare else ({}, None)
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
        counts = dict(self.pulses) if self._registering or self._whole else {}
        pulses.write(connection, counts)
        if lost:
            count(connection, {"lost_state": lost})
        forget_others = super().write(connection)

        def forget() -> None:
            forget_others()
            self.states = {
                key: state for key, state in self.states.items() if key not in states or states[key] is not state
            }
            self.clock = None if self.clock is clock else self.clock
            if rare:
                self._news, self._written = False, time.monotonic()
            self.pushes = {key: counter for key, counter in self.pushes.items() if newest.get(key) != counter}
            self.pulses = {meter: count for meter, count in self.pulses.items() if counts.get(meter) != count}
            if counts:
                self._pulses_since = time.monotonic() if self.pulses else None

        return forget


def _write_state(connection: sqlite3.Connection, key: _Key, state: MeterState | None) -> None:
    if state is None:
        connection.execute("DELETE FROM meter_state WHERE meter = ? AND device = ?", key)
        return
    connection.execute(_INSERT, (*key, *state[2:]))
    others = "device <> ?" if state.device is None else "device = ?"
    connection.execute(f"DELETE FROM meter_state WHERE meter = ? AND {others}", (key[0], NO_DEVICE))  # noqa: S608
