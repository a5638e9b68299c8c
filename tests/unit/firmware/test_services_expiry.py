"""The WAN process tells each step of an end once, also after a restart, and only by a time that is trusted."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from smgw.cosem.reading import ClockState, Stamp
from smgw.services import expiry
from smgw.services.expiry import EVENT, ExpiryWatch
from smgw.store.wan.store import WanStore
from smgw.store.wan.view import WanView
from trial_pki import DAY, GATEWAY, NOW, session_pki


class Watched:
    """A trust folder, a store, and a clock that the test sets. The triple lives 730 days, the lists 90."""

    def __init__(self, folder: Path) -> None:
        self.trust = session_pki().write_gateway(folder / "trust")
        self.wan = folder / "wan"
        self.wan.mkdir()
        self.day = 0.0
        self.state = ClockState.SYNCHRONISED
        self.open()

    def open(self) -> None:
        """As a process that starts."""
        self.store = WanStore.open(self.wan)
        self.watch = ExpiryWatch(self.trust, self.store, self.stamp)

    def stamp(self) -> Stamp:
        return Stamp("0" * 32, 0, int((NOW + self.day * DAY) * 1e6), 0, self.state)

    def told(self) -> list[str]:
        self.store.settle()
        with WanView.open(self.wan) as view:
            return [entry.subject for entry in view.log_entries(100, "system") if entry.event == EVENT]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
    yield made
    made.store.close()


def test_nothing_is_told_while_there_is_time(watched):
    assert watched.watch.look()
    assert watched.told() == []


def test_each_step_of_an_end_is_told_once(watched):
    for day in range(0, 95):
        watched.day = day
        watched.watch.look()
    lists = [subject for subject in watched.told() if "of Trial.CA" in subject]
    assert [subject.partition("; ")[0] for subject in lists] == [
        "list CRL of Trial.CA ends within 60 days",
        "list CRL of Trial.CA ends within 30 days",
        "list CRL of Trial.CA ends within 7 days",
        "list CRL of Trial.CA has ended",
    ]


def test_a_restart_repeats_nothing(watched):
    watched.day = 40
    watched.watch.look()
    before = watched.told()
    watched.store.close()
    watched.open()
    watched.watch.look()
    assert watched.told() == before != []


def test_a_renewed_list_is_told_again_in_its_time(watched):
    watched.day = 40
    watched.watch.look()
    newer = session_pki().revocations(number=2, days=200)
    (watched.trust / "authorities/sub.crl").write_bytes(newer.pem)
    watched.day = 150
    watched.watch.look()
    assert len([subject for subject in watched.told() if "of Trial.CA ends within 60 days" in subject]) == 2


def test_the_log_has_the_event_with_file_and_remedy(watched, caplog):
    watched.day = 725
    watched.watch.look()
    (own,) = [one for one in caplog.records if "own certificates" in one.getMessage()]
    assert (own.event, own.levelno) == (EVENT, logging.WARNING)
    assert str(watched.trust / "own/1") in own.getMessage()
    assert GATEWAY.common_name in own.getMessage()
    assert "smgw-pki renew" in own.getMessage()
    ended = [one for one in caplog.records if " ended at " in one.getMessage()]
    assert {one.levelno for one in ended} == {logging.ERROR}


def test_an_untrusted_time_tells_nothing_and_is_asked_again_sooner(watched):
    watched.state, watched.day = ClockState.INVALID, 9000
    assert not watched.watch.look()
    assert watched.told() == []


def test_it_looks_until_it_is_stopped(watched, monkeypatch):
    monkeypatch.setattr(expiry, "_LOOK_S", 0.01)
    looks = threading.Semaphore(0)
    real = watched.watch.look
    monkeypatch.setattr(watched.watch, "look", lambda: (looks.release(), real())[1])
    thread = threading.Thread(target=watched.watch.run, daemon=True)
    thread.start()
    twice = looks.acquire(timeout=30) and looks.acquire(timeout=30)
    watched.watch.stop()
    thread.join(30)
    assert twice
    assert not thread.is_alive()


def test_a_folder_that_is_not_there_tells_nothing(watched, tmp_path):
    watch = ExpiryWatch(tmp_path / "absent", watched.store, watched.stamp)
    assert watch.look()
    assert watched.told() == []
