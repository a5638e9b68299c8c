"""A driver of the gateway on a line in memory, on fake time."""

import threading
from collections.abc import Sequence
from typing import Any

from line_meter import Inbox
from memory_line import START_US, FakeTime, MemoryPort, Peer, in_the_loop
from smgw.lmn.contract import Surroundings
from smgw.lmn.driver import Driver
from smgw.lmn.polling import PollingDriver
from smgw.lmn.push_line import PushLine
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets


class Line:
    """One profile for each protocol named; `peers` are the other end."""

    def __init__(
        self,
        *protocols: str,
        silence: float = 60,
        peers: Sequence[Peer] = (),
        secrets: Secrets | None = None,
        **more: Any,
    ) -> None:
        self.time, self.inbox, self.stop = FakeTime(), Inbox(), threading.Event()
        self.port: Any = MemoryPort(self.time, peers)
        profiles = [
            MeterProfile(name=f"m{place}", protocol=protocol, port="/dev/null", silence=silence, **more)  # type: ignore[arg-type]
            for place, protocol in enumerate(protocols)
        ]
        around = Surroundings(self.time, now=self.time, stopping=self.stop.is_set)
        known = secrets or Secrets()
        self.driver: Driver | PushLine
        if profiles[0].polled:
            self.driver = PollingDriver([(one, known) for one in profiles], around, self.inbox, None, self.stop)
        else:
            self.driver = PushLine(profiles[0], known, around, self.inbox, self.stop)

    def run(self, seconds: float) -> None:
        """Let so many seconds pass."""

        def end() -> None:
            self.stop.set()
            self.port.woken = True

        self.time.after(seconds, end)
        if isinstance(self.driver, PushLine):
            loop = in_the_loop(self.time, [(self.driver, self.port)])
            while not self.stop.is_set():
                loop.turn()
        while not self.stop.is_set():
            self.time.sleep(self.driver._serve(self.port))

    @property
    def reopened(self) -> list[int]:
        """When the port was opened again, in seconds since the start."""
        return [round(moment - 1000) for moment in self.port.reopened]

    @property
    def stamps(self) -> list[float]:
        """Of the captures, in seconds since the start."""
        return [(capture.stamp.utc_us - START_US) / 1_000_000 for capture in self.inbox.captures]

    @property
    def asked(self) -> list[float]:
        """When something was sent, in seconds since the start."""
        return [moment - 1000 for moment, _ in self.port.sent]
