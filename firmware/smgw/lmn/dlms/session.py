"""One DLMS association over an open port: mode E if configured, link, association, one request after the other."""

import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from smgw.cosem import AttributeName, Stamp
from smgw.dlms.apdus.acse import Diagnostic
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.apdus.get import Result
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.apdus.short_names import OBJECT_LIST_SN, ShortNames
from smgw.dlms.carriers.wrapper import Wrapper
from smgw.dlms.errors import AssociationRejectedError, ProofRefusedError, ServiceExceptionError
from smgw.dlms.session.association import REPLY_TO_HLS
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import (
    Associated,
    Event,
    Failed,
    Got,
    Ignored,
    Invoked,
    Pushed,
    Released,
    Send,
    Stray,
    Written,
)
from smgw.errors import SmgwError
from smgw.hdlc import ApduReceived, Disconnected, Link
from smgw.hdlc.trace import Trace
from smgw.lmn.contract import Patience, Surroundings
from smgw.lmn.dlms.counters import Counters
from smgw.lmn.dlms.link import Beginning, client_link, why_down
from smgw.lmn.dlms.objects import DATA, VALUE, number_of
from smgw.lmn.dlms.security import Security, meter_title, options_of, title
from smgw.lmn.dlms.sign_on import sign_on
from smgw.lmn.dlms.turn import turn
from smgw.lmn.errors import AccessRefusedError, PollError, StoppedError
from smgw.ports import Port, PortError
from smgw.ports.port import GATHER_S
from smgw.profiles.dlms import Quirk, Referencing, Start
from smgw.profiles.meter import MeterProfile
from smgw.wire import Refused, Transmit

log = logging.getLogger(__name__)

_Answer = Associated | Got | Written | Invoked | Released | Failed
_Kind = TypeVar("_Kind", bound=_Answer)
#: The longest APDU that we accept. Over UDP it fits into one packet of most networks: fragments get lost.
_DATAGRAM, _NO_LIMIT = 1400, 0xFFFF
#: Longest wait for the end of a session, or a third of the time-out. The meter ends it by itself later.
_PATIENCE_AT_END = 1.0
#: Longest time for all blocks of one answer. The largest value takes twenty minutes at 9600 Bd.
_LONGEST_ASK = 3600.0


