"""HDLC after IEC 62056-46: frames of format type 3 and the link over them. Octets in, events out.

The interface of all carriers below DLMS (`hdlc.Link`, the `Wrapper` of `dlms.carriers`). A session does not know its
carrier: it sends and receives whole APDUs. The carrier does LLC header, segments, windows and retransmission.

verb                            what it does
connect(now)                    primary: SNRM; `Connected` follows. The wrapper returns `Connected` at once.
send(apdu, now)                 one APDU, cut into segments as needed. Primary: an answer is waited for.
send_unnumbered(apdu, now)      one APDU that waits for no answer and may come at any time (HDLC: UI frame)
poll(now)                       primary: a push came, not the answer; go on polling
disconnect(now)                 primary: DISC; `Disconnected` follows in any case. Allowed before connect.
receive(data, now)              octets that came, in pieces of any size
deadline(now)                   when `expire` is due, None while nothing is waited for
expire(now)                     poll for a lost answer (RR), repeat SNRM; finally `Disconnected`

Every verb returns list[Event], to be handled in order; `now` is monotonic seconds. The events (`hdlc.events`; the
first and the last are `wire.Transmit` and `wire.Refused`):

Transmit(octets)                            write these to the port, now and in order
Connected(peer, parameters)                 peer: the other side's SAP; parameters: None over the wrapper
ApduReceived(apdu, unnumbered, source)      without LLC header; unnumbered: pushed in a UI frame, no answer to anything
Disconnected(cause, reason)                 the link is down: a `Cause`, and words for people; `connect` may follow
Refused(reason, octets)                     octets on the line that are no frame; no action is needed

`connected` and `busy` (waiting for an answer) are the state. `Link.client(...)` and `Wrapper.client(...)` make the
primary. `.server(...)` makes the secondary, which sends when it is polled (or `send_unnumbered`); an earlier `send`
waits until then. `hdlc.Listener` receives pushes only: any address, no link.
"""

from smgw.hdlc.address import Address
from smgw.hdlc.events import ApduReceived, Cause, Connected, Disconnected, Event
from smgw.hdlc.link import Link
from smgw.hdlc.listener import Listener, Pushed
from smgw.hdlc.parameters import LinkParameters

__all__ = [
    "Address",
    "ApduReceived",
    "Cause",
    "Connected",
    "Disconnected",
    "Event",
    "Link",
    "LinkParameters",
    "Listener",
    "Pushed",
]
