"""The interface of a store. SQLite is the one that exists; another one implements these methods."""

from collections.abc import Iterator
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from smgw.cosem import CaptureObject
from smgw.cosem.data import Data
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import StatusWord
from smgw.cosemxml.document import Document, Register
from smgw.errors import SmgwError


class StorageError(SmgwError):
    """The store cannot do it now; nothing of the request was stored. `retry_after` is in seconds."""

    retry_after = 30


class StorageFullError(StorageError):
    """No room left on the file system."""

    retry_after = 60


class StorageDamagedError(StorageError):
    """The database is damaged: nothing is stored in it, and what it gives may lack rows."""

    retry_after = 300


class StorageBusyError(StorageError):
    """Too many requests wait."""

    retry_after = 2


class RecordConflictError(SmgwError):
    """A key (gateway, store id, record number) came again with other content; nothing of the document was stored."""

    def __init__(self, gateway: DeviceId, store_id: str, record_number: int, difference: str) -> None:
        super().__init__(
            f"record {record_number} of store {store_id} of gateway {gateway} is already here with another {difference}"
        )
        self.record_number = record_number


class ForeignDeviceError(SmgwError):
    """The device of a document belongs to other gateways; nothing of the document was stored.

    `owners`: those gateways; none if the device is a pseudonym.
    """

    def __init__(self, device: DeviceId, owners: frozenset[DeviceId]) -> None:
        names = ", ".join(sorted(map(str, owners)))
        super().__init__(
            f"device {device} belongs to gateway {names}; if it was replaced, revoke the certificates of that gateway "
            "and copy the new revocation list here; if the meter was moved: emp allow"
            if owners
            else f"the pseudonym {device} belongs to another gateway"
        )
        self.owners = owners


class Signer(NamedTuple):
    """A certificate that signed documents: its SHA-256, whose it is, and until when it is valid."""

    fingerprint: bytes
    subject: str
    not_after_us: int


class SignerView(NamedTuple):
    """A certificate that signed documents of a gateway, and how many."""

    signer: Signer
    first_seen_us: int
    last_seen_us: int
    documents: int


class Proof(NamedTuple):
    """A certificate proved which gateway sent a document, so no other gateway may write its devices.

    `signer`: who signed the document; None: nobody. `former`: gateways whose devices may go over to the sender.
    """

    sender: DeviceId
    signer: "Signer | None" = None
    former: frozenset[DeviceId] = frozenset()


class Receipt(NamedTuple):
    """The outcome of a document; all of it is durable."""

    stored: int  # rows that are new
    known: int  # rows that were here already, with the same content
    device_is_new: bool


class GatewayView(NamedTuple):
    """One gateway."""

    gateway: DeviceId
    first_seen_us: int
    last_seen_us: int
    records: int
    devices: tuple["SightingView", ...]
    signers: tuple[SignerView, ...] = ()  # the newest first


class SightingView(NamedTuple):
    """One device behind one gateway, with data of its newest row; None without a row."""

    device: DeviceId
    last_seen_us: int
    records: int
    capture_time_us: int | None = None
    received_us: int | None = None
    gateway_status: int | None = None
    time_valid: bool | None = None


class Rhythm(NamedTuple):
    """How far apart, in microseconds, deliveries of a device usually are, and its values."""

    arrivals_us: int
    values_us: int


class LatestView(NamedTuple):
    """The latest value of one register."""

    register: Register
    value: Data
    capture_time_us: int | None
    time_valid: bool
    status: StatusWord
    gateway: DeviceId


class RowView(NamedTuple):
    """One stored row; `cells` has each value with its register, scaler and unit at the time of recording."""

    position: int  # counts up in the order of arrival
    gateway: DeviceId
    store_id: str
    record_number: int
    capture_time_us: int | None
    target_time_us: int | None
    time_valid: bool
    status: StatusWord
    received_us: int
    cells: tuple[tuple[Register, Data], ...]


class RowFilter(NamedTuple):
    """One page of a device's rows, in the order of arrival or the newest capture first."""

    offset: int = 0
    limit: int = 1000
    newest_first: bool = False


class RowSpan(NamedTuple):
    """Rows of a device in batches: ordered by capture time if a time is given, else by arrival."""

    skip: int = 0
    limit: int | None = None
    from_us: int | None = None  # capture time, microseconds UTC
    to_us: int | None = None  # not included
    until: int | None = None  # the last position: later rows do not extend an answer that is being sent

    @property
    def by_time(self) -> bool:
        """True if the rows are ordered by capture time."""
        return self.from_us is not None or self.to_us is not None


class Span(NamedTuple):
    """First and last time of a device's rows, in microseconds UTC; None without rows of the kind."""

    first_target_us: int | None
    last_target_us: int | None
    last_capture_us: int | None

    def last_us(self, now_us: int) -> int | None:
        """The newest target or capture time, but not later than now: a row with a false time does not move a page."""
        last_us = self.last_target_us if self.last_target_us is not None else self.last_capture_us
        return None if last_us is None else min(last_us, now_us)


class Presence(NamedTuple):
    """A target time of a device's grid, and whether it has a value."""

    target_time_us: int
    has_value: bool


