"""The runner of the tests: every stage runs, the sum comes at the end, a red stage makes the exit code red."""

import importlib.util
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("smgw_tests_run", Path(__file__).parents[1] / "run.py")
assert SPEC is not None
assert SPEC.loader is not None
run = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(run)

RED = """
import pytest
def test_green(): pass
def test_red(): assert False
@pytest.mark.skip(reason="no such machine")
def test_skipped(): pass
"""
GREEN = "def test_green(): pass\n"


def stage(directory: Path, name: str, text: str) -> "run.Stage":  # type: ignore[name-defined]
    (directory / f"test_{name}.py").write_text(text)
    options = ("-q", "-p", "no:cacheprovider", "-c", "/dev/null", f"--rootdir={directory}")
    return run.Stage(name, (str(directory / f"test_{name}.py"),), options, python=sys.executable)


def test_a_red_stage_stops_no_other_and_the_sum_is_the_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    plan = (stage(tmp_path, "one", RED), stage(tmp_path, "two", "import nothing_of_the_kind\n"))
    monkeypatch.setattr(run, "PLANS", {"all": (*plan, stage(tmp_path, "three", GREEN))})
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert run.main(["all"]) == 1
    lines = capfd.readouterr().out.splitlines()
    end = lines[lines.index("skipped:") :]
    assert end[1].split() == ["1", "one:", "test_one:", "no", "such", "machine"]
    assert [line.split()[:2] for line in end[3:6]] == [["FAILED", "one:"], ["FAILED", "two:"], ["passed", "three:"]]
    assert end[6:] == ["2 passed, 2 failed, 1 skipped"]
    assert (tmp_path / "results" / "all" / "sum").read_text() == end[-1] + "\n"


def test_green_stages_give_exit_code_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "PLANS", {"quick": (stage(tmp_path, "three", GREEN),)})
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert run.main(["quick"]) == 0


def test_a_stage_that_ended_without_a_report_has_failed(tmp_path: Path) -> None:
    outcome = run.read_report("one", tmp_path / "one.xml", -9, 1.0)
    assert (outcome.passed, outcome.failed, outcome.note) == (0, 1, "no report, exit code -9")


def test_a_stage_that_cannot_run_is_listed_as_skipped() -> None:
    missing = run.Outcome("device", 0, 0, Counter({"the whole stage: no Python": 1}), 0.0)
    lines = run.summary([missing])
    assert lines[1].split(maxsplit=1) == ["1", "device: the whole stage: no Python"]
    assert lines[-1] == "0 passed, 0 failed, 1 skipped"
