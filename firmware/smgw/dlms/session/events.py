"""What a DLMS session tells its user; `client` and `server` say which verb leads to which."""

from typing import NamedTuple

from smgw.dlms.apdus.action import Outcome
from smgw.dlms.apdus.get import Result
from smgw.dlms.apdus.notify import DataNotification, EventNotification
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.session.association import Agreement
from smgw.errors import SmgwError


class Send(NamedTuple):
    """An APDU for the layer below."""

    apdu: bytes


class Associated(NamedTuple):
    """The association is open, both sides authenticated as far as the mechanism goes."""

    agreement: Agreement


class Got(NamedTuple):
    """Results in the order of the attributes that were asked for: A-XDR octets, or why there are none."""

    results: tuple[Result, ...]


class Written(NamedTuple):
    """What became of a SET."""

    result: DataAccessResult


class Invoked(NamedTuple):
    """What became of an ACTION."""

    outcome: Outcome


class Released(NamedTuple):
    """The association is closed. `confirmed` False: the meter knows no release, which is no fault (R8)."""

    confirmed: bool


class Failed(NamedTuple):
    """What was asked came to nothing, and why: one of `dlms.errors` or a fault of the meter's protocol."""

    error: SmgwError


class Pushed(NamedTuple):
    """The meter said something by itself. `protected`: with the keys of this association."""

    apdu: DataNotification | EventNotification
    protected: bool


class Stray(NamedTuple):
    """An APDU that answers nothing that is being asked: late, or unknown (R18)."""

    reason: str


class Ignored(NamedTuple):
    """Octets of an answer that have no place in it. The answer was taken without them."""

    reason: str


Event = Send | Associated | Got | Written | Invoked | Released | Failed | Pushed | Stray | Ignored
