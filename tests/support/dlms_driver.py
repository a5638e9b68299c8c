"""A small blocking driver for a DLMS client over HDLC or the wrapper, on a socket or a tty: what `lmn` does in big."""

import os
import select
import socket
import time
import tty
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from smgw.dlms.carriers.wrapper import Wrapper
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Associated, Event, Failed, Got, Invoked, Pushed, Released, Send, Stray, Written
from smgw.hdlc.events import ApduReceived, Connected, Disconnected
from smgw.hdlc.link import Link
from smgw.wire import Transmit

Kind = TypeVar("Kind")
_FINAL = Associated | Got | Written | Invoked | Released | Failed


class Line:
    """A file descriptor with a meter at its other end."""

    def __init__(self, descriptor: int, close: Callable[[], None]) -> None:
        self.descriptor = descriptor
        self.close = close

    @classmethod
    def tcp(cls, port: int) -> Self:
        connection = socket.create_connection(("127.0.0.1", port), 10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(connection.fileno(), connection.close)

    @classmethod
    def pty(cls, path: Path) -> Self:
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(descriptor)
        return cls(descriptor, lambda: os.close(descriptor))

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.descriptor, data) :]

    def read(self, timeout: float | None) -> bytes:
        """b"" after that many seconds without anything."""
        ready, _, _ = select.select([self.descriptor], [], [], timeout)
        if not ready:
            return b""
        data = os.read(self.descriptor, 65536)
        if not data:
            raise ConnectionError("the meter closed the connection")
        return data


class Driver:
    """Every verb of the client, and then its answer. `kept`: pushes and strays that came meanwhile."""

    def __init__(self, line: Line, link: Link | Wrapper, client: Client) -> None:
        self.line = line
        self.link = link
        self.client = client
        self.kept: list[Pushed | Stray] = []
        self._answer: _FINAL | None = None
        self._waiting: list[bytes] = []  # APDUs of a window that the link takes one after the other
        self._connected = False

    def connect(self) -> None:
        """The link, not yet the association."""
        self._carry(self.link.connect(time.monotonic()))
        while not self.link.connected:
            self._turn()

    def disconnect(self) -> None:
        self._carry(self.link.disconnect(time.monotonic()))
        while self.link.connected:
            self._turn()

    def ask(self, events: Sequence[Event]) -> _FINAL:
        """What a verb of the client leads to."""
        self._answer = None
        self._follow(events)
        while self._answer is None:
            self._turn()
        return self._answer

    def expect(self, events: Sequence[Event], kind: type[Kind]) -> Kind:
        """The same, which must be of this kind."""
        answer: Any = self.ask(events)
        assert isinstance(answer, kind), answer
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.line.close()

    def _turn(self) -> None:
        now = time.monotonic()
        due = self.link.deadline(now)
        data = self.line.read(None if due is None else max(0.0, due - now))
        now = time.monotonic()
        self._carry(self.link.receive(data, now) if data else self.link.expire(now))
        if self.client.busy and self.link.connected and not self.link.busy:  # what came was not the answer
            self._carry(self.link.poll(now))

    def _carry(self, events: Sequence[Any]) -> None:
        for event in events:
            if isinstance(event, Transmit):
                self.line.write(event.octets)
            elif isinstance(event, ApduReceived):
                self._follow(self.client.receive(event.apdu))
            elif isinstance(event, Disconnected):
                if event.reason:
                    raise ConnectionError(event.reason)
            elif isinstance(event, Connected):
                self._connected = True

    def _follow(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Send):
                self._carry(self.link.send(event.apdu, time.monotonic()))
            elif isinstance(event, _FINAL):
                self._answer = event
            elif isinstance(event, Pushed | Stray):
                self.kept.append(event)
