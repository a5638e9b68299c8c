"""The log book of the HAN: written by a thread of its own, and never by as many entries as somebody sends requests."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from smgw.han.exchange import Role, Who
from smgw.services import han_log
from smgw.services.han_around import State
from smgw.services.han_log import HanLog
from smgw.store.file.log_book import Level, LogEntry
from smgw.store.han.store import HanStore
from smgw.store.han.view import HanView

ANNA = Who(Role.CONSUMER, "anna")


@pytest.fixture
def book(tmp_path: Path) -> Iterator[HanLog]:
    with HanStore.open(tmp_path / "han") as store:
        yield HanLog(store, tmp_path)


@pytest.fixture(autouse=True)
def _state(tmp_path: Path) -> None:
    (tmp_path / "han").mkdir()


def _written(book: HanLog, tmp_path: Path, name: str = "system") -> list[LogEntry]:
    ending = threading.Event()
    ending.set()
    book.run(ending, lambda: None)
    with HanView.open(tmp_path / "han") as view:
        return view.log_entries(1000, name)


def test_a_login_stands_in_the_books_of_system_and_consumer(book: HanLog, tmp_path: Path) -> None:
    book.note("login-made", Level.INFO, "anna logged in", ANNA)
    (own,) = _written(book, tmp_path, "consumer anna")
    assert (own.event, own.subject, own.identity, own.outcome) == ("login-made", "anna logged in", "anna", True)
    assert [one.event for one in _written(book, tmp_path)] == ["login-made"]


def test_the_login_of_a_technician_is_in_no_consumers_book(book: HanLog, tmp_path: Path) -> None:
    book.note("login-made", Level.INFO, "theo logged in", Who(Role.TECHNICIAN, "theo"))
    assert len(_written(book, tmp_path)) == 1
    assert _written(book, tmp_path, "consumer theo") == []


def test_a_repeated_text_is_written_once_in_a_while(
    book: HanLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(50):
        book.note("request-refused", Level.WARNING, "the same")
    later = time.monotonic() + 601
    monkeypatch.setattr(han_log.time, "monotonic", lambda: later)
    book.note("request-refused", Level.WARNING, "the same")
    assert [one.subject for one in _written(book, tmp_path)] == ["the same"] * 2


def test_a_flood_of_texts_is_cut_and_counted(book: HanLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1000):
        book.note("login-failed", Level.WARNING, f"a login of name{number} was wrong")
    assert len(_written(book, tmp_path)) == 120
    later = time.monotonic() + 601
    monkeypatch.setattr(han_log.time, "monotonic", lambda: later)
    book.note("login-failed", Level.WARNING, "another")
    assert _written(book, tmp_path)[-1].subject == "another; 880 entries before it were left out"


def test_the_state_for_the_pages_is_that_of_smgw_status(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text('[gateway]\ndevice_id = "ESMG0000000001"\n[[meter]]\nname = "a"\n'
                                           'protocol = "sml-push"\nport = "/dev/null"\n')  # fmt: skip
    state = State(tmp_path / "gateway.toml", tmp_path)
    found = state.health()
    assert found["gateway"] == "ESMG0000000001"
    assert state.health() is found  # not asked again at once


def test_a_state_that_cannot_be_had_is_empty(tmp_path: Path) -> None:
    assert State(tmp_path / "missing.toml", tmp_path).health() == {}
    assert State(None, tmp_path).health() == {}
