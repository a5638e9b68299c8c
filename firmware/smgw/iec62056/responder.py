"""The meter's side of a sign-on, for the simulator."""

from enum import Enum

from smgw.iec62056.events import ChangeBaud, SignedOn
from smgw.iec62056.identification import (
    BAUD_RATES,
    BREAK,
    INITIAL_BAUD_RATE,
    Identification,
    find_option_select,
    find_sign_on,
)
from smgw.iec62056.seven_bit import with_parity, without_parity
from smgw.wire import Transmit

_MOST = 256


class Confirmation(Enum):
    """The ways a meter confirms mode E. All exist in the field."""

    AFTER = "after"  #: at the new rate, 7E1: annex E
    BEFORE = "before"  #: at 300 Bd, then it changes
    NONE = "none"
    GARBAGE = "garbage"  #: at the new rate, but unreadable


class Responder:
    """Waits for a sign-on and answers it. The driver sets the port to the rate of the last `ChangeBaud`, 300 at first.

    After `SignedOn` the octets belong to HDLC. Call `reset` when that session has ended.
    """

    def __init__(
        self,
        identification: Identification,
        *,
        device_address: str = "",
        confirmation: Confirmation = Confirmation.AFTER,
    ) -> None:
        self._identification = identification
        self._device_address = device_address
        self._confirmation = confirmation
        self._buffer = b""
        self.signed_on = False

    def receive(self, data: bytes) -> list[Transmit | ChangeBaud | SignedOn]:
        """Take octets. Octets after an acknowledgement are dropped, since the rate changes there."""
        self._buffer = (self._buffer + without_parity(data))[-_MOST:]
        if BREAK in self._buffer:
            self._buffer = self._buffer.rpartition(BREAK)[2]
        asked = find_sign_on(self._buffer)
        if asked is not None:
            self._buffer = self._buffer[asked[1] :]
            if asked[0].lstrip("0") in ("", self._device_address.lstrip("0")):
                return [Transmit(with_parity(self._identification.encode()))]
        selected = find_option_select(self._buffer)
        if selected is None:
            return []
        self._buffer = b""
        option, _ = selected
        if not option.is_hdlc or option.baud_code not in BAUD_RATES:
            return []
        self.signed_on = True
        rate = BAUD_RATES[option.baud_code]
        confirmation = Transmit(with_parity(option.encode()))
        signed_on = SignedOn(self._identification, rate, self._confirmation is not Confirmation.NONE)
        match self._confirmation:
            case Confirmation.BEFORE:
                return [confirmation, ChangeBaud(rate), signed_on]
            case Confirmation.AFTER:
                return [ChangeBaud(rate), confirmation, signed_on]
            case Confirmation.GARBAGE:
                return [ChangeBaud(rate), Transmit(b"\xff\x00\x9c"), signed_on]
            case Confirmation.NONE:
                return [ChangeBaud(rate), signed_on]

    def reset(self) -> list[Transmit | ChangeBaud | SignedOn]:
        """HDLC has ended, or the line was silent for long: wait for a sign-on again."""
        self.signed_on = False
        self._buffer = b""
        return [ChangeBaud(INITIAL_BAUD_RATE)]
