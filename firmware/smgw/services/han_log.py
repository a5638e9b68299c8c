"""The log book of the HAN: what the server's thread notes is written by a thread of its own, since a card is slow."""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from smgw.clock import GatewayClock
from smgw.cosem import Stamp
from smgw.errors import SmgwError
from smgw.han.exchange import Role, Who
from smgw.store import paths
from smgw.store.file.log_book import Level
from smgw.store.han.store import HanStore
from smgw.store.lmn.view import LmnView

log = logging.getLogger("smgw.services.han")

_WAITING_MOST: Final = 500
#: The same text is written at most once in this time, and all texts at most so often in it: a card wears.
_SELDOM_S, _MOST = 600.0, 120
_LOOK_S = 5.0
_CLOCK_S = 60.0
_LEVELS = {Level.INFO: logging.INFO, Level.WARNING: logging.WARNING}


class _Noted(NamedTuple):
    event: str
    level: Level
    text: str
    who: Who | None


class HanLog:
    """Writes notes into han.db; `run` is the body of a thread."""

    def __init__(self, store: HanStore, state: Path) -> None:
        self._store = store
        self._lmn = paths.lmn_directory(state)
        self._queue: queue.Queue[_Noted | None] = queue.Queue(_WAITING_MOST)
        self._told: dict[str, float] = {}
        self._left_out = 0
        self._clock = GatewayClock()
        self._clock_read = float("-inf")
        store.use_clock(self.stamp)

    def stamp(self) -> Stamp:
        """This moment by the gateway's clock, as the process that reads meters last saved it."""
        return self._clock.stamp()

    def note(self, event: str, level: Level, text: str, who: Who | None = None) -> None:
        """An entry for the book, written soon. Repetitions are left out, and so is what comes too fast."""
        now = time.monotonic()
        for old in [one for one, at in self._told.items() if now - at >= _SELDOM_S]:
            del self._told[old]
        if text in self._told:
            return
        if len(self._told) >= _MOST or self._queue.full():
            self._left_out += 1
            return
        self._told[text] = now
        log.log(_LEVELS.get(level, logging.ERROR), "%s", text, extra={"event": event})
        left_out, self._left_out = self._left_out, 0
        written = f"{text}; {left_out} entries before it were left out" if left_out else text
        self._queue.put_nowait(_Noted(event, level, written, who))

    def run(self, ending: threading.Event, beat: Callable[[], None]) -> None:
        """Until it ends; then what waits is written."""
        while not ending.is_set():
            beat()
            self._renew_clock()
            try:
                self._write(self._queue.get(timeout=_LOOK_S))
            except queue.Empty:
                continue
        while not self._queue.empty():
            self._write(self._queue.get_nowait())

    def wake(self) -> None:
        """Let `run` look whether it is to end."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)

    def _write(self, noted: _Noted | None) -> None:
        if noted is None:
            return
        who = noted.who
        consumers = [who.name] if who is not None and who.role is Role.CONSUMER else []
        good = noted.level is Level.INFO
        identity = who.name if who is not None else ""
        try:
            self._store.log(
                noted.event, noted.level, noted.text, self.stamp(), outcome=good, identity=identity, consumers=consumers
            )
        except SmgwError as error:
            log.error("the log book cannot be written: %s", error)  # noqa: TRY400 - the text says all

    def _renew_clock(self) -> None:
        """Take over the state of the clock now and then."""
        now = time.monotonic()
        if now - self._clock_read < _CLOCK_S:
            return
        self._clock_read = now
        try:
            with LmnView.open(self._lmn) as view:
                self._clock = GatewayClock(saved=view.clock())
        except SmgwError as error:
            log.debug("the clock's state cannot be read: %s", error)
