"""What the head-end asks of a store. SQLite is the one we bring; another needs these few methods."""

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
    """The store cannot do it now; nothing of the request was kept. `retry_after` is in seconds."""

    retry_after = 30


class StorageFullError(StorageError):
    """No room left on the file system."""

    retry_after = 60


class StorageBusyError(StorageError):
    """More requests wait than the store takes."""

    retry_after = 2


class RecordConflictError(SmgwError):
    """A key (gateway, store id, record number) came again with other content; nothing of the document was kept."""

    def __init__(self, gateway: DeviceId, store_id: str, record_number: int, difference: str) -> None:
        super().__init__(
            f"record {record_number} of store {store_id} of gateway {gateway} is already here with another {difference}"
        )
        self.record_number = record_number


class Receipt(NamedTuple):
    """What became of a document; all of it is durable."""

    stored: int  # rows that are new
    known: int  # rows that were here already, with the same content
    device_is_new: bool


class GatewayView(NamedTuple):
    """One gateway, as the head-end knows it."""

    gateway: DeviceId
    first_seen_us: int
    last_seen_us: int
    records: int
    devices: tuple["SightingView", ...]


class SightingView(NamedTuple):
    """One device as seen through one gateway, and what its newest row tells; None where there is no row."""

    device: DeviceId
    last_seen_us: int
    records: int
    capture_time_us: int | None = None
    received_us: int | None = None
    gateway_status: int | None = None
    time_valid: bool | None = None


class LatestView(NamedTuple):
    """The latest value of one register."""

    register: Register
    value: Data
    capture_time_us: int | None
    time_valid: bool
    status: StatusWord
    gateway: DeviceId


class RowView(NamedTuple):
    """One stored row; `cells` name each value's register, scaler and unit as they were when it was recorded."""

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
    """Rows of a device by the batch: with a time by capture time, otherwise in the order of arrival."""

    skip: int = 0
    limit: int | None = None
    from_us: int | None = None  # capture time, microseconds UTC
    to_us: int | None = None  # not included
    until: int | None = None  # the last position: what comes later does not lengthen an answer under way

    @property
    def by_time(self) -> bool:
        """Whether the rows come by capture time."""
        return self.from_us is not None or self.to_us is not None


class Span(NamedTuple):
    """From when to when a device has rows, in microseconds UTC; None where it has none of the kind."""

    first_target_us: int | None
    last_target_us: int | None
    last_capture_us: int | None


class Presence(NamedTuple):
    """A target time of a device's grid, and whether a value came for it."""

    target_time_us: int
    has_value: bool


class Sample(NamedTuple):
    """One register at one time; without value where the row has none of it."""

    time_us: int
    time_valid: bool
    gateway_status: int
    register: Register | None
    value: Data | None


class Version(NamedTuple):
    """Changes with every document for a device; equal versions answer equally."""

    last_position: int
    records: int
    last_seen_us: int


class Notice(NamedTuple):
    """What a gateway notifies: a POST on a method (TR-03109-1 Annex II, 7.3)."""

    device: DeviceId
    class_id: int
    logical_name: Obis
    method: int
    parameter: bytes | None  # the XML of methodRequestParameter
    cid: str | None
    received_us: int


class EventView(NamedTuple):
    """A kept notice."""

    device: DeviceId
    class_id: int
    logical_name: Obis
    method: int
    parameter: bytes | None
    received_us: int


class SourceKeys(NamedTuple):
    """The record numbers held from one store of one gateway, as inclusive ranges, and how many rows they are."""

    gateway: DeviceId
    store_id: str
    records: int
    ranges: tuple[tuple[int, int], ...]


class Storage(Protocol):
    """Thread-safe. Readers see whole documents only."""

    def deposit(self, document: Document, received_us: int) -> "Future[Receipt]":
        """Keep a document; done when durable. Fails with RecordConflictError or StorageError, then nothing was kept."""

    def remove(self, device: DeviceId, *, whole: bool) -> "Future[int]":
        """Forget the rows a device has now, and with `whole` the device; done with their number when durable.

        It goes in steps between which documents are taken; a stop in the middle leaves the rest, to be removed again.
        """

    def notify(self, notice: Notice) -> "Future[bool]":
        """Keep a notice; done when durable, False if one with its x-CID was there already."""

    def gateways(self) -> list[GatewayView]:
        """All gateways, those heard of last first."""

    def devices(self) -> list[DeviceId]:
        """All devices, in the order in which they came."""

    def has(self, device: DeviceId) -> bool:
        """Whether a device is known."""

    def has_gateway(self, gateway: DeviceId) -> bool:
        """Whether a gateway has delivered."""

    def latest(self, device: DeviceId) -> list[LatestView]:
        """The latest value of every register of a device."""

    def registers(self, device: DeviceId) -> list[Register]:
        """Every register a device ever had; one with two scalers is there twice."""

    def sources(self, device: DeviceId) -> list[tuple[DeviceId, str]]:
        """The (gateway, store id) pairs that rows of a device came from."""

    def rows(self, device: DeviceId, narrowed: RowFilter) -> list[RowView]:
        """One page of rows."""

    def batches(self, device: DeviceId, span: RowSpan) -> Iterator[list[RowView]]:
        """Rows without an end, a bounded number at a time; each step may be another thread's."""

    def has_row(self, device: DeviceId, span: RowSpan) -> bool:
        """Whether there is a row after the first `skip` ones."""

    def span(self, device: DeviceId) -> Span:
        """From when to when there are rows."""

    def presence(self, device: DeviceId, from_us: int, to_us: int) -> list[Presence]:
        """The target times on the minute in a time (its end not included), each once, in order."""

    def grid(self, device: DeviceId, column: CaptureObject, from_us: int, to_us: int) -> list[Sample]:
        """A register on the grid by target time, on the minute; one twice if it came twice."""

    def captured(self, device: DeviceId, column: CaptureObject, from_us: int, to_us: int, limit: int) -> list[Sample]:
        """A register's values by capture time, at most `limit`."""

    def count(self, device: DeviceId) -> int:
        """How many rows a device has."""

    def version(self, device: DeviceId) -> Version:
        """What changes when the device's rows do."""

    def events(self, limit: int) -> list[EventView]:
        """What gateways notified, the newest first."""

    def keys(self, gateway: DeviceId | None = None) -> list[SourceKeys]:
        """The keys of all rows, cheaply."""

    def close(self) -> None:
        """Finish what was taken, then let go of the files."""
