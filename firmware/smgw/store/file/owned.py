"""A database file that this process owns: found, made, adopted or replaced, and readable for other processes."""

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from smgw.store import paths
from smgw.store.errors import StoreError, StoreFull, is_damaged, is_full
from smgw.store.file import access
from smgw.store.file.connection import connect_builder, connect_reader, connect_writer, transaction
from smgw.store.file.lock import OwnerLock
from smgw.store.file.page_check import PageCheck
from smgw.store.file.schema import Schema, check_version, migrate, version_of

_log = logging.getLogger(__name__)

#: Octets of the header in which a file says how large its pages are, as a power of two (SQLite, "The Database Header").
_PAGE_SIZE_AT = 16
_PAGE_SIZES = {2**power for power in range(9, 16)}
#: Damaged files are stored as evidence, at most this many. Then the oldest is removed.
ASIDE_KEPT = 3
#: A file up to this size is checked whole when it is opened (0.5 s on an SD card). A larger one is checked later.
CHECKED_BYTES = 16 * 1024 * 1024


class Begun(NamedTuple):
    """What a salvage has done before the new file is used."""

    text: str  # one line about the salvaged rows
    needed: Collection[str] = ()  #: names of damaged files that it still reads


#: salvage(damaged file, empty database inside a transaction, store id if known, name that the damaged file gets): makes
#: the newest schema and copies readable rows, or orders that they are copied later
Salvage = Callable[[Path, sqlite3.Connection, str | None, str], Begun]


