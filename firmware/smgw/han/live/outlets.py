"""The outlets that a configuration asks for: one runner each, for a fleet."""

import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from smgw.cosem.device_id import DeviceId
from smgw.cosem.zone import DEFAULT_ZONE, time_zone
from smgw.han.live.feed import Box, LiveFeed
from smgw.han.live.points import Shown
from smgw.han.live.ports.reply import Reply
from smgw.ports.wake import Wake
from smgw.profiles.gateway import Configuration
from smgw.profiles.house import KEYS, MqttProfile, P1Profile, PortProfile


class Runner(Protocol):
    """As `smgw.services.fleet.Runner`."""

    @property
    def fault(self) -> str:
        """Why it does not work now; empty: it does."""

    def run(self) -> None:
        """The body of a thread, until `stop`."""

    def stop(self) -> None:
        """End soon, from another thread."""


class Order(NamedTuple):
    """One outlet. Equal orders need no new outlet after a change of the configuration."""

    kind: str  # the name of its table below [han]
    profile: Any
    gateway: DeviceId
    directory: Path  # where relative paths begin
    names: tuple[str, ...]  # further names of this computer in the house


def orders(configuration: Configuration) -> dict[str, Order]:
    """The outlets by the names of their tables. A P1 port that names no meter is that of the only one."""
    found: dict[str, Order] = {}
    han, own = configuration.han, configuration.gateway.device_id
    for kind in KEYS if han is not None else ():
        profile = getattr(han, kind)
        if isinstance(profile, P1Profile) and not profile.meter:
            profile = profile._replace(meter=configuration.meters[0].name)
        if han is not None and profile is not None:
            found[kind] = Order(kind, profile, own, configuration.directory, han.names)
    return found


def make(order: Order, feed: LiveFeed) -> Runner:
    """The outlet of an order. Its modules are loaded now."""
    return _MAKERS[order.kind](order, feed)


def _mqtt(order: Order, feed: LiveFeed) -> Runner:
    from smgw.han.live.mqtt.outlet import MqttOutlet

    profile: MqttProfile = order.profile
    return MqttOutlet(profile, order.gateway, feed, order.directory)


def _p1(order: Order, feed: LiveFeed) -> Runner:
    return P1Outlet(order.profile, order.gateway, feed)


def _vzlogger(order: Order, feed: LiveFeed) -> Runner:
    from smgw.han.live.ports import vzlogger

    profile: PortProfile = order.profile
    return _answering(profile, lambda path: vzlogger.answer(path, order.gateway, feed.now(profile.meters)), order.names)


def _metrics(order: Order, feed: LiveFeed) -> Runner:
    from smgw.han.live.ports import metrics

    def answer(path: str) -> Reply:
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        return metrics.answer(path, order.gateway, feed.now(profile.meters), now)

    profile: PortProfile = order.profile
    return _answering(profile, answer, order.names)


_MAKERS: Mapping[str, Callable[[Order, LiveFeed], Runner]] = {
    "mqtt": _mqtt,
    "vzlogger": _vzlogger,
    "p1": _p1,
    "metrics": _metrics,
}


def _answering(profile: PortProfile, answer: Callable[[str], Reply], names: Collection[str]) -> Runner:
    """A port that answers each question with what there is at that moment."""
    from smgw.han.server.house_ports import HousePort, answer_server

    known = frozenset(name.lower() for name in names)
    return HousePort(profile.listen, lambda: answer_server(answer, known))


class P1Outlet:
    """Sends a telegram of one meter with each of its captures."""

    def __init__(self, profile: P1Profile, gateway: DeviceId, feed: LiveFeed) -> None:
        from smgw.han.server.house_ports import HousePort, TelegramServer

        self._meter = profile.meter
        self._gateway = gateway
        self._feed = feed
        self._zone = time_zone(DEFAULT_ZONE)
        self._wake = Wake()
        self._box: Box | None = None
        self._newest: Shown | None = None
        self.port = HousePort(profile.listen, lambda: TelegramServer(self._telegram, self._news, self._wake))
        self.stop = self.port.stop

    @property
    def fault(self) -> str:
        """Why it does not listen."""
        return self.port.fault

    @property
    def bound(self) -> tuple[str, int] | None:
        """Where it listens now."""
        return self.port.bound

    def run(self) -> None:
        """Until `stop`."""
        with self._feed.subscribed(self._wake, [self._meter]) as self._box:
            self.port.run()

    def _news(self) -> bytes:
        """The telegram of a new capture."""
        taken = {} if self._box is None else self._box.take()
        if not taken:
            return b""
        # A meter of one device is the rule. Of several the one that came last speaks.
        self._newest = next((found for found in reversed(taken.values()) if found is not None), None)
        return self._telegram()

    def _telegram(self) -> bytes:
        """The newest one; empty if there is none."""
        from smgw.han.live.ports.p1_text import telegram

        return b"" if self._newest is None else telegram(self._newest, self._gateway, self._zone)
