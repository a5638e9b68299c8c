"""The meter's side of DLMS: one client's session with one logical device, for the simulator.

receive(apdu)  -> [Associated | Released | Failed] .. Send, for the layer below
notify(apdu)   -> Send: a push without an answer
lost()         the layer below is down, so the association is too
"""

import os
from collections.abc import Callable
from functools import partial
from hmac import compare_digest
from typing import TYPE_CHECKING

from smgw.cosem.data import octet_string
from smgw.dlms.apdus.acse import (
    AARQ_TAG,
    RLRE_TAG,
    RLRQ_TAG,
    Aare,
    Aarq,
    AcseError,
    ApplicationContext,
    AssociationResult,
    Diagnostic,
    Mechanism,
    Release,
)
from smgw.dlms.apdus.action import ActionRequest, ActionResponse, Outcome
from smgw.dlms.apdus.apdu import Apdu, decode_apdu
from smgw.dlms.apdus.block import GENERAL_BLOCK_TRANSFER, GeneralBlock
from smgw.dlms.apdus.conformance import LOGICAL, SHORT, Conformance
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.apdus.envelope import Ciphered
from smgw.dlms.apdus.exception import ConfirmedServiceError, ExceptionResponse
from smgw.dlms.apdus.initiate import LN_VAA_NAME, SN_VAA_NAME, VERSION, InitiateRequest, InitiateResponse
from smgw.dlms.apdus.notify import DataNotification, EventNotification
from smgw.dlms.apdus.results import ActionResult, DataAccessResult, ServiceError, StateError
from smgw.dlms.apdus.short import ReadRequest, ReadResponse, Variable
from smgw.dlms.apdus.short_names import REPLY_TO_HLS_SN, method_of
from smgw.dlms.data import decode_all, encode
from smgw.dlms.errors import (
    AssociationRejectedError,
    AuthenticationError,
    ReplayError,
    SecurityError,
    UnexpectedApduError,
)
from smgw.dlms.meter.access import Admission, ObjectModel
from smgw.dlms.meter.answers import Answers
from smgw.dlms.meter.short_answers import ShortAnswers
from smgw.dlms.security.hls import MAX_CHALLENGE, MIN_CHALLENGE, Password, Proof
from smgw.dlms.session.association import REPLY_TO_HLS, Agreement, Association, State, Step
from smgw.dlms.session.events import Associated, Event, Failed, Released, Send
from smgw.dlms.session.general_block import GeneralBlocks
from smgw.dlms.session.opening import context_of
from smgw.errors import RemoteProtocolError

if TYPE_CHECKING:  # with it comes `cryptography`
    from smgw.dlms.security.ciphering import Ciphering

_CHALLENGE_LENGTH = 16
_NO_LIMIT = 0xFFFF
_SMALLEST_PDU = 12  # IEC 62056-5-3, 7.3.1
_NOT_NOW = ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.OPERATION_NOT_POSSIBLE)
_NOT_OPENED = ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.DECIPHERING_ERROR)
_NOT_UNDERSTOOD = ExceptionResponse(StateError.SERVICE_UNKNOWN, ServiceError.OTHER_REASON)
#: Confirmed-service-errors of the service initiate: class 6 and the reason.
_VERSION_TOO_LOW, _NO_SERVICE_IN_COMMON, _PDU_TOO_SHORT = ((1, 6, value) for value in (1, 2, 3))


