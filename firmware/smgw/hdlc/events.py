"""What a link below DLMS tells its user. `smgw.hdlc` says which verb leads to which."""

from enum import Enum
from typing import NamedTuple

from smgw.hdlc.parameters import LinkParameters
from smgw.wire import Refused, Transmit


class Connected(NamedTuple):
    """The link is up. `peer` is the other side's service access point; `parameters` are None over the wrapper."""

    peer: int
    parameters: LinkParameters | None


class ApduReceived(NamedTuple):
    """One whole APDU, without LLC header. `unnumbered`: it came in a UI frame, so it answers nothing (a push)."""

    apdu: bytes
    unnumbered: bool
    source: int  # the sender's service access point: client SAP, or logical device


class Cause(Enum):
    """Why a link is down."""

    ASKED = "asked for"  #: one of the two sides ended it in due form (DISC)
    REFUSED = "refused"  #: the peer did not take up the link (DM)
    REJECTED = "rejected"  #: the peer rejected a frame (FRMR)
    DROPPED = "dropped"  #: the peer has ended the link without being asked (DM, or FRMR of a client)
    SILENT = "silent"  #: nothing came for too long
    BROKEN = "broken"  #: what came goes on beyond all bounds


class Disconnected(NamedTuple):
    """The link is down. `reason` says why in words, for people; empty where one of the two sides asked for it."""

    cause: Cause
    reason: str = ""


Event = Transmit | Connected | ApduReceived | Disconnected | Refused
