"""A meter that calls on an M-Bus as Siemens AMIS does, in memory.

Its records are those of a real meter (vzlogger, issue 176), whose owner replaced the id by zeros.
"""

from typing import Any

from memory_line import FakeTime
from smgw.mbus.frame import Frame
from smgw.mbus.requests import Short
from smgw.mbus.sealed import sealed

KEY = bytes(range(16))
HEAD = bytes.fromhex("00000000 2d4c 01 0e 01 00 5005")
RECORDS = bytes.fromhex(
    "066d4324cefb161a 04037ea70e00 04833c00000000 8410fb8273ad2f0000 8410fb82f33c200c0200 042b39010000"
    "04ab3c00000000 04fb1400000000 04fb943c09000000 0483ff0400000000"
)
NORMALISE = Short(0x40, 0xF0).encode()


def frame(access: int = 1, key: bytes | None = KEY, records: bytes = RECORDS) -> bytes:
    """A telegram; without a key in the clear."""
    if key is None:
        return Frame(0x53, 0xF0, 0x5B, HEAD[:8] + bytes((access, 0, 0, 0)) + records).encode()
    head = HEAD[:8] + bytes((access,)) + HEAD[9:]
    return Frame(0x53, 0xF0, 0x5B, head + sealed(key, head, records)).encode()


class Amis:
    """Calls each second, and sends its telegram when it is acknowledged. `lost`: so many acknowledgements are lost."""

    def __init__(self, time: FakeTime, port: Any, key: bytes | None = KEY) -> None:
        self.time, self.port, self.key = time, port, key
        self.access = 0
        self.lost = 0
        self.acknowledged = 0  #: telegrams
        self._sending = False
        port.peers = [self.hear]
        time.after(0.4, self.call)

    def call(self) -> None:
        """Each second."""
        if self._sending:  # the telegram again
            self.port.say(frame(self.access, self.key), 0.1)
        else:
            self.access = (self.access + 1) & 0xFF
            self.port.say(NORMALISE)
        self.time.after(1.0, self.call)

    def hear(self, octets: bytes) -> bytes:
        """Octets of the gateway."""
        assert octets == b"\xe5"
        if self.lost:
            self.lost -= 1
            return b""
        self._sending = not self._sending
        if self._sending:
            return frame(self.access, self.key)
        self.acknowledged += 1
        return b""