class DlmsSession:
    """The client of one meter. Waits end soon when the surroundings stop (the port's Wake is set, too)."""

    def __init__(
        self,
        profile: MeterProfile,
        security: Security,
        surroundings: Surroundings,
        pushed: Callable[[Pushed], None] = lambda _: None,
    ) -> None:
        self._name = profile.name
        self._baudrate = profile.baudrate
        self._dlms = options_of(profile)
        self._security = security
        self._clock = surroundings.clock
        self._now = surroundings.now
        self._stopping = surroundings.stopping
        self._tick = surroundings.tick
        self._pushed = pushed
        self.patience = Patience(profile.timeout, profile.retries)
        self._trace = Trace(f"meter {profile.name}")
        self._link: Link | Wrapper = client_link(self._dlms, self._dlms.client, self.patience, 0.0)
        self.client = Client()
        self._answer: _Answer | None = None
        self._down: Disconnected | None = None
        self._linked = False  # there may be a link on this port
        self._beginning = Beginning()
        self._ignored = False  # surplus octets of the meter were already logged
        self._kept_do = False  # the last association succeeded with the stored counters
        self._answered_end = False
        self._asked = 0.0  # time of the last APDU sent
        self.answered: Stamp | None = None  # begin of the answer to the last request

    @property
    def open_(self) -> bool:
        """True while the association is open."""
        return self._linked and self._link.connected

    @property
    def unanswered(self) -> bool:
        """True if a late answer may still come over the wrapper: the connection must be closed."""
        return self._answer is None and isinstance(self._link, Wrapper)

    @property
    def _patience_at_end(self) -> float:
        return min(self.patience.timeout / 3, _PATIENCE_AT_END)

    def open(self, port: Port) -> None:
        """Sign on, connect, associate. Raises PollError, and a DLMS error of the meter's answer."""
        self._linked = False
        if self._dlms.start is Start.MODE_E:
            sign_on(port, self._dlms, self._baudrate, self.patience, self._trace, self._now, self._stopping)
        counters, doubt = self._security.counters, ""
        if counters is not None and not counters.least and not self._kept_do and self._dlms.public_client:
            doubt = self._learn_counter(port, counters)
        try:
            self._associate_following(port, counters)
        except (PortError, AccessRefusedError):
            raise
        except SmgwError as error:
            self._kept_do = False
            if counters is not None and counters.doubted and not isinstance(error, PollError):
                raise counters.doubted from error  # the meter answers, and does not accept our counter
            if doubt and doubt != str(error) and not self._stopping():
                raise PollError(f"{error}; {doubt}") from error
            raise
        self._kept_do = True
        if doubt:
            log.warning("meter %s can be read, but %s", self._name, doubt)

    def close(self, port: Port) -> None:
        """Release and disconnect, so that the meter accepts the next session at once (R6). Never raises."""
        if not self._linked:
            return
        with contextlib.suppress(SmgwError):
            if self._stopping():
                self._leave(port)
            else:
                self._release(port)
                self._disconnect(port)
        self._linked = False

    def _release(self, port: Port) -> None:
        """End the association, if there is one and the meter supports it (R8). Ignores the result."""
        if self._link.connected and not self.client.busy and Quirk.NO_RELEASE not in self._dlms.quirks:
            with contextlib.suppress(SmgwError):
                self.ask(port, self.client.release(), Released)

    def _leave(self, port: Port) -> None:
        """The last octets at a stop: DISC, or RLRQ over the wrapper, which has no DISC. No answer is awaited."""
        port.rearm()
        last: list[Any] = []
        if isinstance(self._link, Wrapper) and self._link.connected and Quirk.NO_RELEASE not in self._dlms.quirks:
            self.client.abandon()
            with contextlib.suppress(SmgwError):
                for event in self.client.release():
                    last += self._link.send(event.apdu, self._now()) if isinstance(event, Send) else []
        for event in [*last, *self._link.disconnect(self._now())]:
            if isinstance(event, Transmit):
                self._write(port, event.octets)

    def get(self, port: Port, attribute: AttributeName, selection: Selection | None = None) -> Result:
        """Read one attribute: A-XDR octets, or an error code. Raises PollError, a DLMS error."""
        return self.ask(port, self.client.get(attribute, selection), Got).results[0]

    def get_list(self, port: Port, attributes: Sequence[AttributeName]) -> list[Result]:
        """Read many attributes, in one request if the meter supports it. A refusal is in the result, not an error."""
        if Quirk.NO_LIST in self._dlms.quirks or len(attributes) == 1:
            return [self.get(port, attribute) for attribute in attributes]
        return list(self.ask(port, self.client.get_with_list(attributes), Got).results)

    def ask(self, port: Port, events: Sequence[Event], kind: type[_Kind]) -> _Kind:
        """The result of a verb of the client. Raises PollError if the meter is silent, else its error."""
        self._answer, self._down, self.answered = None, None, None
        ends = self._now() + _LONGEST_ASK
        self._follow(port, events)
        while self._answer is None:
            self._turn(port)
            if self._answer is None and self._now() > ends:
                self.client.abandon()
                raise PollError(f"an answer that has not come to its end within {_LONGEST_ASK:g} s")
        if isinstance(self._answer, Failed):
            raise self._answer.error
        if not isinstance(self._answer, kind):
            raise PollError(f"an answer of another kind: {type(self._answer).__name__}")
        return self._answer

    def listen(self, port: Port, until: float) -> None:
        """Wait until the next request is due (monotonic seconds): accept pushes, notice the end of the link."""
        while not self._stopping() and (left := until - self._now()) > 0:
            if port.wait(left):
                port.gather(GATHER_S)
                octets = self._read(port)
                if self._linked:
                    with contextlib.suppress(PollError):
                        self._carry(port, self._link.receive(octets, self._now()))

    def _write(self, port: Port, octets: bytes) -> None:
        self._trace.sent(octets, self._now())
        port.write(octets)

    def _read(self, port: Port) -> bytes:
        octets = port.read()
        self._trace.received(octets, self._now())
        return octets

    def _learn_counter(self, port: Port, counters: Counters) -> str:
        """Read the meter's own counter by the public client. Without it the reserved one is used.

        Returns a fault, or "".
        """
        value = None
        try:
            self._connect(port, self._dlms.public_client)
            self.client = Client()
            self.ask(port, self.client.associate(), Associated)
            value = number_of(self.get(port, AttributeName(DATA, self._dlms.counter_object, VALUE)))
        except PortError:
            raise
        except SmgwError as error:
            if self._stopping():
                raise
            log.debug("meter %s: its counter cannot be read as public client: %s", self._name, error)
        self._end(port)
        return "" if value is None else counters.learn(value)

    def _associate_following(self, port: Port, counters: Counters | None) -> None:
        """Associate; try once more if the meter reports the counter that it expects."""
        try:
            self._associate(port)
        except ServiceExceptionError as error:
            if error.counter is None or counters is None:
                raise
            try:
                followed = counters.follow(error.counter)
            finally:
                self._end(port)
            if not followed:
                raise
            log.info("meter %s expects another invocation counter, which is followed", self._name)
            self._associate(port)

    def _associate(self, port: Port) -> None:
        dlms = self._dlms
        self._connect(port, dlms.client)
        ciphering = self._security.ciphering()
        self.client = Client(
            self._security.authentication(),
            ciphering,
            title=title(dlms),
            peer_title=meter_title(dlms),
            max_pdu_size=_DATAGRAM if port.url.startswith("udp://") else _NO_LIMIT,
            reply_to_hls=None if self._short else REPLY_TO_HLS._replace(obis=dlms.association),
            short_names=ShortNames() if self._short else None,
        )
        try:
            longest = self.patience.timeout * (1 + self.patience.retries)
            with turn(self._security.secret_id, longest, self._stopping, self._tick):
                self.ask(port, self.client.associate(), Associated)
        except (AssociationRejectedError, ProofRefusedError, PollError) as error:
            self._disconnect(port)
            if _refuses_secret(error):
                raise AccessRefusedError(str(error), "password_file or the key files") from error
            raise
        if self._short:
            self.client.learn(self._short_names(port))

    @property
    def _short(self) -> bool:
        return self._dlms.referencing is Referencing.SHORT

    def _short_names(self, port: Port) -> ShortNames:
        """The meter's list of objects. It is read in each association, since another meter may be there."""
        listed = self.get(port, OBJECT_LIST_SN)
        if isinstance(listed, DataAccessResult):
            raise PollError(f"the meter does not tell the short names of its objects: {listed.words}")
        return ShortNames.read(listed)

    # The link.

    def _connect(self, port: Port, client: int) -> None:
        octet_time = port.settings.octet_time if port.paced else 0.0
        self._link = client_link(self._dlms, client, self.patience, octet_time)
        if self._beginning.with_disc(port):
            self._disconnect(port)
            self._link = client_link(self._dlms, client, self.patience, octet_time)
        self._linked, self._down = True, None
        self._carry(port, self._link.connect(self._now()))
        while not self._link.connected:
            self._turn(port)
        self._beginning.succeeded()

    def _end(self, port: Port) -> None:
        """Before another AARQ: over the wrapper RLRQ ends the association, over HDLC the end of the link does."""
        if isinstance(self._link, Wrapper):
            self._release(port)
        self._disconnect(port)

    def _disconnect(self, port: Port) -> None:
        """Run it and ignore errors."""
        self._down, self._answered_end = None, False
        self._carry(port, self._link.disconnect(self._now()), ending=True)
        ends = self._now() + self._patience_at_end
        while self._link.busy and self._now() < ends and not self._stopping():
            self._turn(port, ending=True)
        self._beginning.clean, self._linked = self._answered_end, False

    def _turn(self, port: Port, *, ending: bool = False) -> None:
        """Wait for octets or for the link's deadline, once. Raises PollError if the link is down, or to stop."""
        self._tick()
        now = self._now()
        due = self._link.deadline(now)
        if due is None and not self._link.connected and not ending:
            raise why_down(self._down)
        wait = self.patience.timeout if due is None else due - now
        if ending:
            wait = min(wait, self._patience_at_end)
        if port.wait(max(0.0, wait)):
            self.answered = self.answered or self._clock.stamp()
            port.gather(GATHER_S / 50)
            events = self._link.receive(self._read(port), self._now())
            self._answered_end = ending and any(isinstance(event, Disconnected) for event in events)
        else:
            if self._stopping():
                raise StoppedError
            events = []
        events = [*events, *self._link.expire(self._now())]  # also on a line that is never silent
        self._carry(port, events, ending=ending)
        if self.client.busy and self._answer is None and self._link.connected and not self._link.busy and not ending:
            if self._now() > self._asked + self.patience.timeout * (1 + self.patience.retries):
                self.client.abandon()
                raise PollError("what came was no answer to what was asked, again and again")
            self._carry(port, self._link.poll(self._now()))  # the received APDU was not the answer

    def _carry(self, port: Port, events: Sequence[Any], *, ending: bool = False) -> None:
        for event in events:
            if isinstance(event, Transmit):
                self._write(port, event.octets)
            elif isinstance(event, ApduReceived):
                self._follow(port, self.client.receive(event.apdu))
            elif isinstance(event, Refused):
                log.debug("meter %s: %s", self._name, event.reason)
            elif isinstance(event, Disconnected):
                self.client.lost()
                self._down = event
                if not ending:
                    self._linked = False
                    raise why_down(event)

    def _follow(self, port: Port, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Send):
                self._asked = self._now()
                self._carry(port, self._link.send(event.apdu, self._now()))
            elif isinstance(event, Pushed):
                self._pushed(event)
            elif isinstance(event, Ignored):
                log.log(logging.DEBUG if self._ignored else logging.WARNING, "meter %s: %s", self._name, event.reason)
                self._ignored = True
            elif isinstance(event, Stray):
                log.debug("meter %s: %s", self._name, event.reason)
            elif isinstance(event, _Answer):
                self._answer = event


def _refuses_secret(error: SmgwError) -> bool:
    """True if the meter refuses password, secret or keys. It may lock if they are tried again."""
    if isinstance(error, AssociationRejectedError):
        return not error.by_provider and error.diagnostic == Diagnostic.AUTHENTICATION_FAILURE
    return isinstance(error, ProofRefusedError)
