"""What `smgw scan` tries for DLMS."""

import logging
from collections.abc import Iterator, Sequence

from smgw.dlms.carriers.mbus import MBusListener
from smgw.dlms.errors import AssociationRejectedError
from smgw.dlms.push.reader import Push, PushReader
from smgw.errors import SmgwError
from smgw.hdlc import Listener
from smgw.lmn.dlms.poll import DlmsPoll
from smgw.lmn.errors import LinkRefusedError
from smgw.lmn.scan import Ask, Found, Listen, Scan, device_text
from smgw.profiles.dlms import DlmsProfile, Framing, Start
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.wire import Refused
from smgw.wire.guess import guess

log = logging.getLogger(__name__)

_SPEEDS = (9600, 19_200, 38_400, 115_200, 2400, 300)
#: Server addresses: of one octet, any device on the line (calling), and the physical addresses seen most.
_CALLING = (0x7E, 0x3FFE)
_ADDRESSES = (
    DlmsProfile(),
    *(DlmsProfile(physical=physical) for physical in _CALLING),
    DlmsProfile(physical=17),
    DlmsProfile(server=16, physical=16),
)
_SIGNED_ON = 2  # of these addresses, so many are tried after a sign-on, which takes seconds
_PUBLIC_AND_MANAGEMENT = (16, 1)


class _Ear:
    def __init__(self, profile: MeterProfile) -> None:
        self._profile = profile._replace(protocol="dlms-push")
        self._listeners = ((Framing.HDLC, Listener()), (Framing.MBUS, MBusListener()))
        self._pushes = PushReader()

    def hear(self, octets: bytes) -> Found | None:
        for framing, listener in self._listeners:
            for event in listener.receive(octets):
                if not isinstance(event, Refused):
                    return self._pushed(framing, self._pushes.receive(event.apdu))
        return None

    def hint(self, octets: bytes) -> str:
        return str(guess(octets) or "")

    def _pushed(self, framing: Framing, found: Sequence[Push | Refused]) -> Found:
        from smgw.dlms.push.lists import PushListError, read_push

        pushing = self._profile._replace(options=DlmsProfile(framing=framing))
        for one in found:
            if isinstance(one, Push):
                try:
                    return Found(pushing, device_text(read_push(one.notification).device() or b""))
                except PushListError as error:
                    return Found(pushing, "", str(error))
            return Found(pushing, "", one.reason)
        return Found(pushing, "", "it pushes in blocks; listen longer")


def _asked(scan: Scan) -> Iterator[Found]:
    if scan.on_network:
        yield from _ask(scan, "the wrapper", 9600, DlmsProfile(framing=Framing.WRAPPER))
    for baudrate in _SPEEDS[: 1 if scan.on_network else None]:
        for address in _ADDRESSES:
            yield from _ask(scan, "HDLC", baudrate, address)
    for address in _ADDRESSES[:_SIGNED_ON]:
        yield from _ask(scan, "mode E", 9600, address._replace(start=Start.MODE_E))


def _ask(scan: Scan, how: str, baudrate: int, options: DlmsProfile) -> Iterator[Found]:
    """The first of the usual clients that the meter answers."""
    address = f"{options.server}" + ("" if options.physical is None else f"/{options.physical}")
    for client in _PUBLIC_AND_MANAGEMENT:
        tried = scan.candidate("dlms", baudrate, options=options._replace(client=client))
        scan.say(f"{scan.line(tried)}DLMS over {how}, client {client} asks {address}")
        meter = DlmsPoll(tried, Secrets(), scan.surroundings)
        with scan.open(tried) as port:
            try:
                device = meter.identify(port)
            except AssociationRejectedError as error:
                yield Found(tried, "", str(error))
                return
            except SmgwError as error:
                log.debug("%s", error)
                refuses = isinstance(error, LinkRefusedError)
                if refuses and client == _PUBLIC_AND_MANAGEMENT[-1]:
                    yield Found(tried, "", f"{error}; try other clients")
                if refuses or options.framing is Framing.WRAPPER:  # to whom it does not know it may be silent
                    continue
                return
            finally:
                meter.close(port)
        calling = options.physical in _CALLING
        remark = "its address is that of any device; with others on the bus write its own" if calling else ""
        yield Found(tried, device_text(device), remark)
        return


PUSH = Listen(2, ((2400, "E"), (2400, "N"), (38_400, "N"), (9600, "N"), (115_200, "N")), _Ear)
POLL = Ask(2, _asked)
