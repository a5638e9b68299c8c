"""The sources of time: the kernel's clocks and the boot id, replaceable in tests."""

import time
from functools import cached_property
from pathlib import Path
from typing import Protocol

from smgw.errors import SmgwError, reason

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


class ClockSourceError(SmgwError):
    """The kernel does not provide what the gateway's clock needs."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(f"{file}: {why}; the gateway's clock needs a Linux with /proc mounted")
        self.file = file
        self.why = why


class Source(Protocol):
    """The clocks of a system. BOOTTIME continues in standby and is never set; REALTIME can be set."""

    @property
    def boot_id(self) -> str:
        """Changes at every start of the kernel, and only then. A BOOTTIME is valid only together with it."""

    def boottime_ns(self) -> int:
        """Nanoseconds since the kernel started."""

    def realtime_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC by the system's clock."""


class SystemSource:
    """This Linux system's clocks."""

    @cached_property
    def boot_id(self) -> str:
        """The kernel's boot id, 36 characters; raises ClockSourceError where there is none."""
        try:
            boot_id = BOOT_ID_FILE.read_text(encoding="ascii").strip()
        except OSError as error:
            raise ClockSourceError(BOOT_ID_FILE, reason(error)) from error
        if not boot_id:
            raise ClockSourceError(BOOT_ID_FILE, "is empty")
        return boot_id

    def boottime_ns(self) -> int:
        """CLOCK_BOOTTIME."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def realtime_ns(self) -> int:
        """CLOCK_REALTIME."""
        return time.clock_gettime_ns(time.CLOCK_REALTIME)
