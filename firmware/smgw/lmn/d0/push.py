"""A meter that sends read-outs of D0 by itself."""

from smgw.cosem import Stamp
from smgw.iec62056.d0.read_out import ReadOut, ReadOutReader
from smgw.lmn.contract import Heard, Surroundings
from smgw.lmn.d0.found import Found
from smgw.lmn.telegrams import TelegramPush
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets


class D0Push(TelegramPush[ReadOut]):
    """Read-outs in, values out."""

    #: Longest time between two characters (IEC 62056-21, 6.5), and some for bridges.
    pause_s = 2.5

    def __init__(self, profile: MeterProfile, _secrets: Secrets, surroundings: Surroundings) -> None:
        self._found = Found(profile)
        super().__init__(ReadOutReader(), surroundings.clock.stamp())

    def _heard(self, telegram: ReadOut, began: Stamp) -> list[Heard]:
        found = self._found.of(telegram, began)
        return [(found,)] if found.readings else []
