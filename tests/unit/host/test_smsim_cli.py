"""The command `smsim` as a user runs it: as a process, with signals."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import smgw
import smsim
from smgw.sml.client import Answers, Client
from smgw.sml.messages import GetListResponse
from smgw.sml.transport import Frame, FrameDecoder
from smsim import cli
from soon import LIMIT
from telegrams import frame

PACKAGES = os.pathsep.join(str(Path(package.__path__[0]).parent) for package in (smgw, smsim))
TWO_METERS = """
[simulator]
seconds_per_quarter_hour = 1
resolution = 100
[[meter]]
name = "answering"
device = "1UTB0000000001"
port = "tcp:0"
[[meter]]
name = "pushing"
device = "1EMH0000000002"
port = "pty:{link}"
push_interval = 0.1
baud = 115200
"""


@contextmanager
def running(*arguments: str, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    """A process `smsim`; whatever happens, it is gone afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "smsim", *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": PACKAGES},
    )
    try:
        with process:
            try:
                yield process
            finally:
                process.kill()
    finally:
        process.wait()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[str, str]:
    """Stop it as a user does; without a complaint."""
    process.send_signal(number)
    out, error = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, error
    return out, error


def read_list(port: int) -> GetListResponse:
    client = Client(b"cli", b"\0\0\0\1")
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(client.send([client.get_list()], 0.0))
        while True:
            for event in client.receive(connection.recv(4096)):
                assert isinstance(event, Answers)
                assert isinstance(event.bodies[0], GetListResponse)
                return event.bodies[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_says_when_each_meter_is_ready_and_stops_on_a_signal(tmp_path: Path, number: int) -> None:
    link = tmp_path / "pushing"
    (tmp_path / "meters.toml").write_text(TWO_METERS.format(link=link))
    with running("run", str(tmp_path / "meters.toml"), "--json-report", str(tmp_path / "report.json")) as process:
        answering, pushing = line_of(process), line_of(process)
        assert answering.startswith(
            "smsim: meter answering (1UTB0000000001, SML request and response) on tcp:127.0.0.1:"
        )
        assert pushing == f"smsim: meter pushing (1EMH0000000002, SML push every 0.1 s at 115200 Bd) on pty:{link}"
        body = read_list(int(answering.rpartition(":")[2]))
        assert body.server_id.hex() == "0a015554420000000001"
        telegrams = 0
        decoder = FrameDecoder()
        with open(link, "rb", buffering=0) as port:  # noqa: PTH123
            while telegrams < 3:
                telegrams += sum(isinstance(event, Frame) for event in decoder.receive(port.read(4096)))
        out, error = stop(process, number)
    assert error == ""
    assert "smsim: meter answering: 1 answers, 3 requests," in out
    assert not link.is_symlink()
    report = json.loads((tmp_path / "report.json").read_text())
    one, other = report["meters"]
    assert (one["name"], one["answers"], one["requests"]) == ("answering", 1, 3)
    assert (other["name"], other["telegrams"] >= 3) == ("pushing", True)
    assert one["registers"][0]["obis"] == "1-0:1.8.0*255"
    values = [register["value"] for register in one["registers"]]
    assert values[0] == values[1] + values[2] > 0


def test_the_menu_shows_settings_and_ends_on_0(tmp_path: Path) -> None:
    (tmp_path / "meters.toml").write_text('[[meter]]\nname = "m"\ndevice = "1UTB0000000001"\nport = "tcp:0"\n')
    with running("menu", str(tmp_path / "meters.toml"), stdin=subprocess.PIPE) as process:
        out, error = process.communicate("1\n2\nnonsense\n0\n", timeout=10)
    assert process.returncode == 0
    assert error == ""
    choices = "[1] View server settings\n[2] View simulator settings\n[3] Faults: how to switch them on\n[0] Exit\n"
    assert out.count(choices) == 4
    assert "  device id      1UTB0000000001 (0a015554420000000001)\n" in out
    assert "  consumption (H0)           1000 kWh a year\n" in out
    assert "  1-0:16.7.0*255             109 W\n" in out
    assert "'nonsense' is no order; write METER KIND, or help" in out


def test_the_menu_switches_faults(tmp_path: Path) -> None:
    (tmp_path / "meters.toml").write_text('[[meter]]\nname = "m"\ndevice = "1UTB0000000001"\nport = "tcp:0"\n')
    with running("menu", str(tmp_path / "meters.toml"), stdin=subprocess.PIPE) as process:
        out, error = process.communicate("3\nm silence\n1\n9\nm silence off\nm pin-lock\n0\n", timeout=10)
    assert (process.returncode, error) == (0, "")
    assert "  clock-jump by=N" in out.replace("       ", "  ")
    assert "silence is on: m\n" in out
    assert "  faults         silence\n" in out
    assert "'9' is no choice" in out
    assert "silence is off: m\n" in out
    assert "meter m: its style knows no state before the PIN\n" in out


def test_a_running_simulator_takes_orders_on_its_control_socket(tmp_path: Path) -> None:
    (tmp_path / "meters.toml").write_text(TWO_METERS.format(link=tmp_path / "pushing"))
    socket_path = tmp_path / "control"
    with running("run", str(tmp_path / "meters.toml"), "--control", str(socket_path)) as process:
        line_of(process), line_of(process)
        wait_until(lambda: say(socket_path, "meters")[0] == 0)
        assert socket_path.stat().st_mode & 0o777 == 0o600
        assert say(socket_path, "pushing", "noise", "one_in=50") == (0, "noise is on: pushing\n", "")
        assert say(socket_path, "*", "silence", "for=3600") == (0, "silence is on: 2 meters\n", "")
        assert say(socket_path, "meters") == (0, "answering: silence\npushing: noise, silence\n", "")
        assert say(socket_path, "*", "silence", "off") == (0, "silence is off: 2 meters\n", "")
        assert say(socket_path, "roof", "loss") == (1, "", "smsim: there is no meter roof; `meters` lists them\n")
        stop(process)
    assert not socket_path.exists()
    status, _, error = say(socket_path, "meters")
    assert (status, error) == (
        1,
        f"smsim: port {socket_path}: no simulator listens there: No such file or directory; "
        "start the simulator first: smsim run --control PATH\n",
    )


def test_a_control_socket_left_behind_is_replaced_and_a_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "meters.toml").write_text(TWO_METERS.format(link=tmp_path / "pushing"))
    socket_path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(socket_path))
    with running("run", str(tmp_path / "meters.toml"), "--control", str(socket_path)) as process:
        line_of(process), line_of(process)
        wait_until(lambda: say(socket_path, "meters")[0] == 0)
        stop(process)
    socket_path.write_text("mine")
    with running("run", str(tmp_path / "meters.toml"), "--control", str(socket_path)) as process:
        _, error = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "the control socket cannot be made: Address already in use; name a free path" in error
    assert socket_path.read_text() == "mine"


