"""The reader of a meter that pushes DLMS notifications, plain or ciphered, over HDLC or M-Bus."""

from collections.abc import Sequence

from smgw.cosem import Capture, DeviceId, Stamp
from smgw.dlms.apdus.envelope import Ciphered
from smgw.dlms.carriers.mbus import MBusListener, MBusPush
from smgw.dlms.push.lists import PushListError, read_push
from smgw.dlms.push.reader import Push, PushReader
from smgw.errors import RemoteProtocolError
from smgw.hdlc import Listener, Pushed
from smgw.hdlc.hint import line_hint
from smgw.lmn.reader import Reader
from smgw.lmn.sink import Clock, Sink
from smgw.ports import Port
from smgw.ports.port import GATHER_S
from smgw.profiles.dlms import Framing
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.wire import Refused

_TICK = 1.0
#: A push that pauses for longer has ended, whatever it lacks (Landis+Gyr E450 pauses 3 s before its last frame).
_LONGEST_PAUSE_S = 5.0
_HINTED = 512  # octets without a frame after which the line is looked at


class DlmsPushReader(Reader):
    """Listens, and tells when pushes stop."""

    def __init__(self, profile: MeterProfile, secrets: Secrets, clock: Clock, sink: Sink) -> None:
        super().__init__(profile, clock, sink)
        self._secrets = secrets
        self._newest: dict[bytes, int] = {}  # by system title: the invocation counter that came last
        self._device: bytes | None = None  # what it called itself last; short lists of Aidon and Kaifa lack it

    def _serve(self, port: Port) -> None:
        listener = MBusListener() if self.profile.dlms.framing is Framing.MBUS else Listener()
        pushes = PushReader(self._open if self._secrets.get("encryption") else None)
        began = self._clock.stamp()
        silent = 0.0
        unframed = b""
        while not self._stop.is_set():
            if not port.wait(_TICK):
                silent += _TICK
                if silent >= _LONGEST_PAUSE_S and (listener.receiving or pushes.receiving):
                    self._take(listener.finish(), pushes, began)
                    self._refuse(pushes.finish())
                self.watch.tick()
                continue
            silent = 0.0
            if not listener.receiving and not pushes.receiving:
                began = self._clock.stamp()  # the meter's values are no younger
            port.gather(GATHER_S)
            octets = port.read()
            unframed = b"" if self._take(listener.receive(octets), pushes, began) else (unframed + octets)[-_HINTED:]
            if len(unframed) == _HINTED and (hint := line_hint(unframed)):
                self.watch.refused(hint)
                unframed = b""
            self.watch.tick()

    def _take(self, events: Sequence[Pushed | MBusPush | Refused], pushes: PushReader, stamp: Stamp) -> bool:
        """Handle what the line gave; True if any of it was intact."""
        intact = False
        for event in events:
            if isinstance(event, Refused):
                self.watch.refused(event.reason)
                continue
            intact = True
            found = pushes.receive(event.apdu, event.source)
            self._refuse(found)
            for push in found:
                if isinstance(push, Push) and self._believed(push):
                    self._heard()
                    self._keep(push, stamp)
        return intact

    def _believed(self, push: Push) -> bool:
        """False for what anybody on the line can send, of a meter that ciphers; its counter counts from here on.

        Not before: what is encrypted and not authenticated opens with any counter, and only then turns out to be none.
        """
        if push.ciphered is not None:
            self._newest[push.ciphered.system_title or b""] = push.ciphered.invocation_counter
        elif self._secrets.get("encryption"):
            self.watch.refused(
                "a push in the clear, while the profile's encryption_key_file says that all are ciphered"
            )
            return False
        return True

    def _refuse(self, found: list[Push | Refused]) -> None:
        for one in found:
            if isinstance(one, Refused):
                self.watch.refused(one.reason)

    def _keep(self, push: Push, stamp: Stamp) -> None:
        profile = self.profile
        try:
            values = read_push(push.notification)
        except PushListError as error:
            self.watch.refused(str(error))
            return
        title = push.ciphered.system_title if push.ciphered else None
        self._device = values.device() or self._device
        device = self._device or title or profile.name.encode()
        readings = values.readings(frozenset(map(bytes, profile.objects)))
        if profile.dlms.scalers:
            right = dict(profile.dlms.scalers)
            readings = tuple(one._replace(scaler=right.get(one.obis, one.scaler)) for one in readings)
        if readings:
            self.watch.good(Capture(profile.name, DeviceId(device[:64]), stamp, values.meter_time, readings))

    def _open(self, ciphered: Ciphered) -> bytes:
        """The APDU inside; RemoteProtocolError if the keys do not open it, or if it is an old one again."""
        from smgw.dlms.security.ciphering import open_ciphered
        from smgw.dlms.security.suites import Keys, Protection, Suite
        from smgw.lmn.dlms_security import keys

        told = keys(self.profile.dlms, self._secrets)
        suite = ciphered.security_control & 0x0F
        if suite in list(Suite) and Suite(suite).key_length == told.suite.key_length:  # 0 and 1 cipher alike
            told = Keys.of(Suite(suite), told.encryption, told.authentication)
        opened = open_ciphered(ciphered, told)
        if self._secrets.get("authentication") and not opened.protection & Protection.AUTHENTICATED:
            raise RemoteProtocolError(
                "a push that is not authenticated, while the profile's authentication_key_file says that all are"
            )
        if opened.counter <= self._newest.get(ciphered.system_title or b"", -1):
            raise RemoteProtocolError(f"a push with invocation counter {opened.counter} again: an old one")
        return opened.text
