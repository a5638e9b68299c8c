"""DLMS meters at the other end of real sockets and ptys: smgw's own server over its own link, for tests of readers."""

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Self

from smgw.cosem import AttributeName, CaptureObject, Data, DataType, MethodName, Obis, octet_string
from smgw.cosem.date_time import DateTime
from smgw.dlms.apdus.action import Outcome
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.apdus.results import ActionResult, DataAccessResult
from smgw.dlms.apdus.selection import Entries, read_selection
from smgw.dlms.carriers.wrapper import Wrapper
from smgw.dlms.data import encode
from smgw.dlms.meter.access import Admission
from smgw.dlms.meter.server import Server
from smgw.dlms.session.events import Send
from smgw.hdlc import Address, ApduReceived, Connected, Disconnected, Link, LinkParameters
from smgw.wire import Transmit

ENERGY, EXPORT, POWER = (Obis.parse(text) for text in ("1-0:1.8.0", "1-0:2.8.0", "1-0:16.7.0"))
LOAD_PROFILE = Obis.parse("1-0:99.1.0")
STATUS = Obis.parse("0-0:96.10.1")
NAME = b"UTB0000000000001"
QUARTER = 900
SECOND = 1_000_000
CLOCK = Obis(b"\x00\x00\x01\x00\x00\xff")
CET = timezone(timedelta(hours=1))

_COLUMNS = (
    CaptureObject(8, CLOCK, 2),
    CaptureObject(1, STATUS, 2),
    CaptureObject(3, ENERGY, 2),
    CaptureObject(3, EXPORT, 2),
)


def _long(value: int) -> Data:
    return Data(DataType.DOUBLE_LONG_UNSIGNED, value)


def _scaler(scaler: int, unit: int) -> bytes:
    return encode(Data(DataType.STRUCTURE, (Data(DataType.INTEGER, scaler), Data(DataType.ENUM, unit))))


