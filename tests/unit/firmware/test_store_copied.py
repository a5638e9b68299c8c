"""The LMN process reads a copy of wan.db: what the WAN process does with the file stops no reading."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from smgw.clock.sample import TimeSample
from smgw.store.errors import StoreAbsent, StoreError
from smgw.store.file import snapshot
from smgw.store.wan.copied import CopiedWan
from smgw.store.wan.store import WanStore
from soon import soon


def sample(number: int) -> TimeSample:
    return TimeSample("0" * 32, number, 1, 1, "ntp")


@pytest.fixture
def wan(tmp_path: Path) -> Iterator[WanStore]:
    with WanStore.open(tmp_path / "wan") as store:
        store.add_time_sample(sample(1))
        yield store


@pytest.fixture
def copied(tmp_path: Path, wan: WanStore) -> Iterator[CopiedWan]:
    (tmp_path / "private").mkdir()
    made = CopiedWan(tmp_path / "wan", tmp_path / "private")
    yield made
    made.close()
    assert list((tmp_path / "private").iterdir()) == []


def samples(copied: CopiedWan) -> list[int]:
    with copied.reading() as view:
        return [one.boottime_ns for _, one in view.time_samples(0)]


def test_every_commit_is_noticed_once_and_is_in_the_next_copy(copied: CopiedWan, wan: WanStore) -> None:
    for number in range(2, 6):
        assert copied.changed()
        assert not copied.changed()
        assert samples(copied) == list(range(1, number))
        wan.add_time_sample(sample(number))
    with copied.reading() as view:
        assert view.store_id == wan.store_id


def test_a_reader_of_the_copy_leaves_the_file_and_its_owner_alone(
    copied: CopiedWan, wan: WanStore, tmp_path: Path
) -> None:
    with copied.reading() as view:
        for number in range(2, 400):
            wan.add_time_sample(sample(number))
        assert len(view.time_samples(0)) == 1
    assert len(samples(copied)) == 399
    assert {file.name for file in (tmp_path / "private").iterdir()} <= {
        "wan-copy.db", "wan-copy.db-wal", "wan-copy.db-shm",
    }  # fmt: skip


def test_a_lock_of_the_other_process_keeps_nobody_out(tmp_path: Path) -> None:
    with WanStore.open(tmp_path) as store:
        store.add_time_sample(sample(1))
    copied = CopiedWan(tmp_path, tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "wan.db", isolation_level=None)) as locker:
        locker.execute("PRAGMA locking_mode = EXCLUSIVE")
        locker.execute("BEGIN EXCLUSIVE")
        assert samples(copied) == [1]
        locker.execute("ROLLBACK")


def test_a_truncated_shm_kills_nobody(tmp_path: Path) -> None:
    """In place, the next look at it is SIGBUS."""
    code = """\
        import os, sys
        from pathlib import Path
        from smgw.clock.sample import TimeSample
        from smgw.store.wan.copied import CopiedWan
        from smgw.store.wan.store import WanStore
        state = Path(sys.argv[1])
        pid = os.fork()
        if pid == 0:
            WanStore.open(state / "wan").add_time_sample(TimeSample("0" * 32, 1, 1, 1, "ntp"))
            os._exit(0)
        os.waitpid(pid, 0)
        (state / "private").mkdir()
        copied = CopiedWan(state / "wan", state / "private")
        with copied.reading() as view:
            os.truncate(state / "wan" / "wan.db-shm", 0)
            print(copied.changed(), len(view.time_samples(0)))
        os.utime(state / "wan" / "wan.db", (1, 1))
        with copied.reading() as view:
            print(copied.changed(), len(view.time_samples(0)))
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout.split()) == (0, ["True", "1", "True", "1"]), done.stderr


@pytest.mark.parametrize("kind", ["pipe", "link", "directory"])
@pytest.mark.parametrize("name", ["wan.db", "wan.db-wal"])
def test_what_is_no_regular_file_is_not_copied_and_the_file_is_read_again_after_it(
    copied: CopiedWan, tmp_path: Path, name: str, kind: str
) -> None:
    assert samples(copied) == [1]
    file, kept = tmp_path / "wan" / name, tmp_path / "kept"
    file.rename(kept)
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "link":
        file.symlink_to(kept)
    else:
        file.mkdir()
    assert copied.changed()
    with pytest.raises(StoreError):
        soon(lambda: samples(copied))
    file.rmdir() if kind == "directory" else file.unlink()
    kept.rename(file)
    assert copied.changed()
    assert samples(copied) == [1]


def test_a_file_that_is_written_all_the_time_is_read_as_it_was(
    copied: CopiedWan, wan: WanStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert samples(copied) == [1]
    wan.add_time_sample(sample(2))
    with monkeypatch.context() as patched:
        patched.setattr(snapshot, "_QUIET_NS", 2**62)
        assert copied.changed()
        assert samples(copied) == [1]
    assert copied.changed()  # it is copied when it is quiet
    assert samples(copied) == [1, 2]


def test_a_file_that_is_too_large_is_not_copied(copied: CopiedWan, tmp_path: Path) -> None:
    os.truncate(tmp_path / "wan" / "wan.db", snapshot.MOST_OCTETS + 1)
    with pytest.raises(StoreError, match="larger than 32 MiB"):
        samples(copied)


def test_without_a_directory_for_the_copy_the_file_is_read_in_place(wan: WanStore, tmp_path: Path) -> None:
    assert samples(CopiedWan(tmp_path / "wan", tmp_path / "nowhere")) == [1]


def test_a_file_that_is_not_there_is_absent(tmp_path: Path) -> None:
    with pytest.raises(StoreAbsent):
        CopiedWan(tmp_path, tmp_path).changed()
