"""The process of the board: shows the gateway's state by LEDs, and shuts the board down when the button is held.

It reads what the other processes store, like `smgw status`, and needs nothing of them. So the lamps also tell that a
process does not run. The tamper contact belongs to the LMN process, which has the log book.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from smgw.board.codes import DONE, HELD, UNREACHABLE, WAITS, Facts, lights
from smgw.board.contacts import Change, Contact
from smgw.board.lamp_row import LampRow
from smgw.board.watching import Watched, watch
from smgw.errors import SmgwError
from smgw.ports import Wake
from smgw.profiles.board import BoardProfile
from smgw.profiles.gateway import Configuration
from smgw.reports.health import Report, examine
from smgw.services.workers import Employed, Worker, stop_all
from smgw.store import paths

log = logging.getLogger(__name__)

#: Seconds between two looks at the gateway's state.
_LOOK_S = 5.0
_PATIENCE_S, _STOP_S = 60.0, 1.5
#: Rows that wait for no longer than this are no news: an EMP gathers them.
_FEW = 100
_BUTTON = "button"


class BoardService:
    """What is specific to this process; see `smgw.services.daemon.Service`."""

    log = log

    def __init__(self, configuration: Configuration, state: Path, usable: Callable[[], bool] = lambda: True) -> None:
        """`usable`: whether the file of the configuration is right, as it is now."""
        self._usable = usable
        self._configuration = configuration
        self._state = state
        self._stopping = threading.Event()
        self._profile: BoardProfile = configuration.board
        self._begin()

    def _begin(self) -> None:
        """Threads for the present lines."""
        self._ending = threading.Event()
        self._wakes = (Wake(), Wake())
        self._row = LampRow(self._profile.lamps)
        bodies = {"lamps": self._drive, "look": self._look, **({_BUTTON: self._watch} if self._profile.button else {})}
        self._workers = [Worker(name, body, self._ending, _PATIENCE_S) for name, body in bodies.items()]

    def start(self) -> None:
        """Start all threads."""
        for worker in self._workers:
            worker.start()

    def is_ready(self) -> bool:
        """At once."""
        return True

    def ready_text(self) -> str:
        """The lines in use."""
        used = [name for name, url in self._profile._asdict().items() if url and name != "tamper"]
        return ", ".join(used) or "the configuration has no [board]: nothing is to be done"

    def workers(self) -> Sequence[Employed]:
        """All threads."""
        return tuple(self._workers)

    def status(self) -> str:
        """As when it became ready."""
        return self.ready_text()

    def take(self, configuration: Configuration) -> str:
        """Other lines are requested anew."""
        self._configuration = configuration
        if configuration.board == self._profile:
            return "the board did not change"
        self._end()
        self._profile = configuration.board
        self._begin()
        self.start()
        return f"the board has {self.ready_text()}"

    def taken(self, changes: str) -> None:
        """This process has no log book."""

    def drain(self, seconds: float) -> bool:  # noqa: ARG002 - nothing waits
        """There is nothing to finish."""
        return False

    def drained(self) -> bool:
        """Nothing ever waits."""
        return True

    def stop(self) -> list[str]:
        """All lamps go dark."""
        left = self._end()
        log.info("stopped", extra={"event": "stopping"})
        return left

    def _end(self) -> list[str]:
        self._ending.set()
        for wake in self._wakes:
            wake.set()
        left = stop_all(self._workers, _STOP_S)
        if not left:
            for wake in self._wakes:
                wake.close()
        return left

    def _drive(self) -> None:
        (worker, *_) = self._workers
        self._row.run(self._ending.is_set, self._wakes[0], worker.beat)

    def _look(self) -> None:
        worker = self._workers[1]
        while not self._ending.is_set():
            worker.beat()
            self._row.show(lights(self.facts()), self._wakes[0])
            self._ending.wait(_LOOK_S)

    def _watch(self) -> None:
        worker = self._workers[2]
        watch({_BUTTON: Watched(self._profile.button, Contact.button)}, self._pressed, self._wakes[1], worker.beat)

    def _pressed(self, _name: str, change: Change) -> None:
        if not change.active:
            return
        log.warning("the button was held: the board shuts down", extra={"event": "shutdown-asked"})
        order = paths.shutdown_order(self._state)
        try:
            order.parent.mkdir(parents=True, exist_ok=True)
            order.touch()
        except OSError as error:
            log.error("the shutdown cannot be ordered: %s", error)  # noqa: TRY400 - the text says all

    def facts(self) -> Facts:
        """What the lamps show now."""
        try:
            if not self._usable():
                return Facts(usable=False)
            report = examine(self._configuration, self._state)
        except (SmgwError, OSError) as error:
            log.debug("the state cannot be read: %s", error)
            return Facts(usable=False)
        return facts_of(report)


def facts_of(report: Report) -> Facts:
    """A report of the state as the lamps know it."""
    return Facts(
        usable=bool(report.store),
        lmn=report.processes["lmn"],
        wan=report.processes["wan"],
        meters=frozenset(str(one["state"]) for one in report.meters),
        emps=frozenset(map(_channel, report.emps)),
        synchronised=report.clock.get("state") == "synchronised",
        trusted=not report.trust.get("faults"),
        lost=bool(report.store.get("lost")),
        open=bool(report.store.get("case_open")),
    )


def _channel(emp: dict[str, Any]) -> str:
    if emp["held"]:
        return HELD
    if emp["retry_at_us"] is not None:
        return UNREACHABLE
    return WAITS if emp["backlog"] > _FEW else DONE
