"""The content of a gateway's file for one usage point: who, certificates, log entries and lists of values."""

from collections.abc import Iterable
from typing import NamedTuple

from smgw.cosem.status_word import StatusWord

ELECTRICITY, GAS, WATER, HEAT = 0, 1, 2, 5
#: Kinds of certificates.
SIGNATURE, SUB_CA, HAN = 1, 2, 3


class Certificate(NamedTuple):
    """A certificate in DER. `parent`: place of its issuer among the certificates of the file, if that is one."""

    kind: int
    der: bytes
    parent: int | None = None


class Component(NamedTuple):
    """A part of the firmware."""

    name: str
    version: str = ""
    checksum: str = ""


class LogEntry(NamedTuple):
    """An entry of the consumer's log book. `level` is 1 to 5, `outcome` 0 (success), 1 (failure) or 2."""

    record_number: int
    time_s: int  # seconds UTC
    text: str
    level: int = 1
    outcome: int = 0
    event: int | None = None
    seconds_index: int | None = None
    subject: str = ""
    user: str = ""


class Value(NamedTuple):
    """A value of a list. Times are microseconds UTC; `target_us` None: the value is on no grid."""

    value: int
    capture_us: int
    target_us: int | None = None
    meter_us: int | None = None
    signature: bytes = b""
    status: StatusWord | None = None
    ptb: int | None = None  # 0 to 4


class ValueList(NamedTuple):
    """The values of one register, ascending in time, from `begin_s` to `end_s`.

    `owner` is the meter of an original list, or the id of the evaluation of a derived one. `values` is read once.
    """

    meter: str
    owner: str
    obis: str  # 12 hex digits
    unit: int  # DLMS
    scaler: int
    begin_s: int
    end_s: int
    values: Iterable[Value]
    period_s: int = 0  # registration period; 0: not told

    @property
    def logical_name(self) -> str:
        """`0100010800ff.<owner>.sm`. A list is an original one if its owner is its meter."""
        return f"{self.obis}.{self.owner}.sm"


class UsagePoint(NamedTuple):
    """One usage point of one consumer, and what the gateway has of it."""

    usage_point: str
    customer: str
    invoicing_party: str
    gateway: str  # its id, without ".sm"
    tariff: str  # what the supplier calls it; unique for each tariff
    certificates: tuple[Certificate, ...]
    lists: tuple[ValueList, ...]
    log: tuple[LogEntry, ...] = ()
    kind: int = ELECTRICITY
    firmware_version: str = ""
    components: tuple[Component, ...] = ()
    profile: bytes = b""  # the evaluation profile as the gateway holds it
    zone: str = "Europe/Berlin"  # of the times in the file