class Server:
    """Serves `model` to the client with the service access point `client`, as `admission` allows."""

    def __init__(
        self, model: ObjectModel, client: int, admission: Admission, *, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._model = model
        self._client = client
        self._admission = admission
        self._random = random
        self._association = Association()
        self._ciphering: Ciphering | None = None
        self._agreement = Agreement(Conformance.NONE, 0)
        self._answers: Answers | ShortAnswers | None = None
        self._short = admission.short_names
        self._proof = Proof(b"", b"", b"", b"")
        self._blocks: GeneralBlocks | None = None
        self._events: list[Event] = []

    @property
    def state(self) -> State:
        """The state of the association."""
        return self._association.state

    @property
    def agreement(self) -> Agreement:
        """The last agreement."""
        return self._agreement

    def receive(self, octets: bytes) -> list[Event]:
        """Take one APDU."""
        self._events = []
        if octets[:1] != bytes((GENERAL_BLOCK_TRANSFER,)):
            self._blocks = None  # a previous answer in blocks is complete
        try:
            if octets[:1] == bytes((AARQ_TAG,)):
                self._requested(octets)
            elif octets[:1] == bytes((RLRQ_TAG,)):
                self._release(octets)
            else:
                self._take(decode_apdu(octets))
        except ReplayError as error:
            refusal = ExceptionResponse(
                StateError.SERVICE_NOT_ALLOWED, ServiceError.INVOCATION_COUNTER_ERROR, error.expected
            )
            self._events += [Failed(error), Send(refusal.encode())]
        except SecurityError as error:
            self._events += [Failed(error), Send(_NOT_OPENED.encode())]
        except RemoteProtocolError as error:
            self._events += [Failed(error), Send(_NOT_UNDERSTOOD.encode())]
        return self._events

    def notify(self, apdu: DataNotification | EventNotification) -> list[Event]:
        """A push, ciphered where all is."""
        octets = apdu.encode()
        return [Send(self._ciphering.protect(octets) if self._ciphering else octets)]

    def lost(self) -> None:
        """The layer below is down."""
        self._association.reset()
        self._answers = None
        self._blocks = None

    # Association

    def _requested(self, octets: bytes) -> None:
        if self.state is not State.IDLE:
            self._events.append(Send(_NOT_NOW.encode()))
            return
        self._association.step(Step.REQUESTED)
        self._ciphering = self._admission.ciphering() if self._admission.ciphering else None
        try:
            aarq = Aarq.decode(octets)
            diagnostic = self._objection(aarq)
            if diagnostic is not None:
                self._reject(diagnostic)
                return
            self._accept(aarq, self._initiation(aarq))
        except AcseError:
            self._reject(Diagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED)
        except ReplayError:
            self._association.step(Step.REJECTED)
            raise
        except RemoteProtocolError:
            self._reject(Diagnostic.NO_REASON_GIVEN)

    def _objection(self, aarq: Aarq) -> Diagnostic | None:
        """The reason to refuse this client; None if it is admitted, or must still authenticate itself."""
        if aarq.context != self._context:
            return Diagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED
        authentication = self._admission.authentication
        mechanism = authentication.mechanism if authentication else Mechanism.NONE
        if aarq.mechanism is not mechanism:
            none = aarq.mechanism is Mechanism.NONE
            return (
                Diagnostic.AUTHENTICATION_MECHANISM_NAME_REQUIRED
                if none
                else Diagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED
            )
        if isinstance(authentication, Password) and not compare_digest(
            authentication.secret, aarq.authentication_value
        ):
            return Diagnostic.AUTHENTICATION_FAILURE
        if mechanism.high and not MIN_CHALLENGE <= len(aarq.authentication_value) <= MAX_CHALLENGE:
            return Diagnostic.AUTHENTICATION_FAILURE
        return None

    def _initiation(self, aarq: Aarq) -> InitiateRequest:
        """The client's InitiateRequest, decrypted if it is ciphered."""
        apdu = decode_apdu(aarq.user_information)
        if self._ciphering:
            self._ciphering.peer_title = aarq.calling_title
            if not isinstance(apdu, Ciphered):
                raise SecurityError("an InitiateRequest in the clear where all is ciphered")
            apdu = decode_apdu(self._ciphering.unprotect(apdu))
        if not isinstance(apdu, InitiateRequest):
            raise AcseError("the user information of an AARQ is no InitiateRequest")
        if self._ciphering:
            self._ciphering.dedicate(apdu.dedicated_key)
        return apdu

    def _accept(self, aarq: Aarq, initiate: InitiateRequest) -> None:
        admission, ciphering = self._admission, self._ciphering
        conformance = initiate.conformance & admission.conformance & ~(LOGICAL if self._short else SHORT)
        error = (
            _VERSION_TOO_LOW
            if initiate.version < VERSION
            else _NO_SERVICE_IN_COMMON
            if not conformance
            else _PDU_TOO_SHORT
            if 0 < initiate.max_pdu_size < _SMALLEST_PDU
            else None
        )
        if error:
            self._reject(Diagnostic.NO_REASON_GIVEN, ConfirmedServiceError(*error).encode())
            return
        agreement = Agreement(conformance, initiate.max_pdu_size, aarq.mechanism, aarq.calling_title)
        vaa_name = SN_VAA_NAME if self._short else LN_VAA_NAME
        response = InitiateResponse(conformance, admission.max_pdu_size, vaa_name).encode()
        title = ciphering.title if ciphering else admission.title
        high = aarq.mechanism.high
        challenge = self._random(_CHALLENGE_LENGTH) if high else b""
        aare = Aare(
            AssociationResult.ACCEPTED,
            Diagnostic.AUTHENTICATION_REQUIRED if high else Diagnostic.NULL,
            ciphering.protect(response, initiate=True) if ciphering else response,
            aarq.context,
            aarq.mechanism if high else Mechanism.NONE,
            challenge,
            title if high or ciphering else b"",
        )
        self._agreed(agreement)
        self._events.append(Send(aare.encode()))
        if high:
            self._proof = Proof(aarq.calling_title, title, challenge, aarq.authentication_value)
            self._association.step(Step.CHALLENGED)
        else:
            self._association.step(Step.ACCEPTED)
            self._events.append(Associated(agreement))

    def _agreed(self, agreement: Agreement) -> None:
        self._agreement = agreement
        room = agreement.max_pdu_size or _NO_LIMIT
        room -= self._ciphering.overhead if self._ciphering else 0
        if self._short is not None:
            self._answers = ShortAnswers(self._model, self._client, agreement, room, self._short)
        else:
            self._answers = Answers(self._model, self._client, agreement, room)

    def _reject(self, diagnostic: Diagnostic, information: bytes = b"") -> None:
        self._association.step(Step.REJECTED)
        result = AssociationResult.REJECTED_PERMANENT
        self._events.append(Send(Aare(result, diagnostic, information, self._context).encode()))
        self._events.append(Failed(AssociationRejectedError(result, diagnostic)))

    @property
    def _context(self) -> ApplicationContext:
        return context_of(short=self._short is not None, ciphered=self._ciphering is not None)

    def _proved(self, parameter: bytes | None, pass_4: Callable[[bytes | None], bytes]) -> None:
        """Pass 3. Our answer to it is pass 4: `pass_4` makes the APDU of our proof, or of our refusal (None)."""
        authentication = self._admission.authentication
        assert authentication is not None
        assert not isinstance(authentication, Password)
        answer = decode_all(parameter).value if parameter else None
        if isinstance(answer, bytes) and authentication.accepts(self._proof, answer):
            self._association.step(Step.PROVED)
            self._reply(pass_4(encode(octet_string(authentication.answer(self._proof.turned())))))
            self._events.append(Associated(self._agreement))
        else:
            self._association.step(Step.REJECTED)
            self._reply(pass_4(None))
            self._events.append(
                Failed(AuthenticationError("the client does not prove that it has the secret or the keys"))
            )

    def _release(self, octets: bytes) -> None:
        if self.state is not State.ASSOCIATED:
            self._events.append(Send(_NOT_NOW.encode()))
            return
        release = Release.decode(octets, RLRQ_TAG)
        user = b""
        if self._ciphering:
            inside = decode_apdu(release.user_information) if release.user_information else None
            if not isinstance(inside, Ciphered):
                raise SecurityError("a release in the clear where all is ciphered")
            self._ciphering.unprotect(inside)
            response = InitiateResponse(self._agreement.conformance, self._admission.max_pdu_size).encode()
            user = self._ciphering.protect(response, initiate=True)
        self._association.step(Step.RELEASE)
        self._association.step(Step.RELEASED)
        self._events += [Send(Release(user).encode(RLRE_TAG)), Released(True)]
        self.lost()

    # Services

    def _take(self, apdu: Apdu, *, protected: bool = False) -> None:
        if isinstance(apdu, GeneralBlock):
            self._take_block(apdu)
        elif isinstance(apdu, Ciphered):
            if self._ciphering is None or protected:
                raise SecurityError("a ciphered APDU where nothing is ciphered, or within another one")
            opened = self._ciphering.unprotect(apdu)
            self._ciphering.answer_like(apdu)
            self._take(decode_apdu(opened), protected=True)
        elif self._ciphering and not protected:
            raise SecurityError(f"{type(apdu).__name__} in the clear where all is ciphered")
        elif self.state is State.PROVING and isinstance(apdu, ActionRequest) and _is_reply_to_hls(apdu):
            self._proved(apdu.parameter, partial(_action_response, apdu.invoke))
        elif self.state is State.PROVING and (parameter := _short_reply_to_hls(apdu)) is not None:
            self._proved(parameter, _read_response)
        elif self.state is not State.ASSOCIATED or self._answers is None:
            self._events.append(Send(_NOT_NOW.encode()))
        else:
            octets = self._answers.answer(apdu)
            if octets is not None:
                self._reply(octets)

    def _take_block(self, block: GeneralBlock) -> None:
        if not self._agreement.allows(Conformance.GENERAL_BLOCK_TRANSFER):
            raise SecurityError("general blocks, which were not agreed on")
        if self._blocks is None or (block.number == 1 and block.piece):  # a request begins
            self._blocks = GeneralBlocks()
        reply, apdu = self._blocks.receive(block)
        self._events += [Send(one.encode()) for one in reply]
        if apdu is not None:
            whole = decode_apdu(apdu)
            if isinstance(whole, GeneralBlock):
                raise UnexpectedApduError(whole, "within general blocks")
            self._take(whole)

    def _reply(self, octets: bytes) -> None:
        if self._ciphering:
            octets = self._ciphering.protect(octets)
        largest = self._agreement.max_pdu_size
        blocks, self._blocks = self._blocks, None
        if not largest or len(octets) <= largest or not self._agreement.allows(Conformance.GENERAL_BLOCK_TRANSFER):
            self._events.append(Send(octets))
        else:
            self._blocks = blocks or GeneralBlocks()
            self._events += [Send(block.encode()) for block in self._blocks.send(octets, largest)]


def _is_reply_to_hls(request: ActionRequest) -> bool:
    method = request.method
    return method.class_id == REPLY_TO_HLS.class_id and method.method == REPLY_TO_HLS.method


def _short_reply_to_hls(apdu: Apdu) -> bytes | None:
    """The parameter of pass 3 with short names; None if the APDU is another."""
    match apdu:
        case ReadRequest((Variable(name, Selection(_, parameter)),)) if name == method_of(REPLY_TO_HLS_SN):
            return parameter
    return None


def _action_response(invoke: int, proof: bytes | None) -> bytes:
    outcome = Outcome(ActionResult.OTHER_REASON) if proof is None else Outcome(ActionResult.SUCCESS, proof)
    return ActionResponse(invoke, outcome).encode()


def _read_response(proof: bytes | None) -> bytes:
    return ReadResponse((DataAccessResult.OTHER_REASON if proof is None else proof,)).encode()
