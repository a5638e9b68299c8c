"""One watcher of the run directory for all who show live values. It rests while nobody subscribes.

Each subscriber has a box with the newest capture of each device. So whoever is slow misses captures, never the newest
one, and costs no memory. The run directory lies on a tmpfs, and another process replaces its files. A look four times a
second at its time of change costs less than being told of each file.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from smgw.cosem.device_id import DeviceId
from smgw.han.live.points import Shown, shown
from smgw.ports.wake import Wake
from smgw.store.live_changes import Changes, LiveChanges
from smgw.store.live_reader import read_live

log = logging.getLogger(__name__)

#: Seconds between two looks. A telegram reaches a subscriber within it.
LOOK_S = 0.25
_STOP_S = 2.0

Device = tuple[str, DeviceId]


class Box:
    """What one subscriber has not taken yet. `wake` is set while something is there."""

    def __init__(self, meters: Collection[str], wake: Wake) -> None:
        """`meters`: names of those it may see; empty: all."""
        self._meters = frozenset(meters)
        self._wake = wake
        self._lock = threading.Lock()
        self._waiting: dict[Device, Shown | None] = {}

    def put(self, device: Device, found: Shown | None) -> None:
        """The newest of a device; None: it has no value any more."""
        if self._meters and device[0] not in self._meters:
            return
        with self._lock:
            self._waiting[device] = found
        self._wake.set()

    def take(self) -> dict[Device, Shown | None]:
        """All that is new, which is then no longer there. The caller clears its wake before."""
        with self._lock:
            taken, self._waiting = self._waiting, {}
        return taken


class LiveFeed:
    """The live values of one gateway, for any number of subscribers in threads of their own."""

    def __init__(self, directory: Path, look_s: float = LOOK_S) -> None:
        self._directory = directory
        self._look_s = look_s
        self._lock = threading.Lock()
        self._boxes: list[Box] = []
        self._newest: dict[Device, Shown] = {}
        self._thread: _Watcher | None = None
        self._read: list[Shown] = []
        self._read_until = 0.0

    @contextlib.contextmanager
    def subscribed(self, wake: Wake, meters: Collection[str] = ()) -> Iterator[Box]:
        """A box that is filled until the block ends. It begins with every value that is there."""
        box = Box(meters, wake)
        with self._lock:
            for device, found in self._newest.items():
                box.put(device, found)
            self._boxes.append(box)
            if self._thread is None:
                self._thread = _Watcher(self)
                self._thread.start()
        try:
            yield box
        finally:
            self._leave(box)

    def now(self, meters: Collection[str] = ()) -> list[Shown]:
        """The newest values, for who asks once. Empty `meters`: all."""
        with self._lock:
            if time.monotonic() >= self._read_until:  # who asks more often gets the same
                self._read = [shown(live.capture) for live in read_live(self._directory)]
                self._read_until = time.monotonic() + self._look_s
            found = self._read
        return [one for one in found if not meters or one.meter in meters]

    @property
    def watching(self) -> bool:
        """Whether somebody subscribes, so that the directory is looked at."""
        return self._thread is not None

    def _leave(self, box: Box) -> None:
        with self._lock:
            self._boxes.remove(box)
            ending = None if self._boxes else self._thread
            if ending is not None:
                self._thread, self._newest = None, {}
        if ending is not None:
            ending.ended.set()
            ending.join(_STOP_S)

    def _told(self, watcher: "_Watcher", changes: Changes) -> None:
        found: dict[Device, Shown | None] = dict.fromkeys(changes.gone)
        found |= {(live.capture.meter, live.capture.device): shown(live.capture) for live in changes.new}
        with self._lock:
            if watcher is not self._thread:  # the last subscriber left meanwhile
                return
            for device, one in found.items():
                if one is None:
                    self._newest.pop(device, None)
                else:
                    self._newest[device] = one
                for box in self._boxes:
                    box.put(device, one)


class _Watcher(threading.Thread):
    """Looks until it is ended."""

    def __init__(self, feed: LiveFeed) -> None:
        super().__init__(name="live-values", daemon=True)
        self.ended = threading.Event()
        self._feed = feed

    def run(self) -> None:
        feed = self._feed
        changes, began = LiveChanges(feed._directory), False
        while not self.ended.wait(feed._look_s if began else 0):
            began = True
            try:
                if found := changes.look():
                    feed._told(self, found)
            except Exception:
                log.exception("live values cannot be shown; the next look is in %g s", feed._look_s)
