"""Enters into the log books of consumers what was sent to EMPs: event 16001, at most every quarter of an hour."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from smgw.cosem.reading import Stamp
from smgw.store.errors import StoreError
from smgw.store.wan.store import WanStore

log = logging.getLogger(__name__)

_EVERY_S: Final = 900.0

#: Meter or evaluation -> consumers.
Consumers = Mapping[str, Sequence[str]]


class SentLog:
    """Compares what EMPs have acknowledged with what is logged. Both are in wan.db, so a kill loses no entry."""

    def __init__(self, store: WanStore, consumers: Consumers, stamp: Callable[[], Stamp]) -> None:
        self._store, self._consumers, self._stamp = store, consumers, stamp
        self._stopping = threading.Event()

    def run(self) -> None:
        """Log again and again, until `stop`, and then the rest."""
        while not self._stopping.wait(_EVERY_S):
            self.enter()
        self.enter()

    def stop(self) -> None:
        """End soon, from another thread."""
        self._stopping.set()

    def enter(self) -> None:
        """One entry for each consumer, EMP and device that got values since the last one."""
        try:
            self._store.log_sent(self._consumers, self._stamp())
        except StoreError as error:  # the next time it is logged
            log.warning("what was sent cannot be logged now: %s", error)
