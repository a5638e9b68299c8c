"""Answers of a meter that does not carry out a request (IEC 62056-5-3, 8.3).

D8 state service [invocation counter(4)]         exception-response
0E service error value                           confirmed-service-error
"""

from typing import NamedTuple, Self

from smgw.dlms.apdus.cursor import Cursor
from smgw.dlms.apdus.results import ServiceError, StateError

EXCEPTION, CONFIRMED_SERVICE_ERROR = 0xD8, 0x0E


class ExceptionResponse(NamedTuple):
    """exception-response. `invocation_counter` is the one that the meter expects, if it is sent."""

    state_error: StateError
    service_error: ServiceError
    invocation_counter: int | None = None

    def encode(self) -> bytes:
        """Encode as octets."""
        counter = b"" if self.invocation_counter is None else self.invocation_counter.to_bytes(4, "big")
        return bytes((EXCEPTION, self.state_error, self.service_error)) + counter

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the tag."""
        state, service = StateError(cursor.octet()), ServiceError(cursor.octet())
        counted = service is ServiceError.INVOCATION_COUNTER_ERROR and cursor.left
        return cls(state, service, cursor.number(4) if counted else None)


#: Classes of a ServiceError, and the meaning of their values (those that occur in an association).
_ERRORS: dict[int, tuple[str, tuple[str, ...]]] = {
    0: ("application-reference", ("other", "time-elapsed", "application-unreachable", "application-reference-invalid",
                                  "application-context-unsupported", "provider-communication-error",
                                  "deciphering-error")),
    1: ("hardware-resource", ("other", "memory-unavailable", "processor-resource-unavailable",
                              "mass-storage-unavailable", "other-resource-unavailable")),
    2: ("vde-state-error", ("other", "no-dlms-context", "loading-data-set", "status-nochange", "status-inoperable")),
    3: ("service", ("other", "pdu-size", "service-unsupported")),
    4: ("definition", ("other", "object-undefined", "object-class-inconsistent", "object-attribute-inconsistent")),
    5: ("access", ("other", "scope-of-access-violated", "object-access-violated", "hardware-fault",
                   "object-unavailable")),
    6: ("initiate", ("other", "dlms-version-too-low", "incompatible-conformance", "pdu-size-too-short",
                     "refused-by-the-VDE-handler")),
    9: ("task", ("other", "no-remote-control", "ti-stopped", "ti-running", "ti-unusable")),
}  # fmt: skip


class ConfirmedServiceError(NamedTuple):
    """confirmed-service-error: which service (1 initiate, 5 read, 6 write), class of the error, its value."""

    service: int
    error: int
    value: int

    @property
    def words(self) -> str:
        """Text for users: `initiate: incompatible-conformance`."""
        name, values = _ERRORS.get(self.error, (f"error {self.error}", ()))
        return f"{name}: {values[self.value] if self.value < len(values) else self.value}"

    def encode(self) -> bytes:
        """Encode as octets."""
        return bytes((CONFIRMED_SERVICE_ERROR, *self))

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the tag."""
        return cls(cursor.octet(), cursor.octet(), cursor.octet())
