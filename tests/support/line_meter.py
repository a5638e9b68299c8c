"""Meters at the other end of real ptys and real sockets, and a sink that keeps what readers say."""

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from captures_made import BOOT, DEVICE, ENERGY, POWER
from smgw.cosem import Capture, ClockState, DeviceId, Stamp
from smgw.lmn.contract import NO_CACHE, Cache, CounterKeeper, Surroundings
from smgw.lmn.contract import Clock as AnyClock
from smgw.lmn.driver import Driver
from smgw.lmn.load_profile import ProfileKeeper
from smgw.lmn.make import make_driver
from smgw.lmn.push_line import PushLine
from smgw.lmn.push_loop import PushLoop
from smgw.lmn.watch import Watch
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.sml.file import encode_messages
from smgw.sml.messages import (
    Body,
    CloseResponse,
    GetListRequest,
    GetListResponse,
    GetProcParameterRequest,
    GetProfileListRequest,
    GetProfilePackRequest,
    ListEntry,
    Message,
    OpenResponse,
    Time,
)
from smgw.sml.parameters import OBJECT_LIST_PATH
from smgw.sml.server import Reply, Server
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.sml.tlv import signed, unsigned
from smgw.sml.transport import encode_frame
from smgw.store.records import CacheKind, MeterState
from smgw.wire import Crc
from soon import LIMIT


def entries(value: int = 86_038_387, power: int = 1234) -> tuple[ListEntry, ...]:
    return (
        ListEntry(bytes(ENERGY), unit=30, scaler=-1, value=unsigned(value, 8)),
        ListEntry(bytes(POWER), unit=27, scaler=0, value=signed(power, 4)),
    )


def telegram(
    value: int = 86_038_387, *, server_id: bytes = DEVICE, listed: tuple[ListEntry, ...] | None = None
) -> bytes:
    """One pushed telegram."""
    values = GetListResponse(server_id, entries(value) if listed is None else listed, sensor_time=Time(1, 4711))
    bodies: tuple[Body, ...] = (OpenResponse(b"\1\2", server_id), values, CloseResponse())
    messages = [Message(bytes((1, place)), body, place) for place, body in enumerate(bodies)]
    return encode_frame(encode_messages(messages, Crc.X25))


def until(condition: Callable[[], object], seconds: float = LIMIT) -> None:
    """Wait until it holds; a hang fails after `seconds`."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.005)


class Inbox:
    """A sink for readers."""

    def __init__(self) -> None:
        self.captures: list[Capture] = []
        self.states: list[MeterState] = []
        self.cached: list[tuple[CacheKind, DeviceId, bytes, bytes]] = []
        self.gone: list[tuple[str, DeviceId]] = []

    def capture(self, capture: Capture) -> None:
        self.captures.append(capture)

    def state(self, state: MeterState) -> None:
        self.states.append(state)

    def left(self, meter: str, device: DeviceId) -> None:
        self.gone.append((meter, device))

    def cache(self, kind: CacheKind, device: DeviceId, firmware: bytes, octets: bytes) -> None:
        self.cached.append((kind, device, firmware, octets))

    def from_cache(self, kind: CacheKind, device: DeviceId, firmware: bytes) -> bytes | None:
        wanted = (kind, device, firmware)
        return next((found[3] for found in reversed(self.cached) if found[:3] == wanted), None)

    @property
    def lists(self) -> list[tuple[DeviceId, bytes, bytes]]:
        return [found[1:] for found in self.cached if found[0] is CacheKind.OBJECT_LIST]

    @property
    def values(self) -> list[object]:
        return [capture.readings[0].value.value for capture in self.captures]


class Clock:
    """Monotonic time as UTC."""

    def stamp(self) -> Stamp:
        now = time.monotonic_ns()
        return Stamp(BOOT, now, now // 1000, 5000, ClockState.SYNCHRONISED)


def driver(
    *profiles: MeterProfile,
    inbox: Inbox,
    secrets: Secrets | None = None,
    clock: AnyClock | None = None,
    cached: bool = True,
    keeper: ProfileKeeper | None = None,
    counters: CounterKeeper | None = None,
) -> Driver | PushLine:
    """What drives a line with these meters, which share their secrets."""
    cache = Cache(inbox.from_cache, inbox.cache) if cached else Cache(NO_CACHE.get, inbox.cache)
    surroundings = Surroundings(clock or Clock(), cache, counters)
    return make_driver([(profile, secrets or Secrets()) for profile in profiles], surroundings, inbox, keeper)


def watch(made: Driver | PushLine) -> Watch:
    """The watch of the only meter."""
    (only,) = made.watches.values()
    return only


AnyLine = TypeVar("AnyLine", Driver, PushLine, Driver | PushLine)


@contextlib.contextmanager
def running(reader: AnyLine) -> Iterator[AnyLine]:
    """The line in a thread of its own, or in a loop; a stop must end it whatever it does."""
    failed: list[BaseException] = []
    loop = PushLoop()
    body = loop.run if isinstance(reader, PushLine) else reader.run

    def run() -> None:
        try:
            body()
        except BaseException as error:  # raised by the test's thread
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    if isinstance(reader, PushLine):
        reader.start(loop)
    try:
        yield reader
    finally:
        reader.stop()
        ended = not isinstance(reader, PushLine) or reader.ended.wait(LIMIT)
        loop.stop()
        thread.join(LIMIT)
    assert not failed, failed
    assert ended, "a stop did not end the line"
    assert not thread.is_alive(), "a stop did not end it"


class Head:
    """An optical head: a pty behind a symlink, which can be unplugged and plugged in again."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.master = -1
        self.plug()

    def plug(self) -> None:
        self.master, slave = os.openpty()
        new = self.link.with_name("new")
        new.symlink_to(os.ttyname(slave))
        new.replace(self.link)
        os.close(slave)

    def unplug(self) -> None:
        self.link.unlink(missing_ok=True)
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    def send(self, octets: bytes, chunk: int = 0, pause: float = 0.0) -> None:
        for start in range(0, len(octets), chunk or len(octets)):
            os.write(self.master, octets[start : start + (chunk or len(octets))])
            time.sleep(pause)


