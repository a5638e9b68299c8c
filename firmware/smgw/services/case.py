"""The tamper contact: whoever opens the case of the gateway enters the log book."""

import logging
import threading
from collections.abc import Sequence

from smgw.metering.registrar import Registrar
from smgw.ports import Wake
from smgw.services.workers import Employed, Worker, stop_all
from smgw.store.errors import StoreError
from smgw.store.file.log_book import Level
from smgw.store.lmn.store import LmnStore

log = logging.getLogger(__name__)

_END_S = 1.0
#: Events of the log book, by whether the case is open.
EVENTS = {True: "case-opened", False: "case-closed"}


class Case:
    """Watches one contact in a thread of its own, or none."""

    def __init__(self, registrar: Registrar, store: LmnStore, patience: float) -> None:
        """`store` knows whether the case was open when the process ended."""
        self._registrar = registrar
        self._store = store
        self._patience = patience
        self._url = ""
        self._ending = threading.Event()
        self._wake: Wake | None = None
        self.workers: Sequence[Employed] = ()  #: the thread, if there is a contact

    def apply(self, url: str) -> None:
        """Watch this line from now on; none if it is empty."""
        if url == self._url:
            return
        self.stop(_END_S)
        self._url = url
        if url:
            self._ending, self._wake = threading.Event(), Wake()
            wake = self._wake
            worker = Worker("tamper contact", lambda: self._watch(worker, wake), self._ending, self._patience)
            self.workers = (worker,)
            worker.start()

    def stop(self, seconds: float) -> list[str]:
        """End the thread; its name if it did not end in time."""
        self._ending.set()
        if self._wake is not None:
            self._wake.set()
        left = stop_all(self.workers, seconds)
        if self._wake is not None and not left:
            self._wake.close()
            self._wake = None
        self.workers, self._url = (), ""
        return left

    def _watch(self, worker: Worker, wake: Wake) -> None:
        from smgw.board.contacts import Change, Contact  # few gateways have the contact
        from smgw.board.watching import Watched, watch

        def tell(name: str, change: Change) -> None:
            text = f"the case was opened ({self._url})" if change.active else f"the case is closed ({self._url})"
            log.log(
                logging.WARNING if change.active else logging.INFO,
                "%s: %s", name, text, extra={"event": EVENTS[change.active]},
            )  # fmt: skip
            self._registrar.event(EVENTS[change.active], Level.WARNING if change.active else Level.INFO, text)

        def make(ns: int, *, active: bool) -> Contact:
            try:
                told = self._store.last_event(*EVENTS.values()) == EVENTS[True]
            except StoreError:  # then the present state is reported again
                told = not active
            return Contact.tamper(ns, active=active, told=told)

        watch({"tamper contact": Watched(self._url, make)}, tell, wake, worker.beat)
