"""Signs the newest entries of the log books of both databases, once an hour, by the gateway's key SIG."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from smgw.cosem.reading import ClockState, Stamp
from smgw.store import paths
from smgw.store.errors import StoreError
from smgw.store.file.log_book import LogEntry
from smgw.store.file.log_head import Head
from smgw.store.lmn.view import LmnView
from smgw.store.wan.store import WanStore

if TYPE_CHECKING:
    from smgw.trust.keys import Keys

log = logging.getLogger(__name__)

_EVERY_S: Final = 3600.0
_FIRST_S: Final = 60.0


class LogSealer:
    """Reads the newest entries, and stores their signatures in wan.db. No entry waits for it.

    It runs where the gateway has a triple of certificates. Without one the log books are not signed.
    """

    def __init__(
        self, state: Path, store: WanStore, stamp: Callable[[], Stamp], open_keys: "Callable[[], Keys]"
    ) -> None:
        self._state, self._store, self._stamp, self._open_keys = state, store, stamp, open_keys
        self._stopping = threading.Event()
        self._told = ""

    def run(self) -> None:
        """Sign again and again, until `stop`."""
        pause = _FIRST_S
        while not self._stopping.wait(pause):
            self.seal()
            pause = _EVERY_S

    def stop(self) -> None:
        """End soon, from another thread."""
        self._stopping.set()

    def seal(self) -> int:
        """Sign the newest entry of each book that has new ones; returns how many were signed."""
        signed = {(head.store_id, head.book): head.number for head in self._store.log_heads()}
        new = [
            (store_id, entry)
            for store_id, entries in self._newest()
            for entry in entries
            if signed.get((store_id, entry.book), 0) < entry.number
        ]
        heads = self._signed(new) if new else []
        if heads:
            self._store.note_heads(heads)
        return len(heads)

    def _newest(self) -> list[tuple[str, list[LogEntry]]]:
        found = [(self._store.store_id, self._store.newest_entries())]
        try:
            with LmnView.open(paths.lmn_directory(self._state)) as view:
                entries = [view.log_entries(1, book)[0] for book in view.books()]
                found.append((view.store_id, entries))
        except StoreError as error:
            log.debug("the log books of the LMN process are not signed now: %s", error)
        return found

    def _signed(self, new: list[tuple[str, LogEntry]]) -> list[Head]:
        from smgw.trust.errors import TrustError  # a large library, which few gateways need
        from smgw.trust.own import active_triple
        from smgw.trust.plain_signature import sign
        from smgw.trust.validity import Moment

        now = self._stamp()
        heads = []
        try:
            moment = Moment(now.utc_us // 1_000_000, trusted=now.state is ClockState.SYNCHRONISED)
            signer = active_triple(paths.trust_directory(self._state), moment).signature
            keys = self._open_keys()
            for store_id, entry in new:
                head = Head(
                    store_id, entry.book, entry.number, entry.digest(), now.utc_us, bytes.fromhex(signer.fingerprint)
                )
                heads.append(head._replace(signature=sign(head.signed_octets, keys, signer)))
        except TrustError as error:
            self._tell(str(error))
            return []
        self._told = ""
        return heads

    def _tell(self, fault: str) -> None:
        """A fault that lasts is logged once."""
        if fault != self._told:
            log.warning("the log books cannot be signed: %s", fault, extra={"event": "log-unsigned"})
        self._told = fault
