"""What the head-end asks of a store. SQLite is the one we bring; another needs these few methods."""

from concurrent.futures import Future
from typing import NamedTuple, Protocol

from smgw.cosem.data import Data
from smgw.cosem.device_id import DeviceId
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
    """One device as seen through one gateway."""

    device: DeviceId
    last_seen_us: int
    records: int


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
    """Which rows of a device; times are capture times in microseconds UTC, the end is not included."""

    offset: int = 0
    limit: int = 1000
    from_us: int | None = None
    to_us: int | None = None
    newest_first: bool = False


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

    def gateways(self) -> list[GatewayView]:
        """All gateways, those heard of last first."""

    def devices(self) -> list[DeviceId]:
        """All devices, in the order in which they came."""

    def has(self, device: DeviceId) -> bool:
        """Whether a device is known."""

    def latest(self, device: DeviceId) -> list[LatestView]:
        """The latest value of every register of a device."""

    def registers(self, device: DeviceId) -> list[Register]:
        """Every register a device ever had; one with two scalers is there twice."""

    def sources(self, device: DeviceId) -> list[tuple[DeviceId, str]]:
        """The (gateway, store id) pairs that rows of a device came from."""

    def rows(self, device: DeviceId, narrowed: RowFilter) -> list[RowView]:
        """Rows in the order of arrival, or the newest capture first."""

    def count(self, device: DeviceId, from_us: int | None = None, to_us: int | None = None) -> int:
        """How many rows a device has."""

    def keys(self, gateway: DeviceId | None = None) -> list[SourceKeys]:
        """The keys of all rows, cheaply."""

    def close(self) -> None:
        """Finish what was taken, then let go of the files."""
