"""Meters that a radio stick hears: each telegram goes to the profile with the meter's number."""

from collections.abc import Sequence
from typing import NamedTuple

from smgw.cosem import Stamp
from smgw.errors import RemoteProtocolError
from smgw.lmn.contract import Addressed, Heard, Surroundings, Values
from smgw.lmn.mbus.content import Content
from smgw.lmn.replay import Replays, key_id
from smgw.mbus.radio.compact import Layouts
from smgw.mbus.radio.envelope import Envelope, read_envelope
from smgw.mbus.radio.opening import Opened, open_envelope
from smgw.mbus.radio.sticks import Amber, Imst, Lines, Radio, Stick
from smgw.mbus.telegram import Identity, identity_of
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.profiles.wmbus import AMBER, CUL, WmbusProfile
from smgw.wire import Refused

_COPY_S = 60.0  # so long a telegram is remembered, to drop the copies of repeaters
_COPIES = 4  # of a meter that are remembered
_WEAK_DBM = -95
_DIGITS = 8


def make_stick(options: WmbusProfile) -> Stick:
    """What reads the octets of the stick."""
    if options.stick == CUL:
        return Lines()
    return Amber(signal=options.signal) if options.stick == AMBER else Imst()


class _Copy(NamedTuple):
    same: tuple[bytes, int | None, bytes]
    heard: float


class _Meter:
    """One meter: its key, what it sent last, and the layouts of its compact telegrams."""

    def __init__(self, profile: MeterProfile, secrets: Secrets, surroundings: Surroundings) -> None:
        options = options_of(profile)
        self.name = profile.name
        self.identity = None if len(options.id) == _DIGITS else identity_of(_address(options.id))
        self._key = secrets.get("encryption_key")
        self._content = Content(profile, options.medium)
        self._layouts = Layouts()
        self._copies: list[_Copy] = []
        self._replays = Replays(profile.name, key_id(self._key or b""), surroundings.pushes)

    def is_copy(self, envelope: Envelope, now: float) -> bool:
        """True if this telegram was read within the last minute. One that was refused has no copies."""
        same = envelope.same
        return any(one.same == same and now - one.heard < _COPY_S for one in self._copies)

    def values(self, envelope: Envelope, signal: int | None, stamp: Stamp, now: float) -> tuple[Values, ...]:
        """The values of a telegram. RemoteProtocolError if the key does not open it, or if it is an old one."""
        opened = open_envelope(envelope, self._key, self._layouts)
        self._believe(opened)
        self._copies = [*self._copies[1 - _COPIES :], _Copy(envelope.same, now)]
        weak = signal is not None and signal < _WEAK_DBM
        remark = f"weak signal, below {_WEAK_DBM} dBm" if weak else ""
        return (self._content.values([opened.telegram], stamp, remark),)

    def _believe(self, opened: Opened) -> None:
        if opened.counter is None:
            return
        title = opened.envelope.meter
        if not self._replays.is_new(title, opened.counter):
            raise RemoteProtocolError(
                f"a telegram with counter {opened.counter} again: an old one; if the meter was reset or exchanged, "
                f"run: smgw retry {self.name}"
            )
        self._replays.take(title, opened.counter)


class RadioLine:
    """All meters of one stick. It also hears the meters of others, which are passed over."""

    lacks = 0
    #: Sticks send a telegram without a pause.
    pause_s = 1.0

    def __init__(self, meters: Sequence[tuple[MeterProfile, Secrets]], surroundings: Surroundings) -> None:
        self._stick = make_stick(options_of(meters[0][0]))
        self._now = surroundings.now
        self._began = surroundings.clock.stamp()
        self._meters: dict[str, list[_Meter]] = {}  # by the digits of their number
        for profile, secrets in meters:
            digits = options_of(profile).id[:_DIGITS].upper()
            self._meters.setdefault(digits, []).append(_Meter(profile, secrets, surroundings))

    @property
    def receiving(self) -> bool:
        """True while a telegram is unfinished."""
        return self._stick.receiving

    def receive(self, octets: bytes, stamp: Stamp) -> list[Addressed]:
        """Take octets; what the telegrams that they completed say, each with its meter."""
        if not self._stick.receiving:
            self._began = stamp
        heard: list[Addressed] = []
        for event in self._stick.receive(octets):
            heard.append(self._of(event))
            self._began = stamp
        return heard

    def finish(self) -> list[Addressed]:
        """Refuse an unfinished telegram."""
        return [self._of(event) for event in self._stick.finish()]

    def _of(self, event: Radio | Refused) -> Addressed:
        if isinstance(event, Refused):
            return Addressed("", event)
        try:
            envelope = read_envelope(event.telegram)
        except RemoteProtocolError as error:
            meter = self._meter(_sender(event.telegram))
            return Addressed(meter.name, Refused(str(error), len(event.telegram))) if meter else Addressed("")
        if envelope is None:
            return Addressed("")
        meter, now = self._meter(envelope.identity), self._now()
        if meter is None or meter.is_copy(envelope, now):
            return Addressed("")
        try:
            return Addressed(meter.name, meter.values(envelope, event.signal, self._began, now))
        except RemoteProtocolError as error:
            return Addressed(meter.name, Refused(str(error), len(event.telegram)))

    def _meter(self, identity: Identity) -> _Meter | None:
        for meter in self._meters.get(identity.id, ()):
            if meter.identity in (None, identity):
                return meter
        return None


class RadioPush:
    """One meter alone, for `smgw read`: as a `PushedMeter`."""

    def __init__(self, profile: MeterProfile, secrets: Secrets, surroundings: Surroundings) -> None:
        self._line = RadioLine([(profile, secrets)], surroundings)
        self.lacks = self._line.lacks
        self.pause_s = self._line.pause_s

    @property
    def receiving(self) -> bool:
        """True while a telegram is unfinished."""
        return self._line.receiving

    def receive(self, octets: bytes, stamp: Stamp) -> list[Heard]:
        """Take octets; the values of the meter's telegrams."""
        return [heard for _, heard in self._line.receive(octets, stamp) if heard]

    def finish(self) -> list[Heard]:
        """Refuse an unfinished telegram."""
        return [heard for _, heard in self._line.finish() if heard]


def options_of(profile: MeterProfile) -> WmbusProfile:
    """The profile's section."""
    return profile.options if isinstance(profile.options, WmbusProfile) else WmbusProfile()


def _address(text: str) -> bytes:
    """The eight octets of 16 hex digits, as they go over the air: the number low octet first."""
    octets = bytes.fromhex(text)
    return octets[3::-1] + octets[4:]


def _sender(telegram: bytes) -> Identity:
    address = telegram[2:10]
    return identity_of(address[2:6] + address[:2] + address[6:])
