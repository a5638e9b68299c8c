"""The ticket for rows passed to the registrar: it reports when they are durable, or why they are not."""

import threading
from collections.abc import Callable, Sequence

from smgw.errors import SmgwError
from smgw.store.records import Outcome

#: Time until a stop is noticed.
_SLICE = 0.05


class NotWrittenError(SmgwError):
    """The rows may not be durable: pass them again."""


class Ticket:
    """The registrar's thread settles it; another thread waits for it."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._outcomes: list[Outcome] = []
        self._error: Exception | None = None

    @property
    def over(self) -> bool:
        """True once it is settled."""
        return self._over.is_set()

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Report the outcome: each row is durable or refused."""
        self._outcomes = list(outcomes)
        self._over.set()

    def fail(self, error: Exception) -> None:
        """Report that nothing was written."""
        self._error = error
        self._over.set()

    def wait(self, stopping: Callable[[], bool] | None = None) -> list[Outcome]:
        """The outcome of each row. Raises StoreError or LocalProtocolError; then nothing was written.

        Raises NotWrittenError if the registrar failed in another way, or if `stopping` was true first.
        """
        while not self._over.wait(None if stopping is None else _SLICE):
            if stopping is not None and stopping():
                raise NotWrittenError("asked to stop before the rows were written")
        if isinstance(self._error, SmgwError):
            raise self._error
        if self._error is not None:
            raise NotWrittenError(f"the rows could not be written: {self._error}") from self._error
        return self._outcomes
