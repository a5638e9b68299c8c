"""Live values for the house: from a telegram to a subscriber of a real mosquitto, and what the HAN process costs.

Eight meters send each second; MQTT, a P1 port and metrics are on. Run alone: `python tests/bench/bench_live_house.py`.
"""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "tests" / "support"), str(Path(__file__).parent)]

from bench_live import capture  # noqa: E402
from broker import Listener, broker, free_port, wait_until  # noqa: E402
from result import Result, shown  # noqa: E402
from smgw.cosem import Capture, ClockState, DeviceId, Stamp  # noqa: E402
from smgw.store import paths  # noqa: E402
from smgw.store.live import LiveWriter  # noqa: E402

METERS, SECONDS, IDLE_S = 8, 5, 5
LATEST_S, RSS_MB, IDLE_PERCENT = 1.0, 40, 0.1
NAMES = [f"meter-{number}" for number in range(METERS)]


def configuration(state: Path, broker_port: int) -> Path:
    meters = "".join(
        f'[[meter]]\nname = "{name}"\nprotocol = "sml-push"\nport = "/dev/ttyUSB{number}"\n'
        for number, name in enumerate(NAMES)
    )
    file = state / "gateway.toml"
    file.write_text(
        f'[gateway]\ndevice_id = "ESMG0000000001"\n{meters}[han]\nlisten = "127.0.0.1:{free_port()}"\n'
        f'[han.mqtt]\nurl = "mqtt://127.0.0.1:{broker_port}"\n'
        f'[han.p1]\nlisten = "127.0.0.1:{free_port()}"\nmeter = "{NAMES[0]}"\n'
        f'[han.metrics]\nlisten = "127.0.0.1:{free_port()}"\n'
    )
    return file


def made(number: int, turn: int) -> Capture:
    now = time.time_ns() // 1000
    one = capture(turn)
    stamp = Stamp(one.stamp.boot_id, time.clock_gettime_ns(time.CLOCK_BOOTTIME), now, 5000, ClockState.SYNCHRONISED)
    return one._replace(meter=NAMES[number], device=DeviceId.parse(f"1EMH{number:010d}"), stamp=stamp)


def cpu_s(pid: int) -> float:
    """Of all its threads, without the ticks of the clock."""
    files = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def rss_mb(pid: int) -> float:
    (line,) = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


class Late:
    """Seconds between telegram and subscriber."""

    def __init__(self, ears: Listener) -> None:
        self._ears = ears
        self.found: list[float] = []

    def send(self, writer: LiveWriter, number: int, turn: int) -> None:
        one = made(number, turn)
        topic = f"smgw/ESMG0000000001/{one.device}/1-0:1.8.0/value"
        wanted = str(one.readings[1].value.value)
        began = time.monotonic()
        writer.capture(one)
        digits = f"{wanted[:-4]}.{wanted[-4:]}"  # kWh of tenths of Wh
        wait_until(lambda: self._ears.newest.get(topic) == digits)
        self.found.append(time.monotonic() - began)


def main() -> list[Result]:
    """The latest of all telegrams counts."""
    chance = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        with broker(state / "broker") as mosquitto:
            live = paths.live_directory(state)
            live.parent.mkdir()
            writer = LiveWriter(live, dict.fromkeys(NAMES, "/dev/ttyUSB0"))
            where = ["--config", str(configuration(state, mosquitto.port)), "--state", str(state)]
            process = subprocess.Popen([sys.executable, "-m", "smgw", "han", *where], stderr=subprocess.DEVNULL)
            ears = Listener(mosquitto.port)
            try:
                late = Late(ears)
                for number in range(METERS):
                    late.send(writer, number, 0)  # it starts meanwhile
                late.found.clear()
                time.sleep(1)
                before = cpu_s(process.pid)
                time.sleep(IDLE_S)
                idle = cpu_s(process.pid) - before
                before, began = cpu_s(process.pid), time.monotonic()
                for turn in range(1, SECONDS + 1):
                    for number in range(METERS):
                        time.sleep(chance.uniform(0, 0.1))  # at any moment between two looks
                        late.send(writer, number, turn)
                busy, took = cpu_s(process.pid) - before, time.monotonic() - began
                rss = rss_mb(process.pid)
            finally:
                ears.close()
                process.terminate()
                process.wait()
    return [
        Result("from a telegram to a subscriber of MQTT, the latest", max(late.found), "s", LATEST_S),
        Result("the HAN process with three outlets, its memory", rss, "MB", RSS_MB),
        Result("its CPU while no telegram comes", 100 * idle / IDLE_S, "%", IDLE_PERCENT),
        Result("its CPU for a telegram, to three outlets", 1000 * busy / METERS / SECONDS, "ms"),
        Result("telegrams in each second of that", METERS * SECONDS / took, "1/s"),
    ]


if __name__ == "__main__":
    sys.exit(shown(main()))
