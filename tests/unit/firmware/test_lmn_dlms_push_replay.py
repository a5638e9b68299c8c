"""An old push is refused after a restart, too: the newest counter is in lmn.db with the capture that it belongs to."""

import sqlite3
from pathlib import Path

import pytest
from pushing_meter import NOW, Still, framed
from smgw.cosem import Capture
from smgw.dlms.apdus.envelope import GENERAL_GLO, Ciphered
from smgw.dlms.apdus.notify import DataNotification
from smgw.dlms.security.suites import Keys, Protection, Suite, seal
from smgw.lmn.contract import Surroundings, Values
from smgw.lmn.dlms.push import DlmsPush
from smgw.metering.registrar import Registrar
from smgw.profiles.dlms import DlmsProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.services.sink import PushCounters
from smgw.store import paths
from smgw.store.lmn import pushes
from smgw.store.lmn.store import LmnStore
from smgw.wire import Refused

KEYS = Keys.of(Suite.AES_GCM_128, bytes(range(16)), bytes(range(16, 32)))
TITLE = b"HLZ\0\0\0\0\1"
PLAIN = DataNotification(1, b"", bytes.fromhex("02010203090601000108 00ff06000000640202 0f00161e")).encode()


class Gateway:
    """The reading process from its start to its end."""

    def __init__(self, directory: Path, name: str = "flat", key: bytes = KEYS.encryption) -> None:
        self.store = LmnStore.open(directory, ballast_bytes=0)
        self.registrar = Registrar(self.store, Still(), {name: 0})
        self.name = name
        profile = MeterProfile(
            name=name, protocol="dlms-push", port="/dev/null", options=DlmsProfile(encryption_key_file=Path("e"))
        )
        secrets = Secrets(encryption_key=key, authentication_key=bytes(KEYS.authentication))
        surroundings = Surroundings(Still(), pushes=PushCounters(self.registrar, self.store))
        self.meter = DlmsPush(profile, secrets, surroundings)

    def takes(self, counter: int, title: bytes = TITLE) -> bool:
        """Whether a push with this counter gives values; they go to the registrar."""
        apdu = Ciphered(GENERAL_GLO, seal(KEYS, Protection.BOTH, title, counter, PLAIN), title).encode()
        (heard,) = self.meter.receive(framed(apdu), NOW)
        if isinstance(heard, Refused):
            assert f"run: smgw retry {self.name}" in heard.reason
            return False
        (found,) = heard
        assert isinstance(found, Values)
        self.registrar.capture(Capture(self.name, found.device, found.stamp, None, found.readings))
        return True

    def end(self) -> None:
        self.registrar.drain()
        self.store.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "lmn"


def test_a_push_is_refused_when_it_comes_again_after_a_restart(directory: Path) -> None:
    first = Gateway(directory)
    assert first.takes(7)
    first.end()
    second = Gateway(directory)
    assert not second.takes(7)
    assert not second.takes(6)
    assert second.takes(8)
    second.end()


def test_a_meter_profile_of_another_name_knows_the_counter_too(directory: Path) -> None:
    first = Gateway(directory)
    first.takes(7)
    first.end()
    second = Gateway(directory, "renamed")
    assert not second.takes(7)
    assert second.takes(7, b"HLZ\0\0\0\0\2")
    second.end()


def test_the_counter_is_in_the_commit_of_its_capture(directory: Path) -> None:
    gateway = Gateway(directory)
    seen = []
    gateway.registrar._on_commit = lambda written: seen.append((written, gateway.store.newest_push(*key)))
    key = (gateway.meter._replays._scope, TITLE)
    gateway.takes(7)
    assert gateway.store.newest_push(*key) is None
    gateway.registrar.run_once(0)
    assert seen == [(1, 7)]
    gateway.end()


def test_a_person_says_that_the_meter_was_reset(directory: Path) -> None:
    gateway = Gateway(directory)
    assert gateway.takes(7)
    gateway.registrar.run_once(0)
    assert not gateway.takes(1)
    assert pushes.forget(directory, "flat")
    assert gateway.takes(1)
    assert not gateway.takes(1)
    assert gateway.takes(2)
    gateway.end()


def test_a_counter_that_is_not_in_the_store_yet_is_not_taken_for_forgotten(directory: Path) -> None:
    gateway = Gateway(directory)
    assert gateway.takes(7)
    assert not gateway.takes(7)
    gateway.end()


def test_the_stored_titles_of_a_key_are_bounded(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    gateway = Gateway(directory)
    for number in range(pushes.TITLES_PER_KEY + 2):
        assert gateway.takes(7, b"HLZ" + number.to_bytes(5, "big"))
    assert gateway.takes(9, b"HLZ" + bytes(5))
    gateway.end()
    with sqlite3.connect(directory / paths.LMN) as connection:
        assert connection.execute("SELECT count(*), max(reserved) FROM reserved_counter").fetchone() == (64, 9)
    assert "more than 64 system titles push with one key" in caplog.text
