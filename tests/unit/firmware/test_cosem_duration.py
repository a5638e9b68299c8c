"""One style for durations, in commands and on pages."""

import pytest
from smgw.cosem.duration import duration_text, period_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.044, "0.0 s"),
        (0.36, "0.4 s"),
        (1.94, "1.9 s"),
        (1.96, "2 s"),
        (42.5, "43 s"),
        (119.4, "119 s"),
        (119.6, "2 min"),
        (5 * 60 + 31, "6 min"),
        (119 * 60 + 31, "2 h"),
        (47 * 3600 + 1799, "47 h"),
        (47 * 3600 + 1800, "2 d"),
        (11.6 * 86_400, "12 d"),
        (-90, "-90 s"),
    ],
)
def test_a_duration_is_rounded_and_not_cut(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (10, "10 s"), (150, "150 s"), (900, "15 min"), (5400, "90 min"), (86_400, "24 h")]
)
def test_a_period_is_told_exactly(seconds: int, text: str) -> None:
    assert period_text(seconds) == text
