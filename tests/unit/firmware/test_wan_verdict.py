"""What an EMP's answer means."""

import pytest
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
