"""Forged counter answers cannot use up a key: 2^20 skipped counters a day, then a person."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from captures_made import BOOT
from ciphered_meter import Admitting, Now, secrets
from dlms_line_meter import DlmsMeter
from line_meter import Inbox, running, until, watch
from smgw.cosem import ClockState, Stamp
from smgw.lmn.contract import Surroundings
from smgw.lmn.dlms.counters import Counters
from smgw.lmn.driver import Driver
from smgw.lmn.errors import PollError, SkippedCountersError
from smgw.lmn.make import make_driver
from smgw.profiles.dlms import Authentication, DlmsProfile
from smgw.profiles.meter import MeterProfile
from smgw.store.lmn import budget
from smgw.store.lmn.holds import order_retry
from smgw.store.lmn.store import LmnStore
from smgw.store.records import Condition

DAY_US = 86_400_000_000
KEY = b"key"


class Calendar:
    """The gateway's clock: time passes when it is told."""

    def __init__(self) -> None:
        self.utc_us = 1_800_000_000_000_000

    def stamp(self) -> Stamp:
        return Stamp(BOOT, 1, self.utc_us, 5000, ClockState.SYNCHRONISED)


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "lmn"


@pytest.fixture
def store(directory: Path, calendar: Calendar) -> Iterator[LmnStore]:
    with LmnStore.open(directory, ballast_bytes=0) as opened:
        opened.use_clock(calendar.stamp)
        yield opened


def counters(store: LmnStore) -> Counters:
    """As after a start."""
    return Counters("flat", 1, KEY, store)


def known(store: LmnStore) -> Counters:
    """Of a key that has made its first step."""
    made = counters(store)
    assert made.follow(made() + 1000)
    made()
    return made


def forge(made: Counters) -> int:
    """One answer with the largest counter that is believed; the counter that is used next."""
    ours = made()
    for size in range(31, -1, -1):
        try:
            if made.follow(ours + (1 << size)):
                break
        except PollError:
            continue
    return made()


def test_22_forged_answers_use_up_less_than_a_third_of_a_new_key(store: LmnStore) -> None:
    first = counters(store)()
    last = [forge(counters(store)) for _ in range(22)][-1]
    assert last - first < (1 << 32) // 3


def test_forged_answers_cost_a_known_key_its_daily_budget_at_most(store: LmnStore, calendar: Calendar) -> None:
    begin = known(store)()
    for day in range(1, 4):
        last = [forge(counters(store)) for _ in range(50)][-1]
        assert last - begin < day * (budget.DAILY + 50 * 2 * 64)
        calendar.utc_us += DAY_US
    assert last - begin > 2 * budget.DAILY  # the budget fills again


def test_a_clock_that_is_set_back_neither_widens_nor_ends_the_budget(store: LmnStore, calendar: Calendar) -> None:
    made = known(store)
    assert made.follow(made() + budget.DAILY - 10)
    ours = made()
    calendar.utc_us -= 100 * DAY_US
    with pytest.raises(SkippedCountersError):
        made.follow(ours + 10_000)
    calendar.utc_us += DAY_US
    assert made.follow(ours + 10_000)


def test_the_step_that_a_person_allows_is_made_once_and_no_larger_one(store: LmnStore, directory: Path) -> None:
    far = known(store)() + (1 << 29)
    for _ in range(2):
        with pytest.raises(SkippedCountersError, match="smgw retry flat"):
            counters(store).follow(far)
    assert not budget.order_step(directory, "attic")
    assert budget.order_step(directory, "flat")
    made = counters(store)
    assert made.follow(far + 100)
    made()
    with pytest.raises(SkippedCountersError):
        made.follow(far + (1 << 29))


def started(url: str, store: LmnStore, inbox: Inbox) -> Driver:
    """A start of the daemon with one meter."""
    options = DlmsProfile(client=1, authentication=Authentication.HIGH_GMAC, encryption_key_file=Path("e"))
    profile = MeterProfile(name="flat", protocol="dlms", port=url, interval=1, timeout=1, options=options)
    surroundings = Surroundings(Now(), counters=store, holds=store)
    return make_driver([(profile, secrets())], surroundings, inbox, None)


def is_held(inbox: Inbox) -> bool:
    return bool(inbox.states) and inbox.states[-1].state is Condition.HELD


@pytest.mark.parametrize("told", [True, False])
def test_a_meter_whose_counter_jumps_is_held_until_a_person_orders_it_to_be_asked(
    told: bool, store: LmnStore, directory: Path
) -> None:
    """It tells the counter to the public client, or in its refusal."""
    meter = Admitting()
    with DlmsMeter(meter.model, admissions=meter.admissions()) as line:
        inbox = Inbox()
        with running(started(line.url, store, inbox)):
            until(lambda: inbox.captures)
        scope = Counters("flat", 1, bytes(meter.keys.encryption), None)._key_id
        assert store.skip(scope, "flat 1", 1, 1)  # its first step
        meter.received.take(bytes(meter.keys.encryption), meter.newest + (1 << 29))
        if told:
            meter.tells(meter.newest)
        inbox = Inbox()
        with running(started(line.url, store, inbox)) as made:
            until(lambda: is_held(inbox))
            text = watch(made).last_refusal
        assert "because somebody may forge the meter's answers" in text
        assert "run: smgw retry flat" in text
        assert "password" not in text
        inbox = Inbox()
        with running(started(line.url, store, inbox)):
            until(lambda: is_held(inbox))
            assert not inbox.captures
            assert order_retry(directory, ["flat"]) == ["flat"]
            until(lambda: inbox.captures)
