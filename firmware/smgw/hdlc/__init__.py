"""HDLC after IEC 62056-46: frames of format type 3 and the link over them. Octets in, events out.

The interface that everything below DLMS shows (`hdlc.Link`, the `Wrapper` of `dlms.carriers`), so that a session does
not know what carries it. Whole APDUs go down and come up; the LLC header, segments, windows, retransmission stay below.

verb                            what it does
connect(now)                    primary: SNRM; `Connected` follows. The wrapper says `Connected` at once.
send(apdu, now)                 one APDU, cut into segments as needed. Primary: an answer is waited for.
send_unnumbered(apdu, now)      one APDU that waits for no answer and may come at any time (HDLC: UI frame)
poll(now)                       primary: what came was a push, not the answer; go on asking
disconnect(now)                 primary: DISC; `Disconnected` follows, whatever the peer says. Allowed before connect.
receive(data, now)              octets that came, in pieces of any size
deadline(now)                   when `expire` is due, None while nothing is waited for
expire(now)                     a lost answer is polled for (RR), SNRM is repeated; at last `Disconnected`

Every verb returns list[Event], to be handled in order; `now` is monotonic seconds. The events (`hdlc.events`; the
first and the last are `wire.Transmit` and `wire.Refused`):

Transmit(octets)                            write these to the port, now and in order
Connected(peer, parameters)                 peer: the other side's SAP; parameters: None over the wrapper
ApduReceived(apdu, unnumbered, source)      without LLC header; unnumbered: pushed in a UI frame, no answer to anything
Disconnected(cause, reason)                 the link is down: a `Cause`, and words for people; `connect` may follow
Refused(reason, octets)                     octets on the line that made no frame; nothing needs to be done

`connected` and `busy` (an answer is waited for) tell the state. `Link.client(...)`, `Wrapper.client(...)` make the
primary, `.server(...)` the secondary, which sends when it is asked (or `send_unnumbered`); its `send` before the
primary's turn is kept until then. `hdlc.Listener` takes pushes alone: any address, no link.
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
