"""The boot state as Linux writes it; tests/image/test_boot_script.py has U-Boot's side."""

import os
import subprocess
import zlib
from itertools import product
from pathlib import Path

import pytest
from smgw.update import boot_state
from smgw.update.boot_state import COPIES, SECTOR, BootState, answer, decode, encode, main, read, write

OLD = BootState(("A", "B"), (9, 0))
NEW = BootState(("B", "A"), (9, 3))
OTHER = BootState(("B", "A"), (9, 2))
TORN = b"\xa5" * SECTOR


class PowerCut(Exception):  # noqa: N818 - what happens
    pass


@pytest.fixture
def card(tmp_path: Path) -> Path:
    path = tmp_path / "card"
    with path.open("wb") as file:
        file.truncate(2 * 2**20)
    return path


def put(card: Path, *copies: bytes) -> None:
    with card.open("r+b") as file:
        for at, sector in zip(COPIES, copies, strict=True):
            file.seek(at)
            file.write(sector)


def state_of(card: Path) -> BootState:
    file = os.open(card, os.O_RDONLY)
    try:
        return read(file)
    finally:
        os.close(file)


def cut_at(card: Path, state: BootState, writes: int, torn: bool, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Write `state`; the power goes with the n-th write. False if there are not that many."""
    left = writes
    real = os.pwrite

    def pwrite(file: int, octets: bytes, at: int) -> int:
        nonlocal left
        if not left:
            if torn:
                real(file, TORN[: len(octets) // 2] + octets[len(octets) // 2 :], at)
            raise PowerCut
        left -= 1
        return real(file, octets, at)

    file = os.open(card, os.O_RDWR)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(boot_state.os, "pwrite", pwrite)
            write(file, state)
    except PowerCut:
        return True
    finally:
        os.close(file)
    return False


def test_a_state_comes_back_from_its_sector() -> None:
    for order, a, b in product((("A", "B"), ("B", "A")), (0, 3, 15), (0, 1, 9)):
        state = BootState(order, (a, b))
        assert (decode(encode(state)), len(encode(state))) == (state, SECTOR)


def test_u_boots_own_program_makes_the_same_sector(tmp_path: Path) -> None:
    if not Path("/usr/bin/mkenvimage").exists():
        pytest.skip("MISSING Debian package u-boot-tools")
    (tmp_path / "text").write_text("BOOT_A_LEFT=9\nBOOT_B_LEFT=3\nBOOT_ORDER=B A\n")
    subprocess.run(
        ["mkenvimage", "-s", "512", "-p", "0", "-o", tmp_path / "sector", tmp_path / "text"], check=True, timeout=60
    )
    assert (tmp_path / "sector").read_bytes() == encode(NEW)


@pytest.mark.parametrize(
    "sector",
    [
        b"",
        bytes(SECTOR),
        TORN,
        encode(NEW)[:-1] + b"\1",
        *(zlib.crc32(data.ljust(508, b"\0")).to_bytes(4, "little") + data.ljust(508, b"\0") for data in (
            b"BOOT_A_LEFT=1\0BOOT_B_LEFT=1\0",
            b"BOOT_A_LEFT=1\0BOOT_B_LEFT=1\0BOOT_ORDER=C\0",
            b"BOOT_A_LEFT=1\0BOOT_B_LEFT=1\0BOOT_ORDER=A A\0",
            b"BOOT_A_LEFT=x\0BOOT_B_LEFT=1\0BOOT_ORDER=A B\0",
            b"nonsense\0",
            b"\xff=1\0",
        )),
    ],
    ids=["empty", "zero", "torn", "bit", "no-order", "slot-c", "twice", "no-number", "no-equals", "no-ascii"],
)  # fmt: skip
def test_a_sector_that_makes_no_sense_is_none(sector: bytes) -> None:
    assert decode(sector) is None


def test_the_first_copy_counts_unless_it_is_damaged(card: Path) -> None:
    assert state_of(card) == BootState()
    put(card, encode(NEW), encode(OLD))
    assert state_of(card) == NEW
    put(card, TORN, encode(OLD))
    assert state_of(card) == OLD


@pytest.mark.parametrize("torn", [False, True], ids=["unwritten", "torn"])
def test_two_power_cuts_at_any_writes_leave_the_old_state_or_a_new_one(
    card: Path, torn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for first, second in product(range(4), range(4)):
        put(card, encode(OLD), encode(OLD))
        cut_at(card, NEW, first, torn, monkeypatch)
        between = state_of(card)
        assert between in (OLD, NEW)
        cut_at(card, OTHER, second, torn, monkeypatch)
        assert state_of(card) in (between, OTHER)


def test_rauc_is_answered_as_it_asks(card: Path) -> None:
    put(card, encode(OLD), encode(OLD))
    file = os.open(card, os.O_RDWR)
    try:
        assert [answer(file, "get-primary", []), answer(file, "get-state", ["B"])] == ["A", "bad"]
        answer(file, "set-state", ["B", "bad"])
        answer(file, "set-primary", ["B"])
        assert read(file) == NEW
        assert answer(file, "get-primary", []) == "B"
        answer(file, "set-state", ["B", "good"])
        assert answer(file, "get-state", ["B"]) == "good"
        answer(file, "set-state", ["B", "bad"])
        assert answer(file, "get-primary", []) == "A"
    finally:
        os.close(file)


def test_the_program_says_what_is_wrong(card: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get-primary"], str(card)) == 0
    assert main(["get-primary"], str(card) + "-absent") == 1
    assert main(["set-state", "C", "good"], str(card)) == 1
    assert main([], str(card)) == 1
    told = capsys.readouterr()
    assert told.out == "A\n"
    assert "No such file" in told.err or "does not exist" in told.err
    assert "a slot is A or B, not: set-state C good" in told.err
