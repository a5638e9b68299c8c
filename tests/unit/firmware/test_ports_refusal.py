"""What a person reads whose port cannot be opened."""

import errno
import grp
import os
import stat
from pathlib import Path

import pytest
from smgw.ports import LineSettings, refusal
from smgw.ports.errors import PortBusy
from smgw.ports.holder import Holder

LINE = LineSettings()
NOBODY = 65534


def denied(
    monkeypatch: pytest.MonkeyPatch, path: str, *, group: str, mode: int, member: bool = False, allowed: bool = False
) -> str:
    """The words for a device of this group and mode, told to the user nobody."""
    gid = grp.getgrnam(group).gr_gid
    found = os.stat_result((stat.S_IFCHR | mode, 1, 1, 1, 0, gid, 0, 0, 0, 0))
    monkeypatch.setattr(os, "stat", lambda _: found)
    monkeypatch.setattr(os, "access", lambda *_, **__: allowed)
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    monkeypatch.setattr(os, "getgrouplist", lambda *_: [gid] if member else [])
    return refusal.why(path, LINE, PermissionError(errno.EACCES, "Permission denied"))


def test_a_user_who_may_join_the_group_is_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    told = denied(monkeypatch, "/dev/ttyUSB0", group="dialout", mode=0o660)
    assert told == (
        "the user nobody may not open it; its group dialout may: sudo usermod -aG dialout nobody, then log in again"
    )


def test_a_user_who_joined_since_the_login_is_told_to_log_in(monkeypatch: pytest.MonkeyPatch) -> None:
    told = denied(monkeypatch, "/dev/ttyUSB0", group="dialout", mode=0o660, member=True)
    assert "has joined its group dialout since the login; log in again" in told


@pytest.mark.parametrize(("group", "mode"), [("root", 0o660), ("root", 0o600), ("dialout", 0o600), ("tty", 0o620)])
def test_nobody_is_told_to_join_a_group_that_does_not_help(
    group: str, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = denied(monkeypatch, "/dev/ttyAMA0", group=group, mode=mode)
    assert "usermod" not in told
    assert 'KERNEL=="ttyAMA0", GROUP="dialout", MODE="0660"' in told
    assert f"(owner root, group {group}, mode {mode:03o})" in told


def test_the_pty_of_another_user_names_that_user(monkeypatch: pytest.MonkeyPatch) -> None:
    told = denied(monkeypatch, "/dev/pts/7", group="tty", mode=0o620)
    assert told == "the user nobody may not open it; run this command as the user root, who owns it"


def test_a_service_that_may_not_open_a_device_by_its_unit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = denied(monkeypatch, "/dev/ttyS9", group="dialout", mode=0o660, allowed=True)
    assert "DeviceAllow=" in told


def test_a_missing_device_names_those_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal, "_DEV", tmp_path)
    gone = FileNotFoundError(errno.ENOENT, "No such file or directory")
    assert refusal.why("/dev/ttyUSB3", LINE, gone).endswith("/dev/serial/by-id (there is no serial device)")
    (tmp_path / "ttyUSB0").touch()
    (tmp_path / "ttyACM0").touch()
    (tmp_path / "serial/by-id").mkdir(parents=True)
    (tmp_path / "serial/by-id/usb-head").symlink_to(tmp_path / "ttyUSB0")
    told = refusal.why("/dev/ttyUSB3", LINE, gone)
    assert told.startswith("there is no such device; plug it in, or look for its name in /dev/serial/by-id")
    assert told.endswith(f"(there are {tmp_path}/serial/by-id/usb-head, {tmp_path}/ttyACM0)")


def test_a_login_console_is_told_with_how_to_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal, "holder_of", lambda _: Holder(7, "agetty"))
    found = refusal.busy("/dev/ttyAMA0", "/dev/ttyAMA0")
    assert isinstance(found, PortBusy)
    assert str(found).endswith("it is a login console: sudo systemctl disable --now serial-getty@ttyAMA0")
    assert found.pid == 7
