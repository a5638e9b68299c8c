"""Runs the tests in stages and prints the sum at the end: `make test`, `make test-quick`, `make test-image` ...

A red stage stops no other stage. The last lines list what was skipped and why, the result of each stage, and in the
very last line `N passed, N failed, N skipped`. The exit code is 1 if anything failed.

Coverage is measured only if the environment has CI=true, because it slows the tests down by half.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "build" / "tests"
OURS = str(ROOT / ".venv" / "bin" / "python")
DEVICE = "/usr/bin/python3"
DEVICE_MODULES = ("serial", "lxml", "urllib3", "ntplib", "cryptography", "pytest", "xdist", "hypothesis")
COVERED = os.environ.get("CI") == "true"
#: Most tests wait for something, so several workers share a core. The workers take whole files.
WORKERS = 4 * len(os.sched_getaffinity(0))
PARALLEL = (f"--numprocesses={WORKERS}", "--dist=loadfile")
#: Tests of whole processes load the machine more.
PARALLEL_PROCESSES = (f"--numprocesses={max(2, WORKERS // 2)}", "--dist=loadfile")
PARALLEL_EPISODES = (PARALLEL_PROCESSES[0], "--dist=worksteal")


class Stage(NamedTuple):
    """One run of pytest."""

    name: str
    paths: tuple[str, ...]
    options: tuple[str, ...] = ()
    python: str = OURS
    covered: bool = False
    environment: tuple[tuple[str, str], ...] = ()


class Outcome(NamedTuple):
    """What became of a stage; `skipped` counts reasons."""

    stage: str
    passed: int
    failed: int
    skipped: Counter[str]
    seconds: float
    note: str = ""


def files(folder: str, *first: str, without: str = "") -> tuple[str, ...]:
    """The test files of a folder: some first, because they take longest, then the others."""
    others = {file.stem.removeprefix("test_") for file in (ROOT / "tests" / folder).glob("test_*.py")}
    names = (*first, *sorted(others - {*first, without}))
    return tuple(f"tests/{folder}/test_{name}.py" for name in names)


#: Two machines run at a time, each file on one worker, in the order of `files`.
TWO_MACHINES = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder")
#: The first worker builds the image while the second begins with tests that need none. What the boards show is printed,
#: so the output of the tests is caught in Python alone.
IMAGE = Stage(
    "image",
    files("image", "image", "boot_script", "update", "gpio", "update_fallback", without="pi3"),
    ("--capture=sys", *TWO_MACHINES),
)
PI3 = Stage("pi3", ("tests/image/test_pi3.py",), ("--capture=sys",))
UNIT = Stage("unit", ("tests/unit",), PARALLEL)
ON_DEVICE = Stage(
    "unit tests of the firmware with Debian's Python",
    ("tests/unit/firmware",),
    PARALLEL,
    DEVICE,
    environment=(("PYTHONPATH", "firmware"),),
)
PLANS = {
    "quick": (UNIT._replace(environment=(("SMGW_TEST_QUICK", "1"),)),),
    "all": (
        Stage("unit and interop", ("tests/unit", "tests/interop"), PARALLEL, covered=True),
        Stage("fault and system", ("tests/fault", "tests/system"), PARALLEL_PROCESSES, covered=True),
        Stage("systemd", ("tests/systemd",)),
        ON_DEVICE,
    ),
    "image": (IMAGE,),
    "pi3": (PI3,),
    "long": (
        # By test, not by file: the episodes of one file take hours one after the other.
        Stage("kill loops", ("tests/fault",), PARALLEL_EPISODES, environment=(("SMGW_TEST_LONG", "1"),)),
        Stage("damaged databases", ("tests/unit/host/test_emp_damage.py",), environment=(("SMGW_TEST_LONG", "1"),)),
        Stage(
            "random tariffs",
            ("tests/unit/firmware/test_evaluation_random.py",),
            PARALLEL_EPISODES,
            environment=(("SMGW_TEST_LONG", "1"),),
        ),
    ),
}


def main(arguments: Sequence[str]) -> int:
    """Run a plan, or the stages that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "plan",
        choices=PLANS,
        help="quick: unit tests; all: every stage; image, pi3: emulated boards; long: kill loops at length",
    )
    plan: str = parser.parse_args(arguments).plan
    covered = COVERED and any(stage.covered for stage in PLANS[plan])
    results = RESULTS / plan
    results.mkdir(parents=True, exist_ok=True)
    for old in results.glob("*"):
        old.unlink()
    # A temporary folder of its own, because pytest as root sets the mode of its usual one under other runs.
    temporary = Path(tempfile.mkdtemp(prefix="smgw-tests-"))
    temporary.chmod(0o755)
    outcomes: list[Outcome] = []
    try:
        for stage in PLANS[plan]:
            outcomes.append(run(stage, results, temporary, covered=covered and stage.covered))
    except KeyboardInterrupt:
        outcomes.append(Outcome(stage.name, 0, 1, Counter(), 0.0, "interrupted"))
    if any(outcome.failed for outcome in outcomes):
        print(f"\nfiles of the tests: {temporary}")
    else:
        shutil.rmtree(temporary, ignore_errors=True)
    if covered:
        subprocess.run((OURS, "-m", "coverage", "report"), cwd=ROOT, check=False)
    lines = summary(outcomes)
    print("\n" + "\n".join(lines), flush=True)
    # `make` and `.ci/run` print lines of their own behind these.
    (results / "sum").write_text(lines[-1] + "\n")
    return int(any(outcome.failed for outcome in outcomes))


