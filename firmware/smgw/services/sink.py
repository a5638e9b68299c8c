"""Where the readers of the LMN process put what they have."""

from smgw.cosem import Capture, DeviceId
from smgw.metering.registrar import Registrar
from smgw.store.live import LiveWriter
from smgw.store.records import MeterState


class ReadingSink:
    """The registrar gets everything, the live values get captures. Called from the readers' threads."""

    def __init__(self, registrar: Registrar, live: LiveWriter) -> None:
        self._registrar = registrar
        self._live = live

    def capture(self, capture: Capture) -> None:
        """Whatever happens to the live value, the registrar gets it, right before the state that goes with it."""
        try:
            self._live.capture(capture)
        finally:
            self._registrar.capture(capture)

    def state(self, state: MeterState) -> None:
        """How a meter fares."""
        self._registrar.state(state)

    def left(self, meter: str, device: DeviceId) -> None:
        """This device is no longer behind the meter."""
        self._live.left(meter, device)

    def object_list(self, device: DeviceId, firmware: bytes, objects: bytes) -> None:
        """A meter was asked for its object list."""
        self._registrar.object_list(device, firmware, objects)
