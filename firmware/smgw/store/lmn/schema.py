"""The tables of lmn.db, version by version."""

import sqlite3
from pathlib import Path

from smgw.store.file.schema import Schema, schema
from smgw.store.lmn import blocks

_HERE = Path(__file__).parent


def lmn_schema() -> Schema:
    """The schema of lmn.db. Its migrations take no longer for many captures than for few.

    It names no `oldest`: programs look at that number since version 6. A later step that only adds tables names 6.
    """
    found = schema(*(_HERE / f"version{version}.sql" for version in (1, 2, 3, 4, 5, 6)))
    script = found.migrations[3]

    def to_version_4(connection: sqlite3.Connection) -> None:
        script(connection)
        if not blocks.counted_from(connection):
            blocks.drop_indexes(connection)

    return found._replace(migrations={**found.migrations, 3: to_version_4})
