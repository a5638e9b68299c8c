"""The life of a daemon, told by a service that does nothing but note what it is asked."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from smgw.cosem import DeviceId
from smgw.errors import SmgwError
from smgw.profiles.gateway import Configuration, GatewayProfile
from smgw.services import daemon as daemon_module
from smgw.services.daemon import DRAIN_SECONDS, Daemon
from smgw.services.workers import Worker

CONFIGURATION = Configuration(gateway=GatewayProfile(device_id=DeviceId.parse("ESMG0000000001")), meters=())
OTHER = CONFIGURATION._replace(gateway=GatewayProfile(device_id=DeviceId.parse("ESMG0000000002")))


class Noted:
    """What the daemon told the service manager and asked the service, in order."""

    log = logging.getLogger("noted")

    def __init__(self, *, drains: bool = False) -> None:
        self.told: list[str] = []
        self.ready_after = 0
        self.drains = drains
        self.dead = False
        self.refuse = ""

    def start(self) -> None:
        self.told.append("start")

    def is_ready(self) -> bool:
        self.ready_after -= 1
        return self.ready_after < 0

    def ready_text(self) -> str:
        return "one meter"

    def workers(self) -> Sequence[Worker]:
        return [Worker("one", lambda: None, threading.Event())] if self.dead else []

    def status(self) -> str:
        return "well"

    def take(self, configuration: Configuration) -> str:
        if self.refuse:
            raise SmgwError(self.refuse)
        self.told.append(f"take {configuration.gateway.device_id}")
        return "meter house is new"

    def taken(self, changes: str) -> None:
        self.told.append(f"taken: {changes}")

    def drain(self, seconds: float) -> bool:
        assert seconds == DRAIN_SECONDS
        self.told.append("drain")
        return self.drains

    def drained(self) -> bool:
        return self.drains

    def stop(self) -> list[str]:
        self.told.append("stop")
        return ["the slow one"]


class Manager:
    """Stands for the Notifier."""

    interval = 5.0
    heard = False

    def __init__(self, told: list[str]) -> None:
        self.ready = lambda: told.append("READY")
        self.reloading = lambda: told.append("RELOADING")
        self.stopping = lambda: told.append("STOPPING")
        self.alive = lambda: told.append("WATCHDOG")


class Script:
    """Stands for the signals of a main thread: one step a wait, then SIGTERM."""

    def __init__(self, *steps: Callable[["Script"], None]) -> None:
        self.stop = self.drain = self.reload = False
        self.waited: list[float] = []
        self._steps = list(steps)

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        if self._steps:
            self._steps.pop(0)(self)
        else:
            self.stop = True


def nothing(_: Script) -> None:
    pass


def reload(script: Script) -> None:
    script.reload = True


def drain(script: Script) -> None:
    script.drain = True


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Noted:
    made = Noted()
    monkeypatch.setattr(daemon_module, "Notifier", lambda: Manager(made.told))
    caplog.set_level(logging.INFO)
    return made


def run(noted: Noted, script: Script, load: Callable[[], Configuration] = lambda: CONFIGURATION) -> int:
    signals: Any = script
    return Daemon(load, lambda _: noted).run(signals)


def test_start_ready_and_stop_come_in_this_order(noted: Noted, caplog: pytest.LogCaptureFixture) -> None:
    assert run(noted, Script()) == 0
    assert noted.told == ["start", "READY", "WATCHDOG", "STOPPING", "stop"]
    assert "ready: one meter" in caplog.text
    assert "did not stop in time: the slow one" in caplog.text


def test_ready_is_told_when_the_service_is_and_asked_for_often_until_then(noted: Noted) -> None:
    noted.ready_after = 2
    script = Script(nothing, nothing)
    run(noted, script)
    assert noted.told == ["start", "WATCHDOG", "WATCHDOG", "READY", "WATCHDOG", "STOPPING", "stop"]
    assert script.waited == [0.05, 0.05, 5.0]


def test_a_reload_takes_the_configuration_as_it_is_now(noted: Noted) -> None:
    configurations = iter((CONFIGURATION, OTHER))
    script = Script(reload)
    run(noted, script, lambda: next(configurations))
    begin = noted.told.index("RELOADING")
    assert noted.told[begin : begin + 4] == [
        "RELOADING", f"take {OTHER.gateway.device_id}", "taken: meter house is new", "READY",
    ]  # fmt: skip
    assert not script.reload


def test_a_configuration_that_cannot_be_read_or_taken_changes_nothing(
    noted: Noted, caplog: pytest.LogCaptureFixture
) -> None:
    noted.refuse = "no such password"
    run(noted, Script(reload))
    assert [told for told in noted.told if told.startswith("take")] == []
    assert "the configuration is not taken, the one before stays: no such password" in caplog.text
    assert noted.told[-4:] == ["READY", "WATCHDOG", "STOPPING", "stop"]


def test_a_drain_ends_the_daemon_when_it_is_over(noted: Noted) -> None:
    noted.drains = True
    assert run(noted, Script(drain, nothing, nothing)) == 0
    assert noted.told == ["start", "READY", "WATCHDOG", "drain", "STOPPING", "STOPPING", "stop"]


def test_a_service_without_anything_to_drain_goes_on(noted: Noted) -> None:
    run(noted, Script(drain, nothing))
    assert noted.told == ["start", "READY", "WATCHDOG", "drain", "WATCHDOG", "WATCHDOG", "STOPPING", "stop"]


def test_the_watchdog_is_not_fed_once_a_thread_has_died(noted: Noted, caplog: pytest.LogCaptureFixture) -> None:
    noted.dead = True
    run(noted, Script(nothing))
    assert "WATCHDOG" not in noted.told
    assert "one does not live any more" in caplog.text
