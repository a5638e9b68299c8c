"""A command at a terminal, as a user meets it: what it prints is awaited, and answers are typed."""

import os
import pty
import select
import signal
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_PATIENCE_S = 60.0


class Terminal:
    """`python -m MODULE ARGUMENTS` on a pty of its own."""

    def __init__(self, module: str, *arguments: str, directory: Path) -> None:
        self.shown = ""
        self._seen = 0
        self._code: int | None = None
        self._process, self._master = pty.fork()
        if self._process == 0:
            os.chdir(directory)
            os.environ["TERM"] = "dumb"
            os.execv(sys.executable, [sys.executable, "-m", module, *arguments])

    def expect(self, text: str) -> None:
        """Wait until this text is shown, after the one that was awaited last."""
        deadline = time.monotonic() + _PATIENCE_S
        while (found := self.shown.find(text, self._seen)) < 0:
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"{text!r} was not shown; shown was:\n{self.shown}")
        self._seen = found + len(text)

    def write(self, line: str) -> None:
        """Type a line."""
        os.write(self._master, line.encode() + b"\n")

    def answer(self, question: str, line: str) -> None:
        """Wait for a question and answer it."""
        self.expect(question)
        self.expect(": ")
        self.write(line)

    def interrupt(self, text: str) -> None:
        """Ctrl-C until this text is shown: Python loses one that comes between a prompt and its read."""
        deadline = time.monotonic() + _PATIENCE_S
        while text not in self.shown and time.monotonic() < deadline:
            os.write(self._master, b"\x03")
            self._read(1.0)
            while self._read(0.2):
                pass
        self.expect(text)

    def end(self) -> int:
        """The exit code, after the end."""
        while self._read(_PATIENCE_S):
            pass
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])
        return self._code

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        try:
            octets = os.read(self._master, 4096)
        except OSError:  # the other side has closed
            return False
        self.shown += octets.decode(errors="replace").replace("\r\n", "\n")
        return bool(octets)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._code is None:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
        os.close(self._master)
