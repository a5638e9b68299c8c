"""The database of the head-end and its copies are never open to other users."""

import contextlib
import logging
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from emp.cli import main
from emp.store.backup import back_up, restore
from emp.store.schema import open_reader, open_writer
from emp.store.sqlite_storage import SqliteStorage
from emp.store.storage import StorageError
from emp_process import ROOT, content, row

OTHERS = stat.S_IRWXO


@pytest.fixture(autouse=True)
def no_umask():
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "emp.db"
    storage = SqliteStorage(path)
    storage.deposit(content(row(1, 5)), 1).result()
    yield path
    storage.close()


def open_to_others(directory):
    return [path.name for path in directory.iterdir() if path.stat().st_mode & OTHERS]


def test_database_log_and_shared_memory_are_private_whatever_the_umask(database):
    names = {path.name for path in database.parent.iterdir()}
    assert {"emp.db", "emp.db-wal", "emp.db-shm", "emp.db.lock"} <= names
    assert open_to_others(database.parent) == []


def test_a_backup_is_private(database):
    back_up(database, database.with_name("copy.db"))
    assert open_to_others(database.parent) == []


def test_what_a_restore_leaves_is_private(database):
    back_up(database, database.with_name("copy.db"))
    assert restore(database.with_name("copy.db"), database)[1] is not None
    assert open_to_others(database.parent) == []


def test_a_database_found_open_to_others_is_mended_and_logged(tmp_path, caplog):
    path = tmp_path / "emp.db"
    SqliteStorage(path).close()
    path.chmod(0o664)
    (tmp_path / "emp.db-wal").touch()
    (tmp_path / "emp.db-wal").chmod(0o644)
    caplog.set_level(logging.WARNING)
    SqliteStorage(path).close()
    assert open_to_others(tmp_path) == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert {"emp.db", "emp.db-wal"} <= {record.args[0].name for record in caplog.records}


def test_a_link_to_a_database_elsewhere_is_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "emp.db").symlink_to(tmp_path / "disk" / "emp.db")
    SqliteStorage(tmp_path / "emp.db").close()
    assert open_to_others(tmp_path / "disk") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which only root can")
@pytest.mark.parametrize("command", [["status"], ["backup", "/tmp/never.db"]])
def test_a_user_who_may_not_read_the_database_is_told_who_may(database, command):
    for parent in database.parents:
        if parent.stat().st_mode & 0o005 != 0o005:
            parent.chmod(0o755)
    done = as_nobody(*command, "--db", str(database))
    assert done.returncode == 1
    assert (
        done.stderr.splitlines(keepends=True)[-1]
        == f"emp: {database}: you may not read it; run the command as its owner: sudo -u root emp ...\n"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which only root can")
def test_a_backup_where_one_may_not_write_is_told_in_words(database, tmp_path, capsys):
    target = tmp_path / "nothing-here" / "copy.db"
    assert main(["backup", str(target), "--db", str(database)]) == 1
    assert capsys.readouterr().err == (
        f"emp: {target}: cannot be written (No such file or directory); "
        "name a file where you may write and room is left\n"
    )


def as_nobody(*arguments):
    environment = {"PYTHONPATH": os.pathsep.join(map(str, (ROOT / "firmware", ROOT / "simulator-host")))}
    program = "import os, sys; from emp.cli import main; main([*sys.argv[1:], '--db', '/nowhere']); "  # imports all
    become = "os.setgid(65534); os.setuid(65534); sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program + become, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("opened_again", [open_reader, open_writer])
def test_a_second_connection_leaves_the_locks_of_the_first(
    tmp_path: Path, opened_again: Callable[[Path], sqlite3.Connection]
) -> None:
    """Another process that closes the database must not take itself for the last one: it would remove the -wal file.

    POSIX drops all locks of a process on a file when the process closes any of its descriptors of that file.
    """
    database = tmp_path / "emp.db"
    with contextlib.closing(open_writer(database)) as writer:
        writer.execute("SELECT count(*) FROM record").fetchone()
        opened_again(database).close()
        other = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA user_version'); c.close()"
        subprocess.run([sys.executable, "-c", other, database], check=True, timeout=60)
        assert database.with_name("emp.db-wal").exists()


def test_a_backup_follows_no_link_that_another_user_puts_in_its_place(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    removed = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        removed(path, missing_ok)
        if path.name == "copy.db.part" and not path.is_symlink():
            path.symlink_to(victim)

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(StorageError, match=r"copy\.db: cannot be written"):
        back_up(database, tmp_path / "copy.db")
    assert victim.read_text() == "untouched"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_every_file_is_private_whatever_command_makes_it(database: Path, umask: int) -> None:
    os.umask(umask)
    folder = database.parent
    assert main(["backup", str(folder / "copy.db"), "--db", str(database)]) == 0
    assert main(["restore", str(folder / "copy.db"), "--db", str(folder / "new.db")]) == 0
    assert main(["restore", str(folder / "copy.db"), "--db", str(folder / "new.db")]) == 0
    assert {"copy.db", "new.db", "new.db.before-restore"} <= {path.name for path in folder.iterdir()}
    assert open_to_others(folder) == []
