"""After a change of the orders only the workers that it concerns begin anew."""

import threading
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import pytest
from line_meter import until
from smgw.services.fleet import Fleet, Words, in_a_thread

WORDS = Words("reader {}", "meter {} is new", "meter {} is read anew", "meter {} is read no more")


class Order(NamedTuple):
    port: str
    silence: int = 30


HOUSE = Order("/nowhere/house")
ROOF = Order("/nowhere/roof")


class Counted:
    """A worker that holds its port; fails where two hold one at the same time."""

    running: ClassVar[set[str]] = set()
    lock = threading.Lock()

    def __init__(self, order: Order) -> None:
        self.order = order
        self._stop = threading.Event()

    def run(self) -> None:
        with self.lock:
            assert self.order.port not in self.running, "two workers hold one port"
            self.running.add(self.order.port)
        self._stop.wait(10)
        with self.lock:
            self.running.remove(self.order.port)

    def stop(self) -> None:
        self._stop.set()


@pytest.fixture
def made() -> list[Order]:
    return []


@pytest.fixture
def fleet(made: list[Order]) -> Iterator[Fleet[Order, Counted]]:
    def make(order: Order) -> Counted:
        made.append(order)
        return Counted(order)

    fleet = Fleet(WORDS, make, 1.0, in_a_thread)
    yield fleet
    assert fleet.stop() == []
    assert not Counted.running


def test_each_order_gets_a_worker_of_its_name(fleet: Fleet[Order, Counted], made: list[Order]) -> None:
    assert fleet.apply({"house": HOUSE, "roof": ROOF}) == ["meter house is new", "meter roof is new"]
    until(lambda: Counted.running == {HOUSE.port, ROOF.port})
    assert made == [HOUSE, ROOF]
    assert [worker.name for worker in fleet.workers] == ["reader house", "reader roof"]
    assert {name: member.order for name, member in fleet.members.items()} == {"house": HOUSE, "roof": ROOF}


def test_the_same_order_once_more_changes_nothing(fleet: Fleet[Order, Counted], made: list[Order]) -> None:
    fleet.apply({"house": HOUSE, "roof": ROOF})
    before = fleet.workers
    assert fleet.apply({"house": Order("/nowhere/house"), "roof": ROOF}) == []
    assert fleet.workers == before
    assert made == [HOUSE, ROOF]


def test_only_a_changed_order_gets_another_worker(fleet: Fleet[Order, Counted], made: list[Order]) -> None:
    fleet.apply({"house": HOUSE, "roof": ROOF})
    house = fleet.workers[0]
    until(lambda: len(Counted.running) == 2)
    changed = ROOF._replace(silence=7)
    assert fleet.apply({"house": HOUSE, "roof": changed}) == ["meter roof is read anew"]
    assert house in fleet.workers
    assert made == [HOUSE, ROOF, changed]


def test_a_worker_whose_order_is_gone_is_stopped(fleet: Fleet[Order, Counted]) -> None:
    fleet.apply({"house": HOUSE, "roof": ROOF})
    until(lambda: len(Counted.running) == 2)
    assert fleet.apply({"roof": ROOF}) == ["meter house is read no more"]
    assert [worker.name for worker in fleet.workers] == ["reader roof"]
    assert Counted.running == {ROOF.port}


def test_two_workers_may_swap_what_they_hold(fleet: Fleet[Order, Counted]) -> None:
    fleet.apply({"house": HOUSE, "roof": ROOF})
    until(lambda: len(Counted.running) == 2)
    assert fleet.apply({"house": ROOF, "roof": HOUSE}) == ["meter house is read anew", "meter roof is read anew"]
    until(lambda: len(Counted.running) == 2)
    assert all(worker.sound for worker in fleet.workers)


def test_a_worker_that_does_not_stop_is_named(caplog: pytest.LogCaptureFixture) -> None:
    class Deaf:
        def __init__(self, ends: threading.Event) -> None:
            self._ends = ends

        def run(self) -> None:
            self._ends.wait(10)

        def stop(self) -> None:
            """Ignored."""

    ends = threading.Event()
    fleet = Fleet(WORDS, Deaf, 0.05, in_a_thread)
    fleet.apply({"house": ends})
    fleet.apply({})
    assert "did not stop in time: reader house" in caplog.text
    fleet.apply({"house": ends})
    assert fleet.stop() == ["reader house"]
    ends.set()


def test_where_a_worker_cannot_be_made_all_goes_on_as_before() -> None:
    def make(order: Order) -> Counted:
        if order.silence == 0:
            raise ValueError("no such protocol")
        return Counted(order)

    fleet = Fleet(WORDS, make, 1.0, in_a_thread)
    fleet.apply({"house": HOUSE, "roof": ROOF})
    before = fleet.workers
    with pytest.raises(ValueError, match="no such protocol"):
        fleet.apply({"house": HOUSE._replace(silence=5), "roof": ROOF._replace(silence=0)})
    assert fleet.workers == before
    assert all(worker.alive for worker in before)
    assert fleet.stop() == []
