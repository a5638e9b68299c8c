"""Live values for the house as a part of the HAN process: one worker for each outlet of the configuration."""

from collections.abc import Sequence
from pathlib import Path

from smgw.han.live.feed import LiveFeed
from smgw.han.live.outlets import Order, Runner, make, orders
from smgw.profiles.gateway import Configuration
from smgw.services.fleet import Fleet, Words, in_a_thread
from smgw.services.workers import Employed
from smgw.store import paths

_STOP_S = 1.5
_WORDS = Words("live values: {}", "live values go to {}", "{} of live values changed", "live values go no longer to {}")


class LiveOutlets:
    """The outlets; none before `apply`."""

    def __init__(self, state: Path) -> None:
        feed = LiveFeed(paths.live_directory(state))
        self._fleet: Fleet[Order, Runner] = Fleet(_WORDS, lambda order: make(order, feed), _STOP_S, in_a_thread)

    def apply(self, configuration: Configuration) -> list[str]:
        """Use this configuration; returns the changes in words."""
        return self._fleet.apply(orders(configuration))

    @property
    def workers(self) -> Sequence[Employed]:
        """For the watchdog."""
        return self._fleet.workers

    @property
    def text(self) -> str:
        """The outlets in use, and why one does not work; empty if there is none."""
        told = [f"{name} ({one.fault})" if one.fault else name for name, one in self._fleet.members.items()]
        return f"live values by {', '.join(told)}" if told else ""

    def stop(self) -> list[str]:
        """End all; returns the names of those that did not stop in time."""
        return self._fleet.stop()
