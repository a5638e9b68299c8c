"""Mode E of IEC 62056-21 over an open port: from 300 Bd to HDLC at the meter's own rate."""

import logging
from collections.abc import Callable

from smgw.hdlc.trace import Trace
from smgw.iec62056.events import ChangeBaud, SignedOn, SignOnFailed
from smgw.iec62056.sign_on import SignOn
from smgw.lmn.contract import Patience
from smgw.lmn.errors import NoAnswerError, StoppedError
from smgw.ports import Port
from smgw.ports.port import GATHER_S
from smgw.profiles.dlms import DlmsProfile, Quirk
from smgw.wire import Transmit

log = logging.getLogger(__name__)

_SIGN_ON_BAUD = 300


def sign_on(
    port: Port,
    dlms: DlmsProfile,
    max_baud: int,
    patience: Patience,
    trace: Trace,
    now: Callable[[], float],
    stopping: Callable[[], bool],
) -> None:
    """Sign on. Raises NoAnswerError with the meter's reaction, StoppedError, PortError."""
    port.change_baud(_SIGN_ON_BAUD)
    signing = SignOn(
        device_address=dlms.device_address,
        wake_up=Quirk.WAKE_UP in dlms.quirks,
        fixed_baud=Quirk.FIXED_BAUD in dlms.quirks,
        max_baud=max_baud,
        switch_delay=dlms.switch_delay / 1000,
        attempts=patience.retries + 1,
    )
    events = signing.start(now())
    while True:
        for event in events:
            if isinstance(event, Transmit):
                trace.sent(event.octets, now())
                port.write(event.octets)
            elif isinstance(event, ChangeBaud):
                port.change_baud(event.baudrate)
            elif isinstance(event, SignOnFailed):
                raise NoAnswerError(event.reason)
            elif isinstance(event, SignedOn):
                log.debug("%s: signed on at %d Bd", port.url, event.baudrate)
                while port.wait(0):
                    port.read()
                return
        began = now()
        due = signing.deadline(began)
        events = []
        if port.wait(max(0.0, (due or began) - began)):
            port.gather(GATHER_S)
            octets = port.read()
            trace.received(octets, now())
            events = signing.receive(octets, now())
        elif stopping():
            raise StoppedError
        events = [*events, *signing.expire(now())]  # also on a line that is never silent
