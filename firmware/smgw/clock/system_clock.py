"""The system's clock as a source of time, where a service of the board keeps it: systemd-timesyncd, chrony, ntpd.

The kernel tells whether such a service keeps the clock, and how far the clock may be off (adjtimex(2), which changes
nothing here). A sandbox may refuse that question. Then the sign that systemd-timesyncd leaves at each synchronisation
tells the same; of chrony and ntpd there is none.
"""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from smgw.clock.sample import TimeSample
from smgw.clock.source import Source

#: Its time is that of the last synchronisation (systemd-timesyncd.service(8)). systemd removes it with the service.
TIMESYNCD_SIGN = Path("/run/systemd/timesync/synchronized")
#: systemd-timesyncd reports a maximum error of 0, whatever its server says of itself. It takes servers whose root
#: distance is up to this (timesyncd.conf(5), RootDistanceMaxSec).
TIMESYNCD_ERROR_US = 5_000_000
#: It slews what is less than this, and the kernel does not finish at once.
_TIMESYNCD_SLEWS_US = 400_000

_STA_UNSYNC, _STA_CLOCKERR, _STA_NANO = 0x0040, 0x1000, 0x2000  # linux/timex.h
#: As the kernel does (linux/timex.h, MAXFREQ, NTP_PHASE_LIMIT): the error of a clock that nobody sets grows at this
#: rate, and beyond the limit the clock counts as not synchronised.
_GROWTH_PPM = 500
_LIMIT_US = 16_000_000

_OTHERS = ((Path("/run/chrony"), "chrony"), (Path("/run/ntpd.pid"), "ntpd"))


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2)."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
        ("others", ctypes.c_long * 64),  # more than any kernel writes
    )


class SystemTime(NamedTuple):
    """The state of the system's clock. `error_us`: its possible error, including the rest of the slew."""

    synchronised: bool
    error_us: int


def kernel_time() -> SystemTime:
    """The state by the kernel; OSError, mostly PermissionError, if this process may not ask."""
    timex = _Timex()
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    slewed_us = abs(timex.offset) // 1000 + 1 if timex.status & _STA_NANO else abs(timex.offset)
    return SystemTime(not timex.status & (_STA_UNSYNC | _STA_CLOCKERR), timex.maxerror + slewed_us)


def system_sample(
    source: Source, kernel: Callable[[], SystemTime] = kernel_time, sign: Path = TIMESYNCD_SIGN
) -> TimeSample | None:
    """UTC minus BOOTTIME by the system's clock; None if no service synchronises it. OSError if it cannot be read."""
    before_ns = source.boottime_ns()
    utc_ns = source.realtime_ns()
    after_ns = source.boottime_ns()
    touched_ns = _touched(sign)
    try:
        found = kernel()
    except OSError:
        if touched_ns is None:
            raise
        found = _by_sign(utc_ns - touched_ns)
    if not found.synchronised:
        return None
    keeper = next((name for path, name in _OTHERS if path.exists()), "")
    error_us = found.error_us + (after_ns - before_ns) // 2000 + 1
    if touched_ns is not None:
        keeper = "systemd-timesyncd"
        error_us += TIMESYNCD_ERROR_US
    offset_us = (utc_ns - (before_ns + after_ns) // 2) // 1000
    return TimeSample(
        source.boot_id, after_ns, offset_us, error_us, f"system clock ({keeper})" if keeper else "system clock"
    )


def _touched(sign: Path) -> int | None:
    try:
        return sign.stat().st_mtime_ns
    except OSError:
        return None


def _by_sign(age_ns: int) -> SystemTime:
    """What the last synchronisation, so long ago, says now. systemd-timesyncd notices by itself that a clock is set."""
    error_us = age_ns * _GROWTH_PPM // 1_000_000_000 + _TIMESYNCD_SLEWS_US
    return SystemTime(age_ns >= 0 and error_us < _LIMIT_US, error_us)
