"""Sign-on of IEC 62056-21 (6.3 and annex E): from 300 Bd 7E1 to a read-out, programming mode, or HDLC in mode E.

client  /?!                                  300 Bd 7E1
meter   /EMH5\\@01LZQJ00..
client  ACK 2 5 2                            mode E at 9600 Bd
meter   ACK 2 5 2                            at 9600 Bd, but still 7E1; or before the change; or nothing; or garbage
client  SNRM ..                              9600 Bd 8N1

The rate changes when the acknowledgement is on the wire and `switch_delay` is over: some meters do not listen before
400 ms. Any confirmation within 1.5 s is accepted, since HDLC itself shows whether the meter answers. Only a read-out
that begins instead counts as a refusal.

A read-out comes at once in mode A, and in mode B at the rate that the meter changes to by itself. In mode C it comes
after the acknowledgement, as programming mode does. Nothing confirms these, so the sign-on ends with the change.
"""

from enum import Enum, auto

from smgw.errors import LocalProtocolError
from smgw.iec62056.events import ChangeBaud, SignedOn, SignOnFailed
from smgw.iec62056.identification import (
    BAUD_RATES,
    BAUD_RATES_B,
    BREAK,
    HDLC,
    INITIAL_BAUD_RATE,
    MAX_LENGTH,
    PROGRAMMING,
    Identification,
    OptionSelect,
    find_identification,
    identification_begin,
    sign_on,
)
from smgw.iec62056.seven_bit import with_parity, without_parity
from smgw.wire import Transmit

Event = Transmit | ChangeBaud | SignedOn | SignOnFailed

REACTION_S = 1.5  # longest time to an answer, and between two characters (6.5)
_QUIET_S = 0.3  # after a confirmation that was not understood
_OCTET_BITS = 10
#: After the acknowledgement: the meter reacts after 200 ms, or after 20 ms if the maker's third letter is small.
_USUAL_DELAY_S, _FAST_DELAY_S = 0.05, 0.01
_PAUSE_AFTER_BREAK_S = 0.5
_WAKE_UP_OCTETS = 66  # 2.2 s at 300 Bd
_PAUSE_AFTER_WAKE_UP_S = 1.6
_STX = b"\x02"
_MOST = 1024  # more octets without an identification are noise


class Step(Enum):
    """The states of a sign-on."""

    IDLE = auto()
    PAUSING = auto()  #: a break or a wake-up was sent; the request is next
    IDENTIFYING = auto()  #: the request was sent
    SWITCHING = auto()  #: the acknowledgement is being sent
    CONFIRMING = auto()  #: the rate is changed
    DONE = auto()


