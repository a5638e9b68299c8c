"""Finding out what is behind a port: listened to first, then asked, by every protocol, speed and address in use.

The order is that of likelihood and of harm: who listens disturbs nobody. A meter that pushes is never asked; one that
is asked in a protocol that it does not speak says nothing. What is tried stands with each protocol's entry.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from smgw.clock import GatewayClock
from smgw.cosem import DeviceId
from smgw.lmn.contract import Surroundings
from smgw.lmn.driver import line_settings
from smgw.ports import Port, open_port
from smgw.profiles import protocols
from smgw.profiles.entries import resolve
from smgw.profiles.meter import MeterProfile

_REMEMBERED = 512  # octets that nobody recognised


class Found(NamedTuple):
    """Something that answered: how it is reached, who it is (empty if it does not say), and what is to be known."""

    profile: MeterProfile
    device: str
    remark: str = ""


class Ear(Protocol):
    """Recognises a protocol in what a line brings."""

    def hear(self, octets: bytes) -> Found | None:
        """Take octets; what is there, once it is known."""

    def hint(self, octets: bytes) -> str:
        """What octets that nobody recognised look like; "" if nothing is known."""


class Listen(NamedTuple):
    """How a protocol of meters that push is recognised."""

    order: int  # the likeliest protocol first
    lines: tuple[tuple[int, str], ...]  # speed and parity, the likeliest first
    ear: Callable[[MeterProfile], Ear]  # for a profile with the line's settings


class Ask(NamedTuple):
    """How a protocol of meters that answer is tried."""

    order: int  # what harms least first
    run: Callable[["Scan"], Iterator[Found]]


class Scan:
    """All that is tried on one port. `say` is told before each try, in a line for people."""

    def __init__(self, port: str, say: Callable[[str], None], *, listen_s: float = 3.0, timeout_s: int = 1) -> None:
        self.say = say
        self.surroundings = Surroundings(GatewayClock())
        self._port = port
        self._listen_s = listen_s
        self._timeout_s = timeout_s

    @property
    def on_network(self) -> bool:
        """True if the port has no line settings to be tried."""
        return self.candidate("dlms").on_network

    def run(self) -> Iterator[Found]:
        """What answers, the likeliest first; the caller stops when it has enough. Raises PortError."""
        tried = [resolve(entry.scan) for entry in protocols.every() if entry.scan]
        tried.sort(key=lambda one: one.order)
        listened = [one for one in tried if isinstance(one, Listen)]
        lines = list(dict.fromkeys(line for one in listened for line in one.lines))
        for baudrate, parity in lines[: 1 if self.on_network else None]:
            if found := self._listen([one.ear for one in listened], baudrate, parity):
                yield found
        for one in tried:
            if isinstance(one, Ask):
                yield from one.run(self)

    def candidate(self, protocol: str, baudrate: int = 9600, parity: str = "N", options: Any = None) -> MeterProfile:
        """A profile to try."""
        return MeterProfile(
            name="meter", protocol=protocol, port=self._port, baudrate=baudrate, parity=parity,
            timeout=self._timeout_s, retries=0, options=options,
        )  # fmt: skip

    def line(self, profile: MeterProfile) -> str:
        """The line settings before what is said of a try."""
        return "" if self.on_network else f"{line_settings(profile)}: "

    def open(self, profile: MeterProfile) -> Port:
        """The port, set as the profile says."""
        return open_port(self._port, line_settings(profile))

    def _listen(self, ears: list[Callable[[MeterProfile], Ear]], baudrate: int, parity: str) -> Found | None:
        profile = self.candidate("sml-push", baudrate, parity)
        self.say(f"{self.line(profile)}listening for {self._listen_s:g} s")
        made = [ear(profile) for ear in ears]
        heard = b""
        now = self.surroundings.now
        with self.open(profile) as port:
            ends = now() + self._listen_s
            while (left := ends - now()) > 0:
                if not port.wait(left):
                    continue
                port.gather()
                octets = port.read()
                heard = (heard + octets)[-_REMEMBERED:]
                for ear in made:
                    if found := ear.hear(octets):
                        return found
        if heard:
            hint = next(filter(None, (ear.hint(heard) for ear in made)), "another speed or parity?")
            self.say(f"  {len(heard)} octets that no protocol here knows; {hint}")
        return None


def device_text(octets: bytes) -> str:
    """A device id as people read it; half of the real ones are text."""
    if not octets:
        return ""
    device = DeviceId(octets[:64])
    text = device.decode("ascii", "replace")
    return text if text.isascii() and text.isprintable() and not device.is_din else str(device)
