"""The link to a DLMS meter: how it is made, how it begins on a port, and what its end means to a caller."""

from smgw.dlms.carriers.wrapper import Wrapper
from smgw.hdlc import Address, Cause, Disconnected, Link, LinkParameters
from smgw.lmn.contract import Patience
from smgw.lmn.errors import LinkRefusedError, NoAnswerError, PollError
from smgw.ports import Port
from smgw.profiles.dlms import DlmsProfile, Framing

_SHORTEST_OFFERED = 128  # octets of an information field: what every meter can


def client_link(dlms: DlmsProfile, client: int, patience: Patience, octet_time: float) -> Link | Wrapper:
    """A link of this client (service access point). `octet_time`: seconds an octet takes on the line, 0 if unknown."""
    timeout = float(patience.timeout)
    if dlms.framing is Framing.WRAPPER:
        return Wrapper.client(client, dlms.server, timeout=timeout)
    longest = dlms.information_length
    if octet_time:  # no frame takes much longer than a second, so that a lost one is noticed in time
        longest = min(longest, max(_SHORTEST_OFFERED, int(1 / octet_time)))
    return Link.client(
        Address(client),
        Address(dlms.server, dlms.physical, dlms.address_length),
        LinkParameters.of(longest, dlms.window),
        timeout=timeout,
        retries=patience.retries,
    )


class Beginning:
    """Whether DISC goes before the first SNRM: an earlier session may be open, and the meter takes no other then (R6).

    On a fresh TCP connection no session can be open behind it, and some servers ignore SNRM after such a DISC. A bridge
    to a serial line looks the same. So after a failure the next try is made the other way.
    """

    def __init__(self) -> None:
        self.clean = False  # the meter has said that there is no link
        self._port: Port | None = None  # of the last link
        self._failed: bool | None = None  # how the last link was tried, if it did not come up

    def with_disc(self, port: Port) -> bool:
        """How this link begins. It counts as failed until `succeeded`."""
        fresh, self._port = port is not self._port, port
        if self._failed is None:
            self._failed = not self.clean and not (fresh and port.url.startswith(("socket://", "tls://")))
        else:
            self._failed = not self._failed
        return self._failed

    def succeeded(self) -> None:
        """The link is up."""
        self.clean, self._failed = False, None


def why_down(event: Disconnected | None) -> PollError:
    """Why the link is down, as what it means to the caller."""
    reason = event.reason if event is not None and event.reason else "the meter has closed the link"
    refused = event is not None and event.cause in (Cause.REFUSED, Cause.REJECTED, Cause.DROPPED)
    return LinkRefusedError(reason) if refused else NoAnswerError(reason)
