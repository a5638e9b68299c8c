"""chronyd, of the Debian package chrony, which is unpacked if it is not installed."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from debian_package import UnavailableError, program

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
    directory.mkdir(exist_ok=True)
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
            [CHRONYD.path, "-d", "-x", "-f", str(file)],
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
