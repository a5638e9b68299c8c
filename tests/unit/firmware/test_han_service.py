"""`smgw han` as a process: beside `smgw run`, its certificate, its status, a new configuration."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from smgw.board import activation
from smgw.cli import main
from smgw.profiles.toml_importer import parse
from smgw.services.han import HanService
from smgw.store import paths
from smgw.trust.meter_certificate import MeterCertificate

if shutil.which("curl") is None:
    pytest.skip("curl is not installed: tests/system-packages.sh", allow_module_level=True)

PATIENCE_S = 60.0
CONFIGURATION = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "flat"
protocol = "sml-push"
port = "/dev/null"
{han}
"""


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _text(port: int | None) -> str:
    return CONFIGURATION.format(han="" if port is None else f'[han]\nlisten = "127.0.0.1:{port}"')


def _answers(port: int) -> bool:
    """Whether there is an answer of HTTP, whatever it says."""
    command = ["curl", "-sk", "--max-time", "10", "-o", "/dev/null", f"https://127.0.0.1:{port}/smgw/"]
    return subprocess.run(command, check=False).returncode == 0


def _until(port: int, *, answers: bool) -> None:
    ends = time.monotonic() + PATIENCE_S
    while _answers(port) is not answers:
        assert time.monotonic() < ends
        time.sleep(0.1)


@contextlib.contextmanager
def _running(tmp_path: Path, port: int, command: str = "han") -> Iterator[subprocess.Popen[bytes]]:
    (tmp_path / "state").mkdir(exist_ok=True)
    (tmp_path / "gateway.toml").write_text(_text(port))
    arguments = ["--config", str(tmp_path / "gateway.toml"), "--state", str(tmp_path / "state")]
    process = subprocess.Popen([sys.executable, "-m", "smgw", command, *arguments], stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


def test_it_answers_with_its_own_certificate_which_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for _ in range(2):
        port = _free()
        with _running(tmp_path, port):
            _until(port, answers=True)
            arguments = ["--config", str(tmp_path / "gateway.toml"), "--state", str(tmp_path / "state")]
            main(["status", *arguments, "--json"])
            shown.append(json.loads(capsys.readouterr().out)["han"])
    assert shown[0]["running"]
    assert shown[0]["fingerprint"] == shown[1]["fingerprint"]
    certificate = MeterCertificate.from_file(tmp_path / "state" / "han" / "tls.crt")
    assert certificate.name == "esmg0000000001.smgw"
    assert certificate.fingerprint == shown[0]["fingerprint"].replace(":", "").lower()
    assert (tmp_path / "state" / "han" / "tls.key").stat().st_mode & 0o777 == 0o600


def test_a_new_configuration_moves_it_and_a_wrong_place_leaves_it(tmp_path: Path) -> None:
    first, second = _free(), _free()
    with _running(tmp_path, first) as process:
        _until(first, answers=True)
        (tmp_path / "gateway.toml").write_text(_text(second))
        process.send_signal(signal.SIGHUP)
        _until(second, answers=True)
        _until(first, answers=False)
        with socket.create_server(("127.0.0.1", first)):
            (tmp_path / "gateway.toml").write_text(_text(first))
            process.send_signal(signal.SIGHUP)
            time.sleep(1)
            _until(second, answers=True)


def test_smgw_run_starts_it_if_the_configuration_has_it(tmp_path: Path) -> None:
    port = _free()
    with _running(tmp_path, port, "run"):
        _until(port, answers=True)


def test_without_the_table_it_says_so_and_opens_nothing(tmp_path: Path) -> None:
    service = HanService(parse(_text(None), "gateway.toml"), tmp_path)
    service.start()
    assert service.is_ready()
    assert "no [han]" in service.ready_text()
    service.stop()
    assert not paths.han_directory(tmp_path).exists()


def test_a_socket_of_systemd_is_used_and_an_address_that_is_not_named_is_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        given.setblocking(False)
        port = given.getsockname()[1]
        monkeypatch.setattr("smgw.services.han.inherited_sockets", lambda: [given.dup()])
        for host, answers in (("127.0.0.1", True), ("127.0.0.2", False)):
            text = CONFIGURATION.format(han=f'[han]\nlisten = "{host}:{port}"')
            service = HanService(parse(text, "gateway.toml"), tmp_path)
            service.start()
            assert _answers(port) is answers
            service.stop()


def test_sockets_of_another_process_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
    assert activation.inherited_sockets() == []
    assert "LISTEN_FDS" not in os.environ
