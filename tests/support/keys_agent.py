"""An agent of keys in a thread of the test, or as a process; its run directory has a short path, as sockets need."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from smgw.services.keys_desk import Answers, Desk
from smgw.trust.keys import Keys
from smgw.trust.keys.agent import AgentKeys, _exchange
from smgw.trust.keys.calls import SOCKET
from soon import LIMIT

GATEWAY = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/ttyUSB99"
"""


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory that other users can reach, unlike those of pytest."""
    made = Path(tempfile.mkdtemp(prefix="smgw-keys-"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made)


@contextmanager
def serving(run: Path, keys: Keys, answers: Answers | None = None) -> Iterator[Desk]:
    """The desk of an agent, in a thread."""
    desk = Desk(run / SOCKET, keys, lambda: None, answers)
    thread = threading.Thread(target=desk.run, args=(lambda: None,))
    thread.start()
    try:
        yield desk
    finally:
        desk.stop()
        thread.join(LIMIT)
        assert not thread.is_alive()
        desk.close()


class AgentProcess:
    """`smgw keys serve` in a state directory `folder/state`; what it logs is in `log`."""

    def __init__(self, folder: Path, configuration: str = GATEWAY, level: str = "debug") -> None:
        self.state, self.log = folder / "state", folder / "agent.log"
        self.run = self.state / "run"
        self.configuration = folder / "gateway.toml"
        self.configuration.write_text(configuration)
        self._arguments = [
            *(sys.executable, "-m", "smgw", "keys", "serve", "--config", str(self.configuration)),
            *("--state", str(self.state), "--log-level", level),
        ]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def keys(self) -> AgentKeys:
        """A client."""
        return AgentKeys(self.run, patience_s=LIMIT)

    @property
    def logged(self) -> str:
        """All that it logged until now."""
        return self.log.read_text() if self.log.exists() else ""

    def start(self) -> None:
        """Start it and wait until it serves."""
        before = self.logged.count(" ready: ")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._arguments, stdout=log, stderr=log)
        self.until(before)

    def until(self, count: int) -> None:
        """Wait for the next line that says it is ready."""
        wait = threading.Event()
        for _ in range(int(LIMIT / 0.05)):
            assert self.process is not None
            assert self.process.poll() is None, self.logged
            if self.logged.count(" ready: ") > count:
                return
            wait.wait(0.05)
        raise AssertionError(self.logged)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(LIMIT)

    def __enter__(self) -> "AgentProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(LIMIT)


#: A user with no right on the keys.
NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="NEEDS ROOT: to ask as another user")


def as_user(user: int, run: Path, octets: bytes) -> bytes:
    """The answer that another user gets. Only the connection is made as that user: it decides who asks."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
        asking.settimeout(LIMIT)
        os.seteuid(user)
        try:
            asking.connect(str(run / SOCKET))
        finally:
            os.seteuid(0)
        return _exchange(asking, octets)