def say(path: Path, *words: str) -> tuple[int, str, str]:
    """What `smsim say` answers."""
    with running("say", str(path), *words) as process:
        out, error = process.communicate(timeout=10)
    return process.returncode, out, error


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_styles_are_listed() -> None:
    with running("styles") as process:
        out, _ = process.communicate(timeout=10)
    assert "itron-3hz                    1.8.0 16.7.0, PIN-locked as itron-3hz-locked\n" in out


def test_too_few_open_files_are_told_before_a_port_is_opened(tmp_path: Path) -> None:
    (tmp_path / "meters.toml").write_text(
        f'[[meter]]\nname = "m"\ndevice = "1UTB0000000001"\ncount = 100\nport = "pty:{tmp_path}/m{{n}}"\n'
    )
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)); "
    done = subprocess.run(
        [sys.executable, "-c", limited + "from smsim.cli import main; sys.exit(main())", "run", "meters.toml"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": PACKAGES}, capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        "smsim: the meters need 164 open files, this process may have 100; run fewer meters, or raise the limit: "
        "ulimit -Hn 164 as root, or LimitNOFILE=164 in a systemd unit\n"
    )
    assert not list(tmp_path.glob("m[0-9]*"))


def test_a_low_soft_limit_is_raised(tmp_path: Path) -> None:
    (tmp_path / "meters.toml").write_text(
        f'[[meter]]\nname = "m"\ndevice = "1UTB0000000001"\ncount = 100\nport = "pty:{tmp_path}/m{{n}}"\n'
    )
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 1000)); "
    command = [sys.executable, "-c", limited + "from smsim.cli import main; sys.exit(main())", "run", "meters.toml"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": PACKAGES}, stdout=subprocess.PIPE, text=True
    ) as process:
        lines = [line_of(process) for _ in range(100)]
        stop(process)
    assert lines[99].startswith("smsim: meter m-100 (1UTB0000000100, SML push")


