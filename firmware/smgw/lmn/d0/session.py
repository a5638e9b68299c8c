"""Asks a meter by D0 over an open port: a sign-on for each read-out, or a session in programming mode.

If nothing useful follows the acknowledgement, a break goes out, and the next try asks for the rate below, down to the
one of the request. Heads and long lines fail first at high rates. The lower rate is used for a day, or until the lowest
fails too: then the rate was not the cause.
"""

import contextlib
import logging

from smgw.cosem import Stamp
from smgw.iec62056.d0.blocks import BlockReader, Control, Message
from smgw.iec62056.d0.check import Check
from smgw.iec62056.d0.read_out import ReadOut, ReadOutReader
from smgw.iec62056.events import SignedOn
from smgw.iec62056.identification import BAUD_RATES, BREAK, PROGRAMMING, READ_OUT
from smgw.iec62056.seven_bit import with_parity
from smgw.iec62056.sign_on import REACTION_S, SignOn
from smgw.lmn.contract import Patience, Surroundings
from smgw.lmn.d0.found import options_of
from smgw.lmn.errors import AccessRefusedError, PollError, StoppedError
from smgw.lmn.sign_on import run
from smgw.ports import Port, PortError
from smgw.ports.port import GATHER_S, has_line
from smgw.profiles.meter import DAY_S, MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.wire import Refused

log = logging.getLogger(__name__)

#: After so long without an octet a read-out has ended; the standard has 1.5 s between two.
_SILENCE_S = 2.5
_AFTER_BREAK_S = 0.3
#: No overall limit: at 300 Bd a read-out may take minutes. But a line that is never silent ends.
_LONGEST_S = 900.0
_MOST_BLOCKS = 256
_MOST_ECHOES = 3
_ERROR = b"(ER"


