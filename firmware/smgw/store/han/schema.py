"""The tables of han.db, version by version."""

from pathlib import Path

from smgw.store.file.schema import Schema, schema

_HERE = Path(__file__).parent


def han_schema() -> Schema:
    """The schema of han.db."""
    return schema(_HERE / "version1.sql")
