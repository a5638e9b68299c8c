"""`smgw scan` at a radio stick: lists the meters that it hears, each with the strength of its signal."""

from collections.abc import Iterator

from smgw.cosem import Obis
from smgw.errors import RemoteProtocolError
from smgw.lmn.scan import Ask, Found, Listen, Scan, device_text
from smgw.mbus.radio.envelope import Envelope, read_envelope
from smgw.mbus.radio.opening import open_envelope
from smgw.mbus.radio.sticks import Amber, AnyStick, Imst, Lines, Radio, Stick
from smgw.mbus.readings import device_of, readings
from smgw.mbus.telegram import medium_name
from smgw.profiles.meter import MeterProfile
from smgw.profiles.wmbus import AMBER, CUL, IMST, SPEEDS, WmbusProfile

_LEAST_S = 60.0  # the meters of a street are listened for so long, or as --seconds says
_NAMES: dict[type[Stick], str] = {Imst: IMST, Amber: AMBER, Lines: CUL}


class _Ear:
    """Recognises a stick by its first telegram."""

    def __init__(self, profile: MeterProfile) -> None:
        self._profile = profile
        self._any = AnyStick()

    def hear(self, octets: bytes) -> Found | None:
        for event in self._any.receive(octets):
            if isinstance(event, Radio) and (found := _found(self._profile, event, self.stick)):
                return found
        return None

    @property
    def stick(self) -> str:
        """The stick that is recognised."""
        return IMST if self._any.found is None else _NAMES[type(self._any.found)]


def _found(profile: MeterProfile, radio: Radio, stick: str) -> Found | None:
    """The meter that sent a telegram; None if it holds no values of a meter that is known."""
    try:
        envelope = read_envelope(radio.telegram)
    except RemoteProtocolError:
        return None
    if envelope is None:
        return None
    identity = envelope.identity
    made = profile._replace(options=WmbusProfile(id=identity.id, stick=stick))
    signal = "" if radio.signal is None else f"{radio.signal} dBm"
    by = f"by {envelope.sender}" if envelope.sender != identity else ""
    sealed = f"encrypted ({envelope.security.value}): write encryption_key_file too" if envelope.sealed else ""
    remark = ", ".join(filter(None, (signal, medium_name(identity.medium), by, sealed)))
    objects = () if envelope.sealed else _objects(envelope)
    return Found(made, device_text(device_of(identity)), remark, str(identity), objects, more=True)


def _objects(envelope: Envelope) -> tuple[Obis, ...]:
    try:
        telegram = open_envelope(envelope, None).telegram
    except RemoteProtocolError:
        return ()
    return tuple(reading.obis for reading in readings(telegram, envelope.identity.medium))


def _others(scan: Scan, first: Found) -> Iterator[Found]:
    """All meters that the stick hears for a minute, or longer if `smgw scan` is told so."""
    yield first
    yield from _heard(scan, first.profile, max(_LEAST_S, scan.listen_s), {first.address})


def _heard(scan: Scan, profile: MeterProfile, seconds: float, known: set[str]) -> Iterator[Found]:
    """The meters that are heard within so many seconds, each once. A stick that is set up is as it was told before."""
    options = profile.options if isinstance(profile.options, WmbusProfile) else WmbusProfile()
    scan.say(f"{scan.line(profile)}radio stick {options.stick}, meters that it hears within {seconds:g} s")
    any_stick, now = AnyStick(), scan.surroundings.now
    with scan.open(profile) as port:
        if not known:
            port.write(options.opening)
        ends = now() + seconds
        while (left := ends - now()) > 0:
            if not port.wait(left):
                continue
            port.gather()
            for event in any_stick.receive(port.read()):
                found = _found(profile, event, options.stick) if isinstance(event, Radio) else None
                if found is not None and found.address not in known:
                    known.add(found.address)
                    yield found


def _asked(scan: Scan) -> Iterator[Found]:
    """Sticks that are silent until somebody sets their mode."""
    if scan.others or scan.on_network:
        return
    for stick, baudrate in SPEEDS.items():
        profile = scan.candidate("wmbus", baudrate, options=WmbusProfile(stick=stick))
        found = False
        for one in _heard(scan, profile, scan.listen_s, set()):
            found = True
            yield one
        if found:
            return


PUSH = Listen(5, tuple((speed, "N") for speed in SPEEDS.values()), _Ear, _others, Ask(9, _asked))
