"""A wrong clock, of a gateway or of the head-end, breaks no page and hides no newer value."""

import datetime
import json
import re
import sqlite3
import time

import emp_process
import pytest
from emp.cli import main
from emp.store.sqlite_storage import SqliteStorage
from emp_process import DEVICE, PATH, START_US, content, row
from smgw.look.times import END_OF_TIME_US, Zone, iso

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
YEAR_9999 = datetime.datetime(9999, 12, 31, 23, 59, tzinfo=datetime.UTC)
YEAR_9999_US = int(YEAR_9999.timestamp()) * 1_000_000
PAGES = ["/", f"/devices/{DEVICE.uri}", f"/devices/{DEVICE.uri}/rows", f"/devices/{DEVICE.uri}.csv", "/api/gateways"]
CURVE = f"/devices/{DEVICE.uri}/registers/3-0100010800ff"


@pytest.fixture
def emp(tmp_path):
    with emp_process.inside(tmp_path / "emp.db") as running:
        yield running


@pytest.fixture
def storage(tmp_path):
    opened = SqliteStorage(tmp_path / "emp.db")
    yield opened
    opened.close()


def now():
    return time.time_ns() // 1000


@pytest.mark.parametrize("name", ["capture", "target"])
@pytest.mark.parametrize("time_us", [YEAR_9999_US, END_OF_TIME_US])
def test_a_time_in_the_year_9999_is_refused_with_advice_and_the_pages_stay(emp, name, time_us):
    answer = emp.put(content(row(1, 5), row(2, 5)._replace(**{f"{name}_time_us": time_us})))
    assert answer.status == 422
    assert f"record 2: its {name} time is not in the years 1970 to 9998; check the gateway's clock" in answer.text
    assert emp.put(content(row(1, 5), row(2, 5, capture_time_us=END_OF_TIME_US - 10_000))).status == 201
    assert [emp.ask("GET", page).status for page in (*PAGES, CURVE)] == [200] * 6


def test_pages_show_a_store_that_has_such_a_time_already(emp, tmp_path):
    assert emp.put(content(row(1, 5))).status == 201
    with sqlite3.connect(tmp_path / "emp.db") as connection:
        connection.execute("UPDATE record SET capture_time_us=?, target_time_us=?", (YEAR_9999_US, YEAR_9999_US))
        connection.execute("UPDATE gateway SET last_seen_us=?", (YEAR_9999_US * 10,))
    connection.close()
    assert [emp.ask("GET", page).status for page in (*PAGES, CURVE, f"{CURVE}.json")] == [200] * 7
    assert main(["status", "--db", str(tmp_path / "emp.db")]) == 0


@pytest.mark.parametrize("time_us", [-(10**18), YEAR_9999_US, 10**18])
def test_any_number_is_shown_as_a_time(time_us):
    assert Zone("America/New_York").local(time_us)
    assert Zone("Pacific/Kiritimati").local(time_us)
    assert iso(time_us)


def latest(storage):
    return [one.value.value for one in storage.latest(DEVICE)]


def test_a_valid_time_in_the_future_is_not_the_latest_for_ever(storage):
    storage.deposit(content(row(1, 1)), START_US + HOUR_US).result(5)
    storage.deposit(content(row(2, 2, capture_time_us=START_US + 365 * DAY_US)), START_US + 2 * HOUR_US).result(5)
    storage.deposit(content(row(3, 3, capture_time_us=START_US + 3 * HOUR_US)), START_US + 3 * HOUR_US).result(5)
    assert latest(storage) == [3]


def test_a_valid_time_in_the_future_does_not_hide_a_value_of_another_store(storage):
    storage.deposit(content(row(9, 9, capture_time_us=START_US + 365 * DAY_US)), START_US).result(5)
    storage.deposit(content(row(1, 1), store_id="cd" * 16), START_US + 2_000_000).result(5)
    assert latest(storage) == [1]


def test_of_valid_times_the_later_one_is_the_latest_also_where_it_came_first(storage):
    storage.deposit(content(row(5, 5)), START_US + HOUR_US).result(5)
    storage.deposit(content(row(6, 6, capture_time_us=START_US)), START_US + 2 * HOUR_US).result(5)
    assert latest(storage) == [5]


def test_last_seen_is_the_newest_arrival_though_the_clock_here_was_ahead(storage):
    storage.deposit(content(row(1, 1)), START_US + 365 * DAY_US).result(5)
    storage.deposit(content(row(2, 2)), START_US).result(5)
    (gateway,) = storage.gateways()
    assert (gateway.first_seen_us, gateway.last_seen_us, gateway.devices[0].last_seen_us) == (START_US,) * 3


def test_a_gateway_that_was_last_seen_in_the_future_does_not_look_fresh(emp, tmp_path):
    assert emp.put(content(row(1, 5))).status == 201
    with sqlite3.connect(tmp_path / "emp.db") as connection:
        for table in ("gateway", "sighting"):
            connection.execute(f"UPDATE {table} SET last_seen_us=?", (now() + 3 * DAY_US,))
    connection.close()
    text = emp.ask("GET", "/").text
    assert text.count('<time class="late"') == 3  # gateway, device, and its newest value of 2023
    assert "just now" not in text


def seen(emp) -> list[str]:
    """How gateway, device and newest value look on the overview."""
    return re.findall(r'<time class="(late|fresh)"', emp.ask("GET", "/").text)


def moved(database, seconds: int) -> None:
    """As if all deliveries were so much older."""
    with sqlite3.connect(database) as connection:
        for table in ("gateway", "sighting"):
            connection.execute(f"UPDATE {table} SET last_seen_us=last_seen_us-?", (seconds * 1_000_000,))
        for column in ("received_us", "capture_time_us"):
            connection.execute(f"UPDATE record SET {column}={column}-?", (seconds * 1_000_000,))
    connection.close()


def test_a_gateway_in_the_default_rhythm_is_not_late_within_a_period_and_a_half(emp, tmp_path):
    emp.put(content(row(1, 5, capture_time_us=now())))
    moved(tmp_path / "emp.db", 1350)
    assert seen(emp) == ["fresh"] * 3


def test_a_gateway_that_delivers_old_values_is_not_green(emp):
    emp.put(content(row(1, 5, capture_time_us=now() - 3 * DAY_US)))
    assert seen(emp) == ["fresh", "fresh", "late"]


def test_what_comes_once_a_day_is_late_after_two_days(emp, tmp_path):
    for number in range(1, 6):
        moved(tmp_path / "emp.db", 86_400)
        emp.put(content(row(number, number, capture_time_us=now())))
    moved(tmp_path / "emp.db", 36 * 3600)
    assert seen(emp) == ["fresh"] * 3
    moved(tmp_path / "emp.db", 36 * 3600)
    assert seen(emp) == ["late"] * 3


def test_a_target_time_in_the_future_makes_no_gaps_and_moves_no_page(emp):
    quarter_us = 900_000_000
    first = now() // quarter_us * quarter_us - 8 * quarter_us
    rows = [row(n, n, capture_time_us=first, target_time_us=first + n * quarter_us) for n in range(1, 8)]
    emp.put(content(*rows))
    before = json.loads(emp.ask("GET", f"{CURVE}.json?as=reading").body)
    emp.put(content(row(50, 50, target_time_us=first + 365 * DAY_US)))
    after = json.loads(emp.ask("GET", f"{CURVE}.json?as=reading").body)
    assert [after[key] for key in ("from", "time", "value")] == [before[key] for key in ("from", "time", "value")]
    assert emp.ask("GET", PATH).status == 200
