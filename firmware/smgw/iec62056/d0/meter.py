"""The meter's side of D0, for the simulator: sign-on in modes A, B and C, read-out, programming mode."""

from typing import Protocol

from smgw.iec62056.d0.blocks import BlockReader, Control, Message
from smgw.iec62056.events import ChangeBaud
from smgw.iec62056.identification import (
    BAUD_RATES,
    BAUD_RATES_B,
    BREAK,
    INITIAL_BAUD_RATE,
    PROGRAMMING,
    Identification,
    find_option_select,
    find_sign_on,
)
from smgw.iec62056.seven_bit import with_parity, without_parity
from smgw.wire import Transmit

_MOST = 256
_PIECE = 1000  # octets of a partial block
_READ = ("R1", "R2", "R5", "R6")
#: Answers to a refused command.
_NO_ACCESS, _UNKNOWN = b"(ER01)", b"(ER02)"

Out = Transmit | ChangeBaud


class Model(Protocol):
    """The values of a meter."""

    def read_out(self) -> str:
        """All data sets, lines with CR LF, without the exclamation mark."""

    def register(self, code: str) -> str | None:
        """The groups of one register such as `(1*kWh)`; None if there is none."""

    def profile(self, code: str, since: str, until: str) -> str:
        """The rows of a load profile, or `P.01(ERROR)`."""


class D0Meter:
    """One meter. The driver sets the port to the rate of each `ChangeBaud` when earlier octets are on the wire."""

    def __init__(
        self, identification: Identification, model: Model, *, device_address: str = "", password: bytes = b""
    ) -> None:
        self._identification = identification
        self._model = model
        self._device_address = device_address
        self._password = password
        self._buffer = b""
        self._blocks: BlockReader | None = None  # in programming mode
        self._called = False  # it has identified itself, and an option select may follow
        self._admitted = False
        self._rest: list[Message] = []  # partial blocks that wait for an ACK
        self.read_outs = 0

    @property
    def programming(self) -> bool:
        """True in programming mode."""
        return self._blocks is not None

    def receive(self, data: bytes) -> list[Out]:
        """Take octets; what the meter does, in order."""
        if self._blocks is not None:
            return [out for event in self._blocks.receive(data) for out in self._programmed(event)]
        self._buffer = (self._buffer + without_parity(data))[-_MOST:]
        if BREAK in self._buffer:
            self._buffer = self._buffer.rpartition(BREAK)[2]
        asked = find_sign_on(self._buffer)
        if asked is not None:
            self._buffer = self._buffer[asked[1] :]
            self._called = False
            if asked[0].lstrip("0") in ("", self._device_address.lstrip("0")):
                return self._identify()
        selected = find_option_select(self._buffer)
        if selected is None:
            return []
        self._buffer = b""
        if not self._called:
            return []  # it is for another meter of this line
        self._called = False
        option, _ = selected
        if not option.is_d0 or option.baud_code not in BAUD_RATES:
            return []
        rate = ChangeBaud(BAUD_RATES[option.baud_code])
        if option.option != PROGRAMMING:
            return [rate, self._data(), ChangeBaud(INITIAL_BAUD_RATE)]
        self._blocks, self._admitted = BlockReader(), not self._password
        return [rate, Transmit(Message("P0", b"()").encode())]

    def reset(self) -> list[Out]:
        """The line was silent for long: wait for a sign-on again."""
        self._blocks, self._buffer, self._rest = None, b"", []
        return [ChangeBaud(INITIAL_BAUD_RATE)]

    def _identify(self) -> list[Out]:
        told = Transmit(with_parity(self._identification.encode()))
        if self._identification.mode == "C":
            self._called = True
            return [told]
        rate = BAUD_RATES_B.get(self._identification.baud_code, INITIAL_BAUD_RATE)
        return [told, ChangeBaud(rate), self._data(), ChangeBaud(INITIAL_BAUD_RATE)]

    def _data(self) -> Transmit:
        self.read_outs += 1
        return Transmit(Message("", self._model.read_out().encode("ascii") + b"!\r\n").encode())

    def _programmed(self, event: object) -> list[Out]:
        if event is Control.ACK and self._rest:
            return [Transmit(self._rest.pop(0).encode())]
        if not isinstance(event, Message):
            return [] if isinstance(event, Control) else [Transmit(bytes((Control.NAK,)))]
        match event.command:
            case "B0":
                return self.reset()
            case "P1":
                self._admitted = not self._password or event.text == b"(" + self._password + b")"
                return [Transmit(b"\x06") if self._admitted else Transmit(Message("", _NO_ACCESS).encode())]
            case command if command in _READ:
                return self._read(event)
        return [Transmit(Message("", _UNKNOWN).encode())]

    def _read(self, asked: Message) -> list[Out]:
        code, _, rest = asked.text.decode("ascii", "replace").partition("(")
        if not self._admitted:
            return [Transmit(Message("", _NO_ACCESS).encode())]
        if code.startswith("P."):
            since, _, until = rest.removesuffix(")").partition(";")
            text = self._model.profile(code, since, until).encode("ascii")
        else:
            found = self._model.register(code)
            text = _UNKNOWN if found is None else f"{code}{found}".encode("ascii")
        if asked.command != "R6":
            return [Transmit(Message("", text).encode())]
        pieces = [text[place : place + _PIECE] for place in range(0, len(text), _PIECE)] or [b""]
        first, *self._rest = [Message("", piece, more=piece is not pieces[-1]) for piece in pieces]
        return [Transmit(first.encode())]
