"""What systemd and its journal are told: by a socket of our own, and by records as they come."""

import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from smgw.board import notify
from smgw.board.journal import entry, goes_to_journal
from smgw.board.notify import Notifier, NotifyUnavailable
from smgw.services.supervision import Supervision
from smgw.services.workers import Worker


class Manager:
    """Stands for systemd, and for its Python package where that is missing."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(directory / "notify"))
        self._socket.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(directory / "notify"))
        sender = type(sys)("systemd.daemon")
        sender.notify = self._notify  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "systemd", type(sys)("systemd"))
        monkeypatch.setitem(sys.modules, "systemd.daemon", sender)

    @staticmethod
    def _notify(state: str) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
            peer.sendto(state.encode(), os.environ["NOTIFY_SOCKET"])
        return True

    def heard(self) -> list[str]:
        told = []
        while True:
            try:
                told.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return told

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    made = Manager(tmp_path, monkeypatch)
    yield made
    made.close()


def working(ends: threading.Event, patience: float | None = None) -> Worker:
    worker = Worker("one", lambda: bool(ends.wait(10)) and None, threading.Event(), patience)
    worker.start()
    return worker


def test_off_systemd_nobody_is_told_and_nothing_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setitem(sys.modules, "systemd.daemon", None)
    notifier = Notifier()
    notifier.ready()
    assert not notifier.heard


def test_under_systemd_without_its_package_the_error_names_it(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "systemd.daemon", None)
    with pytest.raises(NotifyUnavailable, match="python3-systemd"):
        Notifier()


def test_the_status_is_one_line_and_told_only_when_it_changes(manager: Manager) -> None:
    notifier = Notifier()
    for _ in range(3):
        notifier.status("2 meters:\n1 reading")
    assert manager.heard() == ["STATUS=2 meters: 1 reading"]


def test_the_watchdog_is_fed_thrice_in_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    assert Notifier().interval == 1.0
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert Notifier().interval == notify._SELDOM_S


def test_the_watchdog_is_fed_while_all_live_and_not_once_one_has_ended(manager: Manager) -> None:
    ends = threading.Event()
    worker = working(ends)
    supervision = Supervision(Notifier(), lambda: [worker], lambda: "well")
    supervision.tick()
    assert manager.heard() == ["WATCHDOG=1", "STATUS=well"]
    ends.set()
    worker._thread.join()
    supervision.tick()
    assert manager.heard() == []


def test_a_worker_that_hangs_counts_as_dead(manager: Manager) -> None:
    ends = threading.Event()
    worker = working(ends, patience=0.0)
    Supervision(Notifier(), lambda: [worker], lambda: "").tick()
    assert "WATCHDOG=1" not in manager.heard()
    ends.set()


def test_a_worker_that_was_asked_to_stop_is_no_worry() -> None:
    stopping = threading.Event()
    stopping.set()
    worker = Worker("one", lambda: None, stopping)
    worker.start()
    worker.join(1e9)
    assert worker.sound


def test_a_reload_is_told_before_and_after_even_if_it_fails(manager: Manager) -> None:
    def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        Supervision(Notifier(), list, lambda: "").reload(fail)
    first, second = manager.heard()
    assert first.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert second == "READY=1"


def record(level: int = logging.WARNING, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("smgw.lmn.watch", level, "", 0, "meter %s: %s", ("house", "away"), None)
    vars(made).update(fields)
    return made


def test_an_entry_has_the_fields_that_journalctl_is_asked_by() -> None:
    told = record(event="meter-absent", METER="house", PORT="/dev/ttyUSB0")
    assert entry(told, logging.Formatter().format) == [
        ("MESSAGE", "meter house: away"),
        ("PRIORITY", "4"),
        ("SYSLOG_IDENTIFIER", "smgw"),
        ("LOGGER", "smgw.lmn.watch"),
        ("EVENT", "meter-absent"),
        ("MESSAGE_ID", "290ffe075e914e639f1fbc6a149ab91b"),
        ("METER", "house"),
        ("PORT", "/dev/ttyUSB0"),
    ]


def test_each_obis_code_of_a_message_is_a_field_of_its_own() -> None:
    fields = entry(record(event="object-missing", OBIS=["1-0:1.8.0", "1-0:2.8.0"]), logging.Formatter().format)
    assert fields[-2:] == [("OBIS", "1-0:1.8.0"), ("OBIS", "1-0:2.8.0")]


@pytest.mark.parametrize(("level", "priority"), [(10, "7"), (20, "6"), (30, "4"), (40, "3"), (50, "2")])
def test_levels_are_syslogs_priorities(level: int, priority: str) -> None:
    assert dict(entry(record(level), logging.Formatter().format))["PRIORITY"] == priority


@pytest.mark.parametrize("stream", ["", "1:2", "nonsense", ":"])
def test_standard_error_that_is_not_the_journals_is_told(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", stream)
    assert not goes_to_journal()
