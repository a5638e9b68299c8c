"""A DLMS client and server wired to each other in memory, and a small meter for them to talk about."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from smgw.cosem import AttributeName, MethodName, Obis
from smgw.cosem.data import Data, DataType, octet_string
from smgw.dlms.apdus.action import Outcome
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.apdus.results import ActionResult, DataAccessResult
from smgw.dlms.data import encode, length
from smgw.dlms.meter.access import Admission, Pieces
from smgw.dlms.meter.server import Server
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Event, Failed, Send

CLIENT = 1
ENERGY = AttributeName(3, Obis.parse("1.8.0"), 2)
SCALER_UNIT = AttributeName(3, Obis.parse("1.8.0"), 3)
NAME = AttributeName(1, Obis.parse("0-0:42.0.0*255"), 2)
PROFILE = AttributeName(7, Obis.parse("1-0:99.1.0*255"), 2)
TEXT = AttributeName(1, Obis.parse("0-0:96.13.0*255"), 2)
MISSING = AttributeName(3, Obis.parse("9.9.9"), 2)
DENIED = AttributeName(15, Obis.parse("0-0:40.0.0*255"), 7)
ECHO = MethodName(9, Obis.parse("0-0:10.0.0*255"), 1)

E_ = TypeVar("E_")


class Model:
    """Registers, one profile whose rows are made when they are asked for, one writable text, a method that echoes."""

    def __init__(self, rows: int = 0) -> None:
        self.rows = rows
        self.drawn = 0  # rows made so far
        self.asked: list[AttributeName] = []
        self.values = {
            ENERGY: encode(Data(DataType.DOUBLE_LONG_UNSIGNED, 1234567)),
            SCALER_UNIT: bytes.fromhex("02020f00161e"),
            NAME: encode(octet_string(b"UTB0000000000001")),
            TEXT: encode(octet_string(b"")),
        }

    def read(self, client: int, attribute: AttributeName, selection: Selection | None) -> Pieces | DataAccessResult:
        self.asked.append(attribute)
        if attribute == PROFILE:
            return self.profile()
        if attribute == DENIED:
            return DataAccessResult.READ_WRITE_DENIED
        return self.values.get(attribute, DataAccessResult.OBJECT_UNDEFINED)

    def profile(self) -> Iterator[bytes]:
        yield b"\x01" + length(self.rows)
        for number in range(self.rows):
            self.drawn += 1
            yield row(number)

    def write(
        self, client: int, attribute: AttributeName, value: bytes, selection: Selection | None
    ) -> DataAccessResult:
        if attribute != TEXT:
            return DataAccessResult.READ_WRITE_DENIED
        self.values[TEXT] = value
        return DataAccessResult.SUCCESS

    def invoke(self, client: int, method: MethodName, parameter: bytes | None) -> Outcome:
        if method != ECHO:
            return Outcome(ActionResult.OBJECT_UNDEFINED)
        return Outcome(ActionResult.SUCCESS, parameter)


def row(number: int) -> bytes:
    """Time, two registers, a status: 28 octets."""
    clock = bytes.fromhex("07ea0101ff") + bytes((number // 4 % 24, number % 4 * 15)) + bytes.fromhex("0000ffc400")
    return (
        b"\x02\x04\x09\x0c"
        + clock
        + b"\x06"
        + (1_000_000 + 7 * number).to_bytes(4, "big")
        + b"\x06"
        + number.to_bytes(4, "big")
        + b"\x11"
        + bytes((number % 3,))
    )


def profile_octets(rows: int) -> bytes:
    """What the profile of so many rows is on the wire."""
    return b"\x01" + length(rows) + b"".join(map(row, range(rows)))


class Pair:
    """`tamper` sees every APDU: (direction, octets) -> the octets that arrive, None for a lost one."""

    def __init__(
        self,
        client: Client,
        server: Server,
        tamper: Callable[[str, bytes], bytes | None] | None = None,
    ) -> None:
        self.client = client
        self.server = server
        self.tamper = tamper or (lambda direction, octets: octets)
        self.traffic: list[tuple[str, bytes]] = []
        self.at_server: list[Event] = []

    def run(self, events: list[Event]) -> list[Event]:
        """What the client says until nothing is under way, without the APDUs themselves."""
        told: list[Event] = []
        waiting = list(events)
        while waiting:
            event = waiting.pop(0)
            if isinstance(event, Send):
                for answer in self._to_server(event.apdu):
                    waiting += self._to_client(answer)
            else:
                told.append(event)
        return told

    def push(self, events: list[Event]) -> list[Event]:
        """What the client says of what the server sends by itself."""
        told: list[Event] = []
        for event in events:
            assert isinstance(event, Send)
            told += self._to_client(event.apdu)
        return told

    def one(self, events: list[Event], kind: type[E_]) -> E_:
        """The one event that the client tells, which is of this kind."""
        told = self.run(events)
        if len(told) == 1 and isinstance(told[0], kind):
            return told[0]
        raise AssertionError(f"{kind.__name__} expected: {told}")

    def failure(self, events: list[Event], kind: type[E_]) -> E_:
        """The error that the client fails with."""
        error: Any = self.one(events, Failed).error
        assert isinstance(error, kind), repr(error)
        return error

    def _to_server(self, apdu: bytes) -> Sequence[bytes]:
        arrived = self._pass("request", apdu)
        if arrived is None:
            return ()
        events = self.server.receive(arrived)
        self.at_server += [event for event in events if not isinstance(event, Send)]
        return [event.apdu for event in events if isinstance(event, Send)]

    def _to_client(self, apdu: bytes) -> list[Event]:
        arrived = self._pass("answer", apdu)
        return [] if arrived is None else self.client.receive(arrived)

    def _pass(self, direction: str, apdu: bytes) -> bytes | None:
        self.traffic.append((direction, apdu))
        return self.tamper(direction, apdu)


def plain_pair(model: Model | None = None, admission: Admission | None = None, **options: Any) -> Pair:
    """No password, nothing ciphered."""
    server = Server(model or Model(), CLIENT, admission or Admission())
    return Pair(Client(**options), server)
