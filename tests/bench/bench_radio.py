"""What a street of 200 meters by radio costs the reading process, each sending every 16 s, sealed in all known ways.

One stick on a pty, 12.5 telegrams a second: a third in mode 7, a third in mode 5, a third by AES-CTR of the extended
link layer with compact telegrams. Each telegram is registered. As many meters of strangers are heard as well. The run
directory is a tmpfs, as on an installed gateway.
Run alone: `python tests/bench/bench_radio.py`; exits 1 over a bar.
"""

import contextlib
import os
import pty
import select
import sys
import tempfile
import threading
import time
import tty
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "simulator-host"), str(Path(__file__).parent)]

from bench_daemon import SHARED_MEMORY, running, used  # noqa: E402
from result import Result, shown  # noqa: E402
from smgw.clock import GatewayClock  # noqa: E402
from smgw.lmn.contract import Surroundings  # noqa: E402
from smgw.lmn.mbus.radio import RadioLine  # noqa: E402
from smgw.mbus.radio import sending  # noqa: E402
from smgw.mbus.telegram import Identity  # noqa: E402
from smgw.profiles.meter import MeterProfile  # noqa: E402
from smgw.profiles.secrets import Secrets  # noqa: E402
from smgw.profiles.wmbus import WmbusProfile  # noqa: E402
from smgw.store.lmn.view import LmnView  # noqa: E402
from smsim.load.timelapse import TimeLapse  # noqa: E402
from smsim.mbus.meters import MBusMeterConfig  # noqa: E402
from smsim.mbus.radio import CTR, MODE_5, MODE_7, RadioMeter, RadioMeterConfig  # noqa: E402

METERS, INTERVAL_S = 200, 16.0
SECONDS = float(os.environ.get("BENCH_SECONDS", "30"))
KEY = bytes(range(16))
BAR = 3.0  # % of a core
_SIGNAL = 150


def street(first: int) -> list[RadioMeter]:
    """The meters; their ids begin at `first`."""
    lapse, began = TimeLapse(1_767_225_600), time.monotonic()
    return [
        RadioMeter(
            RadioMeterConfig(
                MBusMeterConfig(f"m{number}", Identity(f"{first + number:08d}", "UTB", 1, 7)),
                (MODE_7, MODE_5, CTR)[number % 3],
                KEY,
                INTERVAL_S,
            ),
            lapse,
            lambda: round((time.monotonic() - began) * 1000),
        )
        for number in range(METERS)
    ]


class Stick(threading.Thread):
    """A pty on which the telegrams of all meters come, evenly."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._meters = [one for pair in zip(street(10_000_000), street(90_000_000), strict=True) for one in pair]
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        self.going = True
        self.sent = 0

    def run(self) -> None:
        due, number = time.monotonic(), 0
        while self.going:
            meter = self._meters[number % len(self._meters)]
            with contextlib.suppress(BlockingIOError):
                os.write(self._master, sending.by_imst(meter.telegram(), _SIGNAL))
                self.sent += number % 2 == 0  # the others are those of strangers
            number += 1
            due += INTERVAL_S / len(self._meters)
            time.sleep(max(0.0, due - time.monotonic()))

    def opened(self) -> bool:
        """True while somebody has the other end open."""
        poll = select.poll()
        poll.register(self._master, select.POLLHUP)
        return not poll.poll(0)

    def close(self) -> None:
        """End."""
        self.going = False
        if self.is_alive():
            self.join(5)
        os.close(self._master)


def configure(directory: Path, port: str) -> list[str]:
    key = directory / "meters.key"
    key.write_text(KEY.hex() + "\n")
    key.chmod(0o600)
    lines = ["[gateway]", 'device_id = "ESMG0000000001"', "[[line]]", 'name = "radio"', 'protocol = "wmbus"']
    lines += [f'port = "{port}"', 'wmbus = { mode = "stored", encryption_key_file = "meters.key" }']
    for number in range(METERS):
        lines += [
            "[[meter]]",
            f'name = "m{number}"',
            'line = "radio"',
            f'wmbus = {{ id = "{10_000_000 + number:08d}" }}',
        ]
    path = directory / "gateway.toml"
    path.write_text("\n".join(lines) + "\n")
    return ["--config", str(path), "--state", str(directory), "--log-level", "warning"]


def process() -> list[Result]:
    """The whole reading process."""
    stick = Stick()
    with contextlib.ExitStack() as stack:
        stack.callback(stick.close)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if SHARED_MEMORY.is_dir():
            run = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=SHARED_MEMORY)))
            (directory / "run").symlink_to(run)
        lmn = stack.enter_context(running(sys.executable, "-m", "smgw", "lmn", *configure(directory, stick.path)))
        ends = time.monotonic() + 30
        while not stick.opened():
            if time.monotonic() > ends:
                raise SystemExit("the port was not opened within 30 s")
            time.sleep(0.01)
        stick.start()
        time.sleep(INTERVAL_S + 2)  # each meter was heard once
        peak = [0.0]
        (cpu,) = used([lmn.pid], SECONDS, peak)
        sent = stick.sent
        time.sleep(6)  # rows of every telegram wait up to 5 s for each other
        with LmnView.open(directory / "lmn") as view:
            rows = sum(len(view.records(source, 0, 10_000)) for source in view.sources())
        assert rows >= sent, f"{rows} rows of {sent} telegrams"
    return [
        Result(f"CPU of {METERS} radio meters, 12.5 telegrams/s", cpu, "% of a core", BAR),
        Result("memory of the reading process", peak[0], "MB"),
        Result("telegrams sent meanwhile", sent, ""),
    ]


def codec() -> list[Result]:
    """One telegram, from the stick's octets to values."""
    clock, meters = GatewayClock(), street(10_000_000)[:99]
    profiles = [
        (
            MeterProfile(
                one.config.meter.name, "wmbus", "/dev/null", options=WmbusProfile(one.config.meter.identity.id)
            ),
            Secrets(encryption_key=KEY),
        )
        for one in meters
    ]
    results = []
    for place, name in enumerate((MODE_7, MODE_5, CTR)):
        line = RadioLine(profiles, Surroundings(clock))
        octets = [sending.by_imst(meter.telegram(), _SIGNAL) for _ in range(20) for meter in meters[place::3]]
        stamp = clock.stamp()
        began = time.process_time()
        for one in octets:
            line.receive(one, stamp)
        results.append(Result(f"a telegram in {name}", (time.process_time() - began) / len(octets) * 1e6, "us"))
    return results


def main() -> list[Result]:
    return [*process(), *codec()]


if __name__ == "__main__":
    sys.exit(shown(main()))
