"""What a DLMS server stands on: the objects it serves, and what each client must be and may do."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from smgw.cosem import AttributeName, MethodName
from smgw.dlms.apdus.action import Outcome
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.security.hls import Authentication, Password

if TYPE_CHECKING:  # with it comes `cryptography`
    from smgw.dlms.security.ciphering import Ciphering

#: What our server can.
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
)

#: A-XDR octets; a long value in pieces, which are asked for only as blocks leave.
Pieces = bytes | Iterable[bytes]


class ObjectModel(Protocol):
    """The COSEM objects of a logical device. `client` is the asking client's service access point."""

    def read(self, client: int, attribute: AttributeName, selection: Selection | None) -> Pieces | DataAccessResult:
        """An attribute's value, or the part of it that is selected."""

    def write(
        self, client: int, attribute: AttributeName, value: bytes, selection: Selection | None
    ) -> DataAccessResult:
        """Write A-XDR octets, which were measured but not understood."""

    def invoke(self, client: int, method: MethodName, parameter: bytes | None) -> Outcome:
        """Carry a method out."""


class Admission(NamedTuple):
    """How one client's association is accepted.

    `ciphering` makes the protection of an association when one begins; None: all is in the clear. Give `Received` to
    it, kept across associations, and a client's old counters are refused. `title` is ours where nothing is ciphered.
    """

    authentication: Password | Authentication | None = None
    ciphering: "Callable[[], Ciphering] | None" = None
    conformance: Conformance = SERVER
    max_pdu_size: int = 1024
    title: bytes = b""
