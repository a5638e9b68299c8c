"""Files that a short child process makes: few at a time, each bounded in time and size.

    the child's standard input    JSON: configuration, state directory, and what is wanted
    its standard output           the file
    its standard error            why there is none
    exit code                     0, or 3: it has none

A child has the rights of this process. It reads the databases by itself, and asks a `House` of its own.
"""

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from smgw.errors import SmgwError
from smgw.han.house import Wanted

#: Seconds until a child is killed. The whole answer has 20 s.
SECONDS: Final = 15
MOST_OCTETS: Final = 256 * 1024 * 1024
_AT_ONCE: Final = 64 * 1024
_NONE: Final = 3
_PROGRAM: Final = "from smgw.han.files import child; child()"


class NoFileError(SmgwError):
    """The child made no file; the text says why."""


class BusyError(SmgwError):
    """Other files are being made."""


class Files:
    """Starts the children of one gateway."""

    def __init__(self, configuration: Path, state: Path, at_once: int = 2, seconds: float = SECONDS) -> None:
        self._named = {"configuration": str(configuration), "state": str(state)}
        self._free = threading.BoundedSemaphore(at_once)
        self._seconds = seconds

    def transparency(self, wanted: Wanted, current: bool) -> Iterator[bytes]:
        """The file of AR 2418-6, whole before its first piece; NoFileError, BusyError."""
        return self._made({**self._named, "wanted": wanted._asdict(), "current": current})

    def _made(self, order: dict[str, Any]) -> Iterator[bytes]:
        if not self._free.acquire(blocking=False):
            raise BusyError("other files are being made; try again soon")
        try:
            out = tempfile.TemporaryFile()  # noqa: SIM115 - `_Pieces` closes it
            try:
                self._run(order, out)
                out.seek(0)
            except BaseException:
                out.close()
                raise
        finally:
            self._free.release()
        return _Pieces(out)

    def _run(self, order: dict[str, Any], out: IO[bytes]) -> None:
        # The program is constant; what is wanted goes by its input, which no other process sees.
        command = [sys.executable, "-c", _PROGRAM]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.PIPE) as process:  # noqa: S603
            try:
                _, said = process.communicate(json.dumps(order).encode(), self._seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                raise NoFileError(f"it takes longer than {self._seconds:g} s; ask for a shorter time") from None
        if process.returncode:
            text = said.decode(errors="replace").strip()
            why = text[-300:] if process.returncode == _NONE else "the program that makes it failed"
            raise NoFileError(why or "the program that makes it failed")


class _Pieces:
    """The content of a file, which is closed at its end, or by `close` where nobody reads on."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = self._out.read(_AT_ONCE)
        if not piece:
            self.close()
            raise StopIteration
        return piece

    def close(self) -> None:
        self._out.close()


def child() -> None:
    """The program of the child."""
    os.nice(5)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_OCTETS, MOST_OCTETS))
    order = json.load(sys.stdin)
    try:
        _write(order)
    except (SmgwError, OSError) as error:
        sys.stderr.write(str(error))
        raise SystemExit(_NONE) from None


def _write(order: dict[str, Any]) -> None:
    from smgw.han.certificates import of_the_gateway
    from smgw.han.house import House
    from smgw.han.transparency import content, current
    from smgw.profiles.toml_importer import load
    from smgw.store import paths
    from smgw.store.errors import StoreAbsent
    from smgw.store.lmn.view import LmnView
    from smgw.store.wan.view import WanView
    from smgw.transparency.writer import write

    state = Path(order["state"])
    configuration = load(Path(order["configuration"]))
    with contextlib.ExitStack() as opened:
        lmn = opened.enter_context(LmnView.open(paths.lmn_directory(state)))
        wan = None
        with contextlib.suppress(StoreAbsent):  # nothing was ever delivered
            wan = opened.enter_context(WanView.open(paths.wan_directory(state)))
        wanted = Wanted(**order["wanted"])
        house = House(lmn, wan, configuration, list, lambda: wanted.now_us)
        certificates = of_the_gateway(state, wanted.now_us)
        write((current if order["current"] else content)(house, wanted, certificates), sys.stdout.buffer)
