"""Recognises a P1 port for `smgw scan`."""

from smgw.iec62056.p1.devices import devices
from smgw.iec62056.p1.reader import NO_KEY, P1Reader
from smgw.iec62056.p1.telegram import Check, Telegram
from smgw.lmn.scan import Found, Listen, device_text
from smgw.profiles.meter import MeterProfile
from smgw.profiles.p1 import NORMAL_TIME

_SIMPLE_TIME = NORMAL_TIME["NL"]


def _is_p1(telegram: Telegram) -> bool:
    """False for meters that push D0 in the same form: theirs has no check sum, and whole codes with group F."""
    return telegram.check is Check.CRC or not any("*" in one.code for one in telegram.sets)


class _Ear:
    def __init__(self, profile: MeterProfile) -> None:
        self._profile = profile
        self._reader = P1Reader()

    def hear(self, octets: bytes) -> Found | None:
        for event in self._reader.receive(octets):
            if not isinstance(event, Telegram):
                if event.reason == NO_KEY:
                    return Found(self._profile, "", event.reason)
                continue
            found = devices(event, _SIMPLE_TIME)
            if not found or not _is_p1(event):
                continue
            others = [device_text(one.id) for one in found[1:]]
            remark = f"with {', '.join(others)}" if others else ""
            if event.check is Check.NONE:
                remark = "; ".join(filter(None, (remark, "without check sum and parity")))
            objects = tuple(reading.obis for one in found for reading in one.readings)
            return Found(self._profile, device_text(found[0].id), remark, objects=objects)
        return None


PUSH = Listen(3, ((115_200, "N"), (9600, "N")), _Ear)
