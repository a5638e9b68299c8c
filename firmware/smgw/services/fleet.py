"""Named members, each with an order. After a change only members with a changed order are restarted."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from smgw.services.workers import Employed, Worker, stop_all

log = logging.getLogger(__name__)


class Member(Protocol):
    """Works until it is stopped."""

    def stop(self) -> None:
        """End soon, from another thread."""


class Runner(Member, Protocol):
    """A member with a thread of its own."""

    def run(self) -> None:
        """The body of the thread, until `stop`."""


def in_a_thread(name: str, member: Runner, stopping: threading.Event) -> Employed:
    """Employ a member in a thread of its own."""
    return Worker(name, member.run, stopping)


class Words(NamedTuple):
    """The texts of a fleet. Each has one place `{}` for the name of a worker."""

    thread: str  # the name of the thread, which logs show
    new: str
    changed: str
    gone: str


_Order = TypeVar("_Order")
_Member = TypeVar("_Member", bound=Member)


class _Running(NamedTuple, Generic[_Order, _Member]):
    order: _Order
    member: _Member
    worker: Employed
    stopping: threading.Event


class Fleet(Generic[_Order, _Member]):
    """`make` builds the member of an order, `employ` sets it to work under a name.

    Two orders that compare equal are the same order.
    """

    def __init__(
        self,
        words: Words,
        make: Callable[[_Order], _Member],
        stop_seconds: float,
        employ: Callable[[str, _Member, threading.Event], Employed],
    ) -> None:
        self._words = words
        self._make = make
        self._stop_seconds = stop_seconds
        self._employ = employ
        self._running: dict[str, _Running[_Order, _Member]] = {}

    def apply(self, orders: Mapping[str, _Order]) -> list[str]:
        """Use these orders from now on. Returns the changes in words. If `make` fails, nothing changes.

        All removed workers are stopped before a new one starts, because they may share a port.
        """
        leaving = [name for name, running in self._running.items() if orders.get(name) != running.order]
        coming = [name for name in orders if name in leaving or name not in self._running]
        members = {name: self._make(orders[name]) for name in coming}
        if left := self._stop(leaving):
            log.warning("did not stop in time: %s", ", ".join(left))
        for name, member in members.items():
            stopping = threading.Event()
            worker = self._employ(self._words.thread.format(name), member, stopping)
            self._running[name] = _Running(orders[name], member, worker, stopping)
            worker.start()
        said = [(self._words.changed if name in leaving else self._words.new).format(name) for name in coming]
        return said + [self._words.gone.format(name) for name in leaving if name not in orders]

    def stop(self) -> list[str]:
        """Stop all. Returns the names of those that hang; their threads are daemons, so the process can still end."""
        return self._stop(list(self._running))

    @property
    def members(self) -> dict[str, _Member]:
        """Name -> worker."""
        return {name: running.member for name, running in self._running.items()}

    @property
    def workers(self) -> list[Employed]:
        """The members at work, for the watchdog."""
        return [running.worker for running in self._running.values()]

    def _stop(self, names: Sequence[str]) -> list[str]:
        going = [self._running.pop(name) for name in names]
        for running in going:
            running.stopping.set()
            running.member.stop()
        return stop_all([running.worker for running in going], self._stop_seconds)
