"""One meter on a line: link or wrapper below, associations above. Octets in, octets out; the driver has the clock."""

from typing import NamedTuple

from smgw.dlms.carriers.wrapper import Wrapper
from smgw.dlms.meter.server import Server
from smgw.dlms.session.events import Associated, Send
from smgw.hdlc import Address, ApduReceived, Connected, Disconnected, Event, Link, LinkParameters
from smgw.wire import Transmit

from smsim.dlms.association import Associations
from smsim.dlms.device import Device
from smsim.dlms.faults import DlmsFaults


class Framing(NamedTuple):
    """The carrier of a meter: HDLC with its address and parameters, or the wrapper."""

    address: Address = Address(1)
    parameters: LinkParameters = LinkParameters()
    wrapper: bool = False


class Station:
    """A meter on one connection. Several clients use it one after the other."""

    def __init__(self, device: Device, associations: Associations, framing: Framing, faults: DlmsFaults) -> None:
        self.device = device
        self.requests = 0
        self.associated = 0
        self._associations = associations
        self._framing = framing
        self._faults = faults
        self._link = self._new_link()
        self._server: Server | None = None
        self._later: list[tuple[float, bytes]] = []  # answers that are not ready yet

    def _new_link(self) -> Link | Wrapper:
        address, parameters, wrapper = self._framing
        if wrapper:
            return Wrapper.server(address.upper)
        return Link.server(address, parameters, clients=self._associations.clients)

    @property
    def connected(self) -> bool:
        """True if a client has the link."""
        return self._link.connected

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Take octets of the line, return octets for it."""
        return self._carry(self._link.receive(data, now), now)

    def deadline(self, now: float) -> float | None:
        """The time when `expire` is due."""
        dues = [due for due, _ in self._later]
        if (due := self._link.deadline(now)) is not None:
            dues.append(due)
        return min(dues, default=None)

    def expire(self, now: float) -> list[bytes]:
        """Send answers that are ready; end an unused link."""
        out = self._carry(self._link.expire(now), now)
        ready = [apdu for due, apdu in self._later if due <= now]
        self._later = [(due, apdu) for due, apdu in self._later if due > now]
        for apdu in ready:
            out += self._send(apdu, now)
        return out

    def _carry(self, events: list[Event], now: float) -> list[bytes]:
        out: list[bytes] = []
        for event in events:
            match event:
                case Transmit(octets):
                    out.append(octets)
                case Connected(peer, _):
                    self._begin(peer)
                case ApduReceived(apdu, _, _):
                    out += self._answer(apdu, now)
                case Disconnected():
                    self._lost()
        return out

    def _begin(self, sap: int) -> None:
        self._later = []
        known = sap in self._associations.clients
        self._server = Server(self.device, sap, self._associations.admission(sap)) if known else None

    def _lost(self) -> None:
        self._later = []
        if self._server is not None:
            self._server.lost()

    def _answer(self, apdu: bytes, now: float) -> list[bytes]:
        self.requests += 1
        if self._server is None:
            return []
        if self._faults.drops():
            self._lost()
            if not self._framing.wrapper:
                self._link = self._new_link()  # the next frame meets no link
                return []
        self.device.clock.wrong_sign = self._faults.wrong_deviation
        out: list[bytes] = []
        for event in self._server.receive(apdu):
            if isinstance(event, Send):
                if self._faults.slow_answer:
                    self._later.append((now + self._faults.slow_answer, event.apdu))
                else:
                    out += self._send(event.apdu, now)
            elif isinstance(event, Associated):
                self.associated += 1
        return out

    def _send(self, apdu: bytes, now: float) -> list[bytes]:
        if not self._link.connected:
            return []
        return [event.octets for event in self._link.send(apdu, now) if isinstance(event, Transmit)]
