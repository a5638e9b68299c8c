"""The client's part of opening an association: its proposal, and the check of the answer (9.4.4)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from smgw.dlms.apdus.acse import Aare, Aarq, ApplicationContext, AssociationResult, Diagnostic, Mechanism
from smgw.dlms.apdus.apdu import decode_apdu
from smgw.dlms.apdus.envelope import Ciphered
from smgw.dlms.apdus.exception import CONFIRMED_SERVICE_ERROR, ConfirmedServiceError
from smgw.dlms.apdus.initiate import InitiateRequest, InitiateResponse
from smgw.dlms.errors import (
    AssociationRejectedError,
    AuthenticationError,
    SecurityError,
    ServiceRefusedError,
    UnexpectedApduError,
)
from smgw.dlms.security.hls import Authentication, Password, Proof
from smgw.dlms.session.association import Agreement

if TYPE_CHECKING:  # it loads `cryptography`, which only a ciphering meter needs
    from smgw.dlms.security.ciphering import Ciphering

_CHALLENGE_LENGTH = 16
_TITLE_LENGTH = 8


def context_of(*, short: bool, ciphered: bool) -> ApplicationContext:
    """The application context with these names."""
    if short:
        return ApplicationContext.SHORT_NAMES_CIPHERED if ciphered else ApplicationContext.SHORT_NAMES
    return ApplicationContext.LOGICAL_NAMES_CIPHERED if ciphered else ApplicationContext.LOGICAL_NAMES


class Opening:
    """The proposal of one client to one meter, for each association; `random` gives octets for challenges."""

    def __init__(
        self,
        authentication: Password | Authentication | None,
        ciphering: "Ciphering | None",
        title: bytes,
        initiate: InitiateRequest,
        random: Callable[[int], bytes],
        *,
        short: bool = False,
        peer_title: bytes = b"",
    ) -> None:
        """`peer_title`: the meter's system title where it is known; another one is refused."""
        self._authentication = authentication
        self._ciphering = ciphering
        self._title = ciphering.title if ciphering else title
        self._initiate = initiate
        self._random = random
        self._configured = (ciphering.peer_title if ciphering else b"") or peer_title
        self._challenge = b""
        self._short = short

    def request(self) -> bytes:
        """The AARQ."""
        authentication, ciphering = self._authentication, self._ciphering
        value = b""
        if isinstance(authentication, Password):
            value = authentication.secret
        elif authentication:
            value = self._challenge = self._random(_CHALLENGE_LENGTH)
        context = context_of(short=self._short, ciphered=ciphering is not None)
        return Aarq(context, self.initiate(), self._mechanism, value, self._title).encode()

    def initiate(self) -> bytes:
        """The InitiateRequest, ciphered if the association is. The release repeats it as authentication."""
        if not self._ciphering:
            return self._initiate.encode()
        plain = self._initiate._replace(dedicated_key=self._ciphering.dedicated_key).encode()
        return self._ciphering.protect(plain, initiate=True)

    def agreement(self, aare: Aare) -> Agreement:
        """The agreement, valid now or after passes 3 and 4; else the error of the refusal."""
        challenged = aare.diagnostic == Diagnostic.AUTHENTICATION_REQUIRED and not aare.by_provider
        if aare.result != AssociationResult.ACCEPTED or (challenged and not self._mechanism.high):
            self._look_for_cause(aare.user_information)
            raise AssociationRejectedError(aare.result, aare.diagnostic, by_provider=aare.by_provider)
        if self._mechanism.high and not challenged:
            raise AuthenticationError("the meter accepts the association without any proof, from us or of itself")
        ciphering, title = self._ciphering, self._peer(aare)
        information = decode_apdu(aare.user_information) if aare.user_information else None
        if ciphering:
            ciphering.peer_title = title
            if isinstance(information, Ciphered):
                information = decode_apdu(ciphering.unprotect(information))
            elif isinstance(information, InitiateResponse):
                raise SecurityError("the association is answered in the clear where all is ciphered")
        if isinstance(information, InitiateResponse):
            conformance = information.conformance & self._initiate.conformance
            return Agreement(conformance, information.max_pdu_size, self._mechanism, title)
        if information is not None or ciphering:
            raise UnexpectedApduError(information, "associating")
        # Accepted without details: our request holds (R9).
        return Agreement(self._initiate.conformance, 0, self._mechanism, title)

    def proof(self, aare: Aare) -> Proof | None:
        """The input of our answer in pass 3; None if the mechanism has none."""
        if not self._mechanism.high:
            return None
        challenge = aare.authentication_value
        if not challenge or challenge == self._challenge:
            raise AuthenticationError("the meter's challenge is empty, or ours sent back")
        return Proof(self._title, self._peer(aare), challenge, self._challenge)

    def _peer(self, aare: Aare) -> bytes:
        """The meter's system title: the configured one, or the one it sends.

        AuthenticationError for ours: with it, our answer to a challenge would prove the meter's secret (a reflection).
        """
        told = aare.responding_title
        if self._mechanism.high and told and told == self._title:
            raise AuthenticationError("the meter names our own system title as its own: our messages come back")
        # Titles and challenges stand one behind the other in its input: with a longer title they could change places.
        if self._mechanism is Mechanism.HIGH_SHA256 and len(told) not in (0, _TITLE_LENGTH):
            raise AuthenticationError(f"the meter's system title {told.hex()} has {len(told)} octets; it must have 8")
        if self._configured and told and told != self._configured:
            raise AuthenticationError(
                f"the meter has system title {told.hex()}, not {self._configured.hex()} as its profile says; "
                "correct meter_title if the meter was exchanged"
            )
        return self._configured or told

    @staticmethod
    def _look_for_cause(information: bytes) -> None:
        """The confirmed-service-error in a rejection, which is more precise than the diagnostic."""
        if information[:1] == bytes((CONFIRMED_SERVICE_ERROR,)):
            cause = decode_apdu(information)
            assert isinstance(cause, ConfirmedServiceError)
            raise ServiceRefusedError(cause)

    @property
    def _mechanism(self) -> Mechanism:
        return self._authentication.mechanism if self._authentication else Mechanism.NONE
