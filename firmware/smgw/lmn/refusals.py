"""What was refused of one meter: counted, and logged once an hour, however often it happens."""

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

_HUSH_S = 3600.0


class Refusals:
    """Telegrams and answers of a meter that were refused."""

    def __init__(self, meter: str, about: dict[str, str], now: Callable[[], float]) -> None:
        """`about`: fields for the journal."""
        self.count = 0
        self.since_good = 0
        self.last = ""
        self._meter = meter
        self._about = about
        self._now = now
        self._told: float | None = None
        self._untold = 0

    def add(self, reason: str) -> None:
        """One more."""
        self.count += 1
        self.since_good += 1
        self.last = reason
        hushed = self._told is not None and self._now() - self._told < _HUSH_S
        more = f"; {self._untold} more were refused since this was last said" if self._untold and not hushed else ""
        log.log(
            logging.DEBUG if hushed else logging.WARNING,
            "meter %s: telegram refused: %s%s", self._meter, reason, more, extra=self._about,
        )  # fmt: skip
        if hushed:
            self._untold += 1
        else:
            self._told, self._untold = self._now(), 0
