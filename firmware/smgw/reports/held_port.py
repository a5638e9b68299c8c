"""A port that the running gateway holds: the process, and its newest values from there."""

import time
from pathlib import Path
from typing import NamedTuple

from smgw.ports.holder import Holder, device_of, holder_of, process_name
from smgw.ports.port import is_socket
from smgw.profiles.checks import claimed_by
from smgw.profiles.gpio_line import is_gpio
from smgw.store import paths
from smgw.store.file.lock import owner_pid
from smgw.store.live_reader import Live, read_live

_FRESH_NS = 60_000_000_000


class HeldPort(NamedTuple):
    """The process that holds the port, and the live values of the devices behind it, at least one."""

    holder: Holder
    lives: list[Live]


def held_by_gateway(url: str, state: Path, meter: str | None = None) -> HeldPort | None:
    """The state of a port (or of one meter there) in the gateway of this state directory.

    None if it does not run, does not hold the port, or has read no telegram there yet. The users of a network port
    and of a GPIO line are not known, so there a value of the last minute counts.
    """
    owner = owner_pid(paths.lock_of(paths.lmn_directory(state) / paths.LMN))
    if owner is None:
        return None
    lives = [
        live
        for live in read_live(paths.live_directory(state))
        if _same(live.port, url) and meter in (None, live.capture.meter)
    ]
    if is_socket(url) or is_gpio(url):
        lives = list(filter(_fresh, lives))
    else:
        holder = holder_of(device_of(url))
        if holder is None or holder.pid != owner:
            return None
    return HeldPort(Holder(owner, process_name(owner)), lives) if lives else None


def _fresh(live: Live) -> bool:
    age_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - live.capture.stamp.boottime_ns
    return 0 <= age_ns < _FRESH_NS


def _same(one: str, other: str) -> bool:
    """True if two names are the same port."""
    claim = claimed_by(one)
    return claim is not None and claim == claimed_by(other)
