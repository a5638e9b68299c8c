"""The readers of a configuration, each in its thread; after a change of it only those that it concerns anew."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from smgw.lmn.reader import Reader
from smgw.profiles.meter import MeterProfile
from smgw.services.workers import Worker, stop_all

log = logging.getLogger(__name__)

_STOP_SECONDS = 1.2


class _Running(NamedTuple):
    reader: Reader
    worker: Worker
    stopping: threading.Event


class Readers:
    """`make` builds the reader of a profile; it may report a state at once."""

    def __init__(self, make: Callable[[MeterProfile], Reader]) -> None:
        self._make = make
        self._running: dict[str, _Running] = {}

    def apply(self, meters: Sequence[MeterProfile]) -> list[str]:
        """Read these meters from now on; a reader whose profile is unchanged notices nothing.

        All that go are stopped before any new one begins: a port may change hands. Returns what changed, in words.
        """
        wanted = {meter.name: meter for meter in meters}
        leaving = [name for name, running in self._running.items() if wanted.get(name) != running.reader.profile]
        coming = [name for name in wanted if name in leaving or name not in self._running]
        self._stop(leaving)
        for name in coming:
            reader = self._make(wanted[name])
            stopping = threading.Event()
            worker = Worker(f"reader {name}", reader.run, stopping)
            self._running[name] = _Running(reader, worker, stopping)
            worker.start()
        said = [f"meter {name} is {'read anew' if name in leaving else 'new'}" for name in coming]
        return said + [f"meter {name} is read no more" for name in leaving if name not in wanted]

    def stop(self) -> list[str]:
        """End all; the names of those that hang (they are daemons: the process's end ends them)."""
        return self._stop(list(self._running))

    @property
    def workers(self) -> list[Worker]:
        """For the watchdog."""
        return [running.worker for running in self._running.values()]

    @property
    def tried(self) -> bool:
        """True once each has opened its port, or said why not."""
        return all(running.reader.tried for running in self._running.values())

    def status(self) -> str:
        """`3 meters: 2 reading, 1 absent (roof); 4711 telegrams, 3 refused`."""
        watches = {name: running.reader.watch for name, running in self._running.items()}
        states = Counter(watch.state for watch in watches.values())
        parts = []
        for state, amount in states.most_common():
            names = [name for name, watch in watches.items() if watch.state == state][:3]
            healthy = state in ("reading", "waiting")
            parts.append(f"{amount} {state}" if healthy else f"{amount} {state} ({', '.join(names)})")
        good, refused = sum(watch.count[0] for watch in watches.values()), sum(w.count[1] for w in watches.values())
        return f"{len(watches)} meters: {', '.join(parts)}; {good} telegrams, {refused} refused"

    def _stop(self, names: Sequence[str]) -> list[str]:
        going = [self._running.pop(name) for name in names]
        for running in going:
            running.stopping.set()
            running.reader.stop()
        left = stop_all([running.worker for running in going], _STOP_SECONDS)
        if left:
            log.warning("did not stop in time: %s", ", ".join(left))
        return left
