"""The records that the WAN process stores in wan.db."""

from enum import StrEnum
from typing import NamedTuple


class ChannelKind(StrEnum):
    """The state of an EMP's dispatcher."""

    IDLE = "idle"
    DELIVERING = "delivering"
    BACKING_OFF = "backing-off"
    HELD = "held"


#: Rows wait although there are some.
FAILING = (ChannelKind.BACKING_OFF, ChannelKind.HELD)


class OrderKind(StrEnum):
    """The order of a user at the command line."""

    DELIVER = "deliver"  # now, without waiting for the back-off
    AGAIN = "again"  # what was set aside


#: In place of a device's octets: all devices of the meter. From schema version 1, which kept cursors by meter.
EVERY_DEVICE = b""


class Cursor(NamedTuple):
    """The position up to which an EMP has acknowledged one device's rows of a store; `acknowledged` counts rows."""

    emp: str
    store_id: str
    meter: str
    device: bytes  # EVERY_DEVICE, or the octets of a DeviceId
    position: int
    acknowledged: int


class SetAside(NamedTuple):
    """A quarantined row: an EMP refused it permanently."""

    emp: str
    store_id: str  # of the file the row is read from
    meter: str
    device: bytes  # EVERY_DEVICE: quarantined by schema version 1, which did not store the device
    position: int
    record_store_id: str  # the row's own: an older one if it was salvaged
    record_number: int
    reason: str
    at_us: int


#: In place of a reason: no EMP refused the row, but a person ordered it.
ORDERED = "ordered"
#: The columns of `SetAside`, in order.
SET_ASIDE = ", ".join(SetAside._fields)


class ChannelState(NamedTuple):
    """The state of the delivery to one EMP. Times are UTC microseconds."""

    emp: str
    state: ChannelKind
    since_us: int
    detail: str = ""
    retry_at_us: int | None = None
    last_ack_us: int | None = None
