"""The events of a sign-on. Octets to write come as `wire.Transmit`."""

from typing import NamedTuple

from smgw.iec62056.identification import Identification


class ChangeBaud(NamedTuple):
    """Set this rate on the open port now, without closing it. Data bits and parity stay 8N1."""

    baudrate: int


class SignedOn(NamedTuple):
    """The meter is in the requested mode. Drop octets read before; the line is 8N1 from now on."""

    identification: Identification
    baudrate: int
    confirmed: bool  # the meter confirmed it; many do not


class SignOnFailed(NamedTuple):
    """The sign-on failed, with the reason. The line settings stay as they are."""

    reason: str
