"""The tables of wan.db, version by version."""

from pathlib import Path

from smgw.store.file.schema import Schema, schema

_HERE = Path(__file__).parent


def wan_schema() -> Schema:
    """The schema of wan.db."""
    return schema(_HERE / "version1.sql", _HERE / "version2.sql", _HERE / "version3.sql", _HERE / "version4.sql")
