"""The gateway's side of DLMS: an association with a meter, one service at a time. APDUs in, APDUs out.

Every verb returns list[Event], to be handled in order; `Send` goes to the layer below (`hdlc.Link`, `dlms.carriers`).
There is no clock here: the layer below knows whether octets still come. Call `lost` when it is lost. Call `abandon` to
give up a request, by a user or a time-out. A later answer to it is recognised.

    associate -> Send .. Associated | Failed         set    -> Send .. Written | Failed
    get       -> Send .. Got | Failed                action -> Send .. Invoked | Failed
    release   -> Send .. Released
"""

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from smgw.cosem import AttributeName, MethodName
from smgw.cosem.data import octet_string
from smgw.dlms.apdus.acse import AARE_TAG, RLRE_TAG, RLRQ_TAG, Aare, Release
from smgw.dlms.apdus.action import Outcome
from smgw.dlms.apdus.apdu import Apdu, decode_apdu
from smgw.dlms.apdus.block import GeneralBlock
from smgw.dlms.apdus.conformance import CLIENT, SHORT_CLIENT, Conformance
from smgw.dlms.apdus.descriptors import Selection, answers
from smgw.dlms.apdus.envelope import Ciphered
from smgw.dlms.apdus.exception import ConfirmedServiceError, ExceptionResponse
from smgw.dlms.apdus.get import GetResponseBlock
from smgw.dlms.apdus.initiate import InitiateRequest
from smgw.dlms.apdus.notify import DataNotification, EventNotification
from smgw.dlms.apdus.results import ActionResult
from smgw.dlms.apdus.short_names import REPLY_TO_HLS_SN, ShortNames
from smgw.dlms.data import decode_all, encode
from smgw.dlms.errors import (
    AssociationRejectedError,
    AuthenticationError,
    ProofRefusedError,
    SecurityError,
    ServiceExceptionError,
    ServiceRefusedError,
    UnexpectedApduError,
)
from smgw.dlms.security.hls import Authentication, Password, Proof
from smgw.dlms.session.association import REPLY_TO_HLS, Agreement, Association, State, Step
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
from smgw.dlms.session.general_block import GeneralBlocks
from smgw.dlms.session.opening import Opening
from smgw.dlms.session.services import Exchange, Selected, Services
from smgw.dlms.session.short_services import ShortServices
from smgw.errors import LocalProtocolError, RemoteProtocolError, SmgwError

if TYPE_CHECKING:  # it loads `cryptography`, which only a ciphering meter needs
    from smgw.dlms.security.ciphering import Ciphering

_NO_LIMIT = 0xFFFF
_AARE = bytes((AARE_TAG,))
# Looked up once: a member of an enum costs as much as a call.
_ASSOCIATED, _RELEASING = State.ASSOCIATED, State.RELEASING
#: APDUs that answer no service. For all others this is one look instead of six.
_NO_ANSWERS = frozenset(
    (GeneralBlock, Ciphered, DataNotification, EventNotification, ExceptionResponse, ConfirmedServiceError)
)
_FAILURES = (
    RemoteProtocolError,
    AssociationRejectedError,
    AuthenticationError,
    ServiceExceptionError,
    ServiceRefusedError,
)


