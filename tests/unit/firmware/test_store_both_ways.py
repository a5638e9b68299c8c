"""The way back after an update: which older programs a store's file names, and that they can use it."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from captures_made import HOUSE
from delivered import reached
from smgw.store.errors import StoreTooNew
from smgw.store.file.schema import Schema
from smgw.store.lmn.schema import lmn_schema
from smgw.store.wan import store as wan
from smgw.store.wan import view as wan_view
from smgw.store.wan.schema import wan_schema
from smgw.store.wan.store import WanStore
from smgw.store.wan.view import WanView
from smgw.update.bundle import Bundle, Store, objections

STORE = "ab" * 16


class Case(NamedTuple):
    schema: Schema
    first: int  #: no program of an earlier version looks at the number in the file


CASES = {"lmn": Case(lmn_schema(), 6), "wan": Case(wan_schema(), 4)}


def shapes(schema: Schema, version: int) -> dict[tuple[str, str], tuple[str, str]]:
    """What a file of a version has: (kind, name) -> (table, statement)."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        schema.create(connection, b"0123456789abcdef", version)
        rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    return {(kind, name): (table, sql) for kind, name, table, sql in rows}


def only_adds_tables(schema: Schema, version: int) -> bool:
    """True if the next version leaves all tables as they are, with their indexes and triggers."""
    before, after = shapes(schema, version), shapes(schema, version + 1)
    tables = {table for table, _ in before.values()}
    return all(after.get(key) == shape for key, shape in before.items()) and all(
        shape[0] not in tables for key, shape in after.items() if key not in before
    )


def usable_from(schema: Schema, first: int) -> int:
    """The lowest version, from `first` on, whose programs can use a file of the newest one."""
    lowest = schema.version
    while lowest > first and only_adds_tables(schema, lowest - 1):
        lowest -= 1
    return lowest


def next_version(schema: Schema, statement: str, oldest: int = 0) -> Schema:
    def step(connection: sqlite3.Connection) -> None:
        connection.execute(statement)

    migrations = {**schema.migrations, schema.version: step}
    return schema._replace(version=schema.version + 1, migrations=migrations, oldest=oldest)


@pytest.mark.parametrize("name", CASES)
def test_a_schema_names_the_oldest_program_that_its_steps_allow(name: str) -> None:
    """A step that only adds tables, and whose tables an older program must write too, is an exception to enter here."""
    schema, first = CASES[name]
    assert schema.usable_from == usable_from(schema, first)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    ("statement", "allows"),
    [
        ("CREATE TABLE later (note TEXT)", True),
        ("ALTER TABLE log ADD COLUMN later TEXT", False),
        ("CREATE INDEX later ON log (book)", False),
        ("CREATE TRIGGER later AFTER INSERT ON log BEGIN SELECT 1; END", False),
        ("DROP TABLE log", False),
    ],
    ids=["table", "column", "index", "trigger", "dropped"],
)
def test_only_new_tables_allow_the_version_before(name: str, statement: str, allows: bool) -> None:
    schema = CASES[name].schema
    newer = next_version(schema, statement)
    assert usable_from(newer, schema.version) == (schema.version if allows else newer.version)


@pytest.mark.parametrize("name", CASES)
def test_an_update_whose_schema_does_not_allow_it_is_refused_before_it_is_installed(name: str) -> None:
    schema = CASES[name].schema
    here = {other: Store(case.schema.version, case.schema.usable_from) for other, case in CASES.items()}

    def offered(newer: Schema) -> list[str]:
        stores = {**here, name: Store(newer.version, newer.usable_from)}
        return objections(Bundle("board", "2.0.0", stores), "board", here, here)

    assert not offered(next_version(schema, "CREATE TABLE later (note TEXT)", oldest=schema.version))
    (found,) = offered(next_version(schema, "ALTER TABLE log ADD COLUMN later TEXT"))
    assert found.startswith(f"there would be no way back: it writes {name}.db of schema version {schema.version + 1}")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Callable[[Schema], None]:
    """Let this program be one that knows another schema of wan.db."""

    def change(schema: Schema) -> None:
        monkeypatch.setattr(wan, "wan_schema", lambda: schema)
        monkeypatch.setattr(wan_view, "wan_schema", lambda: schema)

    return change


def acknowledge(directory: Path, position: int) -> None:
    with WanStore.open(directory) as store, WanView.open(directory) as view:
        assert store.salvaged is None
        assert reached(store, "north", STORE) == position - 1
        store.acknowledge("north", STORE, HOUSE, position, 1)
        assert [cursor.position for cursor in view.cursors()] == [position]


def test_programs_before_and_after_a_schema_that_only_adds_use_one_wan_db_in_turn(
    tmp_path: Path, program: Callable[[Schema], None]
) -> None:
    now = wan_schema()
    newer = next_version(now, "CREATE TABLE later (note TEXT)", oldest=now.version)
    for position, schema in enumerate((now, newer, now, newer, now), 1):
        program(schema)
        acknowledge(tmp_path, position)


def test_a_newer_wan_db_that_names_no_older_program_is_refused_and_left_alone(
    tmp_path: Path, program: Callable[[Schema], None]
) -> None:
    now = wan_schema()
    newer = next_version(now, "CREATE TABLE later (note TEXT)")
    program(newer)
    acknowledge(tmp_path, 1)
    program(now)
    with pytest.raises(StoreTooNew):
        WanStore.open(tmp_path)
    with pytest.raises(StoreTooNew):
        WanView.open(tmp_path)
    program(newer)
    acknowledge(tmp_path, 2)
