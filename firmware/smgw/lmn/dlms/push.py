"""A meter that pushes DLMS notifications, plain or ciphered, over HDLC or M-Bus."""

import logging
from collections.abc import Sequence

from smgw.cosem import DeviceId, GatewayStatus, Stamp
from smgw.dlms.apdus.envelope import Ciphered
from smgw.dlms.carriers.mbus import MBusListener, MBusPush
from smgw.dlms.push.lists import Description, PushListError, read_push
from smgw.dlms.push.reader import Push, PushReader
from smgw.dlms.push.tables import Column
from smgw.errors import RemoteProtocolError
from smgw.hdlc import Listener, Pushed
from smgw.lmn.contract import Heard, Surroundings, Values
from smgw.lmn.dlms.security import keys, options_of
from smgw.lmn.replay import Replays, key_id
from smgw.profiles.dlms import NO_KEY, Framing
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.wire import Refused

log = logging.getLogger(__name__)

_MOST_TOLD = 64  # faults of values that are logged
_TAGGED = 0x10  # of the security control octet: an authentication tag follows
_NO_AUTHENTICATION_KEY = (
    "a push with an authentication tag, and the profile names no key to check it; write authentication_key_file in its "
    'section dlms, or authentication_key = "none" to read it unauthenticated'
)
_UNAUTHENTICATED = "read without its authentication key: the values may have been changed on the way"


class DlmsPush:
    """Turns octets of the line into values of pushes."""

    lacks = 0  # the length of a push is not known before its end
    #: Landis+Gyr E450 pauses 3 s before its last frame.
    pause_s = 5.0

    def __init__(self, profile: MeterProfile, secrets: Secrets, surroundings: Surroundings) -> None:
        self._name = profile.name
        self._dlms = options_of(profile)
        self._wanted = frozenset(map(bytes, profile.objects))
        self._description = Description(
            tuple(one if isinstance(one, str) else Column(*one) for one in self._dlms.columns), self._dlms.push_list
        )
        self._transformers: bytes | None = None  # the device whose currents are in mA
        self._secrets = secrets
        self._told: set[str] = set()  # what was wrong with values
        self._unauthenticated = self._dlms.authentication_key == NO_KEY
        self._replays = Replays(profile.name, key_id(secrets.get("encryption_key", b"")), surroundings.pushes)
        self._device: bytes | None = None  # its last id; short lists of Aidon and Kaifa lack it
        self._listener = MBusListener() if self._dlms.framing is Framing.MBUS else Listener()
        self._pushes = PushReader(self._open if secrets.get("encryption_key") else None)
        self._began = surroundings.clock.stamp()

    @property
    def receiving(self) -> bool:
        """True while a push is unfinished."""
        return self._listener.receiving or self._pushes.receiving

    def receive(self, octets: bytes, stamp: Stamp) -> Sequence[Heard]:
        """Take octets; the pushes that they completed."""
        if not self.receiving:
            self._began = stamp  # the meter's values are not newer
        return self._take(self._listener.receive(octets))

    def finish(self) -> Sequence[Heard]:
        """Refuse an unfinished push."""
        return [*self._take(self._listener.finish()), *self._pushed(self._pushes.finish())]

    def _take(self, events: Sequence[Pushed | MBusPush | Refused]) -> list[Heard]:
        heard: list[Heard] = []
        for event in events:
            if isinstance(event, Refused):
                heard.append(event)
                continue
            heard += self._pushed(self._pushes.receive(event.apdu, event.source))
        return heard

    def _pushed(self, found: Sequence[Push | Refused]) -> list[Heard]:
        heard: list[Heard] = []
        for push in found:
            if isinstance(push, Refused):
                heard.append(push)
            else:
                heard += self._believed(push)
        return heard

    def _believed(self, push: Push) -> list[Heard]:
        """Not what anybody on the line can send, of a meter that ciphers; its counter counts from here on.

        Not before: what is encrypted and not authenticated opens with any counter, and only then turns out to be none.
        """
        if push.ciphered is not None:
            self._replays.take(push.ciphered.system_title or b"", push.ciphered.invocation_counter)
        elif self._secrets.get("encryption_key"):
            return [
                Refused("a push in the clear, while the profile's encryption_key_file says that all are ciphered", 0)
            ]
        return self._values(push)

    def _values(self, push: Push) -> list[Heard]:
        try:
            found = read_push(push.notification, self._description)
        except PushListError as error:
            return [Refused(str(error), 0)]
        title = push.ciphered.system_title if push.ciphered else None
        self._device = found.device() or self._device
        device = self._device or title or self._name.encode()
        if found.behind_transformers:  # from now on, also while its currents are small
            self._transformers = device
        elif device == self._transformers:
            found = found.in_milliamperes()
        readings = found.readings(self._wanted)
        faults = found.faults
        for fault in faults:
            self._tell_once(fault)
        if not readings:
            return []
        remark = "; ".join(faults)
        values = Values(DeviceId(device[:64]), self._began, found.meter_time, readings, remark=remark)
        if self._unauthenticated and push.ciphered and push.ciphered.security_control & _TAGGED:
            values = values._replace(
                flags=GatewayStatus.NOT_VALIDATED, remark="; ".join(filter(None, (_UNAUTHENTICATED, remark)))
            )
        return [(values,)]

    def _tell_once(self, fault: str) -> None:
        new = fault not in self._told and len(self._told) < _MOST_TOLD
        log.log(logging.WARNING if new else logging.DEBUG, "meter %s: %s", self._name, fault)
        if new:
            self._told.add(fault)

    def _open(self, ciphered: Ciphered) -> bytes:
        """The APDU inside; RemoteProtocolError if the keys do not open it, or if it is a repetition."""
        from smgw.dlms.security.ciphering import open_ciphered
        from smgw.dlms.security.suites import Keys, Protection, Suite

        told = keys(self._dlms, self._secrets)
        tagged = bool(ciphered.security_control & _TAGGED)
        if tagged and not self._secrets.get("authentication_key") and not self._unauthenticated:
            raise RemoteProtocolError(_NO_AUTHENTICATION_KEY)
        suite = ciphered.security_control & 0x0F
        if suite in list(Suite) and Suite(suite).key_length == told.suite.key_length:  # suites 0 and 1 cipher alike
            told = Keys.of(Suite(suite), told.encryption, told.authentication)
        opened = open_ciphered(ciphered, told, verify=not self._unauthenticated)
        if self._secrets.get("authentication_key") and not opened.protection & Protection.AUTHENTICATED:
            raise RemoteProtocolError(
                "a push that is not authenticated, while the profile's authentication_key_file says that all are"
            )
        if not self._replays.is_new(ciphered.system_title or b"", opened.counter):
            raise RemoteProtocolError(
                f"a push with invocation counter {opened.counter} again: an old one; if the meter was reset or "
                f"exchanged, run: smgw retry {self._name}"
            )
        return opened.text