class Client:
    """A session with one logical device as one client.

    `authentication` None: mechanism 0. `ciphering` None: APDUs in the clear. `title`: our system title where the
    mechanism wants one and nothing is ciphered (6, 7). `peer_title`: the meter's, where it is known.
    `max_pdu_size`: the largest APDU we take. `conformance`: what we ask for. `reply_to_hls`: where the meter takes
    passes 3 and 4, if not at the usual place (R11). `short_names`: the meter has short names, of which these are
    known; `learn` adds those of its object list.
    """

    def __init__(
        self,
        authentication: Password | Authentication | None = None,
        ciphering: "Ciphering | None" = None,
        *,
        title: bytes = b"",
        peer_title: bytes = b"",
        max_pdu_size: int = 0xFFFF,
        conformance: Conformance | None = None,
        reply_to_hls: MethodName | None = None,
        short_names: ShortNames | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._authentication = authentication
        self._ciphering = ciphering
        self._short_names = short_names
        short = short_names is not None
        if conformance is None:
            conformance = SHORT_CLIENT if short else CLIENT
        if ciphering and ciphering.general:
            conformance |= Conformance.GENERAL_PROTECTION
        request = InitiateRequest(conformance, max_pdu_size)
        self._opening = Opening(authentication, ciphering, title, request, random, short=short, peer_title=peer_title)
        self._reply_to_hls = reply_to_hls or (REPLY_TO_HLS_SN if short else REPLY_TO_HLS)
        self._association = Association()
        self._agreement = Agreement(conformance, 0)
        self._services = self._services_of(0)
        self._exchange: Exchange[Any] | None = None
        self._wrap: Callable[[Any], Event] = Got
        self._invoke: int | None = None  # of the request that is not answered yet
        self._blocks: GeneralBlocks | None = None
        self._events: list[Event] = []

    @property
    def state(self) -> State:
        """The state of the association."""
        return self._association.state

    @property
    def agreement(self) -> Agreement:
        """The agreement; before that, the services that we request."""
        return self._agreement

    @property
    def busy(self) -> bool:
        """True while an answer is awaited."""
        return self._exchange is not None or self.state in (State.ASSOCIATING, State.RELEASING)

    @property
    def short_names(self) -> ShortNames | None:
        """The short names of the meter, as far as they are known; None where logical names are used."""
        return self._short_names

    def learn(self, names: ShortNames) -> None:
        """Use these short names from now on. Without them only the association and the device name can be read."""
        self._short_names = names
        if isinstance(self._services, ShortServices):
            self._services.names = names

    def associate(self) -> list[Event]:
        """Ask for the association. LocalProtocolError if there is one."""
        self._association.step(Step.REQUESTED)
        try:
            return [Send(self._opening.request())]
        except SmgwError:  # no invocation counter to be had, for one
            self.lost()
            raise

    def get(self, attribute: AttributeName, selection: Selection | None = None) -> list[Event]:
        """Read one attribute."""
        return self._begin(lambda services: services.get(attribute, selection), lambda result: Got((result,)))

    def get_with_list(self, wanted: Sequence[AttributeName | Selected]) -> list[Event]:
        """Read many: in one request where the meter can, else in as many as it takes (R19)."""
        selected = [(one, None) if isinstance(one, AttributeName) else one for one in wanted]
        return self._begin(lambda services: services.get_list(selected), Got)

    def set(self, attribute: AttributeName, value: bytes, selection: Selection | None = None) -> list[Event]:
        """Write one attribute; `value` is A-XDR octets."""
        return self._begin(lambda services: services.set(attribute, value, selection), Written)

    def action(self, method: MethodName, parameter: bytes | None = None) -> list[Event]:
        """Invoke a method; `parameter` is A-XDR octets."""
        return self._begin(lambda services: services.action(method, parameter), Invoked)

    def release(self) -> list[Event]:
        """Close the association. Some meters do not support it; the layer below is disconnected afterwards anyway."""
        if self._exchange is not None:
            raise LocalProtocolError("a request is under way; wait for its answer, or abandon it")
        self._association.step(Step.RELEASE)
        try:
            return [Send(Release(self._opening.initiate() if self._ciphering else b"").encode(RLRQ_TAG))]
        except SmgwError:
            self.lost()
            raise

    def abandon(self) -> None:
        """Give up waiting for the answer to the last request."""
        self._exchange = None
        self._invoke = None
        self._blocks = None
        if self.state is not State.ASSOCIATED:
            self._association.reset()

    def lost(self) -> None:
        """The layer below is down: the association is gone, and what was asked."""
        self.abandon()
        self._association.reset()

    def receive(self, octets: bytes) -> list[Event]:
        """Take one APDU."""
        self._events = []
        asked = self.busy
        try:
            if self._association.state is _RELEASING:
                self._released(octets)
            elif octets[:1] == _AARE:
                self._answered(Aare.decode(octets))
            else:
                self._take(decode_apdu(octets))
        except _FAILURES as error:
            self._failed(error, asked=asked)
        except SmgwError:  # our own side cannot continue: the request is over
            self.abandon()
            raise
        return self._events

    def _take(self, apdu: Apdu, *, protected: bool = False) -> None:
        """Any APDU except those of ACSE, decrypted if it was ciphered."""
        if type(apdu) in _NO_ANSWERS:
            self._take_other(apdu, protected)
        elif self._ciphering and not protected:
            raise SecurityError(f"{type(apdu).__name__} in the clear where all is ciphered")
        else:
            invoke = getattr(apdu, "invoke", None)
            exchange, asked = self._exchange, self._invoke
            if exchange is None or not answers(invoke, asked):
                self._events.append(Stray(f"{type(apdu).__name__} that answers nothing that is being asked"))
            else:
                if isinstance(apdu, GetResponseBlock) and apdu.stray:
                    self._events.append(Ignored(f"{apdu.stray} octets behind the last block of an answer are ignored"))
                self._advance(exchange, lambda waiting: waiting.send(apdu))

    def _take_other(self, apdu: Apdu, protected: bool) -> None:
        """Take what answers no service: a part, an envelope, a push, an exception."""
        if isinstance(apdu, GeneralBlock):
            self._take_block(apdu)
        elif isinstance(apdu, Ciphered):
            if self._ciphering is None or protected:
                raise SecurityError("a ciphered APDU where nothing is ciphered, or within another one")
            self._take(decode_apdu(self._ciphering.unprotect(apdu)), protected=True)
        elif isinstance(apdu, DataNotification | EventNotification):
            self._events.append(Pushed(apdu, protected))
        elif isinstance(apdu, ExceptionResponse):
            self._refused(ServiceExceptionError(*apdu))
        elif isinstance(apdu, ConfirmedServiceError):
            self._refused(ServiceRefusedError(apdu))

    def _take_block(self, block: GeneralBlock) -> None:
        if self._blocks is None:
            self._blocks = GeneralBlocks()
        reply, apdu = self._blocks.receive(block)
        self._events += [Send(one.encode()) for one in reply]
        if apdu is not None:
            self._blocks = None
            whole = decode_apdu(apdu)
            if isinstance(whole, GeneralBlock):
                raise UnexpectedApduError(whole, "within general blocks")
            self._take(whole)

    # Association: AARE, then passes 3 and 4 of high level security where they are due.

    def _answered(self, aare: Aare) -> None:
        if self.state is not State.ASSOCIATING:
            raise UnexpectedApduError(aare, self.state.value)
        agreement = self._opening.agreement(aare)
        proof = self._opening.proof(aare)
        self._agreed(agreement)
        if proof is None or self._authentication is None or isinstance(self._authentication, Password):
            self._association.step(Step.ACCEPTED)
            self._events.append(Associated(agreement))
        else:
            self._association.step(Step.CHALLENGED)
            self._prove(self._authentication, proof)

    def _agreed(self, agreement: Agreement) -> None:
        self._agreement = agreement
        room = agreement.max_pdu_size or _NO_LIMIT
        self._services = self._services_of(room - (self._ciphering.overhead if self._ciphering else 0))

    def _services_of(self, room: int) -> Services | ShortServices:
        if self._short_names is not None:
            return ShortServices(self._agreement, room, self._short_names)
        return Services(self._agreement, room)

    def _prove(self, authentication: Authentication, proof: Proof) -> None:
        def proved(outcome: Outcome) -> Event:
            if outcome.result is not ActionResult.SUCCESS:
                words = outcome.result.words
                raise ProofRefusedError(f"the meter does not accept our proof ({words}): not its secret or keys")
            answer = decode_all(outcome.returned).value if isinstance(outcome.returned, bytes) else None
            if not isinstance(answer, bytes) or not authentication.accepts(proof.turned(), answer):
                raise ProofRefusedError("the meter does not prove that it has the secret or the keys")
            self._association.step(Step.PROVED)
            return Associated(self._agreement)

        parameter = encode(octet_string(authentication.answer(proof)))
        self._start(self._services.action(self._reply_to_hls, parameter), proved)

    def _released(self, octets: bytes) -> None:
        """Any APDU ends the association, except a push."""
        confirmed = octets[:1] == bytes((RLRE_TAG,))
        if not confirmed:
            with contextlib.suppress(*_FAILURES):
                self._take(decode_apdu(octets))
        if not any(isinstance(event, Pushed) for event in self._events):
            self._association.step(Step.RELEASED)
            self._events = [Released(confirmed)]

    # One exchange at a time.

    def _begin(
        self, make: Callable[[Services | ShortServices], Exchange[Any]], wrap: Callable[[Any], Event]
    ) -> list[Event]:
        if self._association.state is not _ASSOCIATED:
            raise LocalProtocolError(f"a service while {self.state.value}")
        if self._exchange is not None:
            raise LocalProtocolError("a request is under way; wait for its answer, or abandon it")
        self._events = []
        self._start(make(self._services), wrap)
        return self._events

    def _start(self, exchange: Exchange[Any], wrap: Callable[[Any], Event]) -> None:
        self._wrap = wrap
        self._advance(exchange, next)

    def _advance(self, exchange: Exchange[Any], go: Callable[[Exchange[Any]], Apdu]) -> None:
        """Pass an answer or an error to the exchange; send its next request, or return its result."""
        self._exchange = None  # an error ends it
        self._invoke = None
        self._blocks = None
        try:
            request = go(exchange)
        except StopIteration as done:
            self._events.append(self._wrap(done.value))
        else:
            self._send(request.encode())
            self._exchange = exchange
            self._invoke = getattr(request, "invoke", None)

    def _send(self, apdu: bytes) -> None:
        if self._ciphering:
            apdu = self._ciphering.protect(apdu)
        largest = self._agreement.max_pdu_size
        if not largest or len(apdu) <= largest:
            self._events.append(Send(apdu))
        elif self._agreement.allows(Conformance.GENERAL_BLOCK_TRANSFER):
            self._blocks = GeneralBlocks()
            self._events += [Send(block.encode()) for block in self._blocks.send(apdu, largest)]
        else:
            raise LocalProtocolError(f"a request of {len(apdu)} octets; the meter takes {largest} and no blocks")

    def _refused(self, error: ServiceExceptionError | ServiceRefusedError) -> None:
        if self._exchange is None:
            raise error
        self._advance(self._exchange, lambda exchange: exchange.throw(error))

    def _failed(self, error: SmgwError, *, asked: bool) -> None:
        """The request is over. Without a request, the error is about an unexpected APDU."""
        if self.state in (State.ASSOCIATING, State.PROVING):
            self._association.step(Step.REJECTED)
        self._exchange = None
        self._invoke = None
        self._blocks = None
        self._events.append(Failed(error) if asked else Stray(str(error)))
