"""The SQLite schema of the head-end, version by version."""

import contextlib
import errno
import os
import sqlite3
import stat
from pathlib import Path

from smgw.errors import reason
from smgw.store.file.connection import Connection

from emp.store.access import make_private, new_private
from emp.store.storage import StorageError

#: MIGRATIONS[n] takes a file of version n to version n + 1.
MIGRATIONS = (
    """
    CREATE TABLE gateway (
        id INTEGER PRIMARY KEY, octets BLOB NOT NULL UNIQUE,
        first_seen_us INTEGER NOT NULL, last_seen_us INTEGER NOT NULL);
    CREATE TABLE device (
        id INTEGER PRIMARY KEY, octets BLOB NOT NULL UNIQUE, first_seen_us INTEGER NOT NULL);
    -- One store of one gateway: the name space of record numbers.
    CREATE TABLE source (
        id INTEGER PRIMARY KEY, gateway INTEGER NOT NULL REFERENCES gateway, store_id TEXT NOT NULL,
        UNIQUE (gateway, store_id));
    -- Which gateway speaks for which device; counted here, because counting records is slow.
    CREATE TABLE sighting (
        gateway INTEGER NOT NULL REFERENCES gateway, device INTEGER NOT NULL REFERENCES device,
        last_seen_us INTEGER NOT NULL, records INTEGER NOT NULL,
        PRIMARY KEY (gateway, device)) WITHOUT ROWID;
    -- A changed scaler is a new register, never an update.
    CREATE TABLE register (
        id INTEGER PRIMARY KEY, device INTEGER NOT NULL REFERENCES device,
        class_id INTEGER NOT NULL, obis BLOB NOT NULL, attribute INTEGER NOT NULL,
        scaler INTEGER NOT NULL, unit INTEGER NOT NULL,
        UNIQUE (device, class_id, obis, attribute, scaler, unit));
    CREATE TABLE record (
        id INTEGER PRIMARY KEY, gateway INTEGER NOT NULL REFERENCES gateway, source INTEGER NOT NULL REFERENCES source,
        record_number INTEGER NOT NULL, device INTEGER NOT NULL REFERENCES device,
        capture_time_us INTEGER, target_time_us INTEGER, time_valid INTEGER NOT NULL,
        gateway_status INTEGER NOT NULL, meter_status INTEGER NOT NULL, received_us INTEGER NOT NULL,
        UNIQUE (source, record_number));
    CREATE INDEX record_device ON record (device);
    CREATE INDEX record_capture ON record (device, capture_time_us);
    -- type is the A-XDR tag; a u64 beyond i64 stands as two's complement, nested data as its XML.
    CREATE TABLE reading (
        record INTEGER NOT NULL REFERENCES record, register INTEGER NOT NULL REFERENCES register,
        type INTEGER NOT NULL, value, PRIMARY KEY (record, register)) WITHOUT ROWID;
    CREATE TABLE latest (
        device INTEGER NOT NULL REFERENCES device, class_id INTEGER NOT NULL, obis BLOB NOT NULL,
        attribute INTEGER NOT NULL, record INTEGER NOT NULL REFERENCES record, register INTEGER NOT NULL,
        PRIMARY KEY (device, class_id, obis, attribute)) WITHOUT ROWID;
    """,
    """
    -- The row that came last, for the quality of its time and how long it was on its way.
    ALTER TABLE sighting ADD COLUMN last_record INTEGER;
    UPDATE sighting SET last_record=(
        SELECT max(id) FROM record WHERE record.device=sighting.device AND record.gateway=sighting.gateway);
    CREATE INDEX record_target ON record (device, target_time_us) WHERE target_time_us IS NOT NULL;
    -- What gateways notify (POST on a method); only the newest are kept. The x-CID tells a repetition.
    CREATE TABLE event (
        id INTEGER PRIMARY KEY AUTOINCREMENT, device BLOB NOT NULL, class_id INTEGER NOT NULL, obis BLOB NOT NULL,
        method INTEGER NOT NULL, parameter BLOB, cid TEXT UNIQUE, received_us INTEGER NOT NULL);
    """,
    """
    -- The largest id of each table from which rows were removed. An id is never used for another row.
    CREATE TABLE highest (name TEXT PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID;
    """,
    """
    -- The certificates that signed documents of a gateway, by their SHA-256.
    CREATE TABLE signer (
        gateway INTEGER NOT NULL REFERENCES gateway, fingerprint BLOB NOT NULL, subject TEXT NOT NULL,
        not_after_us INTEGER NOT NULL, first_seen_us INTEGER NOT NULL, last_seen_us INTEGER NOT NULL,
        documents INTEGER NOT NULL, PRIMARY KEY (gateway, fingerprint)) WITHOUT ROWID;
    CREATE INDEX sighting_device ON sighting (device);
    -- Of a pseudonym: a digest that knows the gateway that owns it, and names none.
    ALTER TABLE device ADD COLUMN owner BLOB;
    """,
)
#: The tables whose rows are removed with a device or a load profile.
REMOVABLE = ("device", "register", "record")
VERSION = len(MIGRATIONS)


def refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StorageError unless a file of this version has the tables and indexes of `MIGRATIONS` and nothing else.

    A trigger, a view or a computed column of a stranger's file would run in the server.
    """
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as ours:
        create(ours, path)
        expected = _definitions(ours)
    found = _definitions(connection)
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            kind, what = name
            raise StorageError(f"{path}: its {kind} {what!r:.60} is not one that emp makes; take another copy")


def _definitions(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """The statements of a file by kind and name, without SQLite's own tables; blanks do not count."""
    return {
        (str(kind), str(name)): " ".join(str(sql).split())
        for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master")
        if not (kind in ("table", "index") and str(name).startswith("sqlite_"))
    }


def next_id(connection: sqlite3.Connection, table: str) -> int:
    """The id of the next row of a table, larger than that of any row that was ever there."""
    used, removed = connection.execute(
        f"SELECT coalesce(max(id), 0), coalesce((SELECT id FROM highest WHERE name=?), 0) FROM {table}",  # noqa: S608
        (table,),
    ).fetchone()
    return 1 + max(int(used), int(removed))


def keep_highest(connection: sqlite3.Connection) -> None:
    """Remember the largest ids; call it in the transaction that removes rows, before they are removed."""
    connection.executemany(
        "INSERT OR REPLACE INTO highest VALUES (?,?)",
        [(table, next_id(connection, table) - 1) for table in REMOVABLE],
    )


def open_writer(path: Path) -> sqlite3.Connection:
    """Open for writing; create or migrate the file. StorageError if it cannot be used."""
    try:
        if path.exists():
            _refuse_unusable(path, os.R_OK | os.W_OK)
        else:
            os.close(new_private(path))
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=10, factory=Connection
        )
    except (sqlite3.Error, OSError) as error:
        raise StorageError(
            f"{path}: cannot be opened ({reason(error)}); name a file in a directory where you may write"
        ) from None
    try:
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA cache_size=-16384")
        create(connection, path)
        make_private(path)
    except sqlite3.Error as error:
        connection.close()
        raise StorageError(
            f"{path}: cannot be used as a database ({error}); name another file, or put a copy in its place"
        ) from None
    except StorageError:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open an existing file for reading only; StorageError if it is absent or of another version."""
    try:
        _refuse_unusable(path, os.R_OK)
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=10,
            factory=Connection,
        )
    except FileNotFoundError:
        raise StorageError(f"{path}: no such file; emp serve --db {path} makes it") from None
    except IsADirectoryError:
        raise StorageError(f"{path}: is a directory; name the database file in it") from None
    except PermissionError:
        raise StorageError(f"{path}: you may not read it; {_who_may(path)}") from None
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"{path}: cannot be opened ({reason(error)})") from None
    try:
        connection.execute("PRAGMA trusted_schema=OFF")
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        connection.close()
        raise StorageError(f"{path}: cannot be read ({_said(path, error)})") from None
    if version != VERSION:
        connection.close()
        what = (
            "is no database of emp" if version == 0 else f"has schema version {version}, this program reads {VERSION}"
        )
        raise StorageError(f"{path}: {what}; name another file, or open it once with emp serve --db {path}")
    return connection


def _refuse_unusable(path: Path, rights: int) -> None:
    """Raise the OSError that says why a file cannot be used; SQLite says no more than "unable to open".

    The file is not opened: closing it would drop the locks that this process holds on it, and another process that
    closes the database would then remove the -wal file.
    """
    if stat.S_ISDIR(path.stat().st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(path, rights):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _said(path: Path, error: sqlite3.Error) -> str:
    """Explains an error of SQLite: reading a file in WAL mode needs write access to the file -shm beside it."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
        return f"you may not write beside it, as reading needs; {_who_may(path)}"
    return str(error)


def _who_may(path: Path) -> str:
    """Advice: which user may open the file."""
    try:
        return f"run the command as its owner: sudo -u {path.owner()} emp ..."
    except (OSError, KeyError):  # the directory may not be entered
        return "run the command as the user of the server, or as root"


def create(connection: sqlite3.Connection, path: Path, newest: int | None = None) -> None:
    """Make the tables of a schema version, or migrate those of an older one. StorageError, sqlite3.Error."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise StorageError(f"{path}: has schema version {version}, this program knows {VERSION}; use a newer program")
    if version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StorageError(f"{path}: is some other program's database; name another file")
    for number in range(version, newest or VERSION):
        connection.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[number]} PRAGMA user_version={number + 1}; COMMIT;")
