"""What the running gateway shows: daemons that are ready, meters with a reading, EMPs that took rows."""

import subprocess
import time
from collections import Counter
from pathlib import Path

from smgw.store import paths
from smgw.store.errors import StoreError
from smgw.store.live_reader import read_live
from smgw.store.wan.records import ChannelKind
from smgw.store.wan.view import WanView
from smgw.update.trial import Facts

_DAEMONS = ("smgw-lmn.service", "smgw-wan.service")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """The id of this boot."""
    return _BOOT_ID.read_text().strip()


def meters_read(state: Path) -> frozenset[str]:
    """Meters with a reading since this boot: live values do not outlast it."""
    return frozenset(live.capture.meter for live in read_live(paths.live_directory(state)))


def emps(state: Path) -> tuple[Counter[str], frozenset[str]]:
    """EMP -> number of rows that it ever took; and the EMPs that refuse this gateway. Nothing without a wan.db."""
    took: Counter[str] = Counter()
    try:
        with WanView.open(paths.wan_directory(state)) as view:
            for cursor in view.cursors():
                took[cursor.emp] += cursor.acknowledged
            held = [channel.emp for channel in view.channels() if channel.state is ChannelKind.HELD]
    except StoreError:
        return took, frozenset()
    return +took, frozenset(held)


class Watcher:
    """Looks again and again. It is made early in a boot, since it counts deliveries from then on."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._before, _ = emps(state)

    def look(self) -> Facts:
        """The facts of this moment."""
        took, refusing = emps(self._state)
        return Facts(
            _ready(),
            meters_read(self._state),
            frozenset(name for name, rows in took.items() if rows > self._before[name]),
            refusing,
            time.clock_gettime(time.CLOCK_BOOTTIME),
        )


def _ready() -> bool:
    """Whether systemd has READY of both daemons: a Type=notify unit is active from then on."""
    command = ["systemctl", "is-active", *_DAEMONS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - constant
    return done.stdout.split() == ["active"] * len(_DAEMONS)
