"""A damaged lmn.db, real meters and a real head-end: reading goes on at once; all rows arrive once and in order."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from many_captures import make_many
from smgw.store import paths
from smgw.store.file.connection import PAGE_SIZE
from smgw.store.lmn.view import LmnView
from testbed import PUT_DONE, Chain, push, wait_until

#: As `make_many` names them.
METERS = [push("meter1", 1), push("meter2", 2, 0.13)]
CAPTURES = 19_000


@pytest.fixture
def chain(tmp_path: Path) -> Any:
    with Chain(tmp_path, METERS) as made:
        directory = paths.lmn_directory(made.state)
        make_many(directory, CAPTURES, meters=len(METERS), registers=8)
        lose_counts(directory / paths.LMN)
        yield made


def lose_counts(database: Path) -> None:
    """Zeroes in the root of a small table: no capture is lost."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'counts'").fetchone()
    paths.wal_of(database).touch()
    with database.open("r+b") as file:
        file.seek((page - 1) * PAGE_SIZE)
        file.write(bytes(PAGE_SIZE))


def copied(chain: Chain) -> int | None:
    """How many captures were copied; None if the salvage has ended."""
    with LmnView.open(paths.lmn_directory(chain.state)) as view:
        state = view.salvage()
        return None if state is None else state.captures


def at_emp(chain: Chain) -> int:
    return sum(len(chain.emp_numbers(meter)) for meter in METERS)


def old_keys(chain: Chain) -> list[int]:
    """The numbers of the rows at the head-end that were recorded before the damage, sorted."""
    with LmnView.open(paths.lmn_directory(chain.state)) as view:
        own = view.store_id
    return sorted(number for store, number in chain.emp_keys() if store != own)


def test_all_rows_arrive_once_and_in_order_while_a_salvage_runs_and_is_killed(chain: Chain) -> None:
    chain.start()
    chain.wan.wait_for(f"{PUT_DONE}.* answer 20")
    assert copied(chain) is not None, "no row arrived while the salvage ran"
    assert all(number <= CAPTURES for meter in METERS for number in chain.emp_numbers(meter))
    chain.lmn.kill()
    assert copied(chain) is not None, "the kill did not fall into the salvage"
    chain.lmn.start()
    wait_until(lambda: copied(chain) is None, 300, "the salvage does not end")
    wait_until(lambda: at_emp(chain) > CAPTURES, 300, "no new row arrived")
    chain.drain()

    assert old_keys(chain) == list(range(1, CAPTURES + 1))
    for meter in METERS:
        numbers = chain.emp_numbers(meter)
        assert numbers == sorted(set(numbers))
    assert set(chain.store_keys()) <= set(chain.emp_keys())
    assert "Traceback" not in chain.lmn.text() + chain.wan.text()


def test_sigterm_in_a_salvage_ends_the_process_and_the_next_one_goes_on(chain: Chain) -> None:
    chain.smsim.start()
    chain.lmn.start()
    wait_until(lambda: (copied(chain) or 0) > 0, 60, "nothing is copied")
    assert chain.lmn.stop() == 0
    before = copied(chain)
    assert before is not None, "the salvage ended before the stop"
    chain.lmn.start()
    wait_until(lambda: copied(chain) is None, 300, "the salvage does not end")
    assert chain.lmn.stop() == 0
    with LmnView.open(paths.lmn_directory(chain.state)) as view:
        assert view.counts()["salvaged"] == CAPTURES


def test_status_tells_how_far_the_salvage_is(chain: Chain) -> None:
    chain.lmn.start()
    chain.lmn.wait_for("ready:")
    salvage = chain.status()["store"]["salvage"]
    text = chain.smgw("status").stdout
    assert salvage is not None
    assert (salvage["file"], salvage["released"]) == ("lmn.db.corrupt-1", False)
    assert "lmn.db.corrupt-1 is copied: " in text
    assert "newer records are delivered after its records" in text
    wait_until(lambda: copied(chain) is None, 300, "the salvage does not end")
    assert chain.status()["store"]["salvage"] is None