class D0Session:
    """The client of one meter. Waits end soon when the surroundings stop (the port's Wake is set, too)."""

    def __init__(self, profile: MeterProfile, secrets: Secrets, surroundings: Surroundings) -> None:
        self._profile = profile
        self._options = options_of(profile)
        self._password = secrets.get("password")
        self._clock = surroundings.clock
        self._now = surroundings.now
        self._stopping = surroundings.stopping
        self._tick = surroundings.tick
        self.patience = Patience(profile.timeout, profile.retries)
        self.answered: Stamp | None = None  # begin of the last read-out or session
        self.identification = ""  # of the last sign-on
        self._had_bcc = False  # a read-out of this meter had a right check value
        self._most = self._usual = profile.baudrate if has_line(profile.port) else self._options.initial_baudrate
        self._slow_until = 0.0
        self._rate = self._options.initial_baudrate  # of the port
        self._blocks: BlockReader | None = None  # in programming mode
        self._waiting: list[Message | Control | Refused] = []  # received, not looked at yet

    @property
    def programming(self) -> bool:
        """True in programming mode."""
        return self._blocks is not None

    def read_out(self, port: Port) -> ReadOut:
        """One read-out. Raises NoAnswerError, PollError, StoppedError, PortError."""
        self.close(port)
        reason = ""
        for _ in range(self.patience.retries + 1):
            signed = self._sign_on(port, READ_OUT)
            found = self._received(port, signed)
            if isinstance(found, ReadOut):
                return found
            reason = found
            self._give_up(port, signed.baudrate)
        raise PollError(f"{reason}; asked {self.patience.retries + 1} times, at last at {self._rate} Bd")

    def enter(self, port: Port) -> None:
        """Begin programming mode if it is not open, with the password if there is one.

        AccessRefusedError, PollError, PortError.
        """
        if self._blocks is not None:
            return
        reason = ""
        for _ in range(self.patience.retries + 1):
            signed = self._sign_on(port, PROGRAMMING)
            self._blocks, self._waiting = BlockReader(), []
            told = self._answer(port, signed.octets)
            if isinstance(told, Message) and told.command == "P0":
                self._show_password(port)
                return
            reason = told if isinstance(told, str) else f"no programming mode: {_shown(told)}"
            self._give_up(port, signed.baudrate)
        raise PollError(f"{reason}; asked {self.patience.retries + 1} times")

    def ask(self, port: Port, command: str, text: str) -> bytes:
        """The data of the answer to a command in programming mode; the blocks of a long one joined.

        PollError, after which programming mode is closed; PortError.
        """
        self.enter(port)
        asked = Message(command, text.encode("ascii"))
        reason = ""
        for _ in range(self.patience.retries + 1):
            self._waiting.clear()
            port.write(asked.encode())
            told = self._whole(port)
            if isinstance(told, bytes):
                return told
            reason = told
        self.close(port)
        raise PollError(f"{command} {text}: {reason}")

    def wait(self, port: Port, until: float) -> None:
        """Wait until a moment; late octets are dropped."""
        while not self._stopping() and (left := until - self._now()) > 0:
            if port.wait(left):
                port.gather(GATHER_S)
                port.read()

    def close(self, port: Port) -> None:
        """End programming mode, so that the meter accepts a sign-on at once. Never raises."""
        if self._blocks is None:
            return
        self._blocks = None
        with contextlib.suppress(PortError):
            self._break(port)

    def _show_password(self, port: Port) -> None:
        if self._password is None:
            return
        port.write(Message("P1", b"(" + self._password + b")").encode())
        told = self._next(port, self.patience.timeout)
        if told is Control.ACK:
            return
        self.close(port)
        if isinstance(told, str):
            raise PollError(f"no answer to the password: {told}")
        raise AccessRefusedError(f"the meter refuses the password: {_shown(told)}", "password_file")

    def _sign_on(self, port: Port, option: str) -> SignedOn:
        options = self._options
        if self._most < self._usual and self._now() >= self._slow_until:
            self._most = self._usual
        port.change_baud(options.initial_baudrate)
        self._rate = options.initial_baudrate
        signing = SignOn(
            option=option,
            device_address=options.device_address,
            wake_up=options.wake_up_octets,
            fixed_baud=options.fixed_baudrate,
            max_baud=self._most,
            initial_baud=options.initial_baudrate,
            switch_delay=options.switch_delay / 1000 if options.switch_delay else None,
            reaction=max(self.patience.timeout, REACTION_S),
            attempts=self.patience.retries + 1,
        )
        signed = run(port, signing, self._now, self._stopping)
        self._rate = signed.baudrate
        before, self.identification = self.identification, signed.identification.encode().decode("ascii").strip()
        self._had_bcc = self._had_bcc and before == self.identification
        self.answered = self._clock.stamp()
        log.debug("meter %s: %s, at %d Bd", self._profile.name, self.identification, signed.baudrate)
        return signed

    def _received(self, port: Port, signed: SignedOn) -> ReadOut | str:
        """The read-out, or the reason for none."""
        reader = ReadOutReader(ignore_bcc=self._options.ignore_bcc, had_bcc=self._had_bcc)
        events = reader.receive(signed.octets)
        due, latest = self._now() + self.patience.timeout, self._now() + _LONGEST_S
        while True:
            for event in events:
                if isinstance(event, ReadOut):
                    self._had_bcc = self._had_bcc or event.check is Check.BCC
                    return event
                return event.reason
            octets = self._octets(port, min(due, latest))
            if not octets:
                break
            due = self._now() + _SILENCE_S
            events = reader.receive(octets)
            self._tick()
        for event in reader.finish():
            return event if isinstance(event, ReadOut) else event.reason
        return "no read-out came"

    def _whole(self, port: Port) -> bytes | str:
        """The data of an answer, or the reason for none."""
        data = b""
        for _ in range(_MOST_BLOCKS):
            told = self._answer(port)
            if isinstance(told, str):
                return told
            if not isinstance(told, Message) or told.command == "B0":
                return f"the meter answers {_shown(told)}"
            data += told.text
            if not told.more:
                return data
            port.write(bytes((Control.ACK,)))
        return f"more than {_MOST_BLOCKS} blocks"

    def _answer(self, port: Port, first: bytes = b"") -> Message | Control | str:
        """The next message. An ACK is the echo of ours."""
        told = self._next(port, self.patience.timeout, first)
        for _ in range(_MOST_ECHOES):
            if told is not Control.ACK:
                break
            told = self._next(port, self.patience.timeout)
        return told

    def _next(self, port: Port, seconds: float, first: bytes = b"") -> Message | Control | str:
        """The next message that is no echo of ours, or the reason for none."""
        blocks = self._blocks
        assert blocks is not None
        due, latest = self._now() + seconds, self._now() + _LONGEST_S
        octets = first
        while True:
            self._waiting += blocks.receive(octets)
            while self._waiting:
                event = self._waiting.pop(0)
                if isinstance(event, Refused):
                    return event.reason
                if isinstance(event, Control) or event.command in ("", "P0", "B0"):
                    return event
            octets = self._octets(port, min(due, latest))
            if not octets:
                return f"no answer within {seconds:g} s"
            due = max(due, self._now() + _SILENCE_S)
            self._tick()

    def _octets(self, port: Port, until: float) -> bytes:
        """Octets that come until a moment; none if there are none. StoppedError."""
        if port.wait(max(0.0, until - self._now())):
            port.gather(GATHER_S)
            return port.read()
        if self._stopping():
            raise StoppedError
        return b""

    def _give_up(self, port: Port, rate: int) -> None:
        """Break the session off; the next one is at the rate below."""
        self._blocks = None
        self._break(port)
        lower = max((one for one in BAUD_RATES.values() if self._options.initial_baudrate <= one < rate), default=0)
        if lower:
            self._most, self._slow_until = lower, self._now() + DAY_S
            log.info("meter %s: nothing useful came at %d Bd; %d Bd is tried", self._profile.name, rate, lower)
        else:
            self._most = self._usual

    def _break(self, port: Port) -> None:
        octets = with_parity(BREAK)
        port.write(octets)
        self._rest(port, len(octets) * 10 / self._rate + _AFTER_BREAK_S)
        port.change_baud(self._options.initial_baudrate)
        self._rate = self._options.initial_baudrate

    def _rest(self, port: Port, seconds: float) -> None:
        until = self._now() + seconds
        while not self._stopping() and (left := until - self._now()) > 0:
            if port.wait(left):
                port.read()


def _shown(told: Message | Control | str) -> str:
    if isinstance(told, Message):
        return repr((told.command + " " + told.text.decode("ascii", "replace")).strip())
    return told.name if isinstance(told, Control) else told


def is_error(data: bytes) -> bool:
    """True for the answer of a meter that has no such register, or does not show it."""
    return data.lstrip().startswith(_ERROR)
