"""The tables of lmn.db, version by version."""

from pathlib import Path

from smgw.store.file.schema import Schema, schema

_HERE = Path(__file__).parent


def lmn_schema() -> Schema:
    """The schema of lmn.db."""
    return schema(_HERE / "version1.sql", _HERE / "version2.sql", _HERE / "version3.sql")
