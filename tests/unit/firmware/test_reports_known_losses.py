"""What was lost is a reason to call the gateway degraded until a person says that it is known."""

from pathlib import Path

import pytest
from smgw.errors import SmgwError
from smgw.reports.known_losses import KnownLosses

LOST = {"lost_disk_full": 12, "lost_damage": 3}


def test_nothing_is_known_of_at_first(tmp_path: Path) -> None:
    assert KnownLosses(tmp_path).since("a", LOST) == LOST


def test_what_is_acknowledged_is_known_and_what_comes_after_is_not(tmp_path: Path) -> None:
    KnownLosses(tmp_path).acknowledge("a", LOST)
    assert KnownLosses(tmp_path).since("a", LOST) == {}
    assert KnownLosses(tmp_path).since("a", {"lost_disk_full": 14, "lost_damage": 3}) == {"lost_disk_full": 2}


def test_losses_of_another_store_are_other_losses(tmp_path: Path) -> None:
    KnownLosses(tmp_path).acknowledge("a", LOST)
    assert KnownLosses(tmp_path).since("b", LOST) == LOST


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"store_id": "a"}', '{"store_id": "a", "lost": {"lost_damage": []}}', "\0"]
)
def test_a_file_that_makes_no_sense_hides_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "known-losses.json").write_text(content)
    assert KnownLosses(tmp_path).since("a", LOST) == LOST


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(SmgwError, match=r"known-losses\.json: cannot be written"):
        KnownLosses(tmp_path / "missing").acknowledge("a", LOST)
