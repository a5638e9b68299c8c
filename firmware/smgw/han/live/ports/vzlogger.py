"""The answer of vzlogger's own HTTP server, and that of a volkszaehler's middleware, for programs that know these.

    /                             every channel
    /<uuid>                       one channel: {"data": [{"uuid", "last", "tuples": [[milliseconds, number]]}]}
    /api/data/<uuid>.json         the same as {"data": {"uuid", "tuples": [[milliseconds, number, 1]]}}

A channel is a register of a device. Its UUID comes from the ids of gateway and device and from the OBIS code, so it
stays. Numbers are in the register's unit (Wh, W). The keys meter, device, obis, unit and valid are ours.
"""

import json
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from smgw.cosem.device_id import DeviceId
from smgw.han.live.points import Point, Shown
from smgw.han.live.ports.reply import NOT_FOUND, Reply

_SPACE = uuid.UUID("6f2c5f0c-9f0e-4f52-8a47-3d6d4f0c2b9e")
_DATA = re.compile(r"/api/data/([0-9a-fA-F-]{36})(?:\.json)?")
_MICROSECONDS = 1000
_VERSION = "0.8.2"  # of vzlogger, whose form this is


class Channel(NamedTuple):
    """A register and its UUID."""

    uuid: str
    found: Shown
    point: Point

    @property
    def milliseconds(self) -> int:
        """The time of its value."""
        return self.found.utc_us // _MICROSECONDS

    def text(self) -> str:
        """As JSON, its number with all digits that the meter sent."""
        told = {
            "uuid": self.uuid,
            "last": self.milliseconds,
            "interval": -1,
            "protocol": "smgw",
            "meter": self.found.meter,
            "device": str(self.found.device),
            "obis": self.point.name,
            "unit": self.point.unit,
            "valid": not self.found.unfit,
        }
        tuples = f'"tuples":[[{self.milliseconds},{self.point.number}]]'
        return f"{json.dumps(told, separators=(',', ':'))[:-1]},{tuples}}}"


def channels(gateway: DeviceId, lives: Iterable[Shown]) -> Iterator[Channel]:
    """Every register of these devices."""
    for found in lives:
        for point in found.points:
            name = f"{gateway.hex()}/{found.device.hex()}/{point.obis.hex()}"
            yield Channel(str(uuid.uuid5(_SPACE, name)), found, point)


def answer(path: str, gateway: DeviceId, lives: Iterable[Shown]) -> Reply:
    """The answer to a GET."""
    every = list(channels(gateway, lives))
    if path == "/":
        return _logger(every)
    if match := _DATA.fullmatch(path):
        return next((_middleware(one) for one in every if one.uuid == match[1].lower()), NOT_FOUND)
    wanted = path.removeprefix("/").lower()
    return next((_logger([one]) for one in every if one.uuid == wanted), NOT_FOUND)


def _logger(found: Iterable[Channel]) -> Reply:
    data = ",".join(one.text() for one in found)
    return _json(f'{{"version":"{_VERSION}","generator":"smgw","data":[{data}]}}\n')


def _middleware(one: Channel) -> Reply:
    tuples = f"[[{one.milliseconds},{one.point.number},1]]"
    return _json(f'{{"version":"0.3","data":{{"uuid":"{one.uuid}","rows":1,"tuples":{tuples}}}}}\n')


def _json(text: str) -> Reply:
    return Reply(200, text.encode(), "application/json")
