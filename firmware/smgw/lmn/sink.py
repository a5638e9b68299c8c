"""Where readers put what they have."""

from typing import Protocol

from smgw.cosem import Capture, DeviceId, Stamp
from smgw.store.records import MeterState


class Sink(Protocol):
    """Called from the readers' threads; must not block."""

    def capture(self, capture: Capture) -> None:
        """A telegram or poll was read."""

    def state(self, state: MeterState) -> None:
        """How the meter fares; sent at every change and with every capture."""

    def object_list(self, device: DeviceId, firmware: bytes, objects: bytes) -> None:
        """The meter was asked for its object list."""


class Clock(Protocol):
    """What readers need of the gateway's clock."""

    def stamp(self) -> Stamp:
        """Now."""
