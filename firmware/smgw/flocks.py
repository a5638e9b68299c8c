"""Finds the holder of a flock in /proc/locks. This takes no lock and needs no right to the file."""

import os
import re
from pathlib import Path
from typing import NamedTuple

_LOCKS = Path("/proc/locks")
# 1: FLOCK  ADVISORY  WRITE 31594 fe:00:9977965 0 EOF     with the device in hex; a process that waits has "->"
_HELD = re.compile(r"^\d+: FLOCK +\S+ +WRITE +(-?\d+) +([0-9a-f]+):([0-9a-f]+):(\d+) ", re.MULTILINE)


class Holders(NamedTuple):
    """Process ids; 0 or less for a process that this process cannot see."""

    certain: list[int]
    #: On file systems of several devices (Btrfs) the device number differs from `stat`. The inode is the same.
    possible: list[int]


def locks_text() -> str:
    """All locks as the kernel lists them. It stops every processor for this, for some 7 ms; OSError if hidden."""
    return _LOCKS.read_text(encoding="ascii", errors="replace")


def flock_holders(found: os.stat_result, text: str | None = None) -> Holders:
    """The processes that hold an exclusive flock on this file. OSError where /proc/locks is hidden.

    `text`: what `locks_text` gave, for several files.
    """
    certain, possible = [], []
    device = os.major(found.st_dev), os.minor(found.st_dev)
    for pid, major, minor, inode in _HELD.findall(locks_text() if text is None else text):
        if int(inode) == found.st_ino:
            if (int(major, 16), int(minor, 16)) == device:
                certain.append(int(pid))
            elif device[0] == 0:  # only such file systems have the major number 0
                possible.append(int(pid))
    return Holders(certain, possible)
