"""A TCP bridge that speaks RFC 2217, made of pyserial's server side: an independent peer of `smgw.ports.rfc2217`."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Any, Self

import serial
from serial.rfc2217 import PortManager


class _WithoutModemLines:
    """A serial port as a PortManager sees it. A pty has no modem lines, and pyserial fails where it reads them."""

    cts = dsr = ri = cd = False

    def __init__(self, line: Any) -> None:
        object.__setattr__(self, "line", line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.line, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.line, name, value)


class _Connection:
    """What a PortManager writes to."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def write(self, octets: bytes) -> None:
        with self._lock:
            self._connection.sendall(octets)


class Rfc2217Bridge:
    """Serves one connection after the other. `line` is the serial port behind it, such as a pty or loop://."""

    def __init__(self, line: str) -> None:
        self.line: Any = serial.serial_for_url(line, timeout=0.02)
        self.speeds: list[int] = []  # each speed that was set, in order
        self.accepted = 0
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.url = f"rfc2217://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(5)
        self._listener.close()
        self.line.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                self.accepted += 1
                with connection, contextlib.suppress(OSError):
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(0.02)
        to_client = _Connection(connection)
        manager: Any = PortManager(_WithoutModemLines(self.line), to_client)
        while not self._stop.is_set():
            try:
                octets = connection.recv(1024)
            except TimeoutError:
                pass
            else:
                if not octets:
                    return
                data = b"".join(manager.filter(octets))
                if not self.speeds or self.speeds[-1] != self.line.baudrate:
                    self.speeds.append(self.line.baudrate)
                self.line.write(data)
            if found := self.line.read(self.line.in_waiting):
                to_client.write(b"".join(manager.escape(found)))
