"""One style for moments in every command."""

import pytest
from smgw.clock.text import utc_text

MOMENT = 1_772_323_200_042_999


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (utc_text(MOMENT), "2026-03-01T00:00:00Z"),
        (utc_text(MOMENT, "milliseconds"), "2026-03-01T00:00:00.042Z"),
        (utc_text(MOMENT, valid=False), "2026-03-01T00:00:00Z (?)"),
        (utc_text(0), "1970-01-01T00:00:00Z"),
        (utc_text(2**63 - 1), "9223372036854775807 us"),
    ],
)
def test_a_moment_is_iso_8601_in_utc(text: str, wanted: str) -> None:
    assert text == wanted
