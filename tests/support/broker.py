"""mosquitto as the broker of a test, and its own client as who listens there."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from soon import LIMIT

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
LISTENER = shutil.which("mosquitto_sub")
missing = pytest.mark.skipif(
    MOSQUITTO is None or LISTENER is None, reason="mosquitto and mosquitto-clients are missing; apt-get install them"
)


def free_port() -> int:
    """A TCP port of this computer that nobody uses."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Broker:
    """A broker on one port, which may be stopped and started again."""

    def __init__(self, folder: Path, *lines: str) -> None:
        """`lines`: of its configuration, besides the port."""
        assert MOSQUITTO is not None
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        self._file = folder / "mosquitto.conf"
        text = [f"listener {self.port} 127.0.0.1", "user root", *(lines or ("allow_anonymous true",))]
        self._file.write_text("\n".join(text) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it listens."""
        assert MOSQUITTO is not None
        with self._file.with_name("mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._file)], stdout=log, stderr=log)
        wait_until(self._listens)

    def stop(self) -> None:
        """End it, as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process is not None
        return self._process.pid

    def _listens(self) -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def broker(folder: Path, *lines: str) -> Iterator[Broker]:
    """A broker that runs until the block ends."""
    one = Broker(folder, *lines)
    one.start()
    try:
        yield one
    finally:
        one.stop()


class Listener:
    """What mosquitto_sub hears of all topics: the newest message of each, and all in their order."""

    def __init__(self, port: int, *arguments: str) -> None:
        assert LISTENER is not None
        command = [LISTENER, "-h", "127.0.0.1", "-p", str(port), "-t", "#", "-F", "%r\t%t\t%p", *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.messages: list[tuple[str, str]] = []
        self.retained: set[str] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    def _hear(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            retained, topic, message = line.rstrip("\n").split("\t", 2)
            with self._lock:
                self.messages.append((topic, message))
                if retained == "1":
                    self.retained.add(topic)

    @property
    def newest(self) -> dict[str, str]:
        """Topic -> message."""
        with self._lock:
            return dict(self.messages)

    def close(self) -> None:
        """End."""
        self._process.kill()
        self._process.wait()
        self._thread.join(LIMIT)
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def listener(port: int, *arguments: str) -> Iterator[Listener]:
    """A listener until the block ends. `arguments`: more of mosquitto_sub."""
    one = Listener(port, *arguments)
    try:
        yield one
    finally:
        one.close()


def wait_until(true: Callable[[], bool], limit: float = LIMIT) -> None:
    """Until this is so; a limit only ends a hang."""
    deadline = time.monotonic() + limit
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)
