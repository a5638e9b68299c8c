"""Read-outs as the values of a meter, with what is to be said about their check."""

import logging

from smgw.cosem import DeviceId, GatewayStatus, MeterTime, MeterTimeKind, Stamp
from smgw.iec62056.d0.check import Check
from smgw.iec62056.d0.read_out import ReadOut
from smgw.iec62056.d0.values import D0Values, values
from smgw.lmn.contract import Values
from smgw.profiles.d0 import D0Profile
from smgw.profiles.meter import MeterProfile

log = logging.getLogger(__name__)

_WRONG = "unchecked: the check value of the read-out is wrong or missing, and ignore_bcc accepts it"
_UNCHECKED = (
    "unchecked: the read-outs have neither a check value nor parity, so a disturbed line can change values; if the "
    'line is 7E1, write bytesize = 8 and parity = "N" here and in a bridge, and the gateway checks the parity'
)


def options_of(profile: MeterProfile) -> D0Profile:
    """Its section."""
    return profile.options if isinstance(profile.options, D0Profile) else D0Profile()


class Found:
    """Makes the values of one meter profile."""

    def __init__(self, profile: MeterProfile) -> None:
        self._name = profile.name
        self._wanted = frozenset(map(bytes, profile.objects))
        self._medium = options_of(profile).group_a
        self._told = False

    def of(self, one: ReadOut, stamp: Stamp) -> Values:
        """The values of a read-out."""
        return self.made(values(one.sets, self._medium, self._wanted), stamp, one.check, wrong=one.wrong_bcc)

    def made(self, found: D0Values, stamp: Stamp, check: Check, *, wrong: bool = False) -> Values:
        """The values for the contract. A doubt about their check is logged once."""
        remark = "" if check is not Check.NONE else _WRONG if wrong else _UNCHECKED
        if remark and not self._told:
            self._told = True
            log.warning("meter %s: %s", self._name, remark)
        return Values(
            DeviceId(found.id or self._name.encode()),
            stamp,
            None if found.time is None else MeterTime(MeterTimeKind.DLMS_DATE_TIME, found.time),
            found.readings,
            flags=GatewayStatus.NOT_VALIDATED if remark else 0,
            remark=remark,
        )
