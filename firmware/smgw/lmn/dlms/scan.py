"""The tries of `smgw scan` for DLMS."""

import logging
from collections.abc import Callable, Iterator, Sequence

from smgw.dlms.apdus.acse import Diagnostic
from smgw.dlms.carriers.mbus import MBusListener
from smgw.dlms.errors import AssociationRejectedError
from smgw.dlms.push.reader import Push, PushReader
from smgw.errors import SmgwError
from smgw.hdlc import Listener
from smgw.lmn.contract import Patience
from smgw.lmn.dlms.poll import DlmsPoll
from smgw.lmn.errors import AccessRefusedError, LinkRefusedError
from smgw.lmn.scan import Ask, Found, Listen, Scan, device_text
from smgw.profiles.dlms import DlmsProfile, Framing, Referencing, Start
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.wire import Refused
from smgw.wire.guess import guess
from smgw.wire.kind import Kind
from smgw.wire.unread import SAMPLE

log = logging.getLogger(__name__)

_SPEEDS = (9600, 19_200, 38_400, 115_200, 2400, 300)
#: Server addresses: of one octet, any device on the line (calling), and the most frequent physical addresses.
_CALLING = (0x7E, 0x3FFE)
_ADDRESSES = (
    DlmsProfile(),
    *(DlmsProfile(physical=physical) for physical in _CALLING),
    DlmsProfile(physical=17),
    DlmsProfile(server=16, physical=16),
)
#: Addresses tried on a bus: all of one octet, except the calling one and the one of all stations.
_ON_BUS = range(1, 0x7E)
_BUS_TIMEOUT_S = 0.5
_SIGNED_ON = 2  # number of these addresses tried after a sign-on, which takes seconds
_PUBLIC_AND_MANAGEMENT = (16, 1)


class _Ear:
    def __init__(self, profile: MeterProfile) -> None:
        self._profile = profile
        self._listeners = ((Framing.HDLC, Listener()), (Framing.MBUS, MBusListener()))
        self._pushes = PushReader()

    def hear(self, octets: bytes) -> Found | None:
        for framing, listener in self._listeners:
            for event in listener.receive(octets):
                if isinstance(event, Refused):
                    continue
                if found := self._pushed(framing, self._pushes.receive(event.apdu)):
                    return found
        return None

    def _pushed(self, framing: Framing, found: Sequence[Push | Refused]) -> Found | None:
        from smgw.dlms.push.lists import PushListError, read_push

        pushing = self._profile._replace(options=DlmsProfile(framing=framing))
        for one in found:
            if not isinstance(one, Push):
                return Found(pushing, "", one.reason)
            try:
                pushed = read_push(one.notification)
            except PushListError as error:
                return Found(pushing, "", str(error))
            objects = tuple(reading.obis for reading in pushed.readings(frozenset()))
            return Found(pushing, device_text(pushed.device() or b""), objects=objects)
        return None  # a block, and not the last


def _asked(scan: Scan) -> Iterator[Found]:
    """The meters at the first speed with an answer; with `whole` all of the bus."""
    if scan.on_network and (found := _ask(scan, "the wrapper", 9600, DlmsProfile(framing=Framing.WRAPPER))):
        yield found
        return
    for baudrate in _SPEEDS[: 1 if scan.on_network else None]:
        first, answered = _first(scan, baudrate)
        on_bus = []
        if scan.whole and answered:
            for one in _on_bus(scan, baudrate):
                on_bus.append(one)
                yield one
        if first and not any(_same(first, one) for one in on_bus):
            yield first
        if first or on_bus:
            return
    for address in _ADDRESSES[:_SIGNED_ON]:
        if found := _ask(scan, "mode E", 9600, address._replace(start=Start.MODE_E)):
            yield found
            return


def _same(one: Found, other: Found) -> bool:
    """The same device, or the same address where one of them did not say its device."""
    if one.device and other.device:
        return one.device == other.device
    return bool(one.profile.options.physical == other.profile.options.physical)


def _first(scan: Scan, baudrate: int) -> tuple[Found | None, bool]:
    """What answers one of the usual addresses; True if several meters may have answered at once.

    Their octets make no frame then. An optical head that echoes gives our own frames back.
    """
    octets = bytearray()
    for address in _ADDRESSES:
        if found := _ask(scan, "HDLC", baudrate, address, tap=octets.extend):
            return found, True
    look = guess(bytes(octets[-SAMPLE:]))
    return None, bool(octets) and not (look and look.kind is Kind.HDLC)


def _on_bus(scan: Scan, baudrate: int) -> Iterator[Found]:
    """Try each physical address. A silent one costs little: a meter answers a link within 0.3 s."""
    scan.say(f"{baudrate} Bd: trying the addresses of the bus, one second or less each")
    for physical in scan.addresses or _ON_BUS:
        if found := _ask(scan, "HDLC", baudrate, DlmsProfile(physical=physical), timeout_s=_BUS_TIMEOUT_S):
            yield found


def _ask(
    scan: Scan,
    how: str,
    baudrate: int,
    options: DlmsProfile,
    timeout_s: float | None = None,
    tap: Callable[[bytes], None] | None = None,
) -> Found | None:
    """The first of the usual clients that the meter answers. `tap` receives the octets."""
    address = f"{options.server}" + ("" if options.physical is None else f"/{options.physical}")
    for client in _PUBLIC_AND_MANAGEMENT:
        tried = scan.candidate("dlms", baudrate, options=options._replace(client=client))
        told = f"client {client}, server {address}"
        scan.say(f"{scan.line(tried)}DLMS over {how}, {told}")
        meter = DlmsPoll(tried, Secrets(), scan.surroundings)
        if timeout_s is not None:
            meter.patience = Patience(min(tried.timeout, timeout_s), 0)
        with scan.open(tried) as port:
            if tap is not None:
                port.tap = tap
            try:
                device = meter.identify(port)
            except (AssociationRejectedError, AccessRefusedError) as error:
                if _wants_short_names(error) and options.referencing is Referencing.LOGICAL:
                    break
                return Found(tried, "", str(error), told)
            except SmgwError as error:
                log.debug("%s", error)
                refuses = isinstance(error, LinkRefusedError)
                if refuses and client == _PUBLIC_AND_MANAGEMENT[-1]:
                    return Found(tried, "", f"{error}; try other clients", told)
                if refuses or options.framing is Framing.WRAPPER:  # it may not answer an unknown client
                    continue
                return None
            finally:
                meter.close(port)
        calling = options.physical in _CALLING
        remark = "its address is that of any device; with others on the bus write its own" if calling else ""
        return Found(tried, device_text(device), remark, told)
    else:
        return None
    short = options._replace(referencing=Referencing.SHORT)
    return _ask(scan, f"{how} with short names", baudrate, short, timeout_s, tap)


def _wants_short_names(error: SmgwError) -> bool:
    """True if the meter answers, but does not support logical names without ciphering."""
    return (
        isinstance(error, AssociationRejectedError)
        and not error.by_provider
        and error.diagnostic == Diagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED
    )


PUSH = Listen(2, ((2400, "E"), (2400, "N"), (38_400, "N"), (9600, "N"), (115_200, "N")), _Ear)
POLL = Ask(2, _asked)
