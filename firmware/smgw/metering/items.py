"""What readers pass to the registrar, beside captures, states and their like."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from smgw.cosem import Capture, DeviceId, Stamp
from smgw.metering.ticket import Ticket
from smgw.store.file.log_book import Level
from smgw.store.records import CacheKind, Covered, MeterState, Record


class Left(NamedTuple):
    """A device is no longer behind its meter."""

    meter: str
    device: DeviceId


class Periods(NamedTuple):
    """Other registration periods."""

    periods: Mapping[str, int]
    anew: Collection[str]


class Rows(NamedTuple):
    """Rows with a ticket, for a caller that waits until they are durable."""

    records: Sequence[Record]
    covered: Covered | None
    ticket: Ticket


class Cache(NamedTuple):
    """An answer of a meter that is cached, so that the meter is asked once."""

    kind: CacheKind
    device: DeviceId
    firmware: bytes
    octets: bytes


class Pushed(NamedTuple):
    """The counter of the push whose capture follows."""

    scope: str
    meter: str
    title: bytes
    counter: int


class Pulses(NamedTuple):
    """The count of pulses that the next capture of the meter shows."""

    meter: str
    pulses: int
    ordered: int


class LogEntry(NamedTuple):
    """An event for the log books; `meter` is the one that it is about, if it is about one."""

    event: str
    level: Level
    subject: str
    stamp: Stamp
    meter: str = ""


Item = Capture | MeterState | Left | Periods | Rows | Cache | Pushed | Pulses | LogEntry
