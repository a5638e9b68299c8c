"""Coverage-guided fuzzing of the decoders: `make fuzz FUZZ_SECONDS=600`, or by hand one target.

    .venv-fuzz/bin/python tests/fuzz/run.py TARGET... [--seconds 60]

Each target runs in a process of its own, one after the other. New inputs go to build/fuzz/TARGET, the small corpus of
the tree is only read. An input that breaks a promise is kept as build/fuzz/TARGET-crash-*; when the decoder is mended,
it goes into tests/fuzz/corpus/TARGET, and tests/unit/firmware/test_fuzz_corpus.py replays it from then on.
The exit code is 1 if a target found anything. Without a target's name all run.
"""

import argparse
import logging
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOUND = ROOT / "build" / "fuzz"
MEMORY = Path("/dev/shm")
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "tests" / "support"), str(Path(__file__).parent)]

#: Longest input in octets, most seconds for one input, most memory in MB.
MOST_OCTETS, MOST_SECONDS, MOST_MB = 2048, 5, 1024


def main() -> int:
    """Run the targets, and print for each its executions and findings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default 60)")
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        fuzz(options.child[0], options.child[1:])
    import fuzz_targets

    unknown = set(options.targets) - set(fuzz_targets.TARGETS)
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(fuzz_targets.TARGETS)}")
    red = [name for name in options.targets or fuzz_targets.TARGETS if not run(name, options.seconds)]
    print(f"{len(red)} targets with findings{': ' if red else ''}{', '.join(red)}")
    return int(bool(red))


def run(name: str, seconds: int) -> bool:
    """Run one target; True if it found nothing."""
    (FOUND / name).mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, __file__, "--child", name),
        *(
            f"-max_total_time={seconds}",
            f"-max_len={MOST_OCTETS}",
            f"-timeout={MOST_SECONDS}",
            f"-rss_limit_mb={MOST_MB}",
        ),
        *("-print_final_stats=1", "-use_value_profile=1", f"-dict={ROOT / 'tests' / 'fuzz' / 'words.dict'}"),
        *(f"-artifact_prefix={FOUND / name}-", str(FOUND / name), str(ROOT / "tests" / "fuzz" / "corpus" / name)),
    ]
    # Files of the target lie in memory; the fuzzer's process ends without tidying up.
    with tempfile.TemporaryDirectory(prefix="smgw-fuzz-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        environment = {**os.environ, "TMPDIR": folder}
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, env=environment)
    (FOUND / f"{name}.log").write_text(done.stdout + done.stderr)
    executed = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
    count = int(executed[1]) if executed else 0
    verdict = "nothing found" if done.returncode == 0 and count else f"FOUND, see {FOUND / name}.log"
    print(f"{name:18} {count:9} executions  {verdict}", flush=True)
    return done.returncode == 0 and count > 0


def fuzz(name: str, arguments: list[str]) -> None:
    """The process of one target. Does not return."""
    import atheris

    with atheris.instrument_imports(include=["smgw"]):
        import fuzz_targets
    logging.disable(logging.CRITICAL)
    atheris.Setup([name, *arguments], fuzz_targets.TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
