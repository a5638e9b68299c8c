"""A meter with a P1 port, and the meters that it reads."""

import logging

from smgw.cosem import DeviceId, GatewayStatus, MeterTime, MeterTimeKind, Stamp
from smgw.iec62056.p1.devices import P1Device, devices
from smgw.iec62056.p1.reader import P1Reader, Sealing
from smgw.iec62056.p1.telegram import Check, Telegram
from smgw.lmn.contract import Heard, Surroundings, Values
from smgw.lmn.telegrams import TelegramPush
from smgw.profiles.meter import MeterProfile
from smgw.profiles.p1 import NO_KEY, NORMAL_TIME, P1Profile
from smgw.profiles.secrets import Secrets

log = logging.getLogger(__name__)

_UNCHECKED = (
    "unchecked: the telegrams have neither a check sum nor parity, so a disturbed line can change values; if the line "
    'is 7E1, write bytesize = 8 and parity = "N" here and in a bridge, and the gateway checks the parity'
)
_UNAUTHENTICATED = "read without its authentication key: the values may have been changed on the way"


class P1Push(TelegramPush[Telegram]):
    """Telegrams in; a telegram holds the meter and its sub-meters, each a device of its own."""

    #: A meter of version 4 takes up to 8 s for a telegram.
    pause_s = 9.0

    def __init__(self, profile: MeterProfile, secrets: Secrets, surroundings: Surroundings) -> None:
        self._name = profile.name
        self._wanted = frozenset(map(bytes, profile.objects))
        told = profile.options if isinstance(profile.options, P1Profile) else P1Profile()
        self._normal_time = NORMAL_TIME[told.country]
        self._unauthenticated = told.authentication_key == NO_KEY
        self._sealing = _sealing(profile, secrets, surroundings)
        self._told_unchecked = False
        super().__init__(P1Reader(self._sealing), surroundings.clock.stamp())

    def _heard(self, telegram: Telegram, began: Stamp) -> list[Heard]:
        found = self._values(telegram, began)
        return [found] if found else []

    def _values(self, telegram: Telegram, began: Stamp) -> tuple[Values, ...]:
        flags, remark = 0, ""
        if telegram.check is Check.NONE:
            flags, remark = GatewayStatus.NOT_VALIDATED, _UNCHECKED
            if not self._told_unchecked:
                self._told_unchecked = True
                log.warning("meter %s: %s", self._name, _UNCHECKED)
        if self._sealing is not None and self._unauthenticated:
            flags, remark = GatewayStatus.NOT_VALIDATED, _UNAUTHENTICATED
        return tuple(
            self._made(one, began, flags, remark) for one in devices(telegram, self._normal_time, self._wanted)
        )

    def _made(self, one: P1Device, began: Stamp, flags: int, remark: str) -> Values:
        return Values(
            DeviceId(one.id or self._name.encode()),
            began,
            None if one.time is None else MeterTime(MeterTimeKind.DLMS_DATE_TIME, one.time),
            one.readings,
            flags=flags,
            remark=remark,
        )


def _sealing(profile: MeterProfile, secrets: Secrets, surroundings: Surroundings) -> Sealing | None:
    if not secrets.get("encryption_key"):
        return None
    from smgw.lmn.p1.sealing import KeyedSealing  # most telegrams are in the clear

    return KeyedSealing(profile, secrets, surroundings.pushes)
