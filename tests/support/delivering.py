"""A gateway's stores with a dispatcher between them and a head-end."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from captures_made import DEVICE, MIDNIGHT, SECOND, capture, energy
from delivered import reached
from line_meter import Clock
from small_emp import OK, Answer, Put
from smgw.cosem import DeviceId
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.feed import Grant
from smgw.store.errors import StoreError
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import Record, Source
from smgw.store.wan.records import ChannelKind
from smgw.store.wan.store import WanStore
from smgw.store.wan.view import WanView
from smgw.wan import dispatcher
from smgw.wan import dispatcher as dispatcher_module
from smgw.wan.dispatcher import Dispatcher
from smgw.wan.outlet import Outlet, open_outlet
from soon import LIMIT

GATEWAY = DeviceId.parse("EXYZ0012345678")
OTHER = DeviceId.parse("1ISK0071234567")


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that are a person's patience become a test's."""
    monkeypatch.setattr(dispatcher, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(dispatcher_module, "_ATTENTION", 0.05)
    monkeypatch.setattr(dispatcher_module, "_DRAIN_PAUSE", 0.05)


def granted(who: str, *meters: str, pseudonym_days: int = 0) -> list[Grant]:
    """These meters, with all that they bring."""
    return [Grant(who, meter, pseudonym_days=pseudonym_days) for meter in meters]


class Gateway:
    """Both stores, and a dispatcher."""

    def __init__(self, directory: Path, url: str, **profile: object) -> None:
        self.directory = directory
        self.lmn = LmnStore.open(directory, ballast_bytes=0)
        self.wan = WanStore.open(directory)
        self.dispatchers: list[Dispatcher] = []
        settings = {"forward": 0, "batch": 10, "timeout": 60, **profile}
        self.dispatcher = self.dispatcher_to(CommunicationProfile("demo", url, **settings))  # type: ignore[arg-type]
        self.seconds = 0

    def dispatcher_to(
        self, profile: CommunicationProfile, grants: list[Grant] | None = None, outlet: Outlet | None = None
    ) -> Dispatcher:
        """One more, or the only one: by default of the meters house and pv."""
        made = Dispatcher(
            profile,
            granted(profile.name, "house", "pv", pseudonym_days=profile.pseudonym_days) if grants is None else grants,
            outlet or open_outlet(GATEWAY, profile),
            self.wan,
            self.open_view,
            Clock().stamp,
        )
        self.dispatchers.append(made)
        return made

    def open_view(self) -> LmnView | None:
        with contextlib.suppress(StoreError):
            return LmnView.open(self.directory)
        return None

    def append(self, count: int, *, meter: str = "house", device: DeviceId = DEVICE, scaler: int = -1) -> list[int]:
        records = []
        for _ in range(count):
            self.seconds += 1
            moment = MIDNIGHT + self.seconds * SECOND
            records.append(Record(capture(moment, energy(self.seconds, scaler), meter=meter, device=device)))
        return [outcome.number or 0 for outcome in self.lmn.append(records)]

    def cursor(self, meter: str = "house", device: DeviceId | None = None) -> int:
        own = {"house": DEVICE, "pv": OTHER}[meter]
        return reached(self.wan, "demo", self.lmn.store_id, Source(meter, device or own))

    def channel(self) -> ChannelKind | None:
        with WanView.open(self.directory) as view:
            return next((channel.state for channel in view.channels()), None)

    def events(self) -> list[str]:
        with WanView.open(self.directory) as view:
            return [entry.event for entry in view.log_entries(100) if entry.event.startswith("delivery")]

    def aside(self) -> list[int]:
        return [row.record_number for row in self.wan.set_aside("demo")]

    def close(self) -> None:
        self.wan.close()
        self.lmn.close()


@contextlib.contextmanager
def gateways(directory: Path, url: str) -> Iterator[Callable[..., Gateway]]:
    """Makes gateways, and ends them."""
    made: list[Gateway] = []

    def one(**profile: object) -> Gateway:
        made.append(Gateway(directory, str(profile.pop("url", url)), **profile))
        return made[-1]

    yield one
    for gateway in made:
        for each in gateway.dispatchers:
            each.stop()
            each.run()  # lets go of what rounds by hand have opened
        gateway.close()


@contextlib.contextmanager
def running(dispatcher: Dispatcher) -> Iterator[threading.Thread]:
    """The dispatcher in a thread, stopped at the end. Whatever it waits for may take longer than the limit."""
    thread = threading.Thread(target=dispatcher.run, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        dispatcher.stop()
        thread.join(LIMIT)
    assert not thread.is_alive(), "a stop did not end it"


def refusing(numbers: set[int], status: int = 422) -> Callable[[Put], Answer]:
    return lambda put: Answer(status, b"not this one") if numbers & set(put.numbers) else OK
