"""The WAN process signs the newest entries of all log books; `smgw log --verify` checks the signatures."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from smgw.cli import main
from smgw.cosem.reading import ClockState, Stamp
from smgw.services.sealing import LogSealer
from smgw.store import paths
from smgw.store.file.log_book import Level
from smgw.store.lmn.store import LmnStore
from smgw.store.wan.store import WanStore
from smgw.trust.keys.folder import FolderKeys
from trial_pki import NOW, session_pki


def stamp() -> Stamp:
    return Stamp("0" * 32, 0, NOW * 1_000_000, 0, ClockState.SYNCHRONISED)


class Sealed:
    """The log books of a gateway, and what signs them."""

    def __init__(self, state: Path) -> None:
        self.state = state
        session_pki().write_gateway(paths.trust_directory(state))
        self.lmn = LmnStore.open(paths.lmn_directory(state))
        self.wan = WanStore.open(paths.wan_directory(state))
        for number in range(4):
            self.lmn.log("clock-deviated", Level.WARNING, f"{number} s off", stamp())
        self.wan.log("delivery-held", Level.ERROR, "north: answers 403", stamp())
        self.sealer = LogSealer(state, self.wan, stamp, lambda: FolderKeys(paths.trust_directory(state)))

    def change(self, process: str, statement: str) -> None:
        directory = {"lmn": paths.lmn_directory, "wan": paths.wan_directory}[process](self.state)
        with contextlib.closing(sqlite3.connect(directory / f"{process}.db")) as database:
            database.execute(statement)
            database.commit()


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[Sealed]:
    made = Sealed(tmp_path)
    yield made
    made.lmn.close()
    made.wan.close()


def verify(sealed: Sealed, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["log", "--state", str(sealed.state), "--verify"])
    return code, capsys.readouterr().out


def test_each_book_with_new_entries_is_signed_once(sealed: Sealed, capsys: pytest.CaptureFixture[str]) -> None:
    assert sealed.sealer.seal() == 3  # system and calibration of lmn.db, system of wan.db
    assert sealed.sealer.seal() == 0
    code, told = verify(sealed, capsys)
    assert code == 0
    assert "lmn: book 'system': 4 entries (1 to 4), numbers and seals are whole; signed up to entry 4 at" in told
    sealed.lmn.log("lmn-stopping", Level.INFO, "asked to stop", stamp())
    assert sealed.sealer.seal() == 1


def test_the_newest_entry_cannot_be_changed_once_it_is_signed(
    sealed: Sealed, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed.sealer.seal()
    sealed.change("lmn", "UPDATE log SET subject = 'nothing' WHERE book = 'system' AND number = 4")
    code, told = verify(sealed, capsys)
    assert code == 1
    assert "lmn: book 'system': one of the entries 1 to 4 was changed: entry 4 differs from its signed head" in told


def test_a_signed_head_cannot_be_changed_with_its_entry(sealed: Sealed, capsys: pytest.CaptureFixture[str]) -> None:
    sealed.sealer.seal()
    sealed.change("wan", "UPDATE log_head SET digest = zeroblob(32) WHERE book = 'calibration'")
    code, told = verify(sealed, capsys)
    assert code == 1
    assert "lmn: book 'calibration': the signature of entry 4 is wrong" in told


def test_a_head_of_another_signer_is_named(sealed: Sealed, capsys: pytest.CaptureFixture[str]) -> None:
    sealed.sealer.seal()
    sealed.change("wan", "UPDATE log_head SET signer = zeroblob(32) WHERE book = 'calibration'")
    code, told = verify(sealed, capsys)
    assert code == 1
    assert "entry 4 was signed by a certificate that is not in the trust folder" in told


def test_without_certificates_the_chain_is_checked_and_the_signatures_are_not(
    sealed: Sealed, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed.sealer.seal()
    (paths.trust_directory(sealed.state) / "own").rename(sealed.state / "away")
    code = main(["log", "--state", str(sealed.state), "--verify"])
    told = capsys.readouterr()
    assert code == 0
    assert "signed, signatures not checked, up to entry 4" in told.out
    assert "the signatures of log books are not checked" in told.err


def test_a_key_that_is_not_there_is_told_once(sealed: Sealed, caplog: pytest.LogCaptureFixture) -> None:
    for key in (paths.trust_directory(sealed.state) / "own").rglob("sig.key"):
        key.unlink()
    assert sealed.sealer.seal() == 0
    assert sealed.sealer.seal() == 0
    assert len([record for record in caplog.records if getattr(record, "event", "") == "log-unsigned"]) == 1


def test_the_heads_of_a_book_are_bounded(sealed: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smgw.store.wan.store.HEADS_KEPT", 3)
    for _ in range(6):
        sealed.wan.log("delivery-resumed", Level.INFO, "north", stamp())
        sealed.sealer.seal()
    own = [head.number for head in sealed.wan.log_heads() if head.store_id == sealed.wan.store_id]
    assert own == [5, 6, 7]


def test_a_signed_book_that_was_removed_whole_is_missed(sealed: Sealed, capsys: pytest.CaptureFixture[str]) -> None:
    sealed.sealer.seal()
    sealed.change("lmn", "DELETE FROM log WHERE book = 'calibration'")
    code, told = verify(sealed, capsys)
    assert code == 1
    assert "lmn: book 'calibration': entries 1 to 4 are missing: they were signed" in told
