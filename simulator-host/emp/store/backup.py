"""Makes copies of the store and restores them, while a server uses it."""

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

from smgw.errors import reason

from emp.store.access import new_private
from emp.store.checking import examine
from emp.store.schema import open_reader, open_writer, refuse_foreign
from emp.store.storage import StorageError

_PAGES = 2000  # pages copied while the lock is held: the server goes on storing documents in between
_WAIT_S = 30


def back_up(database: Path, copy: Path) -> int:
    """Copy one consistent state of the store into a file; returns its number of rows. Raises StorageError."""
    part = copy.with_name(copy.name + ".part")
    with contextlib.closing(open_reader(database)) as source:
        try:
            part.unlink(missing_ok=True)
            os.close(new_private(part, exclusive=True))
            with contextlib.closing(sqlite3.connect(part)) as target:
                source.backup(target, pages=_PAGES)
                target.execute("PRAGMA journal_mode=DELETE")  # one file that can be carried away
            rows = check(part)
            _sync(part)
            part.replace(copy)
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                f"{copy}: cannot be written ({reason(error)}); name a file where you may write and room is left"
            ) from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
    return rows


def restore(copy: Path, database: Path) -> tuple[int, Path | None]:
    """Replace the store by a copy in one step; returns its number of rows, and the path of the previous store.

    A running server goes on with the restored copy. Raises StorageError; the store is then unchanged.
    """
    if not copy.exists():
        raise StorageError(f"{copy}: no such file; name a copy that emp backup made")
    with contextlib.closing(open_reader(copy)) as source:
        try:
            refuse_foreign(source, copy)  # before a table is read: a view in its place may never end
        except sqlite3.Error as error:
            raise StorageError(f"{copy}: is damaged ({error}); take another copy") from error
    rows = check(copy)
    kept: Path | None = None
    if database.exists():
        kept = database.with_name(database.name + ".before-restore")
        try:
            back_up(database, kept)
        except StorageError:  # a damaged store is kept as it is
            _copy(database, kept)
    with contextlib.closing(open_writer(database)) as target, contextlib.closing(open_reader(copy)) as source:
        try:
            target.execute(f"PRAGMA busy_timeout={_WAIT_S * 1000}")
            source.backup(target)
        except sqlite3.Error as error:
            raise StorageError(f"{database}: cannot be replaced ({error}); it is as it was") from error
    return rows, kept


def _copy(database: Path, kept: Path) -> None:
    """Copy the octets of a store and of its -wal. A later process may take them apart."""
    try:
        for ending in ("", "-wal"):
            source, target = (path.with_name(path.name + ending) for path in (database, kept))
            target.unlink(missing_ok=True)
            if source.exists():
                os.close(new_private(target, exclusive=True))
                shutil.copyfile(source, target)
                _sync(target)
    except OSError as error:
        raise StorageError(
            f"{kept}: cannot be written ({reason(error)}); the damaged store is left as it is; make room beside it"
        ) from error


def check(copy: Path) -> int:
    """The number of rows of an intact store; StorageError."""
    with contextlib.closing(open_reader(copy)) as connection:
        try:
            verdict = examine(copy)
            rows = int(connection.execute("SELECT count(*) FROM record").fetchone()[0])
        except sqlite3.Error as error:
            raise StorageError(f"{copy}: is damaged ({error}); take another copy") from error
    if verdict is not None:
        raise StorageError(f"{copy}: is damaged ({verdict}); take another copy")
    return rows


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
