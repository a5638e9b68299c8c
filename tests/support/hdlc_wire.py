"""Two ends of a link wired to each other in memory: a clock that only tests move, and a wire that may do harm."""

from collections.abc import Callable
from typing import Protocol

from smgw.hdlc import ApduReceived, Event
from smgw.hdlc.frame import Frame, FrameDecoder
from smgw.wire import Transmit

Harm = Callable[[int, bytes], bytes]  # (how many transmissions went before, octets) -> what arrives


class End(Protocol):
    """A link, or a wrapper."""

    def receive(self, data: bytes, now: float) -> list[Event]: ...
    def send(self, apdu: bytes, now: float) -> list[Event]: ...
    def connect(self, now: float) -> list[Event]: ...
    def disconnect(self, now: float) -> list[Event]: ...
    def deadline(self, now: float) -> float | None: ...
    def expire(self, now: float) -> list[Event]: ...


class Wire:
    """`client` and `meter` in step: what one transmits arrives at the other at once, or as `harm` lets it.

    `answer` makes the meter's answer of each APDU it receives; None: it says nothing.
    """

    def __init__(
        self,
        client: End,
        meter: End,
        answer: Callable[[bytes], bytes | None] = lambda apdu: apdu,
        *,
        harm: Harm = lambda _, octets: octets,
        piece: int = 0,
        echo: bool = False,
    ) -> None:
        self.client = client
        self.meter = meter
        self.now = 1000.0
        self.seen: list[Event] = []  # the client's events but Transmit
        self.meter_seen: list[Event] = []
        self.transmissions: list[tuple[str, bytes]] = []
        self._answer = answer
        self._harm = harm
        self._piece = piece
        self._echo = echo

    def connect(self) -> None:
        self.run(self.client.connect(self.now))

    def ask(self, apdu: bytes) -> bytes | None:
        """The answer to one APDU, however often it must be polled for; None if there is none."""
        before = len(self.seen)
        self.run(self.client.send(apdu, self.now))
        return next((event.apdu for event in self.seen[before:] if isinstance(event, ApduReceived)), None)

    def run(self, events: list[Event]) -> None:
        """Go on until the client waits for nothing any more."""
        self._handle(events, self.client)
        while (due := self.client.deadline(self.now)) is not None:
            self.now = due
            self._handle(self.client.expire(self.now), self.client)

    def _handle(self, events: list[Event], end: End) -> None:
        todo = [(event, end) for event in events]
        while todo:
            event, at = todo.pop(0)
            if isinstance(event, Transmit):
                other = self.meter if at is self.client else self.client
                arrived = self._harm(len(self.transmissions), event.octets)
                self.transmissions.append(("client" if at is self.client else "meter", event.octets))
                if self._echo:
                    todo += [(more, at) for more in self._give(at, arrived)]
                todo += [(more, other) for more in self._give(other, arrived)]
                continue
            (self.seen if at is self.client else self.meter_seen).append(event)
            if (
                at is self.meter
                and isinstance(event, ApduReceived)
                and (answer := self._answer(event.apdu)) is not None
            ):
                todo += [(more, at) for more in at.send(answer, self.now)]

    def _give(self, end: End, octets: bytes) -> list[Event]:
        if not self._piece:
            return end.receive(octets, self.now)
        pieces = [octets[start : start + self._piece] for start in range(0, len(octets), self._piece)]
        return [event for piece in pieces for event in end.receive(piece, self.now)]


def decode_frame(octets: bytes) -> Frame:
    """The one frame that these octets are."""
    decoder = FrameDecoder()
    (frame,) = decoder.receive(octets) + decoder.finish()
    assert isinstance(frame, Frame), frame
    return frame
