"""Meters that an EMP refuses while it takes the rows of others. Their rows wait; the other meters are delivered."""

import logging
import math
import time
from collections.abc import Callable

from smgw.cosem import Stamp
from smgw.cosem.source import Source
from smgw.store.file.log_book import Level
from smgw.store.wan.store import WanStore
from smgw.wan.outlet import Outcome

log = logging.getLogger(__name__)

#: A held meter or channel is tried this rarely: the EMP may have been put right without an order to the gateway.
HOLD_SECONDS = 900.0
#: Held meters that the status names.
_NAMED = 3


class Holds:
    """The held meters of one EMP, from one round to the next. A hold and its end are logged once."""

    def __init__(self, emp: str, store: WanStore, now: Callable[[], Stamp]) -> None:
        self._emp = emp
        self._store = store
        self._now = now
        self._until: dict[Source, float] = {}  # monotonic time of the next try; infinite while it is tried
        self._reasons: dict[Source, str] = {}

    def waits(self, source: Source) -> bool:
        """True if nothing of this meter is sent now."""
        return time.monotonic() < self._until.get(source, -math.inf)

    def due(self) -> bool:
        """True if it is time to try a held meter."""
        now = time.monotonic()
        return any(until <= now for until in self._until.values())

    def try_due(self, *, all_of_them: bool = False) -> None:
        """Try the meters whose time has come, or all: until the outcome is known they are sent like others."""
        for source in [source for source in self._until if all_of_them or not self.waits(source)]:
            del self._until[source]

    def hold(self, source: Source, outcome: Outcome) -> None:
        """Hold a meter."""
        self._until[source] = time.monotonic() + max(HOLD_SECONDS, float(outcome.retry_after or 0))
        if source not in self._reasons:
            text = f"meter {source.meter}, device {source.device}: {outcome.reason}"
            log.error(
                "EMP %s: %s; the rows of this meter wait, other meters are delivered. Check the EMP's set-up for it, "
                "then: smgw deliver %s",
                self._emp, text, self._emp,
                extra={"event": "delivery-held", "EMP": self._emp, "METER": source.meter},
            )  # fmt: skip
            self._store.log("delivery-held", Level.ERROR, f"{self._emp}: {text}", self._now(), outcome=False)
        self._reasons[source] = outcome.reason

    def end(self, source: Source) -> None:
        """Note that the EMP takes rows of this meter."""
        if self._reasons.pop(source, None) is not None:
            self._until.pop(source, None)
            log.info(
                "EMP %s: takes rows of meter %s, device %s again", self._emp, *source,
                extra={"event": "delivery-resumed", "EMP": self._emp, "METER": source.meter},
            )  # fmt: skip
            subject = f"{self._emp}: meter {source.meter}, device {source.device}"
            self._store.log("delivery-resumed", Level.INFO, subject, self._now())

    def __str__(self) -> str:
        """The held meters and the reasons, for status; empty if there is none."""
        named = [
            f"meter {source.meter}, device {source.device} is held: {reason}"
            for source, reason in list(self._reasons.items())[:_NAMED]
        ]
        more = len(self._reasons) - len(named)
        return "; ".join(named) + (f"; and {more} more" if more else "")
