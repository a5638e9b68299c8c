"""IEC 62056-21: sign-on, change of the baud rate, read-out. Octets in, events out."""

from smgw.iec62056.events import ChangeBaud, SignedOn, SignOnFailed
from smgw.iec62056.identification import Identification
from smgw.iec62056.responder import Confirmation, Responder
from smgw.iec62056.sign_on import SignOn

__all__ = ["ChangeBaud", "Confirmation", "Identification", "Responder", "SignOn", "SignOnFailed", "SignedOn"]
