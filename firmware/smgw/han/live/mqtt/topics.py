"""Topics and their messages. All are retained, so that a subscriber has the newest value at once.

    <topic>/<gateway>/status                  online or offline (the will)
    <topic>/<gateway>/<device>/<obis>         {"value": "1234.567", "unit": "kWh", "time": "2026-..Z", "valid": true}
    <topic>/<gateway>/<device>/<obis>/value   1234.567

Energy is in kWh, all else in its base unit. `value` is a text, because JSON's numbers are floats for many readers.
`valid` is false where no bill may use the value; then `unfit` has the reasons. An empty message: there is no value.
"""

import json
from collections.abc import Iterator

from smgw.cosem.device_id import DeviceId
from smgw.han.live.points import Point, Shown

ONLINE, OFFLINE = "online", "offline"


class Topics:
    """The topics of one gateway."""

    def __init__(self, begin: str, gateway: DeviceId) -> None:
        self._begin = f"{begin}/{gateway}"

    @property
    def status(self) -> str:
        """Whether the gateway is there."""
        return f"{self._begin}/status"

    def register(self, device: DeviceId, point: Point) -> str:
        """The value of a register with all that belongs to it."""
        return f"{self._begin}/{device}/{point.name}"

    def messages(self, found: Shown) -> Iterator[tuple[str, str]]:
        """Topic and message of every register."""
        for point in map(Point.in_kilo, found.points):
            topic = self.register(found.device, point)
            told = {"value": point.number, "unit": point.unit, "time": found.time, "valid": not found.unfit}
            if found.unfit:
                told["unfit"] = list(found.unfit)
            yield topic, json.dumps(told, separators=(",", ":"), ensure_ascii=False)
            yield f"{topic}/value", point.number
