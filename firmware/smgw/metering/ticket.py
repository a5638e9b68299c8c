"""What somebody holds who handed rows to the registrar: it says when they are durable, or why they are not."""

import threading
from collections.abc import Callable, Sequence

from smgw.errors import SmgwError
from smgw.store.records import Outcome

#: So soon a stop is noticed.
_SLICE = 0.05


class NotWrittenError(SmgwError):
    """It is not known that the rows are durable: hand them over again."""


class Ticket:
    """Settled by the registrar's thread, waited for by another."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._outcomes: list[Outcome] = []
        self._error: Exception | None = None

    @property
    def over(self) -> bool:
        """True once it is settled."""
        return self._over.is_set()

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """The rows are durable, or refused one by one."""
        self._outcomes = list(outcomes)
        self._over.set()

    def fail(self, error: Exception) -> None:
        """Nothing was written."""
        self._error = error
        self._over.set()

    def wait(self, stopping: Callable[[], bool] | None = None) -> list[Outcome]:
        """What became of each row. Raises StoreError or LocalProtocolError, and nothing was written.

        Raises NotWrittenError if the registrar failed in another way, or if `stopping` said so first.
        """
        while not self._over.wait(None if stopping is None else _SLICE):
            if stopping is not None and stopping():
                raise NotWrittenError("asked to stop before the rows were written")
        if isinstance(self._error, SmgwError):
            raise self._error
        if self._error is not None:
            raise NotWrittenError(f"the rows could not be written: {self._error}") from self._error
        return self._outcomes
