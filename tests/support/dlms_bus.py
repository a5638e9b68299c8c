"""Our DLMS client wired in memory to smsim's meters on their line, with a clock that only the test moves."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from smgw.cosem import AttributeName, DeviceId, Obis
from smgw.cosem.data import Data
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.carriers.wrapper import Wrapper
from smgw.dlms.data import decode_all
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Associated, Event, Failed, Got, Invoked, Released, Send, Written
from smgw.errors import SmgwError
from smgw.hdlc import Address, ApduReceived, Disconnected, Link, LinkParameters
from smgw.iec62056.events import ChangeBaud
from smgw.wire import Transmit
from smsim.dlms.association import Associations, ClientSpec
from smsim.dlms.bus import Bus
from smsim.dlms.device import Device, DeviceSpec
from smsim.dlms.faults import DlmsFaults
from smsim.dlms.station import Framing, Station
from smsim.load.timelapse import TimeLapse

NEW_YEAR = 1_767_222_000  # 2026-01-01 00:00 legal time
PUBLIC = ClientSpec(16)
METER = Address(1, 17)
_FINAL = Associated | Got | Written | Invoked | Released | Failed


def device(model: str = "german", name: str = "m", **spec: Any) -> Device:
    """A meter whose time stands still at the new year, with a short past unless more of it is wanted."""
    spec.setdefault("history_days", 2)
    made = DeviceSpec(name, DeviceId.parse(spec.pop("device", "1UTB0000000071")), model, **spec)
    return Device(made, TimeLapse(NEW_YEAR, 900, 3_600_000), lambda: 0)


def line(
    *devices: Device,
    clients: Sequence[ClientSpec] = (PUBLIC,),
    faults: DlmsFaults | None = None,
    parameters: LinkParameters = LinkParameters.of(2030, 7),  # noqa: B008  (immutable)
    wrapper: bool = False,
    max_pdu: int = 1024,
) -> Bus:
    """A line with these meters, at the addresses 17, 18, ..."""
    faults = faults or DlmsFaults()
    stations = [
        Station(
            one, Associations(one, tuple(clients), max_pdu=max_pdu),
            Framing(Address(1) if wrapper else Address(1, 17 + place), parameters, wrapper), faults,
        )
        for place, one in enumerate(devices or (device(),))
    ]  # fmt: skip
    return Bus(stations, faults)


class Reader:
    """A client at the other end. It does what a driver does: write, read, wait, and ask again for a lost link."""

    def __init__(
        self, bus: Bus, client: Client | None = None, *, sap: int = 16, link: Link | Wrapper | None = None
    ) -> None:
        self.bus = bus
        self.client = client or Client()
        self.link = link or Link.client(Address(sap), METER, timeout=2.0, retries=9)
        self.now = 0.0
        self.lost: list[str] = []  # why links went down
        self._answer: _FINAL | None = None
        self._todo: deque[tuple[str, Any]] = deque()
        self._working = False

    def associate(self) -> _FINAL:
        """Link and association."""
        self._carry(self.link.connect(self.now))
        while not self.link.connected and not self.lost:
            self._wait()
        return self.ask(self.client.associate())

    def ask(self, events: list[Event]) -> _FINAL:
        """What a verb of the client leads to."""
        self._answer = None
        self._follow(events)
        while self._answer is None:
            self._wait()
        return self._answer

    def get(self, class_id: int, obis: str, number: int, selection: Selection | None = None) -> Data | DataAccessResult:
        """One attribute."""
        answer = self.ask(self.client.get(AttributeName(class_id, Obis.parse(obis), number), selection))
        assert isinstance(answer, Got), answer
        result = answer.results[0]
        return result if isinstance(result, DataAccessResult) else decode_all(result)

    def disconnect(self) -> None:
        """Take the link down."""
        self._carry(self.link.disconnect(self.now))
        while self.link.connected:
            self._wait()
        self.client.lost()

    def _wait(self) -> None:
        dues = [due for end in (self.link, self.bus) if (due := end.deadline(self.now)) is not None]
        assert dues, "nobody waits for anything, and there is no answer"
        self.now = max(self.now, min(dues))
        self._out(self.bus.expire(self.now))
        if (due := self.link.deadline(self.now)) is not None and due <= self.now:
            self._carry(self.link.expire(self.now))
        if self.client.busy and self.link.connected and not self.link.busy:
            self._carry(self.link.poll(self.now))

    def _out(self, events: Sequence[Transmit | ChangeBaud]) -> None:
        """What the line says, and all that it leads to."""
        self._todo += [("line", event) for event in events]
        self._work()

    def _carry(self, events: Sequence[Any]) -> None:
        """What our link says, and all that it leads to."""
        self._todo += [("link", event) for event in events]
        self._work()

    def _follow(self, events: Sequence[Event]) -> None:
        """What our client says, and all that it leads to."""
        self._todo += [("client", event) for event in events]
        self._work()

    def _work(self) -> None:
        """One event after the other, in their order."""
        if self._working:
            return
        self._working = True
        while self._todo:
            teller, event = self._todo.popleft()
            if teller == "line":
                if isinstance(event, Transmit):
                    self._carry(self.link.receive(event.octets, self.now))
            elif teller == "link":
                self._from_link(event)
            elif isinstance(event, Send):
                self._carry(self.link.send(event.apdu, self.now))
            else:
                assert isinstance(event, _FINAL), event
                self._answer = event
        self._working = False

    def _from_link(self, event: Any) -> None:
        if isinstance(event, Transmit):
            self._out(self.bus.receive(event.octets, self.now))
        elif isinstance(event, ApduReceived):
            self._follow(self.client.receive(event.apdu))
        elif isinstance(event, Disconnected) and event.reason:
            self.lost.append(event.reason)
            self.client.lost()
            self._answer = self._answer or Failed(SmgwError(event.reason))
