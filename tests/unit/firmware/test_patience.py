"""Pauses double between tries; a call that cannot be interrupted is waited for no longer than one wants."""

import random
import threading

import pytest
from smgw.patience import BackOff, Early, patiently
from soon import LIMIT, soon


def test_pauses_double_up_to_the_longest() -> None:
    back_off = BackOff(0.5, 3)
    assert [back_off.next() for _ in range(5)] == [0.5, 1, 2, 3, 3]


def test_after_a_success_the_first_pause_comes_again() -> None:
    back_off = BackOff(1, 300)
    assert [back_off.next(), back_off.next()] == [1, 2]
    back_off.reset()
    assert back_off.next() == 1


def test_no_pause_is_longer_than_the_longest_not_even_the_first() -> None:
    assert BackOff(900, 60).next() == 60


def test_jitter_changes_a_pause_by_its_share_and_does_not_add_up() -> None:
    back_off = BackOff(1, 8, jitter=0.25, chance=random.Random(8))
    pauses = [back_off.next() for _ in range(8)]
    assert all(
        0.75 * base <= pause <= 1.25 * base for base, pause in zip([1, 2, 4, 8, 8, 8, 8, 8], pauses, strict=True)
    )
    assert len(set(pauses)) == 8


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_in_the_first_hour_no_pause_is_longer_than_a_minute_and_afterwards_it_grows(chance: float) -> None:
    class Chance:
        def uniform(self, a: float, b: float) -> float:
            return a + chance * (b - a)

    back_off = BackOff(1, 300, jitter=0.25, chance=Chance(), early=Early(60, 3600))
    waited = 0.0
    while waited < 3600:
        pause = back_off.next()
        assert pause <= 60
        waited += pause
    later = [back_off.next() for _ in range(6)]
    assert later == sorted(later)
    assert later[-1] == pytest.approx(300 * (0.75 + 0.5 * chance))


@pytest.mark.parametrize("outage", [10, 120, 600, 3000])
def test_after_a_short_outage_a_try_comes_within_a_minute(outage: int) -> None:
    back_off = BackOff(1, 300, jitter=0.25, early=Early(60, 3600))
    now = 0.0
    while now < outage:
        now += back_off.next()
    assert now - outage <= 60


def test_a_success_begins_a_new_first_hour() -> None:
    back_off = BackOff(1, 300, early=Early(60, 3600))
    while back_off.next() < 300:
        pass
    back_off.reset()
    assert max(back_off.next() for _ in range(20)) == 60


def test_jitter_needs_no_source_of_chance_from_outside() -> None:
    assert 0.9 <= BackOff(1, 8, jitter=0.1).next() <= 1.1


def test_two_back_offs_with_jitter_differ() -> None:
    assert BackOff(1, 8, jitter=0.25).next() != BackOff(1, 8, jitter=0.25).next()


def test_what_the_call_returns_is_returned() -> None:
    assert patiently("sum", lambda: 1 + 1, 5, lambda: False) == 2


def test_nothing_is_a_result_too() -> None:
    assert patiently("none", lambda: None, 5, lambda: False) is None


def test_what_the_call_raises_is_raised() -> None:
    def fail() -> None:
        raise ConnectionRefusedError("no")

    with pytest.raises(ConnectionRefusedError, match="no"):
        patiently("fail", fail, 5, lambda: False)


def test_a_call_that_takes_too_long_is_left_behind_and_its_late_result_handed_over() -> None:
    go, late = threading.Event(), threading.Event()
    results: list[str] = []

    def call() -> str:
        go.wait(LIMIT)
        return "late"

    def take(result: str) -> None:
        results.append(result)
        late.set()

    with pytest.raises(TimeoutError, match=r"no answer within 0\.1 s"):
        patiently("slow", call, 0.1, lambda: False, take)
    go.set()
    assert late.wait(LIMIT)
    assert results == ["late"]


def test_the_end_of_patience_ends_the_wait_at_once() -> None:
    ended, go = threading.Event(), threading.Event()
    timer = threading.Timer(0.1, ended.set)
    timer.start()
    with pytest.raises(TimeoutError, match="stopping"):
        soon(lambda: patiently("slow", lambda: go.wait(600), 600, ended.is_set))
    go.set()
    timer.join()
