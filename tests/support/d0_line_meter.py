"""A meter with D0 on a TCP socket, for tests of whole processes."""

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Self

from smgw.iec62056.d0.meter import D0Meter, Model
from smgw.iec62056.identification import Identification
from smgw.wire import Transmit

_LIMIT_S = 5.0


class RowModel:
    """A load profile whose rows tell their time (seconds UTC) as a value. `asked`: each range, as it was asked for."""

    def __init__(self, rows: Sequence[int], header: Callable[[int], str], bound: Callable[[int], str]) -> None:
        self.rows = rows
        self.asked: list[tuple[int, int]] = []
        self._header = header
        self._bounds = {bound(row): row for row in rows}

    def read_out(self) -> str:
        return "C.1.0(4711)\r\n1.8.0(1.0*kWh)\r\n"

    def register(self, code: str) -> str | None:
        return None

    def profile(self, code: str, since: str, until: str) -> str:
        rows = [row for text, row in self._bounds.items() if since <= text <= until]
        self.asked.append((rows[0], rows[-1]) if rows else (0, 0))
        if not rows:
            return f"{code}(ERROR)"
        return f"{code}({self._header(rows[0])})(00)(15)(2)(1.8.0)()(2.8.0)()\r\n" + "".join(
            f"({row})(0)\r\n" for row in rows
        )


class D0LineMeter:
    """Serves one client after the other. `spoil(octets) -> pieces` replaces an answer: octets, or seconds to wait."""

    def __init__(self, model: Model, baud_code: str = "5") -> None:
        self._model = model
        self._baud_code = baud_code
        self.spoil: Callable[[bytes], list[bytes | float]] = lambda octets: [octets]
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.url = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(_LIMIT_S)
        assert not self._thread.is_alive()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(OSError):
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        station = D0Meter(Identification("XXX", self._baud_code, "", "T"), self._model)
        while not self._stop.is_set():
            if not select.select([connection], [], [], 0.05)[0]:
                continue
            octets = connection.recv(4096)
            if not octets:
                return
            for event in station.receive(octets):
                if isinstance(event, Transmit):
                    for piece in self.spoil(event.octets):
                        if isinstance(piece, bytes):
                            connection.sendall(piece)
                        else:
                            self._stop.wait(piece)
