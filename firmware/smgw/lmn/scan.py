"""Finding out what is behind a port: listened to first, then asked, by every protocol, speed and address in use.

The order is that of likelihood and of harm: who listens disturbs nobody. A meter that pushes is never asked; one that
is asked in a protocol that it does not speak says nothing.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from smgw.clock import GatewayClock
from smgw.cosem import Capture, DeviceId
from smgw.dlms.errors import AssociationRejectedError
from smgw.dlms.mbus import MBusListener
from smgw.dlms.push import Push, PushReader, PushRefused
from smgw.errors import RemoteProtocolError, SmgwError
from smgw.hdlc import FrameRefused, Listener
from smgw.hdlc.hint import line_hint
from smgw.lmn.dlms_poll import DlmsReader
from smgw.lmn.errors import AccessRefused, PollError
from smgw.lmn.reader import line_settings
from smgw.lmn.sml_session import SmlSession
from smgw.ports import open_port
from smgw.profiles.dlms import DlmsProfile, Framing, Start
from smgw.profiles.meter import MeterProfile, Protocol
from smgw.profiles.secrets import Secrets
from smgw.sml.messages import GetListResponse
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.store.records import CacheKind, MeterState

log = logging.getLogger(__name__)

#: Speed and parity of lines on which meters push: SML heads, Kamstrup, Kaifa, Aidon, Landis+Gyr, P1.
_PUSH_LINES = ((9600, "N"), (115_200, "N"), (2400, "E"), (2400, "N"), (38_400, "N"))
_SML_SPEEDS = (9600, 38_400, 19_200, 115_200, 2400, 300)
_HDLC_SPEEDS = (9600, 19_200, 38_400, 115_200, 2400, 300)
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
_REFUSES = ("refuses the link", "rejects a frame", "has dropped the link")


class Found(NamedTuple):
    """Something that answered: how it is reached, who it is (empty if it does not say), and what is to be known."""

    profile: MeterProfile
    device: str
    remark: str = ""


class _Nowhere:
    def capture(self, capture: Capture) -> None:
        """Nothing is read."""

    def state(self, state: MeterState) -> None:
        """Nobody looks."""

    def left(self, meter: str, device: DeviceId) -> None:
        """Nothing is registered."""

    def cache(self, kind: CacheKind, device: DeviceId, firmware: bytes, octets: bytes) -> None:
        """Nothing is kept."""


class Scan:
    """All that is tried on one port. `say` is told before each try, in a line for people."""

    def __init__(self, port: str, say: Callable[[str], None], *, listen_s: float = 3.0, timeout_s: int = 1) -> None:
        self._port = port
        self._say = say
        self._listen_s = listen_s
        self._timeout_s = timeout_s
        self._clock = GatewayClock()
        self._stop = threading.Event()
        self._socket = port.startswith("socket://")

    def run(self) -> Iterator[Found]:
        """What answers, the likeliest first; the caller stops when it has enough. Raises PortError."""
        for baudrate, parity in _PUSH_LINES[: 1 if self._socket else None]:
            if found := self._listen(self._candidate(Protocol.SML_PUSH, baudrate, parity)):
                yield found
        for baudrate in _SML_SPEEDS[: 1 if self._socket else None]:
            if found := self._sml(self._candidate(Protocol.SML_POLL, baudrate)):
                yield found
        if self._socket:
            yield from self._dlms(
                "the wrapper", self._candidate(Protocol.DLMS, 9600, dlms=DlmsProfile(framing=Framing.WRAPPER))
            )
        for baudrate in _HDLC_SPEEDS[: 1 if self._socket else None]:
            for address in _ADDRESSES:
                yield from self._dlms("HDLC", self._candidate(Protocol.DLMS, baudrate, dlms=address))
        for address in _ADDRESSES[:_SIGNED_ON]:
            dlms = address._replace(start=Start.MODE_E)
            yield from self._dlms("mode E", self._candidate(Protocol.DLMS, 9600, dlms=dlms))

    def _candidate(
        self,
        protocol: Protocol,
        baudrate: int,
        parity: str = "N",
        dlms: DlmsProfile = DlmsProfile(),  # noqa: B008
    ) -> MeterProfile:
        return MeterProfile(
            name="meter", protocol=protocol, port=self._port, baudrate=baudrate, parity=parity,
            timeout=self._timeout_s, retries=0, dlms=dlms,
        )  # fmt: skip

    def _line(self, profile: MeterProfile) -> str:
        return "" if self._socket else f"{line_settings(profile)}: "

    def _listen(self, profile: MeterProfile) -> Found | None:
        self._say(f"{self._line(profile)}listening for {self._listen_s:g} s")
        sml, hdlc, mbus, pushes = TelegramReader(), Listener(), MBusListener(), PushReader()
        heard = b""
        with open_port(self._port, line_settings(profile)) as port:
            ends = time.monotonic() + self._listen_s
            while (left := ends - time.monotonic()) > 0:
                if not port.wait(left):
                    continue
                port.gather()
                octets = port.read()
                heard = (heard + octets)[-512:]
                for telegram in sml.receive(octets):
                    if isinstance(telegram, Telegram) and telegram.lists:
                        return Found(profile, _text(telegram.lists[0].server_id))
                for framing, listener in ((Framing.HDLC, hdlc), (Framing.MBUS, mbus)):
                    for event in listener.receive(octets):
                        if not isinstance(event, FrameRefused):
                            return self._pushed(profile, framing, pushes.receive(event.apdu))
        if heard:
            self._say(
                f"  {len(heard)} octets that no protocol here knows; {line_hint(heard) or 'another speed or parity?'}"
            )
        return None

    def _pushed(self, profile: MeterProfile, framing: Framing, found: Sequence[Push | PushRefused]) -> Found:
        from smgw.dlms.push_list import PushListError, read_push

        pushing = profile._replace(protocol=Protocol.DLMS_PUSH, dlms=DlmsProfile(framing=framing))
        for one in found:
            if isinstance(one, Push):
                try:
                    return Found(pushing, _text(read_push(one.notification).device() or b""))
                except PushListError as error:
                    return Found(pushing, "", str(error))
            else:
                return Found(pushing, "", one.reason)
        return Found(pushing, "", "it pushes in blocks; listen longer")

    def _sml(self, profile: MeterProfile) -> Found | None:
        self._say(f"{self._line(profile)}SML, asked for its values")
        session = SmlSession(profile, self._clock, None, self._stop)
        with open_port(self._port, line_settings(profile)) as port:
            try:
                body = session.ask(port, [session.client.get_list()]).bodies[0]
            except AccessRefused as error:
                return Found(profile, "", str(error))
            except (PollError, RemoteProtocolError) as error:
                log.debug("%s", error)
                return None
        return Found(profile, _text(body.server_id)) if isinstance(body, GetListResponse) else Found(profile, "")

    def _dlms(self, how: str, profile: MeterProfile) -> Iterator[Found]:
        """The first of the usual clients that the meter answers."""
        address = f"{profile.dlms.server}" + ("" if profile.dlms.physical is None else f"/{profile.dlms.physical}")
        for client in _PUBLIC_AND_MANAGEMENT:
            self._say(f"{self._line(profile)}DLMS over {how}, client {client} asks {address}")
            tried = profile._replace(dlms=profile.dlms._replace(client=client))
            reader = DlmsReader(tried, Secrets(), self._clock, _Nowhere())
            with open_port(self._port, line_settings(tried)) as port:
                try:
                    device = reader.identify(port)
                    reader.close(port)
                except AssociationRejectedError as error:
                    yield Found(tried, "", str(error))
                    return
                except SmgwError as error:
                    log.debug("%s", error)
                    reader.close(port)
                    refuses = any(word in str(error) for word in _REFUSES)
                    if refuses and client == _PUBLIC_AND_MANAGEMENT[-1]:
                        yield Found(tried, "", f"{error}; try other clients")
                    if refuses or profile.dlms.framing is Framing.WRAPPER:  # to whom it does not know it may be silent
                        continue
                    return
            calling = profile.dlms.physical in _CALLING
            yield Found(
                tried,
                _text(device),
                "its address is that of any device; with others on the bus write its own" if calling else "",
            )
            return


def _text(octets: bytes) -> str:
    if not octets:
        return ""
    device = DeviceId(octets[:64])
    text = device.decode("ascii", "replace")
    return text if text.isascii() and text.isprintable() and not device.is_din else str(device)
