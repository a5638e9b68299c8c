"""`smgw retry`, beside a gateway that runs and without one."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from dlms_line_meter import DlmsMeter
from line_meter import until
from smgw.cli import main
from smgw.dlms.meter.access import Admission
from smgw.dlms.security.hls import Password
from smgw.dlms.security.secret import Secret
from smgw.profiles.toml_importer import load
from smgw.services.lmn import LmnService
from smgw.store import paths
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import Condition

CONFIGURATION = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "flat"
protocol = "dlms"
port = "{port}"
interval = 1
timeout = 1
password_file = "secret"
dlms = {{ client = 1, authentication = "lls" }}
"""
RIGHT = b"12345678"


def smgw(folder: Path, command: str, *arguments: str) -> int:
    return main([command, "--config", str(folder / "gateway.toml"), "--state", str(folder / "state"), *arguments])


@pytest.fixture
def meter(tmp_path: Path) -> Iterator[DlmsMeter]:
    with DlmsMeter(admissions={1: Admission(Password(Secret(RIGHT)))}) as made:
        (tmp_path / "state").mkdir()
        (tmp_path / "gateway.toml").write_text(CONFIGURATION.format(port=made.url))
        write_secret(tmp_path, b"hunter22")
        yield made


def write_secret(folder: Path, secret: bytes) -> None:
    (folder / "secret").write_bytes(secret)
    (folder / "secret").chmod(0o600)


@contextlib.contextmanager
def gateway(folder: Path) -> Iterator[LmnService]:
    service = LmnService(load(folder / "gateway.toml"), folder / "state")
    service.start()
    try:
        yield service
    finally:
        service.stop()


def state_of(folder: Path) -> Condition | None:
    with LmnView.open(paths.lmn_directory(folder / "state")) as view:
        return next((state.state for state in view.meter_states()), None)


def held(folder: Path) -> bool:
    return state_of(folder) == Condition.HELD


def test_a_meter_that_refuses_again_stays_held(
    meter: DlmsMeter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gateway(tmp_path):
        until(lambda: held(tmp_path), 20)
        assert smgw(tmp_path, "retry", "flat") == 1
        assert meter.links == 2
    assert "meter flat: refuses again: the meter rejects the association" in capsys.readouterr().out


def test_a_meter_that_accepts_the_password_now_is_read(
    meter: DlmsMeter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gateway(tmp_path):
        until(lambda: held(tmp_path), 20)
        meter.admissions[1] = Admission(Password(Secret(b"hunter22")))  # type: ignore[index]
        assert smgw(tmp_path, "retry") == 0
    assert "meter flat: is read: device" in capsys.readouterr().out


def test_a_reload_with_another_password_asks_the_meter_again(meter: DlmsMeter, tmp_path: Path) -> None:
    with gateway(tmp_path) as service:
        until(lambda: held(tmp_path), 20)
        write_secret(tmp_path, RIGHT)
        assert service.take(load(tmp_path / "gateway.toml")) == "meter flat is read anew"
        until(lambda: state_of(tmp_path) == Condition.READING, 20)


def test_a_reload_without_a_change_leaves_the_meter_held(meter: DlmsMeter, tmp_path: Path) -> None:
    with gateway(tmp_path) as service:
        until(lambda: held(tmp_path), 20)
        assert service.take(load(tmp_path / "gateway.toml")) == "no meter changed"
        links = meter.links
    with gateway(tmp_path) as service:
        until(lambda: all(driver.tried for driver in service._lines.members.values()))
        until(lambda: held(tmp_path), 20)
    assert meter.links == links == 1


def test_without_a_gateway_the_meter_is_asked_at_the_next_start(
    meter: DlmsMeter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LmnStore.open(paths.lmn_directory(tmp_path / "state"), ballast_bytes=0) as store:
        store.hold("flat", b"secret", "refused")
    assert smgw(tmp_path, "retry", "flat") == 0
    assert "asks the meter at its next start" in capsys.readouterr().out
    with LmnStore.open(paths.lmn_directory(tmp_path / "state"), ballast_bytes=0) as store:
        assert store.held("flat") is None


def test_where_no_meter_is_held_that_is_told(
    meter: DlmsMeter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LmnStore.open(paths.lmn_directory(tmp_path / "state"), ballast_bytes=0):
        pass
    assert smgw(tmp_path, "retry") == 0
    assert smgw(tmp_path, "retry", "flat") == 0
    assert smgw(tmp_path, "retry", "roof") == 2
    shown = capsys.readouterr()
    assert shown.out.splitlines() == ["no meter is held", "meter flat is not held; there is nothing to retry"]
    assert "has no meter 'roof'; it has flat" in shown.err


def test_status_shows_the_held_meter_and_what_to_do(
    meter: DlmsMeter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gateway(tmp_path):
        until(lambda: held(tmp_path), 20)
        assert smgw(tmp_path, "status") == 1
    shown = capsys.readouterr().out
    assert "held" in shown
    assert "smgw retry flat" in " ".join(shown.split())


def test_watch_shows_the_held_meter_and_what_to_do(
    meter: DlmsMeter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gateway(tmp_path):
        until(lambda: held(tmp_path), 20)
        smgw(tmp_path, "watch", "--once")
    shown = capsys.readouterr()
    assert "meter flat: held since" in shown.out + shown.err
    assert "smgw retry flat" in " ".join((shown.out + shown.err).split())
