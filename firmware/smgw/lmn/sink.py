"""The interface that receives all data of lines."""

from typing import Protocol

from smgw.cosem import Capture, DeviceId
from smgw.store.records import CacheKind, MeterState


class Sink(Protocol):
    """Called from the threads of the lines; must not block."""

    def capture(self, capture: Capture) -> None:
        """A telegram or poll was read."""

    def state(self, state: MeterState) -> None:
        """The state of a device; sent at every change and with every capture."""

    def left(self, meter: str, device: DeviceId) -> None:
        """This device is no longer behind the meter profile; another one is."""

    def cache(self, kind: CacheKind, device: DeviceId, firmware: bytes, octets: bytes) -> None:
        """A constant answer of a meter, for the cache."""