class OwnedFile:
    """The writing connection to one store, and one that only reads.

    A reader of another user may open the file only while -wal and -shm exist. The last connection to close removes
    them, unless it cannot write: so the reading one is closed last.
    """

    def __init__(self, path: Path, schema: Schema, salvage: Salvage, *, whole_wal: bool) -> None:
        """`whole_wal`: a missing -wal means lost rows, whose numbers must not be used again: the file is salvaged."""
        self.path = path
        self.salvaged: str | None = None
        self._broken: str | None = None
        self._replaced = False
        self._check: PageCheck | None = None
        self._keeper: sqlite3.Connection | None = None
        self.lock = threading.RLock()
        self._schema = schema
        self._salvage = salvage
        self._whole_wal = whole_wal
        access.make_directory(path.parent)
        access.refuse_foreign(paths.files_of(path))
        self._owner = OwnerLock(paths.lock_of(path))
        try:
            with self._errors():
                self._clear_away()
                if not path.exists():
                    self._create(None)
                if why := self._open():
                    self._replace(why)
                    if why := self._open():
                        raise StoreError(path, f"is damaged as soon as it is made ({why}); look at its disk")
        except BaseException:
            self._owner.release()
            raise

    def close(self) -> None:
        """Checkpoint and close. -wal and -shm stay for the readers."""
        with self.lock:
            with contextlib.suppress(sqlite3.Error):
                self.writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self._disconnect()
            self._owner.release()

    def replace(self, why: str) -> None:
        """Rename the open file, salvage it into a new one and use the new one."""
        with self.lock:
            self._broken = why  # stays set if this fails half-way: the next call continues from there
            self._disconnect()
            with self._errors():
                try:
                    if self._replaced:
                        pass  # the last call failed only at opening the new file
                    elif self.path.exists():
                        self._replace(why)
                    else:
                        self._clear_away()
                        if not self.path.exists():
                            self._create(None)
                        self.salvaged = f"{why}; replaced at the second try; kept beside it"
                        _log.warning("%s was damaged: %s", self.path, self.salvaged, extra={"event": "store-salvaged"})
                    self._replaced = True
                finally:
                    self._broken = self._open()
                    self._replaced = False

    def condemn(self, why: str) -> None:
        """Mark the file as damaged: it is `broken` until it is replaced."""
        self._broken = why

    @property
    def broken(self) -> str | None:
        """The reason to replace the file: damage found since it was opened."""
        return self._broken or (self._check.verdict if self._check else None)

    def _open(self) -> str | None:
        """Connect, or return what is wrong with the file."""
        if why := self._wal_lost():
            return why
        try:
            self.writer = connect_writer(self.path)
            try:
                if why := self._damage():
                    self.writer.close()
                    return why
                migrate(self.writer, self._schema, self.path)
                self.store_id = bytes(self.writer.execute("SELECT store_id FROM store").fetchone()[0]).hex()
                self._owner.note(self.store_id)
                self._keeper = connect_reader(self.path)
                self._keeper.execute("SELECT store_id FROM store").fetchone()
                if self.path.stat().st_size > CHECKED_BYTES:
                    self._check = PageCheck(self.path)
            except BaseException:
                self.writer.close()
                raise
        except sqlite3.Error as error:
            if is_damaged(error):
                return str(error)
            raise self._said(error) from error
        return None

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn errors of SQLite and the file system into StoreError."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._said(error) from error
        except OSError as error:
            raise access.said(self.path, error) from error

    def _said(self, error: sqlite3.Error) -> StoreError:
        if is_full(error) or access.no_room_for_a_file(self.path.parent):  # SQLite calls the latter "unable to open"
            return StoreFull(self.path)
        return StoreError(
            self.path, f"cannot be opened ({error}); look at the rights of the state directory and its disk"
        )

    def _disconnect(self) -> None:
        if self._check is not None:
            self._check.close()
            self._check = None
        self.writer.close()
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None

    def _clear_away(self) -> None:
        """Finish or undo the making of a new file that a crash interrupted."""
        build = paths.build_of(self.path)
        if not self.path.exists():
            # A -wal without its database must never meet another one: SQLite would replay it.
            if paths.wal_of(self.path).exists():
                aside = paths.aside_of(self.path, max(1, self._last_aside()))
                _rename(paths.wal_of(self.path), paths.wal_of(aside))
            paths.shm_of(self.path).unlink(missing_ok=True)
            if build.exists() and self._is_whole(build):
                _rename(build, self.path)
        self._discard(build)

    @staticmethod
    def _discard(build: Path) -> None:
        for left in (build, build.with_name(build.name + "-journal")):
            left.unlink(missing_ok=True)

    @staticmethod
    def _is_whole(build: Path) -> bool:
        if build.with_name(build.name + "-journal").exists():
            return False
        try:
            with contextlib.closing(connect_reader(build)) as connection:
                return version_of(connection) > 0
        except sqlite3.Error:
            return False

    def _wal_lost(self) -> str | None:
        if not self._whole_wal or paths.wal_of(self.path).exists():
            return None
        with self.path.open("rb") as file:
            header = file.read(20)
        # Octets 18 and 19: file format 2 is WAL, and an owner of ours never leaves without a -wal.
        return "its -wal file is missing" if header[18:20] == b"\x02\x02" else None

    def _damage(self) -> str | None:
        """The fault of the open file, or None. StoreTooNew is not damage."""
        if check_version(self.writer, self._schema, self.path) == 0:
            return "it holds no schema"
        try:
            if self.writer.execute("SELECT count(*) FROM store").fetchone()[0] != 1:
                return "it has no identity"
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return str(error)
            raise
        if self.path.stat().st_size > CHECKED_BYTES:
            return None
        verdict = str(self.writer.execute("PRAGMA quick_check(1)").fetchone()[0])
        return None if verdict == "ok" else verdict

    def _replace(self, why: str) -> None:
        number = 1 + self._last_aside()
        aside = paths.aside_of(self.path, number)
        _cut_to_whole_pages(self.path)
        begun = self._create(self.path, aside.name)
        # The database first. After a crash in between, an orphaned -wal is recognised; a database alone is not.
        _rename(self.path, aside)
        if paths.wal_of(self.path).exists():
            _rename(paths.wal_of(self.path), paths.wal_of(aside))
        paths.shm_of(self.path).unlink(missing_ok=True)
        _rename(paths.build_of(self.path), self.path)
        for old in range(1, number - ASIDE_KEPT + 1):
            evidence = paths.aside_of(self.path, old)
            if evidence.name not in begun.needed:
                for gone in (evidence, paths.wal_of(evidence), paths.shm_of(evidence)):
                    gone.unlink(missing_ok=True)
        self.salvaged = f"{why}; kept as {aside.name}; {begun.text}"
        _log.warning("%s was damaged: %s", self.path, self.salvaged, extra={"event": "store-salvaged"})

    def _create(self, damaged: Path | None, aside: str = "") -> Begun:
        build = paths.build_of(self.path)
        self._discard(build)
        os.close(access.new_file(build, access.DATABASE_MODE))
        begun = Begun("")
        try:
            with contextlib.closing(connect_builder(build)) as connection, transaction(connection):
                if damaged is None:
                    self._schema.create(connection, os.urandom(16))
                else:
                    begun = self._salvage(damaged, connection, self._owner.store_id or None, aside)
                self._schema.mark(connection)
        except BaseException:
            self._discard(build)  # its space is needed if the disk is full
            raise
        _sync(build)
        if damaged is None:
            _rename(build, self.path)
        return begun

    def _last_aside(self) -> int:
        prefix = paths.aside_of(self.path, 0).name[:-1]
        numbers = [
            entry.name.removeprefix(prefix).removesuffix("-wal").removesuffix("-shm")
            for entry in self.path.parent.iterdir()
        ]
        return max((int(number) for number in numbers if number.isdecimal()), default=0)


def _cut_to_whole_pages(path: Path) -> None:
    """Cut off an incomplete last page: SQLite would read what it lacks as zeroes, and those as values of its rows."""
    with path.open("r+b") as file:
        size = int.from_bytes(os.pread(file.fileno(), 2, _PAGE_SIZE_AT), "big")
        if size in _PAGE_SIZES:  # else SQLite does not read the file at all
            file.truncate(path.stat().st_size // size * size)


def _rename(source: Path, target: Path) -> None:
    source.rename(target)
    _sync(source.parent)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
