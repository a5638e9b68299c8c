"""What eight P1 ports cost that send a telegram of version 5 with gas each second at 115200 Bd: CPU and memory of LMN.

The octets come in pieces of 64, as a USB converter hands them over. The run directory is a tmpfs, as on an installed
gateway. Run alone: `python tests/bench/bench_p1_ports.py`; exits 1 over a bar.
"""

import contextlib
import os
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from bench_daemon import SECONDS, SHARED_MEMORY, Meter, running, settled, used
from bench_p1 import other
from result import Result, shown
from smgw.store.lmn.view import LmnView

PORTS, DEVICES = 8, 2
PIECE = 64
PIECE_SECONDS = PIECE * 10 / 115_200


class Port(Meter):
    """A P1 port behind a converter."""

    def run(self) -> None:
        generator = random.Random(self.number)
        telegrams = [other(generator) for _ in range(10)]
        due, number = time.monotonic() + self._offset, 0
        while self.going:
            octets = telegrams[number % len(telegrams)]
            number += 1
            for place, start in enumerate(range(0, len(octets), PIECE), 1):
                time.sleep(max(0.0, due + place * PIECE_SECONDS - time.monotonic()))
                with contextlib.suppress(BlockingIOError):
                    os.write(self.master, octets[start : start + PIECE])
            self.ended[number] = time.monotonic()
            due += 1.0


def main() -> list[Result]:
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if SHARED_MEMORY.is_dir():
            run = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=SHARED_MEMORY)))
            (directory / "run").symlink_to(run)
        ports = [Port(number, PORTS) for number in range(1, PORTS + 1)]
        for port in ports:
            stack.callback(os.close, port.master)
        lines = ["[gateway]", 'device_id = "ESMG0000000001"']
        for port in ports:
            lines += ["[[meter]]", f'name = "m{port.number}"', 'protocol = "dsmr-p1"', f'port = "{port.path}"']
            lines += ["baudrate = 115200", "registration_period = 0"]
        file = directory / "gateway.toml"
        file.write_text("\n".join(lines) + "\n")
        lmn = stack.enter_context(
            running(
                *(sys.executable, "-m", "smgw", "lmn", "--config", str(file), "--state", str(directory)),
                *("--log-level", "warning"),
            )
        )
        while not all(port.opened() for port in ports):
            time.sleep(0.01)
        time.sleep(1)
        for port in ports:
            port.start()
        time.sleep(5)
        peak = [0.0]
        (cpu,) = used([lmn.pid], SECONDS, peak)
        for port in ports:
            port.going = False
        for port in ports:
            port.join(3)
        time.sleep(6)
        view = settled(LmnView, directory / "lmn")
        assert isinstance(view, LmnView)
        with view:
            records = sum(view.backlog(source, 0) for source in view.sources())
        sent = sum(len(port.ended) for port in ports)
    return [
        Result(f"{PORTS} P1 ports at 1/s: CPU of LMN", cpu, "% of a core", 2.0),
        Result(f"{PORTS} P1 ports at 1/s: RSS of LMN", peak[0], "MB", 22.0),
        Result(f"{PORTS} P1 ports at 1/s: records for {sent} telegrams of {DEVICES} devices", records, "",
               DEVICES * (sent - PORTS), at_most=False),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(shown(main()))
