"""The control socket: orders to a running simulator from another terminal (`smsim say`), one line each."""

import asyncio
import contextlib
import json
import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from smgw.errors import SmgwError, reason

from smsim import orders
from smsim.errors import PortError

if TYPE_CHECKING:
    from smsim.simulator import Simulator

_MOST_OCTETS = 4096  # of a line
_PATIENCE_S = 10.0


class Control:
    """Listens on a Unix socket that only its user may use. Each line gets one line as answer: JSON [success, text]."""

    def __init__(self, simulator: "Simulator", path: Path) -> None:
        self._simulator = simulator
        self._path = path
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. PortError if that cannot be done."""
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(self._path.lstat().st_mode) and not _answers(self._path):
                self._path.unlink()  # left by a killed simulator
        listener = socket.socket(socket.AF_UNIX)
        try:
            _bind(listener, self._path)
            self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=_MOST_OCTETS)
        except OSError as error:
            listener.close()
            raise PortError(
                str(self._path),
                f"the control socket cannot be made: {reason(error)}",
                "name a free path where you may write",
            ) from None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):  # the client has gone, or sent a line without an end
            while line := await reader.readline():
                try:
                    answer = [True, orders.carry_out(self._simulator, line.decode(errors="replace"))]
                except SmgwError as error:
                    answer = [False, str(error)]
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        writer.close()

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)


def _bind(listener: socket.socket, path: Path) -> None:
    """Make the socket's file, closed to other users from its first moment."""
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def say(path: Path, line: str) -> tuple[bool, str]:
    """Give an order to the simulator at `path`; returns success and its answer. Raises PortError."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_PATIENCE_S)
            client.connect(str(path))
            client.sendall(line.replace("\n", " ").encode() + b"\n")
            with client.makefile("rb") as answers:
                well, text = json.loads(answers.readline())
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else "no answer"
        right = "start the simulator first: smsim run --control PATH"
        raise PortError(str(path), f"no simulator listens there: {why}", right) from None
    return bool(well), str(text)
