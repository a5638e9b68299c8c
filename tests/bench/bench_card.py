"""What the gateway writes to its card: sectors of the block layer, of a loop device with ext4, as GB a day.

8 meters push 8 registers a second. `smgw lmn` and `smgw wan` have their state directory on the loop device, mounted as
Raspberry Pi OS does (noatime, commit=5); the EMP's file lies elsewhere. All cases run side by side, each on a device of
its own. A grid value every 900 s would take hours to measure: the default is measured once with a period of a day, and
once with one of 60 s. The difference is what a grid point costs, and 96 of them are added to the first.
A gateway that has worked for a while has -wal files of their full size, so those are made first.
Needs root. Run alone: `python tests/bench/bench_card.py`; exits 1 over a bar. BENCH_CARD_SECONDS: 240 by default.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from bench_daemon import METERS, Meter, heads, running
from result import Result, shown
from smgw.cosem import Capture, ClockState, Data, DataType, DeviceId, Obis, Reading, Stamp
from smgw.cosem.source import Source
from smgw.store import paths
from smgw.store.file.connection import CHECKPOINT_BYTES, PAGE_SIZE
from smgw.store.lmn.store import LmnStore
from smgw.store.records import Record
from smgw.store.wan.store import WanStore

SECONDS = float(os.environ.get("BENCH_CARD_SECONDS", "240"))
#: The start is over, and what it wrote has left the page cache (30 s by default).
SETTLED = 40.0
DAY = 86_400
SECTOR = 512  # of /sys/block/*/stat, whatever the device's own
IMAGE_MIB = 256
FORMER = DeviceId.parse("1EMH0000000099")


class Case(NamedTuple):
    """A configuration. `bar` in GB a day, None for a part of another number."""

    name: str
    period: int
    forward: str
    bar: float | None = None


EVERY = Case("registration_period = 0", 0, "5", 1.3)
AT_ONCE = Case('registration_period = 0, forward = "immediate"', 0, '"immediate"', 6)
STEADY = Case("default, between two points of the grid", DAY, "5")
MINUTES = Case("default, but with a point of the grid every 60 s", 60, "5")
DEFAULT_PERIOD, DEFAULT_BAR = 900, 0.04


class Card(NamedTuple):
    """A mounted loop device."""

    directory: Path
    device: str

    def written(self) -> int:
        """Octets written to it since it was made."""
        return int(Path(f"/sys/block/{self.device}/stat").read_text().split()[6]) * SECTOR


def ran(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def card() -> Iterator[Card]:
    """A loop device over a file in memory, with ext4."""
    with contextlib.ExitStack() as stack:
        memory = Path("/dev/shm")
        directory = stack.enter_context(tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None))
        image, mounted = Path(directory) / "image", Path(directory) / "card"
        with image.open("wb") as file:
            file.truncate(IMAGE_MIB << 20)
        device = ran("losetup", "--find", "--show", image)
        stack.callback(ran, "losetup", "--detach", device)
        # Without its lazy work, which would be counted.
        ran("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", device)
        mounted.mkdir()
        ran("mount", "-o", "noatime", device, mounted)
        stack.callback(ran, "umount", mounted)
        yield Card(mounted, Path(device).name)


def worn(state: Path) -> None:
    """Fill the -wal files of new databases once: later commits overwrite them, and cost no change of their size."""
    stamp = Stamp("boot", 1, 1, 1, ClockState.INVALID)
    reading = Reading(Obis.parse("1.8.0"), Data(DataType.LONG64, 1))
    with LmnStore.open(paths.lmn_directory(state)) as lmn, WanStore.open(paths.wan_directory(state)) as wan:
        for number in range(CHECKPOINT_BYTES // PAGE_SIZE // 2):
            lmn.append([Record(Capture("before", FORMER, stamp, None, (reading,)))])
            wan.acknowledge("nobody", lmn.store_id, Source("before", FORMER), number, 1)


def configure(directory: Path, card: Card, meters: list[Meter], emp: str, case: Case) -> list[str]:
    lines = ["[gateway]", 'device_id = "ESMG0000000001"']
    for meter in meters:
        lines += ["[[meter]]", f'name = "m{meter.number}"', 'protocol = "sml-push"', f'port = "{meter.path}"']
        lines += [f"registration_period = {case.period}"]
    lines += ["[[emp]]", 'name = "utility"', f'url = "{emp}"', "insecure = true", f"forward = {case.forward}"]
    path = directory / "gateway.toml"
    path.write_text("\n".join(lines) + "\n")
    return ["--config", str(path), "--state", str(card.directory), "--log-level", "warning"]


@contextlib.contextmanager
def gateway(case: Case) -> Iterator[Card]:
    """Both processes with their meters and EMP, at work on a card of their own."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        emp = stack.enter_context(
            running(sys.executable, "-m", "emp", "serve", "--listen", "127.0.0.1:0", "--db", f"{directory}/emp.db")
        )
        assert emp.stdout is not None
        url = next(word for word in emp.stdout.readline().split() if word.startswith("http"))
        meters = stack.enter_context(heads(METERS))
        own = stack.enter_context(card())
        arguments = configure(directory, own, meters, url, case)
        worn(own.directory)
        for name in ("lmn", "wan"):
            stack.enter_context(running(sys.executable, "-m", "smgw", name, *arguments))
        for meter in meters:
            meter.start()
        yield own


def written(cases: tuple[Case, ...]) -> dict[Case, float]:
    """GB a day of each."""
    with contextlib.ExitStack() as stack:
        cards = {case: stack.enter_context(gateway(case)) for case in cases}
        time.sleep(SETTLED)
        before = {case: own.written() for case, own in cards.items()}
        began = time.monotonic()
        time.sleep(SECONDS)
        took = time.monotonic() - began
        return {case: (own.written() - before[case]) / took * DAY / 1e9 for case, own in cards.items()}


def main() -> list[Result]:
    if os.geteuid() != 0:
        print("SKIPPED: a loop device needs root: sudo make bench", flush=True)
        return []
    found = written((EVERY, AT_ONCE, STEADY, MINUTES))
    grid = max(0.0, found[MINUTES] - found[STEADY]) * MINUTES.period / DEFAULT_PERIOD
    results = [Result(case.name, value, "GB a day", case.bar, at_most=True) for case, value in found.items()]
    return [*results, Result("default", found[STEADY] + grid, "GB a day", DEFAULT_BAR, at_most=True)]


if __name__ == "__main__":
    sys.exit(shown(main()))
