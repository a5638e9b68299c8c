"""Refusals of a meter, as errors with fields. Sessions pass them on as values."""

from smgw.dlms.apdus.acse import AssociationResult, Diagnostic, ProviderDiagnostic, named
from smgw.dlms.apdus.exception import ConfirmedServiceError
from smgw.dlms.apdus.results import ServiceError, StateError
from smgw.errors import RemoteProtocolError, SmgwError

_ADVICE = {
    Diagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED: "; this client address wants another mechanism",
    Diagnostic.AUTHENTICATION_MECHANISM_NAME_REQUIRED: "; this client address wants a password or keys",
    Diagnostic.AUTHENTICATION_FAILURE: "; the password or the keys are not the meter's",
    Diagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED: "; with ciphering where none is wanted, or without",
}


class AssociationRejectedError(SmgwError):
    """The meter refuses the association. `diagnostic` is a ProviderDiagnostic if `by_provider`, else a Diagnostic."""

    def __init__(self, result: int, diagnostic: int, *, by_provider: bool = False) -> None:
        kind = ProviderDiagnostic if by_provider else Diagnostic
        advice = "" if by_provider else _ADVICE.get(Diagnostic(diagnostic), "") if diagnostic in _ADVICE else ""
        super().__init__(
            f"the meter rejects the association: {named(AssociationResult, result)}, {named(kind, diagnostic)}{advice}"
        )
        self.result = result
        self.diagnostic = diagnostic
        self.by_provider = by_provider


class AuthenticationError(SmgwError):
    """High level security: one side did not accept the other's proof."""


class ProofRefusedError(AuthenticationError):
    """The secrets or keys of the two sides differ: one did not accept what the other answered to its challenge."""


class ServiceExceptionError(SmgwError):
    """An exception-response: the meter refused the request. `counter`: the one it expects, if it is sent."""

    def __init__(self, state: StateError, service: ServiceError, counter: int | None = None) -> None:
        expects = "" if counter is None else f"; it expects an invocation counter of {counter} or more"
        super().__init__(
            f"the meter refuses the request: {state.words} ({state:d}), {service.words} ({service:d}){expects}"
        )
        self.state = state
        self.service = service
        self.counter = counter


class ServiceRefusedError(SmgwError):
    """A confirmed-service-error: the meter refuses a service, such as the initiation of the association."""

    def __init__(self, answer: ConfirmedServiceError) -> None:
        super().__init__(f"the meter refuses the request: {answer.words}")
        self.answer = answer


class TransferError(RemoteProtocolError):
    """Blocks that do not make one value: a wrong number, or more octets than allowed."""


class UnexpectedApduError(RemoteProtocolError):
    """An APDU that is not allowed at this point."""

    def __init__(self, apdu: object, state: str) -> None:
        super().__init__(f"{type(apdu).__name__}, {state}")
        self.apdu = apdu
        self.state = state


class SecurityError(RemoteProtocolError):
    """The octets do not fit the keys of the peer. The text never holds a part of a key."""


class ReplayError(SecurityError):
    """An invocation counter that was used before; `expected` is the smallest unused one."""

    def __init__(self, counter: int, expected: int) -> None:
        super().__init__(
            f"invocation counter {counter} was used before; {expected} or more is right: an old APDU again"
        )
        self.counter = counter
        self.expected = expected
