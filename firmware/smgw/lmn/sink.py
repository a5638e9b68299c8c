"""Where readers put what they have."""

from typing import Protocol

from smgw.cosem import Capture, DeviceId, Stamp
from smgw.store.records import CacheKind, MeterState


class Sink(Protocol):
    """Called from the readers' threads; must not block."""

    def capture(self, capture: Capture) -> None:
        """A telegram or poll was read."""

    def state(self, state: MeterState) -> None:
        """How the meter fares; sent at every change and with every capture."""

    def left(self, meter: str, device: DeviceId) -> None:
        """This device is no longer behind the meter: its grid and its state end."""

    def cache(self, kind: CacheKind, device: DeviceId, firmware: bytes, octets: bytes) -> None:
        """The meter told what need not be asked again."""


class Clock(Protocol):
    """What readers need of the gateway's clock."""

    def stamp(self) -> Stamp:
        """Now."""
