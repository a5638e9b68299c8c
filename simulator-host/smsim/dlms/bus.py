"""A line with meters: sign-on if they need one, then HDLC or the wrapper; echo and damage of the line."""

from collections.abc import Callable, Sequence

from smgw.iec62056.events import ChangeBaud, SignedOn
from smgw.iec62056.responder import Responder
from smgw.wire import Transmit

from smsim.dlms.faults import DlmsFaults
from smsim.dlms.station import Station

_REACTION_S = 0.2  # shortest reaction time of most meters at a sign-on
_SESSION_S = 60.0  # after this time without a link, the meter waits for a sign-on again
_AFTER_DISC_S = 5.0  # the same after the end of a link: time to make another one

Out = Transmit | ChangeBaud


class Bus:
    """The meters of one line, or of one TCP connection. The driver carries out the returned actions in order."""

    def __init__(
        self, stations: Sequence[Station], faults: DlmsFaults, sign_on: Callable[[], Responder] | None = None
    ) -> None:
        self.stations = tuple(stations)
        self.faults = faults
        self._sign_on = sign_on() if sign_on else None
        self._idle_since = 0.0
        self._answers: list[Out] = []  # answer to the sign-on, sent after the reaction time
        self._answers_at = 0.0

    def receive(self, data: bytes, now: float) -> list[Out]:
        """Take octets of the line."""
        out: list[Out] = [Transmit(data)] if self.faults.echo else []
        if self._sign_on is not None and not self._sign_on.signed_on:
            answers = self._sign_on.receive(data)
            self._answers += [answer for answer in answers if not isinstance(answer, SignedOn)]
            self._answers_at = now + _REACTION_S
            self._idle_since = now
            return out
        before = self._linked
        for station in self.stations:
            out += self._harmed(station.receive(data, now))
        return out + self._after(before, now)

    def deadline(self, now: float) -> float | None:
        """The time when `expire` is due."""
        dues = [due for station in self.stations if (due := station.deadline(now)) is not None]
        if self._answers:
            dues.append(self._answers_at)
        if self._sign_on is not None and self._sign_on.signed_on and not self._linked:
            dues.append(self._idle_since + _SESSION_S)
        return min(dues, default=None)

    def expire(self, now: float) -> list[Out]:
        """Handle a deadline."""
        before = self._linked
        out: list[Out] = []
        if self._answers and now >= self._answers_at:
            out, self._answers = self._answers, []
        for station in self.stations:
            out += self._harmed(station.expire(now))
        return out + self._after(before, now)

    @property
    def _linked(self) -> bool:
        return any(station.connected for station in self.stations)

    def _harmed(self, pieces: list[bytes]) -> list[Out]:
        arrived = (self.faults.on_the_line(piece) for piece in pieces)
        return [Transmit(octets) for octets in arrived if octets]

    def _after(self, before: bool, now: float) -> list[Out]:
        """End the session of a sign-on with its link."""
        if self._linked or self._sign_on is None or not self._sign_on.signed_on:
            self._idle_since = now
            return []
        if before:
            self._idle_since = now - _SESSION_S + _AFTER_DISC_S
        if now < self._idle_since + _SESSION_S:
            return []
        return [event for event in self._sign_on.reset() if not isinstance(event, SignedOn)]
