"""The schemas of the stores and the way from one version to the next."""

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from smgw.store.errors import StoreTooNew
from smgw.store.file.connection import transaction

Migration = Callable[[sqlite3.Connection], None]


class Schema(NamedTuple):
    """The tables of a store's file. `scripts` make version 1; `migrations[n]` turns version n into n + 1."""

    scripts: tuple[str, ...]
    version: int
    migrations: Mapping[int, Migration]

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


def schema(first: Path, *later: Path) -> Schema:
    """The schema of a store whose versions are made by these scripts, one after the other; all have the log book."""
    scripts = (Path(__file__).with_name("log.sql"), first)
    texts = tuple(script.read_text(encoding="utf-8") for script in scripts)
    return Schema(texts, 1 + len(later), {version: _run(script) for version, script in enumerate(later, 1)})


def _run(script: Path) -> Migration:
    def migration(connection: sqlite3.Connection) -> None:
        for statement in _statements(script.read_text(encoding="utf-8")):
            connection.execute(statement)

    return migration


def version_of(connection: sqlite3.Connection) -> int:
    """PRAGMA user_version; 0 is a database that was never finished."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_version(connection: sqlite3.Connection, schema: Schema, path: Path) -> int:
    """The version of this file; StoreTooNew if this program does not know it."""
    found = version_of(connection)
    if found > schema.version:
        raise StoreTooNew(path, found, schema.version)
    return found


def migrate(connection: sqlite3.Connection, schema: Schema, path: Path) -> None:
    """Migrate the file to the newest version, one transaction a step. A failed step leaves the version before it."""
    found = check_version(connection, schema, path)
    if found == schema.version:
        return
    # The data sorted for a new index may be larger than the memory limit of a service.
    connection.execute("PRAGMA temp_store = FILE")
    try:
        for version in range(found, schema.version):
            with transaction(connection):
                schema.migrations[version](connection)
                connection.execute(f"PRAGMA user_version = {version + 1}")
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
