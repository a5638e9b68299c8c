"""Passes what a line with several pushing meters hears to the watch of each meter."""

import logging
from collections.abc import Callable, Mapping, Sequence

from smgw.lmn.contract import Addressed
from smgw.lmn.watch import Watch
from smgw.wire import Refused

log = logging.getLogger(__name__)

_HOUR_S = 3600.0


class Sorting:
    """Refused octets of nobody are counted and logged once an hour: they may be those of strangers."""

    def __init__(self, port: str, watches: Mapping[str, Watch], now: Callable[[], float]) -> None:
        self._port = port
        self._watches = watches
        self._now = now
        self._refused = 0
        self._told = float("-inf")

    def heard(self, heard: Sequence[Addressed]) -> bool:
        """Pass telegrams on; true if one was whole, whoever sent it: the line is well."""
        well = False
        for meter, one in heard:
            if meter:
                well |= self._watches[meter].heard([one])
                well |= isinstance(one, Refused)
            elif isinstance(one, Refused):
                self._note(one)
            else:
                well = True
        return well

    def tick(self) -> None:
        """Handle the passing of time."""
        for watch in self._watches.values():
            watch.tick()

    def _note(self, refused: Refused) -> None:
        self._refused += 1
        if self._now() - self._told < _HOUR_S:
            return
        log.info(
            "%s: refused, %d times since the last message: %s",
            self._port, self._refused, refused.reason,
            extra={"event": "telegram-refused", "METER": ", ".join(self._watches), "PORT": self._port},
        )  # fmt: skip
        self._refused, self._told = 0, self._now()
