"""After a change of the configuration only the readers that it concerns begin anew."""

import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest
from line_meter import Clock, Inbox, until
from smgw.lmn.reader import Reader
from smgw.ports import Port
from smgw.profiles.meter import MeterProfile, Protocol
from smgw.services.readers import Readers


def meter(name: str, port: str, silence: int = 30) -> MeterProfile:
    return MeterProfile(name=name, protocol=Protocol.SML_PUSH, port=port, silence=silence)


HOUSE = meter("house", "/nowhere/house")
ROOF = meter("roof", "/nowhere/roof")


class Counted(Reader):
    """Its port is never there; tells how many run at the same time."""

    running: ClassVar[set[str]] = set()
    lock = threading.Lock()

    def run(self) -> None:
        with self.lock:
            assert self.profile.port not in self.running, "two readers of one port"
            self.running.add(self.profile.port)
        try:
            super().run()
        finally:
            with self.lock:
                self.running.remove(self.profile.port)

    def _serve(self, port: Port) -> None:
        raise AssertionError("there is no port")


@pytest.fixture
def made() -> list[str]:
    return []


@pytest.fixture
def readers(made: list[str]) -> Iterator[Readers]:
    def make(profile: MeterProfile) -> Reader:
        made.append(profile.name)
        return Counted(profile, Clock(), Inbox())

    readers = Readers(make)
    yield readers
    assert readers.stop() == []
    assert not Counted.running


def test_each_meter_gets_a_reader_and_each_tries_its_port(readers: Readers, made: list[str]) -> None:
    assert readers.apply([HOUSE, ROOF]) == ["meter house is new", "meter roof is new"]
    until(lambda: readers.tried)
    assert made == ["house", "roof"]
    assert readers.status() == "2 meters: 2 absent (house, roof); 0 telegrams, 0 refused"


def test_the_same_profile_once_more_changes_nothing(readers: Readers, made: list[str]) -> None:
    readers.apply([HOUSE, ROOF])
    before = readers.workers
    assert readers.apply([meter("house", "/nowhere/house"), ROOF]) == []
    assert readers.workers == before
    assert made == ["house", "roof"]


def test_only_a_changed_profile_is_read_anew(readers: Readers, made: list[str]) -> None:
    readers.apply([HOUSE, ROOF])
    house = readers.workers[0]
    assert readers.apply([HOUSE, meter("roof", "/nowhere/roof", silence=7)]) == ["meter roof is read anew"]
    assert house in readers.workers
    assert made == ["house", "roof", "roof"]


def test_a_meter_that_is_gone_is_read_no_more(readers: Readers) -> None:
    readers.apply([HOUSE, ROOF])
    assert readers.apply([ROOF]) == ["meter house is read no more"]
    assert [worker.name for worker in readers.workers] == ["reader roof"]


def test_two_meters_may_swap_their_ports(readers: Readers) -> None:
    readers.apply([HOUSE, ROOF])
    until(lambda: len(Counted.running) == 2)
    swapped = [meter("house", ROOF.port), meter("roof", HOUSE.port)]
    assert readers.apply(swapped) == ["meter house is read anew", "meter roof is read anew"]
    until(lambda: readers.tried)
    assert all(worker.sound for worker in readers.workers)
