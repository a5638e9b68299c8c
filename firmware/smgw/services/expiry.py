"""Tells in time that certificates and revocation lists end: once at 60, 30 and 7 days before, and once at the end."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from smgw.cosem.reading import ClockState, Stamp
from smgw.store.file.log_book import Level
from smgw.store.wan.store import WanStore

if TYPE_CHECKING:
    from smgw.trust.inventory import Ending

log = logging.getLogger(__name__)

EVENT: Final = "certificate-ends"
_LOOK_S: Final = 3600.0
#: While the time is not trusted.
_WAIT_S: Final = 60.0


class ExpiryWatch:
    """Looks into the trust folder once an hour. What it has told stands in the log book, so a restart repeats nothing.

    It waits until the time is synchronised: nobody knows before what ends.
    """

    def __init__(self, trust: Path, store: WanStore, stamp: Callable[[], Stamp]) -> None:
        self._trust, self._store, self._stamp = trust, store, stamp
        self._stopping = threading.Event()

    def run(self) -> None:
        """Look again and again, until `stop`."""
        while not self._stopping.is_set():
            self._stopping.wait(_LOOK_S if self.look() else _WAIT_S)

    def stop(self) -> None:
        """End soon, from another thread."""
        self._stopping.set()

    def look(self) -> bool:
        """Tell what was not told yet; False if the time is not trusted."""
        now = self._stamp()
        if now.state is not ClockState.SYNCHRONISED:
            return False
        from smgw.trust.inventory import endings, inventory  # here, because few need it

        items, _ = inventory(self._trust)  # a damaged file is told by whoever needs it
        if found := endings(items, now.utc_us // 1_000_000):
            told = self._store.logged(EVENT)
            for one in found:
                if (subject := _subject(one)) not in told:
                    log.log(logging.WARNING if one.step else logging.ERROR, "%s", one.text, extra={"event": EVENT})
                    self._store.log(EVENT, Level.WARNING if one.step else Level.ERROR, subject, now)
        return True


def _subject(ending: "Ending") -> str:
    """What it is and which step: the same again only for the same certificates."""
    first = ending.items[0]
    uses = ", ".join(one.use for one in ending.items)
    when = f"ends within {ending.step} days" if ending.step else "has ended"
    return f"{first.kind} {uses} of {first.subject} {when}; SHA-256 {first.fingerprint[:16]}"