class Sample(NamedTuple):
    """One register at one time; without value if the row lacks the register."""

    time_us: int
    time_valid: bool
    gateway_status: int
    register: Register | None
    value: Data | None


class Version(NamedTuple):
    """Changes with every document for a device; equal versions give equal answers."""

    last_position: int
    records: int
    last_seen_us: int


class Notice(NamedTuple):
    """A notice of a gateway: a POST on a method (TR-03109-1 Annex II, 7.3)."""

    device: DeviceId
    class_id: int
    logical_name: Obis
    method: int
    parameter: bytes | None  # the XML of methodRequestParameter
    cid: str | None
    received_us: int


class EventView(NamedTuple):
    """A stored notice."""

    device: DeviceId
    class_id: int
    logical_name: Obis
    method: int
    parameter: bytes | None
    received_us: int


class SourceKeys(NamedTuple):
    """The stored record numbers of one store of one gateway, as inclusive ranges, and the number of rows."""

    gateway: DeviceId
    store_id: str
    records: int
    ranges: tuple[tuple[int, int], ...]


class Storage(Protocol):
    """Thread-safe. Readers see whole documents only."""

    def deposit(self, document: Document, received_us: int, proof: Proof | None = None) -> "Future[Receipt]":
        """Store a document; done when durable. RecordConflictError or StorageError: then nothing was stored.

        With a proof also ForeignDeviceError; without one, several gateways may deliver the same device.
        """

    def remove(self, device: DeviceId, *, whole: bool) -> "Future[int]":
        """Remove the rows that a device has now, and with `whole` the device; done with their number when durable.

        It works in steps, and documents are stored in between. After a stop in the middle, call it again.
        """

    def notify(self, notice: Notice) -> "Future[bool]":
        """Store a notice; done when durable. False if one with its x-CID is stored already."""

    def gateways(self) -> list[GatewayView]:
        """All gateways, those heard of last first."""

    def devices(self, gateway: DeviceId | None = None) -> list[DeviceId]:
        """All devices, in the order in which they came; or those that only this gateway delivered."""

    def is_claimed(self, pseudonym: DeviceId, gateway: DeviceId) -> bool:
        """True if a gateway delivered under this pseudonym, and so owns it."""

    def gateways_of(self, device: DeviceId) -> list[DeviceId]:
        """The gateways that delivered a device."""

    def has(self, device: DeviceId) -> bool:
        """True if a device is known."""

    def has_gateway(self, gateway: DeviceId) -> bool:
        """True if a gateway has delivered."""

    def latest(self, device: DeviceId, skip: int = 0, limit: int = -1) -> list[LatestView]:
        """The latest value of every register of a device, or of a part of them; -1: no limit."""

    def count_latest(self, device: DeviceId) -> int:
        """Number of registers that have a latest value."""

    def registers(self, device: DeviceId) -> list[Register]:
        """Every register that a device ever had; one with two scalers occurs twice."""

    def sources(self, device: DeviceId) -> list[tuple[DeviceId, str]]:
        """The (gateway, store id) pairs that rows of a device came from."""

    def rows(self, device: DeviceId, narrowed: RowFilter) -> list[RowView]:
        """One page of rows."""

    def batches(self, device: DeviceId, span: RowSpan) -> Iterator[list[RowView]]:
        """Rows in batches of bounded size. Each step may run in another thread."""

    def has_row(self, device: DeviceId, span: RowSpan) -> bool:
        """True if there is a row after the first `skip` ones."""

    def span(self, device: DeviceId) -> Span:
        """First and last time of the rows."""

    def presence(self, device: DeviceId, from_us: int, to_us: int) -> list[Presence]:
        """The target times on the minute in a time span (its end not included), each once, in order."""

    def grid(self, device: DeviceId, column: CaptureObject, from_us: int, to_us: int) -> list[Sample]:
        """A register on the grid by target time, on the minute. A value that came twice occurs twice."""

    def captured(self, device: DeviceId, column: CaptureObject, from_us: int, to_us: int, limit: int) -> list[Sample]:
        """A register's values by capture time, at most `limit`."""

    def thinned(self, device: DeviceId, column: CaptureObject, window: tuple[int, int], width_us: int) -> list[Sample]:
        """The lowest and the highest number of a register in each piece of a window, `width_us` long.

        They stand at the begin and in the middle of the piece; equal ones stand once. A piece may have none.
        """

    def rhythm(self, device: DeviceId) -> Rhythm | None:
        """The rhythm of the newest rows of a device; None if there are too few. One long pause does not count."""

    def is_on_grid(self, device: DeviceId, column: CaptureObject) -> bool:
        """True if the newest rows with a target time have values of this register."""

    def count(self, device: DeviceId) -> int:
        """Number of rows of a device."""

    def version(self, device: DeviceId) -> Version:
        """A version that changes with the device's rows."""

    def events(self, limit: int) -> list[EventView]:
        """Notices of gateways, the newest first."""

    def keys(self, gateway: DeviceId | None = None) -> list[SourceKeys]:
        """The keys of all rows, as ranges."""

    def probe(self) -> "Future[None]":
        """Done when the writer can write; StorageError if it cannot, or if the store is damaged."""

    def is_whole(self) -> bool:
        """False if the store is known to be damaged."""

    def close(self) -> None:
        """Finish accepted documents, then close the files."""
