"""A sign-on of IEC 62056-21 over an open port."""

from collections.abc import Callable

from smgw.iec62056.events import ChangeBaud, SignedOn, SignOnFailed
from smgw.iec62056.sign_on import SignOn
from smgw.lmn.errors import NoAnswerError, StoppedError
from smgw.ports import Port
from smgw.ports.port import GATHER_S
from smgw.wire import Transmit


def run(
    port: Port,
    signing: SignOn,
    now: Callable[[], float],
    stopping: Callable[[], bool],
    sent: Callable[[bytes, float], None] = lambda *_: None,
    received: Callable[[bytes, float], None] = lambda *_: None,
) -> SignedOn:
    """Sign on; the port has the speed of the request. NoAnswerError with the meter's reaction, StoppedError, PortError.

    `sent` and `received` get all octets, for a trace.
    """
    events = signing.start(now())
    while True:
        for event in events:
            if isinstance(event, Transmit):
                sent(event.octets, now())
                port.write(event.octets)
            elif isinstance(event, ChangeBaud):
                port.change_baud(event.baudrate)
            elif isinstance(event, SignOnFailed):
                raise NoAnswerError(event.reason)
            elif isinstance(event, SignedOn):
                return event
        began = now()
        due = signing.deadline(began)
        events = []
        if port.wait(max(0.0, (due or began) - began)):
            port.gather(GATHER_S)
            octets = port.read()
            received(octets, now())
            events = signing.receive(octets, now())
        elif stopping():
            raise StoppedError
        events = [*events, *signing.expire(now())]  # also on a line that is never silent
