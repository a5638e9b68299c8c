"""How long the processes take to end after SIGTERM: idle, with meters that push, and while an EMP does not answer.

`smgw run` delivers what is left before it ends, for ten seconds at most.
Run alone: `python tests/bench/bench_stop.py`; exits 1 under a bar.
"""

import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(ROOT / "firmware"), str(ROOT / "simulator-host"), str(ROOT / "tests" / "support"), str(Path(__file__).parent)
]  # fmt: skip

from result import Result, shown  # noqa: E402
from stub_emp import StubEmp  # noqa: E402
from testbed import Chain, Program, poll, push, wait_until  # noqa: E402

STOPS_WITHIN, DRAINS_WITHIN = 2.0, 12.0  # s


def seconds(program: Program) -> float:
    began = time.monotonic()
    code = program.stop()
    if code:
        raise SystemExit(f"{program.name} ended with {code}\n{program.tail()}")
    return time.monotonic() - began


def stopped(load: str, together: bool) -> list[Result]:
    """`together`: by `smgw run`."""
    meters = [*(push(f"push-{number}", number, 0.1) for number in range(1, 6)), poll("solar")]
    with tempfile.TemporaryDirectory() as directory, StubEmp() as emp:
        emp.silent = load == "no answer"
        with Chain(Path(directory), meters, emp_url=emp.url, timeout=60) as chain:
            if load != "idle":
                chain.smsim.start()
                chain.smsim.wait_for("smsim: meter solar")
            programs = [chain.both] if together else [chain.lmn, chain.wan]
            for program in programs:
                program.start()
            for program in programs:
                program.wait_for("services.lmn: ready" if program is not chain.wan else "services.wan: ready")
            if load != "idle":
                wait_until(lambda: emp.puts > 0, 60, "nothing is delivered")
            bar = DRAINS_WITHIN if together and load == "no answer" else STOPS_WITHIN
            return [Result(f"SIGTERM to the end of {one.name}, {load}", seconds(one), "s", bar) for one in programs]


def main() -> list[Result]:
    """All cases."""
    loads = ("idle", "loaded", "no answer")
    return [result for load in loads for together in (False, True) for result in stopped(load, together)]


if __name__ == "__main__":
    sys.exit(shown(main()))
