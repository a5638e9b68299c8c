"""What an EMP's answer means."""

import random

import pytest
from smgw.wan.back_off import BackOff
from smgw.wan.verdict import Verdict, verdict


@pytest.mark.parametrize(
    ("statuses", "meaning"),
    [
        ((200, 201, 202, 204, 299), Verdict.ACKNOWLEDGED),
        ((None, 408, 425, 429, 500, 502, 503, 504, 507, 599), Verdict.RETRY),
        ((401, 403, 404, 405, 411), Verdict.HOLD),
        ((413,), Verdict.TOO_LARGE),
        ((400, 415, 422), Verdict.DISLIKED),
        ((300, 301, 302, 304, 307, 308, 402, 406, 409, 410, 412, 414, 418, 451), Verdict.HOLD),
    ],
)
def test_an_answer_means_what_the_design_says(statuses: tuple[int | None, ...], meaning: Verdict) -> None:
    assert {verdict(status) for status in statuses} == {meaning}


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
