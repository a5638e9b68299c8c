"""The events of a DLMS session; `client` and `server` list the verbs that lead to them."""

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
    """The association is open; both sides are authenticated as far as the mechanism allows."""

    agreement: Agreement


class Got(NamedTuple):
    """Results in the order of the requested attributes: A-XDR octets, or an error code."""

    results: tuple[Result, ...]


class Written(NamedTuple):
    """The result of a SET."""

    result: DataAccessResult


class Invoked(NamedTuple):
    """The result of an ACTION."""

    outcome: Outcome


class Released(NamedTuple):
    """The association is closed. `confirmed` False: the meter knows no release, which is no fault (R8)."""

    confirmed: bool


class Failed(NamedTuple):
    """The request failed: one of `dlms.errors`, or a fault of the meter's protocol."""

    error: SmgwError


class Pushed(NamedTuple):
    """A push of the meter. `protected`: with the keys of this association."""

    apdu: DataNotification | EventNotification
    protected: bool


class Stray(NamedTuple):
    """An APDU that answers no open request: late, or unknown (R18)."""

    reason: str


class Ignored(NamedTuple):
    """Octets of an answer that have no place in it. The answer was taken without them."""

    reason: str


Event = Send | Associated | Got | Written | Invoked | Released | Failed | Pushed | Stray | Ignored