class SignOn:
    """One sign-on. It begins with `start`; the port has `initial_baud`, 8N1. Times in seconds.

    `option`: what is asked for. `device_address`: for meters that answer only to their address, and for shared lines.
    `wake_up`: octets that wake up a meter with a battery. `fixed_baud`: the meter announces another rate but does not
    change. `max_baud`: the limit of the head. `switch_delay`: None chooses it by the maker. `reaction`: the longest
    time to an answer. `attempts`: each repetition sends a break first, since the meter may be in an earlier session.
    """

    def __init__(
        self,
        *,
        option: str = HDLC,
        device_address: str = "",
        wake_up: bytes = b"",
        fixed_baud: bool = False,
        max_baud: int = 19200,
        initial_baud: int = INITIAL_BAUD_RATE,
        switch_delay: float | None = None,
        reaction: float = REACTION_S,
        attempts: int = 3,
    ) -> None:
        if not device_address.isascii() or not (device_address.replace(" ", "") or "0").isalnum():
            raise LocalProtocolError("a device address has up to 32 letters, digits and spaces")
        self._request = sign_on(device_address)
        self._wake_up = wake_up
        self._fixed_baud = fixed_baud
        self._max_baud = max_baud
        self._initial_baud = initial_baud
        self._switch_delay = switch_delay
        self._attempts = attempts
        self._step = Step.IDLE
        self._tried = 0
        self._due: float | None = None
        self._last = 0.0  # end of waiting in any case
        self._buffer = b""
        self._identification = Identification("", "", "", "")
        self._wanted = option
        self._reaction = reaction
        self._raw = b""
        self._option = OptionSelect("2", "0", "2")

    def start(self, now: float) -> list[Event]:
        """Begin."""
        self._tried = 0
        return self._attempt(now)

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take octets as they came from the 8N1 port."""
        if self._step is Step.IDENTIFYING:
            self._raw += data
            self._buffer = without_parity(self._raw)
            found = find_identification(self._buffer)
            if found is not None:
                self._raw = self._raw[identification_begin(self._buffer) :]
                return self._acknowledge(found, now)
            self._raw = self._raw[-_MOST:]
            self._due = min(max(self._due or now, now + self._reaction), self._last)
        elif self._step is Step.SWITCHING:
            self._raw += data  # a bridge may be faster than we are
        elif self._step is Step.CONFIRMING:
            self._buffer = (self._buffer + without_parity(data))[:_MOST]
            if self._option.encode() in self._buffer:
                return self._done(confirmed=True)
            self._due = min(now + _QUIET_S, self._last)
        return []

    def deadline(self, now: float) -> float | None:
        """The time when `expire` is due; None before the start and after the end."""
        return None if self._due is None else max(self._due, now)

    def expire(self, now: float) -> list[Event]:
        """Handle a deadline."""
        if self._due is None or now < self._due:
            return []
        match self._step:
            case Step.PAUSING:
                return self._ask(now)
            case Step.SWITCHING:
                return self._switch(now)
            case Step.CONFIRMING:
                if self._buffer[:1] == _STX:
                    return self._fail("the meter began a read-out instead of HDLC: it has no mode E, whatever it says")
                return self._done(confirmed=False)
        if self._tried < self._attempts:
            return self._attempt(now)
        return self._fail(self._why_not())

    def _attempt(self, now: float) -> list[Event]:
        self._tried += 1
        self._buffer = b""
        self._raw = b""
        first = b"" if self._tried == 1 else with_parity(BREAK)
        pause = _PAUSE_AFTER_BREAK_S
        if self._wake_up:
            count = _WAKE_UP_OCTETS * self._initial_baud // INITIAL_BAUD_RATE
            first = self._wake_up * -(-count // len(self._wake_up))
            pause = _PAUSE_AFTER_WAKE_UP_S
        if not first:
            return self._ask(now)
        self._step = Step.PAUSING
        self._due = now + self._wire_time(first) + pause
        return [Transmit(first)]

    def _ask(self, now: float) -> list[Event]:
        self._step = Step.IDENTIFYING
        self._buffer = b""
        self._due = now + self._wire_time(self._request) + self._reaction
        # A line that is never silent must not block: wait for the longest answer, and as long for an echo.
        self._last = self._due + self._wire_time(bytes(2 * MAX_LENGTH)) + self._reaction
        return [Transmit(with_parity(self._request))]

    def _acknowledge(self, found: Identification, now: float) -> list[Event]:
        self._identification = found
        if found.mode != "C" and self._wanted not in (HDLC, PROGRAMMING):
            return self._unasked(found)
        if found.mode != "C":
            if self._wanted == PROGRAMMING:
                return self._fail(
                    f"{found.encode().strip()!r}: the meter speaks mode {found.mode}, so it has no programming mode"
                )
            return self._fail(f"{found.encode().strip()!r}: the meter speaks mode {found.mode}, so it has no mode E")
        rate = min(BAUD_RATES[found.baud_code], self._max_baud)
        code = max((code for code, known in BAUD_RATES.items() if known <= rate), default="0")
        self._option = OptionSelect("2" if self._wanted == HDLC else "0", code, self._wanted)
        octets = with_parity(self._option.encode())
        self._step = Step.SWITCHING
        self._buffer = b""
        usual = _FAST_DELAY_S if found.maker[2].islower() and self._wanted != HDLC else _USUAL_DELAY_S
        delay = usual if self._switch_delay is None else self._switch_delay
        self._due = now + self._wire_time(octets) + delay
        return [Transmit(octets)]

    def _switch(self, now: float) -> list[Event]:
        changed: list[Event] = [] if self._baudrate == self._initial_baud else [ChangeBaud(self._baudrate)]
        if self._wanted != HDLC:
            self._raw = self._raw.replace(with_parity(self._option.encode()), b"", 1)  # the echo of a head
            return [*changed, *self._done(confirmed=False)]
        self._step = Step.CONFIRMING
        self._due = self._last = now + REACTION_S
        return changed

    def _unasked(self, found: Identification) -> list[Event]:
        """The read-out of modes A and B comes by itself."""
        rate = self._initial_baud if self._fixed_baud else BAUD_RATES_B.get(found.baud_code, self._initial_baud)
        self._step, self._due = Step.DONE, None
        changed: list[Event] = [] if rate == self._initial_baud else [ChangeBaud(rate)]
        return [*changed, SignedOn(found, rate, confirmed=False, octets=self._raw)]

    def _done(self, *, confirmed: bool) -> list[Event]:
        self._step, self._due = Step.DONE, None
        octets = b"" if self._wanted == HDLC else self._raw
        return [SignedOn(self._identification, self._baudrate, confirmed, octets)]

    def _fail(self, reason: str) -> list[Event]:
        self._step, self._due = Step.DONE, None
        return [SignOnFailed(reason)]

    def _why_not(self) -> str:
        if self._buffer:
            return (
                f"{len(self._buffer)} octets came, but no identification: {self._buffer[:24].hex()}; "
                "is it 300 Bd, and is the head on its place?"
            )
        return (
            f"no answer to the sign-on in {self._attempts} attempts; is the head on its place, and the right address?"
        )

    @property
    def _baudrate(self) -> int:
        return self._initial_baud if self._fixed_baud else BAUD_RATES[self._option.baud_code]

    def _wire_time(self, octets: bytes) -> float:
        return len(octets) * _OCTET_BITS / self._initial_baud
