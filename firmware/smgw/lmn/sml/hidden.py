"""Notes on values that the meters of one line hide. The softer note goes to the log once per device."""

import logging
from collections.abc import Sequence

from smgw.cosem import DeviceId
from smgw.sml.messages import ListEntry
from smgw.sml.pin import PinNotes
from smgw.store.records import DEVICES_PER_METER

log = logging.getLogger(__name__)


class Hidden:
    """What is hidden behind one meter profile. `lmn.watch` logs a lock, because that is a state."""

    def __init__(self, meter: str) -> None:
        self._meter = meter
        self._notes = PinNotes()
        self._told: set[bytes] = set()

    def notes(self, server_id: bytes, entries: Sequence[ListEntry]) -> tuple[str, str]:
        """Advice for a locked meter and a remark on one that shows less than it could; mostly both empty."""
        advice, remark = self._notes.of(server_id, entries)
        if remark and server_id not in self._told and len(self._told) < DEVICES_PER_METER:
            self._told.add(server_id)
            log.info(
                "meter %s: device %s: %s", self._meter, DeviceId(server_id), remark,
                extra={"event": "values-hidden", "METER": self._meter},
            )  # fmt: skip
        return advice, remark
