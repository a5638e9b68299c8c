"""Where lines put what they have."""

from typing import Protocol

from smgw.cosem import Capture, DeviceId
from smgw.store.records import CacheKind, MeterState


class Sink(Protocol):
    """Called from the threads of the lines; must not block."""

    def capture(self, capture: Capture) -> None:
        """A telegram or poll was read."""

    def state(self, state: MeterState) -> None:
        """How a device fares; sent at every change and with every capture."""

    def left(self, meter: str, device: DeviceId) -> None:
        """This device is no longer behind the meter profile: another one is."""

    def cache(self, kind: CacheKind, device: DeviceId, firmware: bytes, octets: bytes) -> None:
        """A meter was asked for something that does not change."""
