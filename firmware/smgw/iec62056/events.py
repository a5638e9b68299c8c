"""The events of a sign-on. Octets to write come as `wire.Transmit`."""

from typing import NamedTuple

from smgw.iec62056.identification import Identification


class ChangeBaud(NamedTuple):
    """Set this rate on the open port now, without closing it. Data bits and parity stay 8N1."""

    baudrate: int


class SignedOn(NamedTuple):
    """The meter is in the requested mode. HDLC: drop octets read before; the line is 8N1 from now on."""

    identification: Identification
    baudrate: int
    confirmed: bool  # the meter confirmed it; many do not
    octets: bytes = b""  # D0: all as it came from the identification on, which may hold the begin of a read-out


class SignOnFailed(NamedTuple):
    """The sign-on failed, with the reason. The line settings stay as they are."""

    reason: str
