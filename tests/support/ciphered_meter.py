"""A ciphered DLMS meter that checks the counters of its client, and what its readers need."""

import time

from captures_made import BOOT
from dlms_line_meter import Model
from smgw.cosem import AttributeName, ClockState, Data, DataType, Obis, Stamp
from smgw.dlms.data import encode
from smgw.dlms.meter.access import Admission
from smgw.dlms.security.ciphering import Ciphering, Received, Setting
from smgw.dlms.security.suites import Gmac, Keys, Suite
from smgw.profiles.secrets import Secrets

KEYS = {0: (bytes(range(16)), bytes(range(0xD0, 0xE0))), 2: (bytes(range(32)), bytes(range(0xC0, 0xE0)))}
COUNTER = AttributeName(1, Obis.parse("0-0:43.1.0*255"), 2)
TITLE = b"UTBMTR01"


class Now:
    def stamp(self) -> Stamp:
        return Stamp(BOOT, time.monotonic_ns(), time.time_ns() // 1000, 5000, ClockState.SYNCHRONISED)


class Admitting:
    """A meter that remembers the newest counter of its client, as real ones do, and tells it to the public client."""

    def __init__(self, suite: int = 0) -> None:
        self.keys = Keys.of(Suite(suite), *KEYS[suite])
        self.received = Received()
        self.count = iter(range(1, 1 << 32)).__next__
        self.model = Model()

    def admissions(self) -> dict[int, Admission]:
        def ciphering() -> Ciphering:
            return Ciphering(Setting(self.keys, TITLE, self.count), received=self.received)

        return {16: Admission(), 1: Admission(Gmac(self.keys, self.count), ciphering)}

    def tells(self, counter: int) -> None:
        self.model.extra[COUNTER] = encode(Data(DataType.DOUBLE_LONG_UNSIGNED, counter))

    @property
    def newest(self) -> int:
        return self.received._newest.get(bytes(self.keys.encryption), -1)


def secrets(suite: int = 0) -> Secrets:
    encryption, authentication = KEYS[suite]
    return Secrets(encryption_key=encryption, authentication_key=authentication)
