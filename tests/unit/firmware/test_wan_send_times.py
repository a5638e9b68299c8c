"""Feeds with send times: rows wait for them, at the EMP arrives what is due, and the state says so."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from captures_made import DEVICE, MIDNIGHT, SECOND, capture, energy
from delivering import GATEWAY, OTHER, Gateway, running
from line_meter import until
from small_emp import OK, Answer, Put, SmallEmp
from smgw.cli import main
from smgw.cosem import ClockState, Stamp
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.feed import Feed, Grant, feeds
from smgw.profiles.send_times import SendTimes
from smgw.profiles.toml_importer import load
from smgw.reports.health import examine
from smgw.store import paths
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.progress import Progress
from smgw.store.records import ListKind, Record, Source
from smgw.wan.dispatcher import Dispatcher
from smgw.wan.outlet import open_outlet

QUARTER = 900 * SECOND
SIX = SendTimes("UTC", (360,))
GRANT = Grant("demo", "house", send=SIX)

pytestmark = pytest.mark.usefixtures("quick")


class Timed:
    """A gateway whose EMP gets rows at six o'clock, by a clock of the test."""

    def __init__(self, gateway: Gateway, url: str, *grants: Grant) -> None:
        self.now_us = MIDNIGHT
        self.gateway = gateway
        profile = CommunicationProfile("demo", url, forward=0, batch=10, timeout=60)
        self.dispatcher = Dispatcher(
            profile, grants or (GRANT,), open_outlet(GATEWAY, profile), gateway.wan, gateway.open_view, self.stamp
        )
        gateway.dispatchers.append(self.dispatcher)

    def stamp(self) -> Stamp:
        return Stamp("b" * 32, 1, self.now_us, 5000, ClockState.SYNCHRONISED)

    def append(self, *quarters: int, kind: ListKind = ListKind.ORIGINAL) -> list[int]:
        """Rows of the grid, some seconds after their target times."""
        records = [
            Record(
                capture(MIDNIGHT + quarter * QUARTER + 3 * SECOND, energy(quarter)),
                MIDNIGHT + quarter * QUARTER,
                list=kind,
            )
            for quarter in quarters
        ]
        return [outcome.number or 0 for outcome in self.gateway.lmn.append(records)]

    def at(self, quarter: int, seconds: int = 5) -> None:
        self.now_us = MIDNIGHT + quarter * QUARTER + seconds * SECOND
        assert self.dispatcher.deliver_round() is None

    def waits(self, grant: Grant = GRANT) -> bool:
        (feed,) = feeds([grant], [Source("house", DEVICE)])
        with LmnView.open(self.gateway.directory) as view:
            known = Progress([feed], self.gateway.wan.cursors("demo"), view.store_id)
            return known.waits(view, feed, self.now_us)


@pytest.fixture
def timed(make: Callable[..., Gateway], emp: SmallEmp) -> Timed:
    return Timed(make(), emp.url)


def test_rows_wait_for_the_send_time(timed: Timed, emp: SmallEmp) -> None:
    timed.append(*range(1, 20))
    timed.at(20)
    assert (emp.numbers(), timed.waits()) == ([], True)


def test_at_the_send_time_all_go_whose_target_time_has_come(timed: Timed, emp: SmallEmp) -> None:
    numbers = timed.append(*range(1, 30))
    timed.at(24)
    assert emp.numbers() == numbers[:24]
    assert timed.waits()


def test_a_send_time_that_was_missed_is_made_up_for(timed: Timed, emp: SmallEmp) -> None:
    numbers = timed.append(*range(1, 30))
    timed.at(80)
    assert emp.numbers() == numbers[:24]


def test_the_next_day_has_its_own_send_time(timed: Timed, emp: SmallEmp) -> None:
    numbers = timed.append(*range(1, 150))
    timed.at(24)
    timed.at(24 + 96)
    assert emp.numbers() == numbers[: 24 + 96]


def test_rows_of_other_lists_do_not_keep_a_feed_waiting(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    grant = GRANT._replace(lists=(int(ListKind.PERIOD_END),))
    timed = Timed(make(), emp.url, grant)
    timed.append(30, 31, 32, kind=ListKind.DERIVED)
    timed.at(33)
    assert (emp.numbers(), timed.waits(grant)) == ([], False)
    assert timed.gateway.cursor() == 3


def test_a_feed_without_send_times_does_not_wait_for_one_with_them(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make()
    timed = Timed(gateway, emp.url, GRANT, Grant("demo", "pv"))
    timed.append(1, 2)
    timed.now_us = MIDNIGHT + 3 * QUARTER
    numbers = gateway.append(3, meter="pv", device=OTHER)
    timed.at(3)
    assert emp.numbers() == numbers


def test_a_refused_row_does_not_make_a_later_one_go_early(timed: Timed, emp: SmallEmp) -> None:
    """To find out whether a meter or one row is refused, the newest row is sent: of those that may go."""
    numbers = timed.append(*range(1, 30))
    seen: set[int] = set()

    def refuse(put: Put) -> Answer:
        seen.update(put.numbers)
        return Answer(422, b"no") if numbers[3] in put.numbers else OK

    emp.answer = refuse
    timed.now_us = MIDNIGHT + 25 * QUARTER
    timed.dispatcher.deliver_round()
    assert seen == set(numbers[:24])


def test_a_dispatcher_that_watches_wakes_at_the_send_time(timed: Timed, emp: SmallEmp) -> None:
    numbers = timed.append(22, 23)
    timed.now_us = MIDNIGHT + 23 * QUARTER
    with running(timed.dispatcher):
        until(lambda: timed.dispatcher.state == "idle")
        assert emp.numbers() == []
        timed.now_us = MIDNIGHT + 24 * QUARTER + SECOND
        until(lambda: emp.numbers() == numbers)


def test_a_feed_gets_the_send_times_of_its_grant() -> None:
    (feed,) = feeds([GRANT], [Source("house", DEVICE)])
    assert isinstance(feed, Feed)
    assert feed.send == SIX


CONFIGURATION = """\
[gateway]
device_id = "EXYZ0012345678"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/null"
[[emp]]
name = "demo"
url = "http://127.0.0.1:1"
insecure = true
[[evaluation]]
name = "series"
taf = 7
meters = ["house"]
emps = ["demo"]
zone = "UTC"
send = "period-end"
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A gateway whose newest reading is of this month."""
    (tmp_path / "gateway.toml").write_text(CONFIGURATION)
    now_us = time.time_ns() // 1000
    row = capture(now_us, energy(1))
    with LmnStore.open(paths.lmn_directory(tmp_path), ballast_bytes=0) as store:
        store.append([Record(row, -(-now_us // QUARTER) * QUARTER)])
        store.flush(now=True)
    return tmp_path


def test_rows_that_wait_for_their_send_time_are_no_backlog(state: Path) -> None:
    (emp,) = examine(load(state / "gateway.toml"), state).emps
    (feed,) = emp["feeds"]
    assert (emp["backlog"], feed["backlog"]) == (0, 0)
    assert feed["next_send_us"] > time.time_ns() // 1000


def test_status_and_check_say_when_they_go(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--config", str(state / "gateway.toml"), "--state", str(state))
    main(["status", *where])
    main(["check", *where])
    said = capsys.readouterr().out
    assert "house is sent next " in said
    assert "for demo, at the end of each billing period" in said
