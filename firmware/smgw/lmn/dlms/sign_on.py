"""Mode E of IEC 62056-21 over an open port: from 300 Bd to HDLC at the meter's own rate."""

import logging
from collections.abc import Callable

from smgw.hdlc.trace import Trace
from smgw.iec62056.identification import INITIAL_BAUD_RATE
from smgw.iec62056.sign_on import SignOn
from smgw.lmn.contract import Patience
from smgw.lmn.sign_on import run
from smgw.ports import Port
from smgw.profiles.dlms import DlmsProfile, Quirk

log = logging.getLogger(__name__)


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
    port.change_baud(INITIAL_BAUD_RATE)
    signing = SignOn(
        device_address=dlms.device_address,
        wake_up=b"\0" if Quirk.WAKE_UP in dlms.quirks else b"",
        fixed_baud=Quirk.FIXED_BAUD in dlms.quirks,
        max_baud=max_baud,
        switch_delay=dlms.switch_delay / 1000,
        attempts=patience.retries + 1,
    )
    signed = run(port, signing, now, stopping, trace.sent, trace.received)
    log.debug("%s: signed on at %d Bd", port.url, signed.baudrate)
    while port.wait(0):
        port.read()
