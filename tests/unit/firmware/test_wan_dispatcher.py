"""When a dispatcher delivers, and when it ends: between real stores and a real HTTP server."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from captures_made import MIDNIGHT, capture
from delivered import reached
from delivering import GATEWAY, Gateway, gateways, granted, hurry, running
from line_meter import Clock, until
from small_emp import OK, Answer, SmallEmp
from smgw.profiles.communication import CommunicationProfile
from smgw.store.errors import StoreError
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import Record, Source
from smgw.store.wan.orders import place_order
from smgw.store.wan.records import ChannelKind, OrderKind
from smgw.store.wan.store import WanStore
from smgw.wan.dispatcher import Dispatcher
from smgw.wan.outlet import open_outlet


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    hurry(monkeypatch)
    caplog.set_level(logging.INFO)


@pytest.fixture
def emp() -> Iterator[SmallEmp]:
    with SmallEmp() as made:
        yield made


@pytest.fixture
def make(tmp_path: Path, emp: SmallEmp) -> Iterator[Callable[..., Gateway]]:
    with gateways(tmp_path, emp.url) as one:
        yield one


def test_retry_after_is_obeyed(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make()
    gateway.append(1)
    emp.answer = lambda _: Answer(429, headers={"Retry-After": "1"})
    with running(gateway.dispatcher):
        until(lambda: emp.puts)
        emp.answer = lambda _: OK
        until(lambda: emp.kept)
    assert emp.puts[1].at - emp.puts[0].at >= 1.0


def test_an_order_to_deliver_ends_a_hold(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(forward=3600)
    numbers = gateway.append(3)
    emp.answer = lambda _: Answer(403)
    with running(gateway.dispatcher):
        until(lambda: gateway.channel() is ChannelKind.HELD)
        emp.answer = lambda _: OK
        place_order(gateway.directory, "demo", OrderKind.DELIVER)
        until(lambda: emp.numbers() == numbers)


def test_an_emp_that_was_dead_gets_all_of_it_when_it_lives(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with SmallEmp() as first:
        port = first.port
        gateway = Gateway(tmp_path, first.url)
        numbers = gateway.append(5)
        gateway.dispatcher.deliver_round()
    with running(gateway.dispatcher):
        numbers += gateway.append(20)
        until(lambda: gateway.channel() is ChannelKind.BACKING_OFF)
        numbers += gateway.append(20)
        time.sleep(0.3)
        with SmallEmp(port) as second:
            until(lambda: gateway.cursor() == numbers[-1], 5)
            until(lambda: gateway.channel() is ChannelKind.IDLE)
            assert first.numbers() + second.numbers() == numbers
            assert second.again == 0
    gateway.close()
    assert sum("rows are kept and sent later" in record.getMessage() for record in caplog.records) == 1
    assert sum("takes rows again" in record.getMessage() for record in caplog.records) == 1


def test_new_rows_go_out_at_once_where_they_are_to(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    """Measured from the end of the commit to the arrival; how long the card takes for either commit is its own."""
    gateway = make()
    waited = []
    with running(gateway.dispatcher):
        time.sleep(0.1)
        for _ in range(100):
            (number,) = gateway.append(1)
            began = time.monotonic()
            until(lambda number=number: emp.puts and emp.puts[-1].numbers[-1] == number)
            waited.append(emp.puts[-1].at - began)
            until(lambda number=number: gateway.cursor() == number)
    assert sorted(waited)[98] < 0.1
    assert (len(emp.kept), emp.again, emp.accepted) == (100, 0, 1)


def test_rows_gather_for_the_beat_where_they_are_to(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(forward=1)
    gateway.append(1)
    with running(gateway.dispatcher):
        until(lambda: emp.puts)
        for _ in range(20):
            gateway.append(1)
            time.sleep(0.02)
        until(lambda: len(emp.kept) == 21)
    assert emp.puts[1].at - emp.puts[0].at == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize(
    "answer",
    [OK, Answer(hang=True), Answer(drip=0.1, body=b"x" * 100), Answer(503), Answer(403)],
    ids=["idle", "in an exchange", "dripping", "backing off", "held"],
)
def test_a_stop_is_quick_and_is_no_fault_of_the_emp(
    make: Callable[..., Gateway], emp: SmallEmp, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = make(timeout=20)
    gateway.append(30)
    emp.answer = lambda _: answer
    with running(gateway.dispatcher, stop_within=0.5):
        until(lambda: emp.puts)
        time.sleep(0.15)
        count = len(emp.puts)
        events = gateway.events()
    assert gateway.events() == events
    if answer.hang or answer.drip:
        assert "no answer" not in caplog.text
        assert len(emp.puts) == count == 1


def test_a_drain_ends_when_all_is_delivered(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(forward=3600)
    with running(gateway.dispatcher) as thread:
        time.sleep(0.1)
        numbers = gateway.append(25)
        gateway.dispatcher.drain(5)
        thread.join(1)
        assert not thread.is_alive()
    assert emp.numbers() == numbers


def test_a_drain_tries_again_while_it_has_time(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make()
    bad = iter([503, 503, 429])
    emp.answer = lambda _: Answer(next(bad, 200), headers={"Retry-After": "3600"})
    numbers = gateway.append(3)
    with running(gateway.dispatcher) as thread:
        gateway.dispatcher.drain(5)
        thread.join(3)
        assert not thread.is_alive()
    assert emp.numbers() == numbers


@pytest.mark.parametrize("answer", [Answer(hang=True), Answer(503)], ids=["silent", "refusing"])
def test_a_drain_ends_after_its_time_when_the_emp_is_not_well(
    make: Callable[..., Gateway], emp: SmallEmp, answer: Answer
) -> None:
    gateway = make(timeout=20)
    emp.answer = lambda _: answer
    gateway.append(3)
    with running(gateway.dispatcher) as thread:
        began = time.monotonic()
        gateway.dispatcher.drain(0.6)
        thread.join(3)
        assert not thread.is_alive()
        assert 0.5 < time.monotonic() - began < 1.0
    assert gateway.cursor() == 0


def test_a_drain_without_a_store_ends_at_once(tmp_path: Path, emp: SmallEmp) -> None:
    with WanStore.open(tmp_path) as wan:
        profile = CommunicationProfile(name="demo", url=emp.url, forward=0)
        dispatcher = Dispatcher(profile, [], open_outlet(GATEWAY, profile), wan, lambda: None, Clock().stamp)
        with running(dispatcher) as thread:
            dispatcher.drain(5)
            thread.join(1)
            assert not thread.is_alive()


def test_rows_go_out_as_soon_as_there_is_a_store(tmp_path: Path, emp: SmallEmp) -> None:
    with WanStore.open(tmp_path) as wan:

        def open_view() -> LmnView | None:
            with contextlib.suppress(StoreError):
                return LmnView.open(tmp_path)
            return None

        profile = CommunicationProfile(name="demo", url=emp.url, forward=0)
        outlet = open_outlet(GATEWAY, profile)
        with running(Dispatcher(profile, granted("demo", "house"), outlet, wan, open_view, Clock().stamp)):
            time.sleep(0.2)
            with LmnStore.open(tmp_path, ballast_bytes=0) as lmn:
                lmn.append([Record(capture(MIDNIGHT))])
                until(lambda: emp.kept)


def test_a_store_that_cannot_be_read_is_tried_again(
    make: Callable[..., Gateway], emp: SmallEmp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = make()
    numbers = gateway.append(3)
    real, broken = LmnView.records, [True] * 3

    def records(self: LmnView, source: Source, after: int, limit: int) -> object:
        if broken:
            broken.pop()
            raise StoreError(Path("lmn.db"), "cannot be read: disk I/O error")
        return real(self, source, after, limit)

    monkeypatch.setattr(LmnView, "records", records)
    with running(gateway.dispatcher):
        until(lambda: emp.numbers() == numbers)
    assert sum("disk I/O error" in record.getMessage() for record in caplog.records) == 1


def test_two_emps_do_not_wait_for_each_other(tmp_path: Path, emp: SmallEmp) -> None:
    with SmallEmp() as dead:
        dead.answer = lambda _: Answer(hang=True)
        gateway = Gateway(tmp_path, emp.url)
        other = gateway.dispatcher_to(CommunicationProfile(name="other", url=dead.url, forward=0))
        with running(gateway.dispatcher), running(other):
            numbers = gateway.append(20)
            until(lambda: emp.numbers() == numbers)
        assert reached(gateway.wan, "other", gateway.lmn.store_id) == 0
        gateway.close()
