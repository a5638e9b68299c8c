"""The schemas of the stores and the way from one version to the next."""

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from smgw.store.errors import StoreTooNew
from smgw.store.file.connection import transaction

Migration = Callable[[sqlite3.Connection], None]


class Schema(NamedTuple):
    """The tables of a store's file. `scripts` make version 1; `migrations[n]` turns version n into n + 1.

    `oldest` is the lowest version whose programs can also read and write a file of this version: what came since then
    only added tables. 0 stands for `version` itself. The file has this number too, so an older program knows it.
    """

    scripts: tuple[str, ...]
    version: int
    migrations: Mapping[int, Migration]
    oldest: int = 0

    @property
    def usable_from(self) -> int:
        """The lowest version whose programs can use a file of this schema."""
        return self.oldest or self.version

    def create(self, connection: sqlite3.Connection, store_id: bytes, version: int | None = None) -> None:
        """Make all tables of a version (the newest) in an empty database, inside the caller's transaction.

        The caller sets the version last: it marks the file as complete.
        """
        for script in self.scripts:
            for statement in _statements(script):
                connection.execute(statement)
        self.advance(connection, 1, self.version if version is None else version)
        connection.execute("INSERT INTO store VALUES (?)", (store_id,))

    def advance(self, connection: sqlite3.Connection, found: int, wanted: int | None = None) -> None:
        """Take the tables from one version to another (the newest), inside the caller's transaction."""
        for version in range(found, self.version if wanted is None else wanted):
            self.migrations[version](connection)

    def mark(self, connection: sqlite3.Connection) -> None:
        """Write version and `oldest` into the file, inside the caller's transaction: the file is complete."""
        connection.execute(f"PRAGMA application_id = {self.oldest}")
        connection.execute(f"PRAGMA user_version = {self.version}")


def schema(first: Path, *later: Path, oldest: int = 0) -> Schema:
    """The schema of a store whose versions are made by these scripts, one after the other; all have the log book."""
    scripts = (Path(__file__).with_name("log.sql"), first)
    texts = tuple(script.read_text(encoding="utf-8") for script in scripts)
    return Schema(texts, 1 + len(later), {version: _run(script) for version, script in enumerate(later, 1)}, oldest)


def _run(script: Path) -> Migration:
    def migration(connection: sqlite3.Connection) -> None:
        for statement in _statements(script.read_text(encoding="utf-8")):
            connection.execute(statement)

    return migration


def version_of(connection: sqlite3.Connection) -> int:
    """PRAGMA user_version; 0 is a database that was never finished."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def usable_from(connection: sqlite3.Connection) -> int:
    """The lowest schema version whose programs can use this file: PRAGMA application_id, or the file's own version."""
    return int(connection.execute("PRAGMA application_id").fetchone()[0]) or version_of(connection)


def check_version(connection: sqlite3.Connection, schema: Schema, path: Path) -> int:
    """The version of this file; StoreTooNew if this program can neither read nor write it."""
    found = version_of(connection)
    if found > schema.version and not 0 < usable_from(connection) <= schema.version:
        raise StoreTooNew(path, found, schema.version)
    return found


def migrate(connection: sqlite3.Connection, schema: Schema, path: Path) -> None:
    """Migrate the file to the newest version, one transaction a step. A failed step leaves the version before it.

    A file of a newer version stays as it is, if this program can use it.
    """
    found = check_version(connection, schema, path)
    if found >= schema.version:
        return
    # The data sorted for a new index may be larger than the memory limit of a service.
    connection.execute("PRAGMA temp_store = FILE")
    try:
        for version in range(found, schema.version):
            with transaction(connection):
                schema.migrations[version](connection)
                schema._replace(version=version + 1, oldest=0 if version + 1 < schema.version else schema.oldest).mark(
                    connection
                )
    finally:
        connection.execute("PRAGMA temp_store = MEMORY")


def _statements(script: str) -> list[str]:
    # executescript() commits on its own; here everything stays in the caller's transaction.
    statements = []
    begun = ""
    for line in script.splitlines(keepends=True):
        begun += line
        if sqlite3.complete_statement(begun):
            statements.append(begun)
            begun = ""
    return statements
