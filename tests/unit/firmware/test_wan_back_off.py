"""When to try again."""

import random

from smgw.wan.back_off import BackOff


def test_pauses_double_up_to_five_minutes_with_jitter() -> None:
    back_off = BackOff(random.Random(1))
    pauses = [back_off.failed() for _ in range(12)]
    for place, pause in enumerate(pauses):
        middle = min(2.0**place, 300.0)
        assert 0.75 * middle <= pause <= 1.25 * middle
    assert len(set(pauses[-3:])) == 3
    back_off.reset()
    assert back_off.failed() <= 1.25


def test_a_pause_is_never_shorter_than_the_emp_asked_for() -> None:
    assert BackOff().failed(77) == 77