class Model:
    """Registers, a clock, an object list, a load profile with a row for each of `rows` (seconds since 1970)."""

    def __init__(self, rows: Iterable[int] = (), name: bytes = NAME) -> None:
        self.rows = list(rows)
        self.name = name
        self.firmware = b"1.0"
        self.energy = 1000
        self.zone = CET
        self.ahead_s = 0  # how far its clock is ahead
        self.status = 0
        self.opposite = False
        self.list_denied = False
        self.nulls = False  # times after the first row of an answer are left away
        self.newest_first = False
        self.refused: dict[int, DataAccessResult] = {}  # by selector: what selective access is answered with
        self.extra: dict[AttributeName, bytes | DataAccessResult] = {}
        self.asked: list[AttributeName] = []
        self.ranges: list[tuple[int, int]] = []
        self.entries: list[tuple[int, int]] = []

    def read(self, client: int, attribute: AttributeName, selection: Selection | None) -> bytes | DataAccessResult:
        self.asked.append(attribute)
        if attribute in self.extra:
            return self.extra[attribute]
        class_id, obis, number = attribute
        if class_id == 7 and obis == LOAD_PROFILE:
            return self.load_profile(number, selection)
        match class_id, number:
            case 1, 2 if obis == Obis(b"\x00\x00\x2a\x00\x00\xff"):
                return encode(octet_string(self.name))
            case 1, 2 if obis == Obis(b"\x01\x00\x00\x02\x00\xff"):
                return encode(octet_string(self.firmware))
            case 3, 2 if obis == ENERGY:
                self.energy += 1
                return encode(_long(self.energy))
            case 3, 2 if obis == EXPORT:
                return encode(_long(7))
            case 3, 2 if obis == POWER:
                return encode(Data(DataType.DOUBLE_LONG, -1234))
            case 3, 3 if obis in (ENERGY, EXPORT):
                return _scaler(-1, 30)
            case 3, 3 if obis == POWER:
                return _scaler(0, 27)
            case 8, 2:
                return encode(octet_string(self.time(time.time() + self.ahead_s)))
            case 15, 2:
                return DataAccessResult.READ_WRITE_DENIED if self.list_denied else self.object_list()
        return DataAccessResult.OBJECT_UNDEFINED

    def load_profile(self, number: int, selection: Selection | None) -> bytes | DataAccessResult:
        match number:
            case 2:
                return self.buffer(selection)
            case 3:
                return encode(Data(DataType.ARRAY, tuple(column.data() for column in _COLUMNS)))
            case 4:
                return encode(_long(QUARTER))
            case 5:
                return encode(Data(DataType.ENUM, 2 if self.newest_first else 1))
            case 7:
                return encode(_long(len(self.rows)))
        return DataAccessResult.OBJECT_UNDEFINED

    def write(
        self, client: int, attribute: AttributeName, value: bytes, selection: Selection | None
    ) -> DataAccessResult:
        return DataAccessResult.READ_WRITE_DENIED

    def invoke(self, client: int, method: MethodName, parameter: bytes | None) -> Outcome:
        return Outcome(ActionResult.OBJECT_UNDEFINED)

    def time(self, seconds: float) -> bytes:
        """A moment as this meter's clock tells it."""
        told = DateTime.of(datetime.fromtimestamp(seconds, UTC).astimezone(self.zone))
        if self.opposite and told.deviation is not None:
            told = told._replace(deviation=-told.deviation)
        return told.encode()[:11] + bytes((self.status,))

    def object_list(self) -> bytes:
        names = [(8, CLOCK), (1, STATUS), (3, ENERGY), (3, EXPORT), (3, POWER), (7, LOAD_PROFILE)]
        nothing = Data(DataType.STRUCTURE, (Data(DataType.ARRAY, ()), Data(DataType.ARRAY, ())))
        elements = tuple(
            Data(
                DataType.STRUCTURE,
                (
                    Data(DataType.LONG_UNSIGNED, class_id),
                    Data(DataType.UNSIGNED, 1 if class_id == 7 else 0),
                    octet_string(bytes(obis)),
                    nothing,
                ),
            )
            for class_id, obis in names
        )
        return encode(Data(DataType.ARRAY, elements))

    def buffer(self, selection: Selection | None) -> bytes | DataAccessResult:
        rows = self.rows[::-1] if self.newest_first else self.rows
        if selection is not None and selection.selector in self.refused:
            return self.refused[selection.selector]
        chosen = None if selection is None else read_selection(selection)
        if isinstance(chosen, Entries):
            self.entries.append((chosen.first, chosen.last))
            rows = rows[chosen.first - 1 : chosen.last]
        elif chosen is not None:
            bounds = [DateTime.read(bound.value).utc_us(opposite_sign=self.opposite) for bound in chosen[1:3]]  # type: ignore[arg-type]
            first, last = (-(-bound // SECOND) for bound in bounds)  # type: ignore[operator]
            self.ranges.append((first, last))
            rows = [row for row in rows if first <= row <= last]
        return encode(Data(DataType.ARRAY, tuple(self.row(row, place) for place, row in enumerate(rows))))

    def row(self, seconds: int, place: int) -> Data:
        clock = octet_string(self.time(seconds))
        if self.nulls and place:
            clock = Data(DataType.NULL_DATA, None)
        return Data(DataType.STRUCTURE, (clock, Data(DataType.UNSIGNED, 8), _long(seconds), _long(seconds // QUARTER)))


class DlmsMeter:
    """Meters on one line, by physical address, on a TCP socket or a pty's master.

    `admissions`: by client. `spoil(octets) -> pieces` replaces what is sent: octets, seconds to wait, None to hang up.
    """

    def __init__(
        self,
        model: Model | Mapping[int, Model] | None = None,
        *,
        wrapper: bool = False,
        master: int | None = None,
        admissions: Mapping[int, Admission] | None = None,
        parameters: LinkParameters | None = None,
        echo: bool = False,
    ) -> None:
        self.models: Mapping[int, Model] = model if isinstance(model, Mapping) else {-1: model or Model()}
        self.admissions = admissions or {16: Admission()}
        self.wrapper = wrapper
        self.parameters = parameters or LinkParameters.of(2030, 7)
        self.echo = echo
        self.accepted = 0
        self.links = 0  # connected so far
        self.ended = 0  # by the client
        self.spoil: Callable[[bytes], list[bytes | float | None]] = lambda octets: [octets]
        self._stop = threading.Event()
        self._listener: socket.socket | None = None
        if master is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self._listener.settimeout(0.05)
            self.url = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self._master = master
        self._thread = threading.Thread(target=self._accept if master is None else self._serve_pty, daemon=True)
        self._thread.start()

    @property
    def model(self) -> Model:
        """The only one."""
        (only,) = self.models.values()
        return only

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(3)
        assert not self._thread.is_alive()
        if self._listener is not None:
            self._listener.close()

    def _accept(self) -> None:
        assert self._listener is not None
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                self.accepted += 1
                with connection, contextlib.suppress(OSError):
                    self._serve(connection.fileno())

    def _serve_pty(self) -> None:
        assert self._master is not None
        while not self._stop.wait(0.01):
            with contextlib.suppress(OSError):
                self._serve(self._master)

    def _stations(self) -> list["_Station"]:
        stations = []
        for physical, model in self.models.items():
            address = Address(1) if physical < 0 else Address(1, physical)
            link: Link | Wrapper = Wrapper.server(1)
            if not self.wrapper:
                link = Link.server(address, self.parameters, clients=self.admissions, inactivity=None)
            stations.append(_Station(self, link, model))
        return stations

    def _serve(self, descriptor: int) -> None:
        stations = self._stations()
        while not self._stop.is_set():
            if not select.select([descriptor], [], [], 0.02)[0]:
                continue
            octets = os.read(descriptor, 4096)
            if not octets:
                return
            if self.echo:
                os.write(descriptor, octets)
            for station in stations:
                answer = station.carry(octets)
                for piece in self.spoil(answer) if answer else []:
                    if piece is None:
                        return
                    if isinstance(piece, bytes):
                        os.write(descriptor, piece)
                    elif self._stop.wait(piece):
                        return


class _Station:
    def __init__(self, meter: DlmsMeter, link: Link | Wrapper, model: Model) -> None:
        self._meter = meter
        self._link = link
        self._model = model
        self._session: Server | None = None

    def carry(self, data: bytes) -> bytes:
        return b"".join(self._done(self._link.receive(data, time.monotonic())))

    def _done(self, events: Iterable[Any]) -> list[bytes]:
        octets: list[bytes] = []
        for event in events:
            if isinstance(event, Transmit):
                octets.append(event.octets)
            elif isinstance(event, Connected):
                self._meter.links += 1
                self._session = Server(self._model, event.peer, self._meter.admissions.get(event.peer, Admission()))
            elif isinstance(event, Disconnected):
                self._meter.ended += 1
                self._session = None
            elif isinstance(event, ApduReceived) and self._session:
                for answer in self._session.receive(event.apdu):
                    # A request and the end of the link may come together: then nobody waits for the answer.
                    if isinstance(answer, Send) and self._link.connected:
                        octets += self._done(self._link.send(answer.apdu, time.monotonic()))
        return octets