class Model:
    """The meter behind a server."""

    def __init__(self) -> None:
        self.server_id: bytes = DEVICE
        self.firmware = b"1.0"
        self.value = 1000

    def sec_index(self) -> int:
        return 4711

    def entries(self) -> tuple[ListEntry, ...]:
        self.value += 1
        return entries(self.value)


class PolledMeter:
    """smgw's own SML server, on a TCP socket or on a pty's master. Counts what is asked; may be told to misbehave.

    `answer(octets) -> pieces` replaces what is sent for each answer: a piece is octets, or seconds to wait, or None to
    close the connection.
    """

    def __init__(self, model: Model | None = None, *, master: int | None = None, **options: object) -> None:
        self.model = model or Model()
        self.options = options
        self.files: list[list[str]] = []  # of each request file, its requests
        self.asked_at: list[float] = []
        self.accepted = 0
        self.answer: Callable[[bytes], list[bytes | float | None]] = lambda octets: [octets]
        self.hang_up = threading.Event()
        self._stop = threading.Event()
        self._listener: socket.socket | None = None
        if master is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self._listener.settimeout(0.05)
            self.url = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
            target = self._accept
        else:
            self._master = master
            target = self._serve_pty
        self._thread = threading.Thread(target=target, daemon=True)
        self._thread.start()

    def __enter__(self) -> "PolledMeter":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(LIMIT)
        assert not self._thread.is_alive()
        if self._listener is not None:
            self._listener.close()

    @property
    def requests(self) -> list[str]:
        return [request for file in self.files for request in file]

    def _accept(self) -> None:
        assert self._listener is not None
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                self.accepted += 1
                with connection, contextlib.suppress(OSError):
                    self._serve(connection.fileno())

    def _serve_pty(self) -> None:
        while not self._stop.wait(0.01):
            with contextlib.suppress(OSError):  # nobody has opened the other end yet
                self._serve(self._master)

    def _serve(self, descriptor: int) -> None:
        server = Server(self.model, **self.options)  # type: ignore[arg-type]
        requests = TelegramReader()
        while not self._stop.is_set():
            if self.hang_up.is_set():
                self.hang_up.clear()
                return
            if not select.select([descriptor], [], [], 0.02)[0]:
                continue
            octets = os.read(descriptor, 4096)
            if not octets:
                return
            for event in requests.receive(octets):
                if isinstance(event, Telegram):
                    self.asked_at.append(time.monotonic())
                    self.files.append([_asked(message) for message in event.messages[1:-1]])
            for reply in server.receive(octets):
                if isinstance(reply, Reply):
                    for piece in self.answer(reply.octets):
                        if piece is None:
                            return
                        if isinstance(piece, bytes):
                            os.write(descriptor, piece)
                        elif self._stop.wait(piece):
                            return


def _asked(message: Message) -> str:
    if isinstance(message.body, GetListRequest):
        return "list"
    if isinstance(message.body, GetProfilePackRequest | GetProfileListRequest):
        return "profile"
    assert isinstance(message.body, GetProcParameterRequest)
    return "objects" if message.body.path == OBJECT_LIST_PATH else message.body.path[0].hex()
