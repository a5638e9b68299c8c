"""A meter that sends by itself and acts as the master of its line: it wants an acknowledgement of all that it sends.

Siemens AMIS sends NKE every second, and its telegram (SND_UD, CI 5B) once NKE was acknowledged. It repeats a telegram
whose acknowledgement is lost.
"""

from collections.abc import Iterator, Sequence

from smgw.cosem import DeviceId, Obis, Stamp
from smgw.errors import RemoteProtocolError
from smgw.lmn.contract import Heard, Patience, Surroundings
from smgw.lmn.errors import NoAnswerError, PollError, StoppedError
from smgw.lmn.load_profile import ProfileSource
from smgw.lmn.mbus.content import Content
from smgw.mbus.frame import Frame
from smgw.mbus.master import ACKNOWLEDGED, NORMALISE, SEND
from smgw.mbus.requests import RequestDecoder, Short
from smgw.mbus.telegram import read_telegram
from smgw.ports import Port
from smgw.profiles.mbus import MBusProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.store.ranges import Range
from smgw.wire import Refused

_FCB = 0x20
#: A frame is given up after such a pause; at 9600 Bd an octet takes 1 ms.
_PAUSE_S = 0.3
_GATHER_S = 0.02  # of the 84 ms that the meter waits for an acknowledgement
_NOISE = b"\xe5\x00\xfc\xfd\xfe\xff"


class MBusPush:
    """One meter. `poll` gives its next telegram, and `listen` all that come meanwhile."""

    idle_s = float("inf")
    unanswered = False

    def __init__(self, profile: MeterProfile, secrets: Secrets, surroundings: Surroundings) -> None:
        options = profile.options if isinstance(profile.options, MBusProfile) else MBusProfile()
        self._content = Content(profile, options.medium)
        self._key = secrets.get("encryption_key")
        self._clock, self._now = surroundings.clock, surroundings.now
        self._stopping, self._tick = surroundings.stopping, surroundings.tick
        self._decoder = RequestDecoder()
        self._began = surroundings.clock.stamp()  # of octets that are no frame yet
        self._last: Frame | None = None  # acknowledged since the last NKE
        self.patience = Patience(profile.timeout, 0)

    def identify(self, port: Port) -> DeviceId:
        """The identity of the meter that sends."""
        return next(one.device for group in self.poll(port) if not isinstance(group, Refused) for one in group)

    def poll(self, port: Port) -> Sequence[Heard]:
        """Its next telegram, behind what was refused before it. NoAnswerError if nothing comes within the time-out."""
        ends = self._now() + self.patience.timeout
        heard: list[Heard] = []
        while self._now() < ends:
            heard += self.listen(port, ends)
            if any(not isinstance(one, Refused) for one in heard):
                return heard
            if self._stopping():
                raise StoppedError
            self._tick()
        if heard and isinstance(heard[-1], Refused):
            raise PollError(heard[-1].reason)
        raise NoAnswerError(f"no telegram within {self.patience.timeout:g} s")

    def load_profile(self, profile: Obis, _wanted: Range) -> ProfileSource:
        """M-Bus has none."""
        raise PollError(f"an M-Bus meter has no load profile {profile}")

    def listen(self, port: Port, until: float) -> Sequence[Heard]:
        """Until telegrams came, or the moment is there."""
        while not self._stopping() and (left := until - self._now()) > 0:
            unfinished = self._decoder.receiving
            if port.wait(min(left, _PAUSE_S) if unfinished else left):
                heard = self._receive(port)
            elif unfinished and left > _PAUSE_S:
                heard = list(self._taken(port, self._decoder.finish(), self._began))
            else:
                continue
            if heard:
                return heard
        return []

    def close(self, _port: Port) -> None:
        """There is no session."""

    def _receive(self, port: Port) -> list[Heard]:
        stamp = self._clock.stamp()
        port.gather(_GATHER_S)
        octets = port.read()
        if not self._decoder.receiving:  # converters make noise, and echo acknowledgements
            octets, self._began = octets.lstrip(_NOISE), stamp
        events = self._decoder.receive(octets)
        heard = list(self._taken(port, events, self._began))
        if events:
            self._began = stamp
        return heard

    def _taken(self, port: Port, events: Sequence[Frame | Short | Refused], stamp: Stamp) -> Iterator[Heard]:
        """Acknowledge, and give what is new."""
        for event in events:
            if isinstance(event, Refused):
                yield event
                continue
            if event.control & ~_FCB not in (NORMALISE, SEND):
                continue  # a request to another meter
            port.write(bytes((ACKNOWLEDGED,)))
            if isinstance(event, Short):
                self._last = None
            elif event != self._last:
                self._last = event
                yield self._read(event, stamp)

    def _read(self, frame: Frame, stamp: Stamp) -> Heard:
        try:
            telegram = read_telegram(frame, self._key)
        except RemoteProtocolError as error:
            return Refused(str(error), frame.size)
        return (self._content.values([telegram], stamp),)
