"""Finds the meters behind a port: listens first, then asks with every protocol, speed and address in use.

Listening disturbs no meter, so it comes first. If a meter pushes, nothing is asked. A line without octets at one speed
has none at any other, because each speed turns signals into octets. The tries are part of each protocol's entry.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from smgw.clock import GatewayClock
from smgw.cosem import DeviceId, Obis
from smgw.lmn.contract import Surroundings
from smgw.lmn.driver import line_settings
from smgw.ports import LineSettings, Port, Security, open_port
from smgw.ports.port import has_line
from smgw.profiles import protocols
from smgw.profiles.advice import advised
from smgw.profiles.entries import resolve
from smgw.profiles.meter import MeterProfile
from smgw.profiles.protocol import Protocol as Entry
from smgw.wire.guess import Guess
from smgw.wire.kind import Kind
from smgw.wire.unread import Unread

#: Some meters send every 10 s.
LISTEN_S = 11.0
_ENOUGH = 256  # octets after which a guess ends the listening
#: Speeds that are tried only where octets came, beside those of the protocols.
_OTHER_SPEEDS = (19_200, 4800, 1200, 300, 57_600)
_DOUBTFUL = (Kind.NOISE, Kind.TEXT, Kind.WRONG_SPEED)


class Found(NamedTuple):
    """A meter: its profile, its id ("" if it sends none), remarks, and its objects."""

    profile: MeterProfile
    device: str
    remark: str = ""
    address: str = ""
    objects: tuple[Obis, ...] = ()
    more: bool = False  # others on the line are found without asking


class Other(NamedTuple):
    """Octets without a telegram: the line settings ("" without), and a description."""

    settings: str
    words: str


class Ear(Protocol):
    """Recognises a protocol in the octets of a line."""

    def hear(self, octets: bytes) -> Found | None:
        """Take octets; returns the meters once they are known."""


class Listen(NamedTuple):
    """The recognition of a push protocol."""

    order: int  # the most likely protocol first
    lines: tuple[tuple[int, str], ...]  # speed and parity, the most likely first
    ear: Callable[[MeterProfile], Ear]  # for a profile with the line's settings
    #: Finds all meters of a line where the ear recognised one of them.
    others: "Callable[[Scan, Found], Iterator[Found]] | None" = None
    ask: "Ask | None" = None  # for a port that stays silent until something is sent


class Ask(NamedTuple):
    """The tries of a polling protocol."""

    order: int  # the least harmful first
    run: Callable[["Scan"], Iterator[Found]]


class Scan:
    """All tries on one port. `say` gets a line of text before each try."""

    def __init__(
        self,
        port: str,
        say: Callable[[str], None],
        *,
        listen_s: float = LISTEN_S,
        timeout_s: int = 1,
        security: Security | None = None,
    ) -> None:
        self.say = say
        self.surroundings = Surroundings(GatewayClock())
        self.whole = False  #: try the addresses of a bus, too
        self.addresses: tuple[int, ...] = ()  #: those of the bus; by default those that the protocol has in use
        self.others: list[Other] = []  #: octets without a telegram
        self._port = port
        self._security = security
        self.listen_s = listen_s  #: seconds of listening
        self._timeout_s = timeout_s

    @property
    def on_network(self) -> bool:
        """True if the port has no line settings to be tried."""
        return not has_line(self._port)

    def run(self) -> Iterator[Found]:
        """The meters, each device once, the most likely first. Raises PortError.

        It ends after the first protocol with a result, or if the octets show that no meter can be asked.
        """
        tried = [(entry, resolve(entry.scan)) for entry in protocols.every() if entry.scan]
        tried.sort(key=lambda one: one[1].order)
        listened = [(entry, one) for entry, one in tried if isinstance(one, Listen)]
        found, known = self._listen(listened)
        if found:
            others = {entry.name: one.others for entry, one in listened}[found.profile.protocol]
            yield from [found] if others is None else others(self, found)
        if found or known:
            return
        asked = [ask for _, one in tried if (ask := one.ask if isinstance(one, Listen) else one) is not None]
        for ask in sorted(asked, key=lambda one: one.order):
            seen = set()
            for answer in ask.run(self):
                if (who := answer.device or answer.address) not in seen:
                    seen.add(who)
                    yield answer
            if seen:
                return

    def candidate(self, protocol: str, baudrate: int = 9600, parity: str = "N", options: Any = None) -> MeterProfile:
        """A profile to try."""
        return MeterProfile(
            name="meter", protocol=protocol, port=self._port, baudrate=baudrate, parity=parity,
            timeout=self._timeout_s, retries=0, options=options,
        )  # fmt: skip

    def line(self, profile: MeterProfile) -> str:
        """The line settings, as the begin of a text about a try."""
        return "" if self.on_network else f"{line_settings(profile)}: "

    def open(self, profile: MeterProfile) -> Port:
        """The port with the settings of the profile."""
        return open_port(self._port, line_settings(profile), security=self._security)

    def _listen(self, listened: list[tuple[Entry, Listen]]) -> tuple[Found | None, bool]:
        """Pushing meters at the first settings, or at others if octets came; True if the octets are recognised."""
        lines = list(dict.fromkeys(line for _, one in listened for line in one.lines))
        lines += [(speed, "N") for speed in _OTHER_SPEEDS if speed not in dict(lines)]
        slowest_wrong = float("inf")
        for baudrate, parity in lines[: 1 if self.on_network else None]:
            if baudrate >= slowest_wrong:
                continue
            settings = LineSettings(baudrate, parity=parity)
            ears = [one.ear(self.candidate(entry.name, baudrate, parity)) for entry, one in listened]
            found, unread = self._hear(settings, ears, [entry for entry, _ in listened])
            if found:
                self.others.clear()
                return found, True
            if not unread.count:
                break
            guess = advised(unread.octets)
            self._note(settings, unread, guess)
            if guess and guess.kind not in _DOUBTFUL:
                return None, True
            if guess and guess.kind is Kind.WRONG_SPEED:
                slowest_wrong = baudrate
        return None, False

    def _hear(
        self, settings: LineSettings, ears: Sequence[Ear], entries: Sequence[Entry]
    ) -> tuple[Found | None, Unread]:
        """The first recognised protocol. It ends early if the octets certainly belong to no push protocol."""
        at = "" if self.on_network else f"{settings}: "
        self.say(f"{at}listening for {self.listen_s:g} s")
        own = [kind for entry in entries for kind in (*entry.reads(None), *entry.instead)]
        unread, now = Unread(), self.surroundings.now
        with open_port(self._port, settings, security=self._security) as port:
            ends = now() + self.listen_s
            while (left := ends - now()) > 0:
                if not port.wait(left):
                    continue
                port.gather()
                octets = port.read()
                unread.take(octets, now())
                for ear in ears:
                    if found := ear.hear(octets):
                        return found, unread
                if unread.count >= _ENOUGH and (guess := advised(unread.octets, own)) and guess.kind is not Kind.NOISE:
                    break
        return None, unread

    def _note(self, settings: LineSettings, unread: Unread, guess: Guess | None) -> None:
        at = "" if self.on_network else str(settings)
        if guess and guess.line and not self.on_network:
            at = f"{settings.baudrate} {guess.line}"
        words = f"{unread.amount(self.surroundings.now())} and no telegram"
        other = Other(at, f"{words}: {guess}" if guess else words)
        self.others.append(other)
        self.say(f"  {other.words}")


def device_text(octets: bytes) -> str:
    """A device id as text; half of the real ids are text."""
    if not octets:
        return ""
    device = DeviceId(octets[:64])
    text = device.decode("ascii", "replace")
    return text if text.isascii() and text.isprintable() and not device.is_din else str(device)
