"""A registrar and a dispatcher at work, for test_power_cut.py, which preloads power_cut.c.

    power_cut_writer.py DIRECTORY NOTES SECONDS ALL LIVE PAUSE

Time is virtual: it passes while the registrar waits. Eight meters send every second, six of them with every telegram
registered and two with a grid. Notes: `now T`, `live VALUE T` and `grid VALUE T` when a capture is handed over,
`acknowledged VALUE` for a ticket, `given FIRST NEXT` for counters, `gathered N` and `settled N` for deliveries.
"""

import ctypes
import logging
import os
import queue
import sys
from collections import deque
from pathlib import Path
from typing import Any

from captures_made import DEVICE, MIDNIGHT, SECOND, capture, energy
from registering import Clock
from smgw.cosem import DeviceId, Obis
from smgw.cosem.source import Source
from smgw.metering.gathering import Gathering
from smgw.metering.registrar import Registrar
from smgw.store.lmn.store import LmnStore
from smgw.store.records import CacheKind, Condition, CounterKind, MeterState, Record
from smgw.store.wan.store import WanStore

PERIOD = 60
LIVE, GRID = [f"live{number}" for number in range(6)], ["grid0", "grid1"]
_STEP = 0.125
_REGISTERS = [Obis(bytes((1, 0, number, 8, 0, 255))) for number in range(1, 9)]
library = ctypes.CDLL(None)


def say(*words: object) -> None:
    library.power_cut_say(" ".join(map(str, words)).encode())


class World:
    """Virtual time. What is due happens while somebody waits."""

    def __init__(self, directory: Path, gathering: Gathering) -> None:
        self.now = 0.0
        self.clock = Clock()
        self.value = 0
        self.lmn, self.wan = LmnStore.open(directory / "lmn"), WanStore.open(directory / "wan")
        periods = {**dict.fromkeys(LIVE, 0), **dict.fromkeys(GRID, PERIOD)}
        self.registrar = Registrar(self.lmn, self.clock, periods, gathering=gathering, monotonic=lambda: self.now)
        self.registrar._inbox, self.registrar._hurry = Inbox(self), Pause(self)  # type: ignore[assignment]
        self.tickets: list[tuple[int, Any]] = []

    def wait(self, seconds: float) -> None:
        """Time passes, in steps; each meter sends in a step of its own."""
        end = self.now + max(seconds, _STEP / 64)
        while self.now < end:
            step = int(self.now / _STEP)
            self.now = min(end, (step + 1) * _STEP)
            if self.now == (step + 1) * _STEP:
                self.clock.now_us = MIDNIGHT + round(self.now * SECOND)
                say("now", self.now)
                self.happen(step + 1)

    def happen(self, step: int) -> None:
        second, eighth = divmod(step, 8)
        self.value += 1
        meter = [*LIVE, *GRID][eighth]
        # Those of the grid stand exactly on its points, so the capture itself decides the slot.
        at_us = MIDNIGHT + second * SECOND if meter in GRID else self.clock.now_us
        taken = meter in LIVE or second % PERIOD == 0
        if taken:
            say("grid" if meter in GRID else "live", self.value, self.now)
        readings = [energy(self.value)._replace(obis=obis) for obis in _REGISTERS]
        self.registrar.capture(capture(at_us, *readings, meter=meter))
        self.registrar.state(MeterState(meter, DEVICE, Condition.READING, 1, at_us, good=self.value))
        if step % 100 == 0:
            self.tickets.append(
                (self.value, self.registrar.append([Record(capture(at_us, energy(self.value), meter="counted"))]))
            )
        if step % 70 == 0:
            first = self.lmn.reserve(CounterKind.INVOCATION, "key", "live0", 1, 64)
            say("given", first, first + 64)
        if step % 333 == 0:
            self.registrar.cache(CacheKind.OBJECT_LIST, DeviceId(f"d{step}".encode()), b"1", bytes(3000))
        if step % 40 == 0:
            say("gathered", step)
            for name in LIVE:
                self.wan.gather("emp", "ab" * 16, Source(name, DEVICE), step, 1)
            self.wan.settle()
            say("settled", step)

    def settle(self) -> None:
        for value, ticket in self.tickets:
            if ticket.over:
                ticket.wait()
                say("acknowledged", value)
        self.tickets = [(value, ticket) for value, ticket in self.tickets if not ticket.over]


class Inbox:
    """As queue.SimpleQueue. A wait lets the time of the world pass."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._items: deque[Any] = deque()
        self.put = self._items.append
        self.qsize = self._items.__len__

    def empty(self) -> bool:
        return not self._items

    def get_nowait(self) -> Any:
        if not self._items:
            raise queue.Empty
        return self._items.popleft()

    def get(self, timeout: float) -> Any:
        end = self._world.now + timeout
        while not self._items and self._world.now < end:
            self._world.wait(min(_STEP, end - self._world.now))
        return self.get_nowait()


class Pause:
    """As threading.Event that is never set."""

    def __init__(self, world: World) -> None:
        self.wait = world.wait

    def is_set(self) -> bool:
        return False


def main(directory: Path, notes: Path, seconds: float, gathering: Gathering) -> None:
    """Ends without closing anything."""
    logging.disable(logging.CRITICAL)
    if library.power_cut_note(os.fsencode(directory), os.fsencode(notes)) < 0:
        raise SystemExit("nothing can be noted")
    world = World(directory, gathering)
    while world.now < seconds:
        world.registrar.run_once(1.0)
        world.settle()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), Gathering(*map(float, sys.argv[4:7])))
