"""The corpus of the fuzzer (tests/fuzz), replayed: no input makes a decoder break its promise, or costs much."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz_input import CORPUS
from fuzz_targets import TARGETS
from work import work

INPUTS = [pytest.param(file, id=f"{file.parent.name}/{file.name}") for file in sorted(CORPUS.glob("*/*"))]


@pytest.mark.parametrize("file", INPUTS)
def test_only_the_documented_errors_leave_a_decoder(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    TARGETS[file.parent.name](file.read_bytes())


@pytest.mark.parametrize("file", INPUTS)
def test_an_input_costs_a_bounded_number_of_lines(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    octets = file.read_bytes()
    target = TARGETS[file.parent.name]
    target(octets)  # what is done once in a process
    work(lambda: target(octets), 50_000 + 1_500 * len(octets))


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_has_inputs_to_begin_with(name: str) -> None:
    assert list((CORPUS / name).iterdir())


def test_the_targets_need_nothing_that_only_tests_have() -> None:
    paths = [str(CORPUS.parents[2] / part) for part in ("firmware", "tests/support", "tests/fuzz")]
    program = "import sys; sys.modules['pytest'] = sys.modules['pki'] = None; import fuzz_targets"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
