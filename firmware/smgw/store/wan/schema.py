"""The tables of wan.db, version by version."""

from pathlib import Path

from smgw.store.file.schema import Schema, schema

_HERE = Path(__file__).parent


def wan_schema() -> Schema:
    """The schema of wan.db.

    It names no `oldest`: programs look at that number since version 4. A later step that only adds tables names 4.
    """
    return schema(_HERE / "version1.sql", _HERE / "version2.sql", _HERE / "version3.sql", _HERE / "version4.sql")
