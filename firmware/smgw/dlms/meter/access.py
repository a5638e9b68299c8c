"""The model of a DLMS server: its objects, and the admission and rights of each client."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from smgw.cosem import AttributeName, MethodName
from smgw.dlms.apdus.action import Outcome
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.apdus.short_names import ShortNames
from smgw.dlms.security.hls import Authentication, Password

if TYPE_CHECKING:  # it loads `cryptography`
    from smgw.dlms.security.ciphering import Ciphering

#: Services of our server.
SERVER = (
    Conformance.GENERAL_PROTECTION
    | Conformance.GENERAL_BLOCK_TRANSFER
    | Conformance.PRIORITY_MANAGEMENT
    | Conformance.BLOCK_GET
    | Conformance.BLOCK_SET
    | Conformance.BLOCK_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.DATA_NOTIFICATION
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.EVENT_NOTIFICATION
    | Conformance.ACTION
    | Conformance.READ
    | Conformance.WRITE
    | Conformance.PARAMETERIZED_ACCESS
)

#: A-XDR octets; a long value in pieces, which are made only when blocks are sent.
Pieces = bytes | Iterable[bytes]


class ObjectModel(Protocol):
    """The COSEM objects of a logical device. `client` is the client's service access point."""

    def read(self, client: int, attribute: AttributeName, selection: Selection | None) -> Pieces | DataAccessResult:
        """An attribute's value, or the selected part of it."""

    def write(
        self, client: int, attribute: AttributeName, value: bytes, selection: Selection | None
    ) -> DataAccessResult:
        """Write A-XDR octets, which were measured but not decoded."""

    def invoke(self, client: int, method: MethodName, parameter: bytes | None) -> Outcome:
        """Carry out a method."""


class Admission(NamedTuple):
    """The admission of one client.

    `ciphering` makes the protection of a new association; None: no ciphering. With a `Received` that is shared by all
    associations, old counters of a client are refused. `title` is our system title if nothing is ciphered. A
    meter with `short_names` has no others.
    """

    authentication: Password | Authentication | None = None
    ciphering: "Callable[[], Ciphering] | None" = None
    conformance: Conformance = SERVER
    max_pdu_size: int = 1024
    title: bytes = b""
    short_names: ShortNames | None = None
