"""The run directory of a lab lies on a tmpfs, and nobody else's directory is ever taken for it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from captures_made import MIDNIGHT, capture
from smgw.store import paths, run_directory
from smgw.store.live import LiveWriter
from smgw.store.live_reader import read_live
from smgw.store.run_directory import make_run_directory, remove_run_directory


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "shm"
    made.mkdir()
    monkeypatch.setattr(run_directory, "_SHARED_MEMORY", made)
    return made


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "state"
    made.mkdir()
    yield made
    remove_run_directory(made)


def write(state: Path) -> LiveWriter:
    writer = LiveWriter(paths.live_directory(state), {"house": "/dev/ttyUSB0"})
    writer.capture(capture(MIDNIGHT))
    return writer


def test_live_values_lie_in_shared_memory_and_are_found_from_the_state_directory(shared: Path, state: Path) -> None:
    make_run_directory(state)
    write(state)
    assert [path.suffix for path in shared.glob("smgw-*/live/*")] == [".json"]
    assert [live.capture.meter for live in read_live(paths.live_directory(state))] == ["house"]
    assert (state / "run").resolve().stat().st_mode & 0o777 == 0o750


def test_at_the_end_nothing_is_left(shared: Path, state: Path) -> None:
    make_run_directory(state)
    write(state).close()
    remove_run_directory(state)
    assert list(shared.iterdir()) == []
    assert list(state.iterdir()) == []


def test_after_a_crash_the_same_directory_is_used_again(shared: Path, state: Path) -> None:
    make_run_directory(state)
    write(state)
    make_run_directory(state)
    assert len(list(shared.iterdir())) == 1


def test_what_killed_gateways_left_goes_once_their_state_directory_is_gone(
    shared: Path, state: Path, tmp_path: Path
) -> None:
    for name in ("kept", "gone"):
        (tmp_path / name).mkdir()
        make_run_directory(tmp_path / name)
        write(tmp_path / name)
    for target in shared.iterdir():
        os.utime(target, (0, 0))
    gone = (tmp_path / "gone" / "run").resolve()
    shutil.rmtree(tmp_path / "gone")
    (shared / "smgw-of-another-program").mkdir()
    make_run_directory(state)
    assert not gone.exists()
    assert len(list(shared.iterdir())) == 3
    assert len(read_live(paths.live_directory(tmp_path / "kept"))) == 1


def test_after_a_reboot_another_one_is_made(shared: Path, state: Path) -> None:
    make_run_directory(state)
    shutil.rmtree(next(shared.iterdir()))
    make_run_directory(state)
    write(state)
    assert len(read_live(paths.live_directory(state))) == 1


def test_without_shared_memory_it_lies_in_the_state_directory(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_directory, "_SHARED_MEMORY", tmp_path / "none")
    make_run_directory(state)
    write(state)
    assert (state / "run").is_dir()
    assert not (state / "run").is_symlink()
    assert len(read_live(paths.live_directory(state))) == 1


def test_a_directory_that_somebody_prepared_is_used(shared: Path, state: Path) -> None:
    (state / "run").mkdir()
    make_run_directory(state)
    write(state)
    remove_run_directory(state)
    assert list(shared.iterdir()) == []
    assert len(read_live(paths.live_directory(state))) == 1


@pytest.mark.parametrize("kind", ["elsewhere", "open to all", "a file", "another's"])
def test_a_link_to_what_is_not_ours_is_replaced_and_what_is_behind_it_untouched(
    kind: str, shared: Path, state: Path, tmp_path: Path
) -> None:
    target = (tmp_path if kind == "elsewhere" else shared) / "smgw-0123456789abcdef"
    if kind == "a file":
        target.write_text("precious")
    else:
        (target / "live").mkdir(parents=True)
        (target / "live" / "precious").write_text("precious")
        target.chmod(0o777 if kind == "open to all" else 0o750)
    if kind == "another's":
        if os.geteuid() != 0:
            pytest.skip("NEEDS ROOT: gives a directory to another user")
        os.chown(target, 12_345, -1)
    (state / "run").symlink_to(target)
    make_run_directory(state)
    write(state)
    assert (state / "run").resolve() != target
    assert (target if kind == "a file" else target / "live" / "precious").read_text() == "precious"
