"""Our NTP client against chronyd, of the Debian package chrony, which is unpacked if it is not installed."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from debian_package import UnavailableError, program
from smgw.clock.gateway_clock import GatewayClock
from smgw.clock.sample import TimeSample
from smgw.clock.source import SystemSource
from smgw.cosem.reading import ClockState
from smgw.wan.time_samples import NtpSampler

try:
    CHRONYD = program("chrony", "chronyd")
except UnavailableError as missing:
    pytest.skip(f"MISSING chronyd: {missing}", allow_module_level=True)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.bind(("127.0.0.1", 0))
        port: int = endpoint.getsockname()[1]
        return port


@contextmanager
def chronyd(directory: Path, *lines: str) -> Iterator[str]:
    """Run chronyd on loopback as the user that we are, never touching the system's clock; yield `host:port`."""
    port = free_port()
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    file = directory / "chrony.conf"
    common = (
        f"port {port}",
        "bindaddress 127.0.0.1",
        "allow 127.0.0.1",
        "cmdport 0",
        "bindcmdaddress /",  # no command socket in /run
        f"pidfile {directory}/chronyd.pid",
        f"user {user}",
    )
    file.write_text("\n".join((*common, *lines, "")))
    with (directory / "chronyd.log").open("w+") as log:
        daemon = subprocess.Popen(
            [CHRONYD.path, "-n", "-x", "-f", str(file)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=CHRONYD.environment,
        )
        try:
            wait_for_an_answer(port, daemon, log.name)
            yield f"127.0.0.1:{port}"
        finally:
            daemon.terminate()
            daemon.wait(10)


def wait_for_an_answer(port: int, daemon: "subprocess.Popen[bytes]", log: str) -> None:
    give_up = time.monotonic() + 10
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.settimeout(0.1)
        endpoint.connect(("127.0.0.1", port))
        while time.monotonic() < give_up:
            assert daemon.poll() is None, Path(log).read_text()
            try:
                endpoint.send(bytes([4 << 3 | 3]) + bytes(47))
                if endpoint.recv(100):
                    return
            except OSError:
                time.sleep(0.05)
    pytest.fail(f"chronyd gave no answer within 10 s: {Path(log).read_text()}")


def ask(server: str) -> list[TimeSample]:
    return NtpSampler([server], SystemSource(), lambda _: None).poll_once()


def test_a_sample_of_a_synchronised_server_is_right_within_milliseconds_and_within_its_dispersion(
    tmp_path: Path,
) -> None:
    source = SystemSource()
    with chronyd(tmp_path, "local stratum 5") as server:
        (sample,) = ask(server)
    error_us = (source.realtime_ns() - source.boottime_ns()) // 1000 - sample.offset_us
    print(f"offset off by {error_us} us, dispersion {sample.dispersion_us} us")
    assert abs(error_us) <= sample.dispersion_us
    assert sample.dispersion_us < 5_000


def test_a_gateway_clock_fed_by_it_tells_the_systems_time(tmp_path: Path) -> None:
    clock = GatewayClock()
    with chronyd(tmp_path, "local stratum 5") as server:
        for sample in ask(server):
            assert clock.feed(sample) is not None
    stamp = clock.stamp()
    assert stamp.state is ClockState.SYNCHRONISED
    assert abs(stamp.utc_us - time.time_ns() // 1000) < 10_000


def test_a_server_whose_clock_is_not_synchronised_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with chronyd(tmp_path) as server:
        assert ask(server) == []
    assert "its own clock is not synchronised" in caplog.text


def test_a_server_that_was_stopped_raises_nothing(tmp_path: Path) -> None:
    with chronyd(tmp_path, "local stratum 5") as server:
        assert len(ask(server)) == 1
    assert ask(server) == []
