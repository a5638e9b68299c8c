"""The dispatchers of a configuration, each in its thread; after a change of it only those that it concerns anew."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from smgw.cosem import DeviceId
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.feed import Grant, grants
from smgw.profiles.gateway import Configuration
from smgw.services.workers import Worker, stop_all
from smgw.wan.dispatcher import Dispatcher

log = logging.getLogger(__name__)

_STOP_SECONDS = 1.6


class Order(NamedTuple):
    """All that a dispatcher works by: if any of it changes, another dispatcher takes over where this one ended."""

    gateway: DeviceId
    emp: CommunicationProfile  # without `meters`, which is what the grants say
    granted: tuple[Grant, ...]


class _Running(NamedTuple):
    order: Order
    dispatcher: Dispatcher
    worker: Worker
    stopping: threading.Event


class Deliveries:
    """`make` builds the dispatcher of an order."""

    def __init__(self, make: Callable[[Order], Dispatcher]) -> None:
        self._make = make
        self._running: dict[str, _Running] = {}

    def apply(self, configuration: Configuration) -> list[str]:
        """Deliver by this configuration from now on; what changed, in words."""
        orders = {order.emp.name: order for order in orders_of(configuration)}
        leaving = [name for name, running in self._running.items() if orders.get(name) != running.order]
        coming = [name for name in orders if name in leaving or name not in self._running]
        self._stop(leaving)
        for name in coming:
            dispatcher = self._make(orders[name])
            stopping = threading.Event()
            worker = Worker(f"delivery {name}", dispatcher.run, stopping)
            self._running[name] = _Running(orders[name], dispatcher, worker, stopping)
            worker.start()
        said = [f"EMP {name} is {'served anew' if name in leaving else 'new'}" for name in coming]
        return said + [f"EMP {name} is served no more" for name in leaving if name not in orders]

    def stop(self) -> list[str]:
        """End all at once; the names of those that hang."""
        return self._stop(list(self._running))

    def drain(self, seconds: float) -> None:
        """Deliver what there is, for so long at most, then end."""
        for running in self._running.values():
            running.dispatcher.drain(seconds)

    @property
    def workers(self) -> list[Worker]:
        """For the watchdog."""
        return [running.worker for running in self._running.values()]

    def status(self) -> str:
        """`2 EMPs: lab idle, utility backing-off`."""
        states = ", ".join(f"{name} {running.dispatcher.state}" for name, running in self._running.items())
        return f"{len(self._running)} EMPs: {states}" if states else "no EMP configured"

    def _stop(self, names: Sequence[str]) -> list[str]:
        going = [self._running.pop(name) for name in names]
        for running in going:
            running.stopping.set()
            running.dispatcher.stop()
        left = stop_all([running.worker for running in going], _STOP_SECONDS)
        if left:
            log.warning("did not stop in time: %s", ", ".join(left))
        return left


def orders_of(configuration: Configuration) -> Iterator[Order]:
    """One for each EMP."""
    granted = grants(configuration)
    for emp in configuration.emps:
        own = tuple(grant for grant in granted if grant.who == emp.name)
        yield Order(configuration.gateway.device_id, emp._replace(meters=()), own)