def run(stage: Stage, results: Path, temporary: Path, *, covered: bool) -> Outcome:
    """Run one stage and read its sum from the report that pytest writes."""
    if stage.python == DEVICE and (lacks := device_lacks()):
        return Outcome(stage.name, 0, 0, Counter({f"the whole stage: {lacks}": 1}), 0.0)
    report = results / f"{stage.name.replace(' ', '-')}.xml"
    command = [stage.python, "-m", "pytest", *stage.options, *stage.paths, f"--junit-xml={report}"]
    if covered:
        command += ["--cov", "--cov-report=", *(["--cov-append"] if any(results.glob("*.xml")) else [])]
    environment = {**os.environ, "PYTEST_DEBUG_TEMPROOT": str(temporary), **dict(stage.environment)}
    # pytest rewrites each test module. Without byte code every worker does that again, at 5 s each.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(ROOT / "build" / "pycache")
    print(f"\n{stage.name}: {' '.join(command)}", flush=True)
    began = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    return read_report(stage.name, report, code, time.monotonic() - began)


def read_report(name: str, report: Path, code: int, seconds: float) -> Outcome:
    """The sum of a stage; a stage that ended without a report, or red without a failed test, counts as one failure."""
    passed, failed, skipped = 0, 0, Counter[str]()
    try:
        cases = list(ElementTree.parse(report).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return Outcome(name, 0, 1, skipped, seconds, f"no report, exit code {code}")
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif (skip := case.find("skipped")) is not None:
            module = (case.get("classname") or case.get("name", "")).rpartition(".")[2]
            skipped[f"{module}: {skip.get('message', '')}"] += 1
        else:
            passed += 1
    if code and not failed:
        return Outcome(name, passed, 1, skipped, seconds, f"exit code {code} without a failed test")
    return Outcome(name, passed, failed, skipped, seconds)


def device_lacks() -> str:
    """Why the tests cannot run with Debian's Python; empty if they can."""
    try_it = f"import sys, {', '.join(DEVICE_MODULES)}; sys.exit(sys.version_info < (3, 11))"
    try:
        works = subprocess.run((DEVICE, "-c", try_it), capture_output=True, check=False).returncode == 0
    except OSError:
        works = False
    return "" if works else f"{DEVICE} is no Python 3.11 or lacks one of: {', '.join(DEVICE_MODULES)}"


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """The last lines: skipped tests with reasons, a line for each stage, the sum."""
    lines = []
    if any(outcome.skipped for outcome in outcomes):
        lines.append("skipped:")
    for outcome in outcomes:
        lines += [f"  {count:5} {outcome.stage}: {reason}" for reason, count in sorted(outcome.skipped.items())]
    lines.append("stages:")
    for outcome in outcomes:
        verdict = "FAILED " if outcome.failed else "passed " if outcome.passed else "skipped"
        counts = f"{outcome.passed} passed, {outcome.failed} failed, {outcome.skipped.total()} skipped"
        note = f" ({outcome.note})" if outcome.note else ""
        lines.append(f"  {verdict} {outcome.stage}: {counts}, {outcome.seconds:.0f} s{note}")
    passed, failed = (sum(getattr(outcome, kind) for outcome in outcomes) for kind in ("passed", "failed"))
    skipped = sum(outcome.skipped.total() for outcome in outcomes)
    lines.append(f"{passed} passed, {failed} failed, {skipped} skipped")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
