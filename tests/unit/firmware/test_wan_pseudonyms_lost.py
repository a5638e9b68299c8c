"""wan.db is lost, damaged or restored while rows go under pseudonyms: none is lost, none is twice under one name.

What a new name cannot hide is said where it happens: rows that had arrived may come again as those of another device.
"""

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from captures_made import DEVICE, MIDNIGHT, SECOND, capture, energy
from damage import STRUCTURAL
from delivering import Gateway
from released import unpack
from small_emp import OK, Answer, Put, SmallEmp
from smgw.store.records import Record
from smgw.store.wan.salvage import salvage_wan
from smgw.store.wan.store import WanStore

pytestmark = pytest.mark.usefixtures("quick")

DAY = 86_400 * SECOND
QUARTER = 900 * SECOND


def on_grid(gateway: Gateway, first: int, count: int) -> None:
    """Rows of quarter hours; the value is the number of the quarter hour."""
    gateway.lmn.append([
        Record(capture(MIDNIGHT + at * QUARTER, energy(at), device=DEVICE), MIDNIGHT + at * QUARTER)
        for at in range(first, first + count)
    ])  # fmt: skip


def quarters(emp: SmallEmp) -> dict[str, list[int]]:
    """The quarter hours that the EMP has under each name."""
    found: dict[str, list[int]] = {}
    for (store_id, _), row in emp.kept.items():
        (cell,) = row.values
        assert isinstance(cell.value, int)
        found.setdefault(store_id, []).append(cell.value)
    return found


def everything(emp: SmallEmp) -> list[int]:
    return sorted(quarter for own in quarters(emp).values() for quarter in own)


def deliver(gateway: Gateway) -> None:
    while gateway.dispatcher.deliver_round() is not None:
        pass


def wan_file(directory: Path) -> Path:
    return next(directory.rglob("wan.db"))


def change(directory: Path, *statements: str) -> None:
    """What is lost of a file that nobody has open."""
    connection = sqlite3.connect(wan_file(directory))
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_lost_table_of_pseudonyms_doubles_no_row(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(pseudonym_days=366)
    on_grid(gateway, 0, 30)
    deliver(gateway)
    gateway.close()
    change(gateway.directory, *(f"DELETE FROM {table}" for table in ("pseudonym", "pseudonym_period", "pseudonym_run")))
    again = make(pseudonym_days=366)
    on_grid(again, 30, 30)
    deliver(again)
    assert [sorted(own) for own in quarters(emp).values()] == [list(range(30)), list(range(30, 60))]
    assert emp.again == 0


def test_lost_cursors_come_back_from_the_pseudonyms_when_a_file_is_salvaged(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make(pseudonym_days=366, batch=10)
    for part in range(250):  # several runs, so that the first ones are forgotten
        on_grid(gateway, 10 * part, 10)
        deliver(gateway)
    gateway.close()
    change(gateway.directory, "DELETE FROM cursor")
    octets = bytearray(wan_file(gateway.directory).read_bytes())
    octets[100:108] = bytes(8)  # the list of tables
    damaged = wan_file(gateway.directory)
    source = sqlite3.connect(damaged)
    runs = source.execute("SELECT count(*) FROM pseudonym_run").fetchone()[0]
    marks = source.execute("SELECT settled FROM pseudonym").fetchone()[0]
    source.close()
    assert runs < 3
    assert 1000 <= marks < 2500
    target = sqlite3.connect(":memory:", isolation_level=None)
    said = salvage_wan(damaged, target)
    assert said == (
        "1 cursors were saved; rows behind the others are delivered again; 1 devices under pseudonyms get new ones"
    )
    assert target.execute("SELECT position FROM cursor").fetchone()[0] == marks
    target.close()


@pytest.mark.parametrize("way", STRUCTURAL, ids=lambda way: way.__name__)
@pytest.mark.parametrize("seed", range(6))
def test_after_damage_no_name_has_a_row_twice_and_no_number_has_two_rows(
    make: Callable[..., Gateway], emp: SmallEmp, way: Callable[[bytearray, random.Random], None], seed: int
) -> None:
    gateway = make(pseudonym_days=1, batch=10)
    on_grid(gateway, 0, 150)
    deliver(gateway)
    on_grid(gateway, 150, 20)
    answers = iter([OK, Answer(lost=True)])
    emp.answer = lambda _: next(answers, Answer(503))
    gateway.dispatcher.deliver_round()
    gateway.close()
    file = wan_file(gateway.directory)
    octets = bytearray(file.read_bytes())
    way(octets, random.Random(seed))
    file.write_bytes(octets)
    kept: dict[tuple[str, int], int] = {}

    def once(put: Put) -> Answer:
        for row in put.document.rows:
            key = (put.document.store_id, row.record_number)
            assert kept.setdefault(key, row.values[0].value) == row.values[0].value
        return OK

    kept.update({key: row.values[0].value for key, row in emp.kept.items()})  # type: ignore[misc]
    emp.answer = once
    again = make(pseudonym_days=1, batch=10)
    on_grid(again, 170, 30)
    for _ in range(9):
        if again.dispatcher.deliver_round() is None:
            break
    assert set(everything(emp)) == set(range(200))
    for own in quarters(emp).values():
        assert len(own) == len(set(own))


def test_a_restored_older_file_gives_the_same_names_and_numbers(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(pseudonym_days=1)
    on_grid(gateway, 0, 50)
    deliver(gateway)
    gateway.close()
    backup = gateway.directory / "backup.db"
    shutil.copy(wan_file(gateway.directory), backup)
    between = make(pseudonym_days=1)
    on_grid(between, 50, 150)  # two more periods begin
    deliver(between)
    between.close()
    for name in ("wan.db-wal", "wan.db-shm"):
        wan_file(gateway.directory).with_name(name).unlink(missing_ok=True)
    shutil.copy(backup, wan_file(gateway.directory))
    restored = make(pseudonym_days=1)
    on_grid(restored, 200, 10)
    deliver(restored)
    assert everything(emp) == list(range(210))
    assert emp.again == 150


def test_a_lost_wal_gives_the_same_names_and_numbers(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(pseudonym_days=1)
    on_grid(gateway, 0, 50)
    deliver(gateway)
    gateway.close()
    again = make(pseudonym_days=1)
    on_grid(again, 50, 100)
    deliver(again)
    copied = wan_file(again.directory).read_bytes()  # as it is without its -wal
    again.close()
    for name in ("wan.db-wal", "wan.db-shm"):
        wan_file(again.directory).with_name(name).unlink(missing_ok=True)
    wan_file(again.directory).write_bytes(copied)
    last = make(pseudonym_days=1)
    on_grid(last, 150, 5)
    deliver(last)
    assert everything(emp) == list(range(155))


def test_a_file_that_is_gone_gives_new_names(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(pseudonym_days=366)
    on_grid(gateway, 0, 5)
    deliver(gateway)
    gateway.close()
    for file in wan_file(gateway.directory).parent.glob("wan.db*"):
        file.unlink()
    again = make(pseudonym_days=366)
    deliver(again)
    assert list(quarters(emp).values()) == [list(range(5))] * 2


def test_a_file_of_an_earlier_release_gets_the_tables(tmp_path: Path) -> None:
    unpack(tmp_path)
    file = wan_file(tmp_path)
    WanStore.open(file.parent).close()
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA user_version").fetchone()[0] == 4
    assert connection.execute("SELECT count(*) FROM pseudonym").fetchone()[0] == 0
    connection.close()
