"""A gateway that counts the pulses of one meter, on fake time and a line in memory, with a real lmn.db."""

import threading
from pathlib import Path
from typing import Any, ClassVar

from captures_made import BOOT
from line_meter import Inbox
from memory_line import START_US, FakeTime, MemoryPort
from smgw.cosem import Capture
from smgw.lmn.contract import Surroundings
from smgw.lmn.polling import PollingDriver
from smgw.metering.registrar import Registrar
from smgw.profiles.meter import MeterProfile
from smgw.profiles.s0 import S0Profile
from smgw.profiles.secrets import Secrets
from smgw.s0.edges import Edge, event_octets
from smgw.services.sink import PulseCounts
from smgw.store.lmn.store import LmnStore

LINE = "gpio://pinctrl-bcm2711/17"
NS = 1_000_000_000


class Gateway:
    """One run of the gateway; a later one in the same folder goes on. `boot_id` is another after a power cut."""

    opened: ClassVar[list["Gateway"]] = []  #: for whoever closes them

    def __init__(
        self, folder: Path, options: S0Profile | None = None, *, boot_id: str = BOOT, period: int = 0, **more: Any
    ) -> None:
        self.time, self.inbox, self.stop = FakeTime(), Inbox(), threading.Event()
        self.port: Any = MemoryPort(self.time)
        self.store = LmnStore.open(folder / "lmn", ballast_bytes=0)
        self.registrar = Registrar(self.store, self.time, {"gas": period})
        self.pulses = PulseCounts(self.registrar, self.store, folder / "lmn" / "pulses", boot_id)
        profile = MeterProfile("gas", "s0", LINE, options=options or S0Profile(), registration_period=period, **more)
        around = Surroundings(self.time, now=self.time, stopping=self.stop.is_set, pulses=self.pulses)
        self.driver = PollingDriver([(profile, Secrets())], around, self, None, self.stop)
        self._number = 0
        self.opened.append(self)

    def close(self) -> None:
        """Close its files."""
        self.store.close()
        for file in self.pulses._files.values():
            file.close()

    # The sink of the driver.

    def capture(self, capture: Capture) -> None:
        self.inbox.capture(capture)
        self.registrar.capture(capture)

    def state(self, state: Any) -> None:
        self.inbox.state(state)
        self.registrar.state(state)

    def left(self, *_: Any) -> None:
        """Never called."""

    cache = left

    # The line.

    def pulse(self, at: float, length: float = 0.03) -> None:
        """A pulse so many seconds from now."""
        self.edge(at, active=True)
        self.edge(at + length, active=False)

    def edge(self, at: float, *, active: bool) -> None:
        """An edge. Edges are given in order."""
        self._number += 1
        ns = round((self.time.now + at) * NS)
        self.port.say(event_octets(Edge(ns, active, self._number)), at)

    def lose(self, edges: int) -> None:
        """The kernel dropped these."""
        self._number += edges

    def run(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.stop.clear()
        self.port.woken = False

        def end() -> None:
            self.stop.set()
            self.port.woken = True

        self.time.after(seconds, end)
        self.driver._serve(self.port)

    def values(self, obis: str) -> list[tuple[float, int]]:
        """(seconds since the start, value) of each capture that has the register."""
        return [
            ((capture.stamp.utc_us - START_US) / 1e6, reading.value.value)  # type: ignore[misc]
            for capture in self.inbox.captures
            for reading in capture.readings
            if str(reading.obis) == obis
        ]

    @property
    def shown(self) -> list[int]:
        """The values of the first register of each capture."""
        return [capture.readings[0].value.value for capture in self.inbox.captures]  # type: ignore[misc]
