"""The worst error of a time that is called valid while one of three time servers lies, beside chronyd's.

Ours: three hours of made time with each lie, the liar at each of the three places. True servers are off by up to 5 ms,
and the crystal by 20 ppm. chronyd: one synchronisation
(`chronyd -Q`) with true servers that are exact, for those lies that do not change; it tells how wrong it finds the true
clock.
Run alone: `python tests/bench/bench_time_lies.py`; exits 1 above a bar.
"""

import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "tests" / "support"), str(Path(__file__).parent)]

from debian_package import Program, UnavailableError, program  # noqa: E402
from result import Result, shown  # noqa: E402
from smgw.clock.gateway_clock import GatewayClock  # noqa: E402
from time_lies import LIES, Kernel, Lie, live  # noqa: E402

ROUNDS = 42
BAR_US = 1_000_000
HONEST_S = 0.005  # how far off a true server may be; it says so
CRYSTAL_PPM = 20
_NTP_DELTA_S = 2_208_988_800
_WRONG = re.compile(r"System clock wrong by (-?[0-9.]+) seconds")


def ours(lie: Callable[[int], Lie]) -> int:
    """Microseconds."""
    chance = random.Random(1)

    def worst_with(liar: str) -> int:
        def ask(number: int, name: str) -> Lie:
            return lie(number) if name == liar else Lie(chance.uniform(-HONEST_S, HONEST_S), HONEST_S)

        kernel = Kernel(CRYSTAL_PPM)
        return live(GatewayClock(source=kernel, sources="abc"), kernel, ROUNDS, ask).worst_us

    return max(map(worst_with, "abc"))


class Server:
    """An NTP server on loopback that is off by so much and claims such an error."""

    def __init__(self, address: str, port: int, lie: Lie) -> None:
        self._lie = lie
        self._endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._endpoint.bind((address, port))
        self.port: int = self._endpoint.getsockname()[1]
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            request, peer = self._endpoint.recvfrom(1000)
            if len(request) < 48:
                return
            head = struct.pack("!BBbbII", 4 << 3 | 4, 2, 6, -20, 0, int(self._lie.claims_s * 65536))
            now = self._time()
            answer = head + b"\x0a\x00\x00" + request[47:48] + self._time(-8) + request[40:48] + now + self._time()
            self._endpoint.sendto(answer, peer)

    def _time(self, later_s: float = 0) -> bytes:
        seconds, fraction = divmod(time.time() + self._lie.off_s + later_s + _NTP_DELTA_S, 1)
        return struct.pack("!II", int(seconds) % (1 << 32), int(fraction * (1 << 32)))

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            caller.sendto(b"stop", self._endpoint.getsockname())
        self._thread.join()
        self._endpoint.close()


def chronyds(chronyd: Program, lies: dict[str, Lie]) -> dict[str, float | None]:
    """How wrong chronyd finds the true clock, in seconds, by lie; None: it took no time at all. All run at once."""
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = {}
        for name, lie in lies.items():
            true = stack.enter_context(Server("127.0.0.1", 0, Lie(0)))
            stack.enter_context(Server("127.0.0.2", true.port, Lie(0)))
            stack.enter_context(Server("127.0.0.3", true.port, lie))
            lines = [f"server 127.0.0.{host} port {true.port} iburst" for host in (1, 2, 3)]
            lines += ["cmdport 0", "bindcmdaddress /", f"user {user}", f"pidfile {folder}/{true.port}.pid"]
            running[name] = subprocess.Popen(
                [chronyd.path, "-x", "-Q", "-t", "20", *lines],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=chronyd.environment,
            )
        found = {}
        for name, daemon in running.items():
            told = _WRONG.search(daemon.communicate(timeout=60)[0])
            found[name] = None if told is None else float(told[1])
    return found


def main() -> list[Result]:
    results = [Result(f"{name}: our worst error", ours(lie), "us", BAR_US) for name, lie in LIES.items()]
    constant = {name: lie(0) for name, lie in LIES.items() if len({lie(number) for number in range(9)}) == 1}
    try:
        found = chronyds(program("chrony", "chronyd"), constant)
    except UnavailableError as missing:
        print(f"without chronyd: {missing}")
        return results
    for name, error_s in found.items():
        if error_s is None:
            print(f"{name}: chronyd takes no time")
        else:
            results.append(Result(f"{name}: chronyd's error", abs(error_s) * 1e6, "us"))
    return results


if __name__ == "__main__":
    sys.exit(shown(main()))
