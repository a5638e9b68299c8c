"""What telegrams of one meter give: its identity and its values. Bad records are logged once."""

import logging
from collections.abc import Sequence

from smgw.cosem import DeviceId, MeterTime, MeterTimeKind, Stamp
from smgw.lmn.contract import Values
from smgw.mbus.readings import clock_of, device_of, readings
from smgw.mbus.telegram import Telegram
from smgw.profiles.mbus import MEDIA
from smgw.profiles.meter import MeterProfile

log = logging.getLogger(__name__)

_MOST_TOLD = 3  # bad records in one line of the log


class Content:
    """Of one meter profile. `medium`: what it counts, if the meter says another or none."""

    def __init__(self, profile: MeterProfile, medium: str) -> None:
        self._name = profile.name
        self._wanted = frozenset(map(bytes, profile.objects))
        self._medium = MEDIA.get(medium, 0)
        self._faults = ""  # bad records of the newest read-out, already logged

    def device(self, telegram: Telegram) -> DeviceId:
        """Who sent it; the name of the profile if it does not say."""
        return DeviceId(self._name.encode()) if telegram.identity is None else device_of(telegram.identity)

    def values(self, telegrams: Sequence[Telegram], stamp: Stamp, remark: str = "") -> Values:
        """All telegrams of one read-out."""
        first = telegrams[0]
        medium = self._medium or (first.identity.medium if first.identity else 0)
        whole = first._replace(records=tuple(record for one in telegrams for record in one.records))
        self._note_faults(telegrams)
        time = clock_of(whole)
        return Values(
            self.device(first),
            stamp,
            None if time is None else MeterTime(MeterTimeKind.DLMS_DATE_TIME, time),
            readings(whole, medium, self._wanted),
            remark="; ".join(filter(None, (*first.alarms, remark))),
        )

    def _note_faults(self, telegrams: Sequence[Telegram]) -> None:
        """Log records without a valid value, once until others are bad."""
        bad = [
            f"{record.head.meaning.quantity} ({record.octets.hex()}): {record.fault}"
            for one in telegrams
            for record in one.records
            if record.fault
        ]
        bad += [f"{one.fault} ({one.rest[:16].hex()})" for one in telegrams if one.fault]
        told = "; ".join(bad[:_MOST_TOLD])
        if told and told != self._faults:
            log.info("meter %s: %d records have no valid value: %s", self._name, len(bad), told)
        self._faults = told
