"""How long commands take to start, beside a bare Python (`python -c pass`) that takes turns with them.

Each round runs every command once. What counts is the least time of all rounds, as a ratio to the least of the bare
Python: other work on the machine only adds time. The commands are the scripts of this environment, as `make setup`
installs them. Its editable packages have a finder that every Python of the environment loads, the bare one, too. What
this finder costs is the difference to Debian's way: the sources on the path, no site-packages.

`smgw status` looks at a small state directory: two meters with 101 rows and a live value each, and an EMP.
Run alone: `python tests/bench/bench_start_up.py`; exits 1 over a bar.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "tests" / "support"), str(Path(__file__).parent)]

from captures_made import DEVICE, MIDNIGHT, SECOND, capture, energy  # noqa: E402
from gateway_state import gateway_state  # noqa: E402
from result import Result, shown  # noqa: E402
from smgw.store import paths  # noqa: E402
from smgw.store.records import MeterState, Record  # noqa: E402
from smgw.store.wan.store import WanStore  # noqa: E402

ROUNDS = 40
BARE = "a bare Python, the environment's"
#: Milliseconds beside 33 of a bare Python: what issue 11 asks for.
BARS = {
    "smgw --help": 50 / 33,
    "smgw check": 80 / 33,
    "smgw status": 110 / 33,
    "emp --help": 60 / 33,
    "smsim styles": 120 / 33,
}
EMP = '[[emp]]\nname = "lab"\nurl = "http://127.0.0.1:8080"\ninsecure = true\n'


@contextmanager
def gateway() -> Iterator[Sequence[str]]:
    """The arguments of a small gateway that seems to run."""
    with TemporaryDirectory() as folder, gateway_state(Path(folder)) as made:
        made.file.write_text(made.file.read_text() + EMP)
        for meter in ("house", "roof"):
            times = [MIDNIGHT + number * SECOND for number in range(101)]
            made.store.append([Record(capture(utc_us, energy(7), meter=meter)) for utc_us in times])
            made.store.note_meter(MeterState(meter, DEVICE, "reading", MIDNIGHT, good=101))
            made.live.capture(capture(times[-1], energy(7), meter=meter))
        made.store.flush(now=True)
        WanStore.open(paths.wan_directory(made.state)).close()
        yield made.arguments


def seconds(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """How long a command runs; it must not be wrong usage."""
    begin = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True)
    took = time.perf_counter() - begin
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return took


def least(commands: Mapping[str, Sequence[str]], environment: Mapping[str, str]) -> dict[str, float]:
    """The least time of each command in all rounds."""
    found = dict.fromkeys(commands, float("inf"))
    for _ in range(ROUNDS):
        for name, command in commands.items():
            found[name] = min(found[name], seconds(command, environment))
    return found


def main() -> list[Result]:
    scripts = Path(sys.executable).parent
    python = sys.executable
    outside = [python, "-I", "-S", "-c"]
    sources = f"import sys; sys.path.insert(0, {str(ROOT / 'firmware')!r}); "
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "PYTHON"))}
    with gateway() as arguments:
        commands = {
            BARE: [python, "-c", "pass"],
            "smgw --help": [str(scripts / "smgw"), "--help"],
            "smgw check": [str(scripts / "smgw"), "check", *arguments],
            "smgw status": [str(scripts / "smgw"), "status", *arguments],
            "emp --help": [str(scripts / "emp"), "--help"],
            "smsim styles": [str(scripts / "smsim"), "styles"],
            "a bare Python without site-packages": [*outside, "pass"],
            "smgw --help from the sources": [*outside, sources + "from smgw.cli import main; main(['--help'])"],
        }
        took = least(commands, environment)
    results = [Result(f"{name}: times a bare Python", took[name] / took[BARE], "x", bar) for name, bar in BARS.items()]
    results += [Result(name, time_ * 1e3, "ms") for name, time_ in took.items()]
    finder = took[BARE] - took["a bare Python without site-packages"]
    results.append(
        Result("site-packages and the editable finder, of smgw --help", 100 * finder / took["smgw --help"], "%")
    )
    return results


if __name__ == "__main__":
    sys.exit(shown(main()))
