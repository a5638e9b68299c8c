"""The newest count of a meter's pulses, in a small file of its own: a killed process loses no pulse.

octets   0 .. 15    16 .. 23   24 .. 31              32 .. 39            40 .. 43
         boot id    count      number of the order   state of the line   CRC-32 of the octets before

It is written at each edge, and never synchronised: the page cache outlives the process. It does not outlive the boot,
so a file of another boot is not believed. Then lmn.db has the count.
"""

import logging
import os
import struct
import zlib
from pathlib import Path

_log = logging.getLogger(__name__)

_BODY = struct.Struct("<16sqqq")
_CHECK = struct.Struct("<I")


class PulseFile:
    """The file of one meter. Reading and writing never raise: without the file, lmn.db alone has the count."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self._path = path
        self._boot = bytes.fromhex(boot_id.replace("-", ""))
        self._descriptor = -1

    def read(self) -> tuple[int, int, int] | None:
        """(count, number of the last order in it, state of the line); None if this boot has not written it."""
        try:
            octets = self._path.read_bytes()
        except OSError:
            return None
        if len(octets) != _BODY.size + _CHECK.size:
            return None
        boot, *found = _BODY.unpack_from(octets)
        right = _CHECK.unpack_from(octets, _BODY.size)[0] == zlib.crc32(octets[: _BODY.size])
        return (found[0], found[1], found[2]) if right and boot == self._boot else None

    def write(self, count: int, ordered: int, line: int) -> None:
        """Replace its content in one call, which no other thread or process sees by half."""
        body = _BODY.pack(self._boot, count, ordered, line)
        try:
            if self._descriptor < 0:
                self._path.parent.mkdir(mode=0o750, exist_ok=True)
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
            os.pwrite(self._descriptor, body + _CHECK.pack(zlib.crc32(body)), 0)
        except OSError as error:
            _log.warning("%s: cannot be written, so a kill may lose pulses: %s", self._path, error)

    def close(self) -> None:
        """Close it; the file stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
