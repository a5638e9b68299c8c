"""What an EMP's answer means."""

import pytest
from smgw.wan.cosem_xml.verdict import verdict
from smgw.wan.outlet import OutcomeKind


@pytest.mark.parametrize(
    ("statuses", "meaning"),
    [
        ((200, 201, 202, 204, 299), OutcomeKind.ACKNOWLEDGED),
        ((None, 408, 425, 429, 500, 502, 503, 504, 507, 599), OutcomeKind.RETRY),
        ((401, 403, 404, 405, 411), OutcomeKind.HOLD),
        ((413,), OutcomeKind.TOO_LARGE),
        ((400, 415), OutcomeKind.REJECTED),
        ((422,), OutcomeKind.CONTRADICTED),
        ((300, 301, 302, 304, 307, 308, 402, 406, 409, 410, 412, 414, 418, 451), OutcomeKind.HOLD),
    ],
)
def test_an_answer_means_what_the_design_says(statuses: tuple[int | None, ...], meaning: OutcomeKind) -> None:
    assert {verdict(status) for status in statuses} == {meaning}
