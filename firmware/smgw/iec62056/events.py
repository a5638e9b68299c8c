"""What a sign-on tells its driver. Octets to write come as `hdlc.Transmit`."""

from typing import NamedTuple

from smgw.iec62056.identification import Identification


class ChangeBaud(NamedTuple):
    """Set this rate on the open port, now: it is not closed in between. Data bits and parity stay 8N1."""

    baudrate: int


class SignedOn(NamedTuple):
    """The meter is in the mode that was asked for. Drop what was read before; the line is 8N1 from here on."""

    identification: Identification
    baudrate: int
    confirmed: bool  # the meter has said so; many do not


class SignOnFailed(NamedTuple):
    """It did not work, and why; what was set is as it was left."""

    reason: str
