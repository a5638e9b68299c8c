"""The events of a link below DLMS. `smgw.hdlc` lists the verbs that lead to them."""

from enum import Enum
from typing import NamedTuple

from smgw.hdlc.parameters import LinkParameters
from smgw.wire import Refused, Transmit


class Connected(NamedTuple):
    """The link is up. `peer` is the other side's service access point; `parameters` are None over the wrapper."""

    peer: int
    parameters: LinkParameters | None


class ApduReceived(NamedTuple):
    """One whole APDU, without LLC header. `unnumbered`: it came in a UI frame and is a push, not an answer."""

    apdu: bytes
    unnumbered: bool
    source: int  # the sender's service access point: client SAP, or logical device


class Cause(Enum):
    """The cause of a link that is down."""

    ASKED = "asked for"  #: one of the two sides ended it properly (DISC)
    REFUSED = "refused"  #: the peer refused the link (DM)
    REJECTED = "rejected"  #: the peer rejected a frame (FRMR)
    DROPPED = "dropped"  #: the peer ended the link by itself (DM, or FRMR of a client)
    SILENT = "silent"  #: no answer within the time limit
    BROKEN = "broken"  #: an answer exceeded all bounds


class Disconnected(NamedTuple):
    """The link is down. `reason` is a text for users; empty if one of the two sides asked for it."""

    cause: Cause
    reason: str = ""


Event = Transmit | Connected | ApduReceived | Disconnected | Refused