def test_the_menu_ends_with_its_input_and_on_a_signal(tmp_path: Path) -> None:
    (tmp_path / "meters.toml").write_text(TWO_METERS.format(link=tmp_path / "pushing"))
    with running("menu", str(tmp_path / "meters.toml")) as process:
        assert process.wait(timeout=10) == 0
    with running("menu", str(tmp_path / "meters.toml"), stdin=subprocess.PIPE) as process:
        while line_of(process) != "[0] Exit":
            pass
        stop(process)


def test_replay_plays_a_capture_and_ends(tmp_path: Path) -> None:
    link, file = tmp_path / "meter", tmp_path / "capture.bin"
    octets = b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01" + bytes(range(256))
    file.write_bytes(octets * 3)
    command = ("replay", str(file), "--port", f"pty:{link}", "--interval", "0.05", "--baud", "115200")
    with running(*command) as process:
        assert line_of(process) == f"smsim: replay of {file} (3 pieces) on pty:{link}"
        received = b""
        with open(link, "rb", buffering=0) as port:  # noqa: PTH123
            while len(received) < len(octets) * 3:
                received += port.read(4096)
            assert process.wait(timeout=10) == 0
        assert line_of(process) == f"smsim: replay: 3 pieces, {len(octets) * 3} octets, 0 not taken"
    assert received == octets * 3


def test_replay_in_a_loop_says_that_it_leaves_out_a_cut_last_telegram(tmp_path: Path) -> None:
    link, file = tmp_path / "meter", tmp_path / "capture.bin"
    file.write_bytes(frame() * 2 + frame()[:50])
    with running("replay", str(file), "--port", f"pty:{link}", "--loop") as process:
        assert line_of(process) == f"smsim: {file} ends within a telegram; the last 50 octets are left out"
        assert line_of(process) == f"smsim: replay of {file} (2 pieces) on pty:{link}"
        stop(process)


def test_replay_stops_on_a_signal_while_it_waits_for_a_reader(tmp_path: Path) -> None:
    (tmp_path / "capture.bin").write_bytes(b"x")
    with running("replay", str(tmp_path / "capture.bin"), "--port", f"pty:{tmp_path / 'meter'}") as process:
        line_of(process)
        stop(process)


def test_example_prints_a_configuration_that_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["example"]) == 0
    text = capsys.readouterr().out.replace("tcp:33333", "tcp:0").replace("pty:/tmp/", f"pty:{tmp_path}/")
    (tmp_path / "meters.toml").write_text(text)
    with running("run", str(tmp_path / "meters.toml")) as process:
        assert " on tcp:127.0.0.1:" in line_of(process)
        assert line_of(process).endswith(f" on pty:{tmp_path}/smsim-roof")
        stop(process)


def test_a_wrong_configuration_is_one_line_and_exit_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "meters.toml").write_text("[simulator]\nresolutoin = 5\n")
    assert cli.main(["run", str(tmp_path / "meters.toml")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith(f"smsim: {tmp_path}/meters.toml:2: simulator.resolutoin: unknown key")


def test_a_port_that_cannot_be_opened_is_one_line_and_nothing_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = TWO_METERS.format(link=tmp_path / "none" / "pushing")
    (tmp_path / "meters.toml").write_text(text)
    assert cli.main(["run", str(tmp_path / "meters.toml")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"smsim: port pty:{tmp_path}/none/pushing: the link cannot be made")


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["walk"], ["replay", "x"], ["replay", "x", "--port", "tcp:1"],
        ["replay", "x", "--port", "pty:a", "--baud", "0"],
        ["replay", "x", "--port", "pty:a", "--interval", "-1"],
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: smsim" in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    for word in ("run", "menu", "replay", "example", "33333", "smsim example > meters.toml"):
        assert word in out


def test_a_report_that_cannot_be_written_is_told_before_the_meters_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "--json-report", str(tmp_path / "nowhere" / "report.json")]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "--json-report: cannot be written: No such file or directory; name a file where you may write" in told.err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            ["run", "absent.toml"],
            "absent.toml: cannot be read: No such file or directory; `smsim example > FILE` writes",
        ),
        (["run", "bom.toml"], "bom.toml:1: begins with a byte order mark; save it as UTF-8 without one"),
        (["replay", "absent", "--port", "pty:head"], "absent: cannot be read: No such file or directory; name a file"),
        (["run", "--listen", "nowhere.invalid"], "cannot listen: "),
        (["say", "absent", "meters"], "no simulator listens there: No such file or directory; start the simulator"),
    ],
)
def test_wrong_input_is_told_in_words(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bom.toml").write_text("\ufeff[[meter]]\n", encoding="utf-8")
    assert cli.main(command) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "Errno" not in told
