"""U-Boot's script, run by U-Boot: which slot starts, how tries are counted, and power cuts at each of its writes."""

import shutil
from pathlib import Path

import pytest
from smgw.update.boot_state import SECTOR, BootState, encode
from tiny_board import Started, TinyBoard, Written, kernel, lacks

if why := lacks():
    pytest.skip(why, allow_module_level=True)

TORN = b"\xa5" * SECTOR
NEW = BootState(("B", "A"), (9, 3))


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A card with a kernel in both slots, and no boot state."""
    return TinyBoard(tmp_path_factory.mktemp("tiny"), {"A": kernel("A"), "B": kernel("B")}).card


@pytest.fixture
def board(card: Path, tmp_path: Path) -> TinyBoard:
    return TinyBoard.copy(card, tmp_path)


def test_a_new_card_starts_slot_a_and_gets_a_boot_state(board: TinyBoard) -> None:
    assert board.start().slot == "A"
    assert board.states == (BootState(("A", "B"), (8, 0)),) * 2
    assert board.copies() == (encode(BootState(("A", "B"), (8, 0))),) * 2


@pytest.mark.parametrize(
    ("state", "slot", "left"),
    [
        (BootState(("A", "B"), (9, 3)), "A", (8, 3)),
        (BootState(("B", "A"), (9, 3)), "B", (9, 2)),
        (BootState(("B", "A"), (9, 1)), "B", (9, 0)),
        (BootState(("B", "A"), (9, 0)), "A", (8, 0)),
        (BootState(("A", "B"), (0, 15)), "B", (0, 14)),
        (BootState(("B",), (9, 1)), "B", (9, 0)),
    ],
    ids=["first", "preferred", "last-try", "fallen-back", "many-tries", "one-name"],
)
def test_the_first_slot_with_a_try_left_starts_and_the_try_counts(
    board: TinyBoard, state: BootState, slot: str, left: tuple[int, int]
) -> None:
    board.put(state, state)
    assert board.start().slot == slot
    assert board.states == (state._replace(left=left),) * 2


def test_without_a_try_left_both_get_some_again(board: TinyBoard) -> None:
    nothing = BootState(("B", "A"), (0, 0))
    board.put(nothing, nothing)
    assert board.start().slot == ""  # it resets
    assert board.states == (BootState(("B", "A"), (3, 3)),) * 2
    assert board.start().slot == "B"


@pytest.mark.parametrize("content", [None, b"no kernel" * 99], ids=["empty", "odd"])
def test_a_slot_without_a_kernel_is_left_at_once(tmp_path: Path, content: bytes | None) -> None:
    board = TinyBoard(tmp_path, {"A": kernel("A"), "B": content})
    board.put(NEW, NEW)
    assert board.start().slot == ""  # it resets
    assert board.states[0] == BootState(("B", "A"), (9, 0))
    assert board.start().slot == "A"


@pytest.mark.parametrize("copies", [(TORN, encode(NEW)), (encode(NEW), TORN)], ids=["first", "second"])
def test_a_damaged_copy_is_mended_from_the_other(board: TinyBoard, copies: tuple[bytes, bytes]) -> None:
    board.put(*copies)
    assert board.start().slot == "B"
    assert board.states == (BootState(("B", "A"), (9, 2)),) * 2


def cuts(writes: tuple[Written, ...]) -> list[tuple[str, list[Written]]]:
    """What the card got if the power went between two writes, or in the middle of one."""
    found = []
    for count, write in enumerate(writes):
        torn = Written(write.sector, write.octets[: SECTOR // 2] + TORN[SECTOR // 2 :])
        found.append((f"before write {count}", list(writes[:count])))
        found.append((f"in write {count}", [*writes[:count], torn]))
    return found


@pytest.mark.parametrize(
    ("begin", "writes"),
    [((NEW, NEW), 2), ((NEW, BootState(("A", "B"), (9, 0))), 3), ((NEW, TORN), 3)],
    ids=["equal", "different", "damaged"],
)
def test_a_power_cut_at_any_write_costs_at_most_one_try(
    board: TinyBoard, begin: tuple[BootState | bytes, BootState | bytes], writes: int
) -> None:
    board.put(*begin)
    whole = shutil.copy(board.card, board.card.with_suffix(".whole"))
    first: Started = board.start()
    assert [write.sector for write in first.writes] == [2056, 2048, 2056][-writes:]
    for when, got in cuts(first.writes):
        shutil.copy(whole, board.card)
        board.apply(got)
        assert board.start().slot == "B", when
        first_copy, second_copy = board.states
        assert first_copy == second_copy, when
        assert first_copy in (BootState(("B", "A"), (9, 2)), BootState(("B", "A"), (9, 1))), when
