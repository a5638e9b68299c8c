"""What a link below DLMS tells its user. `smgw.hdlc` says which verb leads to which."""

from typing import NamedTuple

from smgw.hdlc.parameters import LinkParameters


class Transmit(NamedTuple):
    """Octets for the port, in this order."""

    octets: bytes


class Connected(NamedTuple):
    """The link is up. `peer` is the other side's service access point; `parameters` are None over the wrapper."""

    peer: int
    parameters: LinkParameters | None


class ApduReceived(NamedTuple):
    """One whole APDU, without LLC header. `unnumbered`: it came in a UI frame, so it answers nothing (a push)."""

    apdu: bytes
    unnumbered: bool
    source: int  # the sender's service access point: client SAP, or logical device


class Disconnected(NamedTuple):
    """The link is down. `reason` says why in words; empty where our own side wanted it."""

    reason: str


class FrameRefused(NamedTuple):
    """Octets on the line that made no frame, and why. The link goes on."""

    reason: str
    octets: int


Event = Transmit | Connected | ApduReceived | Disconnected | FrameRefused
