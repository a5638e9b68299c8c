"""Publishes live values to a broker, in one thread. Only the newest value of a register waits for a slow broker."""

import logging
import threading
from pathlib import Path

from smgw.cosem.device_id import DeviceId
from smgw.errors import SmgwError
from smgw.han.live.feed import Box, Device, LiveFeed
from smgw.han.live.mqtt.discovery import announcement, config_topic, registers
from smgw.han.live.mqtt.link import Link, Login, Will
from smgw.han.live.mqtt.topics import OFFLINE, ONLINE, Topics
from smgw.han.live.points import Shown
from smgw.patience import BackOff
from smgw.ports.wake import Wake
from smgw.profiles.house import MqttProfile
from smgw.profiles.password import located, read_password

log = logging.getLogger(__name__)

_FIRST_S, _LONGEST_S, _JITTER = 1.0, 60.0, 0.25
_STEP_S = 10.0  # between two looks at a connection at rest; MQTT's own keep-alive is longer
_LAST_WORD_STEPS = 20
_BARE = " without TLS, so the password can be read in the house; use mqtts:// if the broker has TLS"
#: Messages that are handed over at once.
_AT_ONCE = 64
#: Seconds after which Home Assistant no longer shows a value: at least, and as a multiple of the longest interval.
_EXPIRE_S, _INTERVALS, _LATEST_S = 60, 3, 86_400


class MqttOutlet:
    """The connection to one broker; see `smgw.services.fleet.Runner`."""

    def __init__(self, profile: MqttProfile, gateway: DeviceId, feed: LiveFeed, directory: Path) -> None:
        """`directory`: where relative paths of the profile begin."""
        self._profile = profile
        self._gateway = gateway
        self._feed = feed
        self._directory = directory
        self._topics = Topics(profile.topic, gateway)
        self._stopping = threading.Event()
        self._wake = Wake()
        self._back_off = BackOff(_FIRST_S, _LONGEST_S, _JITTER)
        #: Why there is no connection; empty: there is one, or none was tried.
        self.fault = ""
        self._waiting: dict[str, str] = {}  # topic -> message
        self._newest: dict[Device, Shown] = {}
        self._expiry_of: dict[Device, int] = {}  # announced to Home Assistant, in seconds
        self._anew = False  # it started, and is told everything again

    def run(self) -> None:
        """Until `stop`: connect, publish, and after a fault again."""
        with self._feed.subscribed(self._wake, self._profile.meters) as box:
            while not self._stopping.is_set():
                try:
                    self._connected(box)
                except (SmgwError, TimeoutError) as error:
                    if self._stopping.is_set():
                        break
                    self._failed(str(error))
                    self._stopping.wait(self._back_off.next())

    def stop(self) -> None:
        """Say `offline` and end, from another thread."""
        self._stopping.set()
        self._wake.set()

    def _connected(self, box: Box) -> None:
        profile = self._profile
        link = Link(f"smgw-{self._gateway}", Will(self._topics.status, OFFLINE), self._login(), self._ca(), self._heard)
        try:
            link.open(profile.host, profile.port, self._stopping.is_set)
            self._back_off.reset()
            self.fault = ""
            bare = profile.username and not profile.tls
            (log.warning if bare else log.info)(
                "MQTT: connected to %s%s", profile.url, _BARE if bare else "",
                extra={"event": "broker-connected", "SERVER": profile.url},
            )  # fmt: skip
            link.publish(self._topics.status, ONLINE, qos=1)
            if profile.discovery:
                link.subscribe(f"{profile.discovery}/status")
            for found in self._newest.values():  # the broker may have lost what it retained
                self._waiting |= self._topics.messages(found)
            self._anew = True
            self._serve(link, box)
        finally:
            link.close()

    def _serve(self, link: Link, box: Box) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            for device, found in box.take().items():
                self._take(device, found)
            if self._anew:
                self._anew = False
                for device in self._expiry_of:
                    self._announce(device)
            for topic in list(self._waiting)[: 0 if link.busy else _AT_ONCE]:
                link.publish(topic, self._waiting.pop(topic))
            link.step(self._wake, 0.0 if self._waiting and not link.busy else _STEP_S)
        link.publish(self._topics.status, OFFLINE, qos=1)
        still = Wake()
        for _ in range(_LAST_WORD_STEPS if link.busy else 0):
            link.step(still, 0.05)
            if not link.busy:
                break
        still.close()

    def _take(self, device: Device, found: Shown | None) -> None:
        """A new capture of a device, or that it has none any more."""
        before = self._newest.pop(device, None)
        messages = {} if found is None else dict(self._topics.messages(found))
        if before is not None:
            self._waiting |= {topic: "" for topic, _ in self._topics.messages(before) if topic not in messages}
        self._waiting |= messages
        if found is None:
            return
        self._newest[device] = found
        if self._profile.discovery:
            known = self._expiry_of.get(device)
            self._expiry_of[device] = expiry_s(known or _EXPIRE_S, before, found)
            if known != self._expiry_of[device] or before is None or registers(before) != registers(found):
                self._announce(device)

    def _announce(self, device: Device) -> None:
        if (found := self._newest.get(device)) is not None:
            topic = config_topic(self._profile.discovery, found.device)
            self._waiting[topic] = announcement(self._topics, found, self._expiry_of[device])

    def _heard(self, topic: str, message: bytes) -> None:
        if topic == f"{self._profile.discovery}/status" and message == ONLINE.encode():
            self._anew = True

    def _login(self) -> Login | None:
        profile = self._profile
        if not profile.username:
            return None
        password = read_password(profile.password_file, self._directory) if profile.password_file else None
        return Login(profile.username, password)

    def _ca(self) -> str | None:
        profile = self._profile
        if not profile.tls:
            return None
        return "" if profile.ca_file is None else str(located(profile.ca_file, self._directory))

    def _failed(self, why: str) -> None:
        """The same reason is told once."""
        url = self._profile.url
        say = log.debug if why == self.fault else log.warning
        self.fault = why
        extra = {"event": "broker-lost", "SERVER": url}
        say("MQTT broker %s: %s; it is tried again, at least once a minute", url, why, extra=extra)


def expiry_s(known: int, before: Shown | None, found: Shown) -> int:
    """Seconds after which a value is no longer shown: three intervals between captures, and a minute at least.

    It grows only, and then to twice the need, so that it seldom changes.
    """
    interval_s = 0 if before is None else (found.utc_us - before.utc_us) // 1_000_000
    need = min(_INTERVALS * interval_s, _LATEST_S)  # a clock that was set makes any interval
    return known if need <= known else min(2 * need, _LATEST_S)
