"""A meter that refuses the password is held: no further try, until the password changes or a person orders one."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from dlms_line_meter import LOAD_PROFILE, Model, _Station
from line_meter import Inbox
from memory_line import FakeTime, MemoryPort, Peer
from profiled_model import ProfiledModel
from smgw.dlms.apdus.acse import Mechanism
from smgw.dlms.meter.access import Admission
from smgw.dlms.security.hls import Encrypted, Hashed, Password
from smgw.dlms.security.secret import Secret
from smgw.hdlc import Address, Link, LinkParameters
from smgw.lmn.contract import HoldKeeper, Surroundings
from smgw.lmn.errors import AccessRefusedError
from smgw.lmn.polling import PollingDriver
from smgw.profiles.dlms import Authentication, DlmsProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.sml.server import Reply, Server
from smgw.store.errors import StoreError
from smgw.store.lmn.holds import order_retry
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import Condition

RIGHT, WRONG = b"12345678", b"hunter22"


class Meter(NamedTuple):
    """A meter with a password, and the profile that asks it. `tries` has an entry for each try of a password."""

    peer: Callable[[list[int]], Peer]
    options: DlmsProfile | None = None
    protocol: str = "dlms"
    address: int | None = None


def dlms(authentication: Authentication, made: Any, physical: int | None = None) -> Meter:
    def peer(tries: list[int]) -> Peer:
        admissions = {1: Admission(made, title=b"UTBMTR01")}
        meter: Any = SimpleNamespace(links=0, ended=0, admissions=admissions)
        address = Address(1) if physical is None else Address(1, physical)
        link = Link.server(address, LinkParameters.of(2030, 7), clients=admissions, inactivity=None)
        station = _Station(meter, link, Model())

        def answer(octets: bytes) -> bytes:
            links = meter.links
            found = station.carry(octets)
            tries.extend([1] * (meter.links - links))
            return found

        return answer

    return Meter(peer, DlmsProfile(client=1, authentication=authentication, physical=physical))


def sml_peer(tries: list[int]) -> Peer:
    server = Server(ProfiledModel(()), b"reader", RIGHT)

    def answer(octets: bytes) -> bytes:
        replies = [one.octets for one in server.receive(octets) if isinstance(one, Reply)]
        tries.extend([1] * len(replies))
        return b"".join(replies)

    return answer


METERS = {
    "lls": dlms(Authentication.LOW, Password(Secret(RIGHT))),
    "hls-aes": dlms(Authentication.HIGH_AES, Encrypted(Secret(RIGHT))),
    "hls-sha256": dlms(Authentication.HIGH_SHA256, Hashed(Mechanism.HIGH_SHA256, Secret(RIGHT))),
    "sml-poll": Meter(sml_peer, protocol="sml-poll"),
}


class Line:
    """One line with one of these meters, driven by fake time; `start` is a start of the daemon."""

    def __init__(self, name: str, holds: HoldKeeper | None) -> None:
        self.kind = METERS[name]
        self.holds = holds
        self.time = FakeTime()
        self.tries: list[int] = []
        self.peer = self.kind.peer(self.tries)
        self.inbox = Inbox()

    def run(
        self, seconds: float, password: bytes = WRONG, during: Callable[[], object] | None = None, **changes: Any
    ) -> None:
        stop = threading.Event()
        port: Any = MemoryPort(self.time, [self.peer])
        profile = MeterProfile(
            name="flat", protocol=self.kind.protocol, port="/dev/ttyUSB0", username="reader", options=self.kind.options,
            **{"interval": 2, **changes},
        )  # fmt: skip
        surroundings = Surroundings(self.time, holds=self.holds, now=self.time, stopping=stop.is_set)
        made = PollingDriver([(profile, Secrets(password=password))], surroundings, self.inbox, None, stop)

        def end() -> None:
            stop.set()
            port.woken = True

        if during is not None:
            self.time.after(seconds / 2, during)
        self.time.after(seconds, end)
        made._serve(port)

    @property
    def condition(self) -> Condition:
        return self.inbox.states[-1].state


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmnStore]:
    with LmnStore.open(tmp_path, ballast_bytes=0) as opened:
        yield opened


@pytest.mark.parametrize("name", METERS)
def test_a_refused_password_is_tried_once(name: str, store: LmnStore) -> None:
    line = Line(name, store)
    line.run(7200)
    assert len(line.tries) == 1
    assert line.condition is Condition.HELD
    note = line.inbox.states[-1].note
    assert "password_file" in note
    assert "smgw retry flat" in note
    assert WRONG.decode() not in note


@pytest.mark.parametrize("name", METERS)
def test_the_hold_outlives_a_restart(name: str, store: LmnStore) -> None:
    line = Line(name, store)
    for _ in range(5):
        line.run(60)
    assert len(line.tries) == 1
    assert line.condition is Condition.HELD


@pytest.mark.parametrize("name", METERS)
def test_another_password_is_tried_at_once(name: str, store: LmnStore) -> None:
    line = Line(name, store)
    line.run(60)
    line.run(10, RIGHT)
    assert line.condition is Condition.READING
    assert line.inbox.captures


@pytest.mark.parametrize("name", METERS)
def test_an_order_of_a_person_is_one_more_try_with_the_same_password(
    name: str, store: LmnStore, tmp_path: Path
) -> None:
    line = Line(name, store)
    line.run(60)
    ordered: list[list[str]] = []
    line.run(600, during=lambda: ordered.append(order_retry(tmp_path, ["flat", "other"])))
    assert ordered == [["flat"]]
    assert len(line.tries) == 2
    assert line.condition is Condition.HELD


def test_a_meter_that_accepts_the_password_after_an_order_is_read_on(store: LmnStore, tmp_path: Path) -> None:
    line = Line("lls", store)
    line.run(60, RIGHT + b"x")

    def mend() -> None:
        line.peer = line.kind.peer(line.tries)
        order_retry(tmp_path, ["flat"])

    mend()
    line.run(60, RIGHT)
    assert line.condition is Condition.READING
    assert store.held("flat") is None


def test_a_changed_interval_is_no_new_password(store: LmnStore) -> None:
    line = Line("lls", store)
    line.run(60)
    line.run(60, interval=5)
    assert len(line.tries) == 1


def test_a_password_that_is_right_again_ends_the_hold_of_the_wrong_one(store: LmnStore) -> None:
    line = Line("lls", store)
    line.run(60)
    line.run(60, RIGHT)
    line.run(60)
    assert len(line.tries) > 2, "the meter accepted us in between, so the old refusal says nothing any more"


def test_without_a_store_the_hold_lasts_as_long_as_the_driver() -> None:
    line = Line("lls", None)
    line.run(3600)
    assert len(line.tries) == 1


def test_a_store_that_cannot_be_written_holds_until_the_restart(caplog: pytest.LogCaptureFixture) -> None:
    class Full:
        def hold(self, *_: object) -> None:
            raise StoreError(Path("lmn.db"), "the disk is full")

        def held(self, *_: object) -> str | None:
            raise StoreError(Path("lmn.db"), "the disk is full")

        def release(self, *_: object) -> None:
            raise AssertionError("nothing is stored")

    line = Line("lls", Full())
    line.run(3600)
    assert len(line.tries) == 1
    assert "meter flat: it is held until the next restart" in caplog.text


def test_silence_is_not_told_of_a_held_meter(store: LmnStore) -> None:
    line = Line("lls", store)
    line.run(3600, silence=30)
    assert {state.state for state in line.inbox.states} == {Condition.WAITING, Condition.HELD}


def test_the_store_does_not_hold_the_password(store: LmnStore, tmp_path: Path) -> None:
    line = Line("lls", store)
    line.run(60)
    store.flush(now=True)
    assert not any(WRONG in file.read_bytes() for file in tmp_path.iterdir())
    with LmnView.open(tmp_path) as view:
        assert view.store_id


def test_the_same_password_leaves_another_mark_each_time(store: LmnStore) -> None:
    marks = set()
    for _ in range(2):
        store.hold("flat", WRONG, "refused")
        marks.add(bytes(store._read("SELECT firmware FROM cache WHERE kind = 3")[0][0]))
    assert len(marks) == 2
    assert store.held("flat", WRONG) == "refused"
    assert store.held("flat", RIGHT) is None
    assert store.held("other", WRONG) is None


def test_on_a_shared_line_the_neighbours_of_a_held_meter_are_read_on(store: LmnStore) -> None:
    tries: list[int] = []
    held = dlms(Authentication.LOW, Password(Secret(RIGHT)), 17)
    read = dlms(Authentication.LOW, Password(Secret(WRONG)), 18)
    time, stop, inbox = FakeTime(), threading.Event(), Inbox()
    port: Any = MemoryPort(time, [held.peer(tries), read.peer([])])
    line = [
        (
            MeterProfile(name=name, protocol="dlms", port="/dev/ttyUSB0", interval=10, options=kind.options),
            Secrets(password=WRONG),
        )
        for name, kind in (("held", held), ("read", read))
    ]
    surroundings = Surroundings(time, holds=store, now=time, stopping=stop.is_set)
    made = PollingDriver(line, surroundings, inbox, None, stop)

    def end() -> None:
        stop.set()
        port.woken = True

    time.after(600, end)
    made._serve(port)
    assert len(tries) == 1
    assert [capture.meter for capture in inbox.captures] == ["read"] * 60


def test_a_password_that_is_refused_while_a_load_profile_is_fetched_holds_the_meter(store: LmnStore) -> None:
    line = Line("lls", store)
    time, stop = line.time, threading.Event()
    port: Any = MemoryPort(time, [line.peer])
    profile = MeterProfile(
        name="flat", protocol="dlms", port="/dev/ttyUSB0", interval=2, options=line.kind.options,
        load_profile=(LOAD_PROFILE,),
    )  # fmt: skip
    surroundings = Surroundings(time, holds=store, now=time, stopping=stop.is_set)
    keeper: Any = SimpleNamespace()
    made = PollingDriver([(profile, Secrets(password=RIGHT))], surroundings, line.inbox, keeper, stop)
    asked: list[int] = []

    def refuse(_port: object) -> None:
        asked.append(1)
        raise AccessRefusedError("another password holds since now")

    made._members[0].meter.identify = refuse  # type: ignore[method-assign,assignment]

    def end() -> None:
        stop.set()
        port.woken = True

    time.after(600, end)
    made._serve(port)
    assert asked == [1]
    assert line.condition is Condition.HELD
    assert store.held("flat") is not None
