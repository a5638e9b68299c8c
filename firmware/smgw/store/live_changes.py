"""What changed among the live values since the last look. A look at a directory at rest costs one call."""

import os
import time
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from smgw.cosem.device_id import DeviceId
from smgw.store.live_reader import MOST_FILES, Live, readable

#: Two replacements within one tick of the kernel's clock have the same time. Such a time is not believed.
_TICK_NS = 50_000_000

_Version = tuple[int, int, int]


class Changes(NamedTuple):
    """New captures, and devices whose value was removed: (meter, device)."""

    new: list[Live]
    gone: list[tuple[str, DeviceId]]

    def __bool__(self) -> bool:
        return bool(self.new or self.gone)


class LiveChanges:
    """Looks at the run directory of one gateway. The first look gives every value that is there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen = 0  # the directory's time of change at the last look; 0: look again
        self._versions: dict[str, _Version] = {}
        self._shown: dict[str, tuple[str, DeviceId]] = {}

    def look(self) -> Changes:
        """What changed since the last look. A directory that is missing has no values; it may come back."""
        try:
            changed = os.stat(self._directory).st_mtime_ns  # noqa: PTH116 - four times a second
            if changed == self._seen:
                return Changes([], [])
            settled = abs(time.time_ns() - changed) > _TICK_NS
            with os.scandir(self._directory) as entries:
                found = dict(filter(None, map(_version, islice(entries, MOST_FILES))))
        except OSError:
            changed, settled, found = 0, True, {}
        self._seen = changed if settled else 0
        fresh = sorted(name for name, version in found.items() if self._versions.get(name) != version)
        self._versions = found
        lives = list(readable(self._directory, fresh))
        gone = [name for name in self._shown if name not in found]
        left = [self._shown.pop(name) for name in gone]
        for live in lives:
            capture = live.capture
            self._shown[f"{capture.meter}.{capture.device.hex()}.json"] = (capture.meter, capture.device)
        return Changes(lives, left)


def _version(entry: "os.DirEntry[str]") -> tuple[str, _Version] | None:
    """None for a file that is not finished, and for one that was replaced meanwhile."""
    if not entry.name.endswith(".json") or entry.name.startswith("."):
        return None
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    return entry.name, (found.st_ino, found.st_mtime_ns, found.st_size)
