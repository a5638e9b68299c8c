"""A call that cannot be interrupted is waited for no longer than one wants."""

import threading
import time

import pytest
from smgw.patience import patiently


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
        go.wait(10)
        return "late"

    def take(result: str) -> None:
        results.append(result)
        late.set()

    with pytest.raises(TimeoutError, match=r"no answer within 0\.1 s"):
        patiently("slow", call, 0.1, lambda: False, take)
    go.set()
    assert late.wait(10)
    assert results == ["late"]


def test_the_end_of_patience_ends_the_wait_at_once() -> None:
    ended, go = threading.Event(), threading.Event()
    timer = threading.Timer(0.1, ended.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="stopping"):
        patiently("slow", lambda: go.wait(10), 10, ended.is_set)
    assert time.monotonic() - began < 5
    go.set()
    timer.join()
