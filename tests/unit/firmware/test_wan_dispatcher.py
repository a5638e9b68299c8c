"""The dispatcher between real stores and a real HTTP server."""

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from captures_made import DEVICE, HOUSE, MIDNIGHT, SECOND, capture, energy
from line_meter import Clock, until
from small_emp import OK, Answer, Put, SmallEmp
from smgw.cosem import Data, DataType, DeviceId
from smgw.cosemxml.document import Document, DocumentError
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.meter import MeterProfile
from smgw.store.errors import StoreError
from smgw.store.lmn import LmnStore
from smgw.store.lmn_view import LmnView
from smgw.store.orders import place_order
from smgw.store.records import NOBODY_WAITS, Record, Retention
from smgw.store.wan import WanStore
from smgw.store.wan_records import ChannelKind, OrderKind
from smgw.store.wan_view import WanView
from smgw.wan import dispatcher as dispatcher_module
from smgw.wan import sender as sender_module
from smgw.wan.dispatcher import Dispatcher

GATEWAY = DeviceId.parse("EXYZ0012345678")
OTHER = DeviceId.parse("1ISK0071234567")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(dispatcher_module, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(dispatcher_module, "_ATTENTION", 0.05)
    monkeypatch.setattr(dispatcher_module, "_DRAIN_PAUSE", 0.05)
    caplog.set_level(logging.INFO)


@pytest.fixture
def emp() -> Iterator[SmallEmp]:
    with SmallEmp() as made:
        yield made


class Gateway:
    """Both stores, and a dispatcher."""

    def __init__(self, directory: Path, url: str, **profile: object) -> None:
        self.directory = directory
        self.lmn = LmnStore.open(directory, ballast_bytes=0)
        self.wan = WanStore.open(directory)
        self.meters = [MeterProfile(name=name, protocol="sml-push", port="/dev/null") for name in ("house", "pv")]
        settings = {"forward": 0, "batch": 10, "timeout": 1, **profile}
        self.dispatcher = Dispatcher(
            GATEWAY,
            CommunicationProfile(name="demo", url=url, **settings),  # type: ignore[arg-type]
            self.meters,
            self.wan,
            self.open_view,
            Clock().stamp,
        )
        self.seconds = 0

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
        return [number or 0 for number in self.lmn.append(records)]

    def cursor(self, meter: str = "house") -> int:
        return self.wan.cursor("demo", self.lmn.store_id, meter)

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


@pytest.fixture
def make(tmp_path: Path, emp: SmallEmp) -> Iterator[Callable[..., Gateway]]:
    made: list[Gateway] = []

    def one(**profile: object) -> Gateway:
        made.append(Gateway(tmp_path, str(profile.pop("url", emp.url)), **profile))
        return made[-1]

    yield one
    for gateway in made:
        gateway.dispatcher.stop()
        gateway.dispatcher.run()  # lets go of what rounds by hand have opened
        gateway.close()


@contextlib.contextmanager
def running(dispatcher: Dispatcher, *, stop_within: float = 1.0) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=dispatcher.run)
    thread.start()
    try:
        yield thread
    finally:
        began = time.monotonic()
        dispatcher.stop()
        thread.join(5)
        took = time.monotonic() - began
    assert not thread.is_alive()
    assert took < stop_within


def refusing(numbers: set[int], status: int = 422) -> Callable[[Put], Answer]:
    return lambda put: Answer(status, b"not this one") if numbers & set(put.numbers) else OK


def test_all_rows_arrive_in_order_in_documents_of_the_batch_s_size(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make()
    numbers = gateway.append(35)
    assert gateway.dispatcher.deliver_round() is None
    assert emp.numbers() == numbers
    assert emp.statuses == [10, 10, 10, 5]
    assert (emp.again, emp.accepted) == (0, 1)
    assert gateway.cursor() == numbers[-1]
    assert gateway.channel() is ChannelKind.IDLE
    gateway.dispatcher.deliver_round()
    assert len(emp.puts) == 4


def test_values_times_and_status_arrive_as_they_were_recorded(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make()
    (number,) = gateway.append(1)
    gateway.dispatcher.deliver_round()
    (put,) = emp.puts
    assert (put.document.gateway, put.document.store_id, put.document.device) == (GATEWAY, gateway.lmn.store_id, DEVICE)
    row = emp.kept[(gateway.lmn.store_id, number)]
    assert (row.capture_time_us, row.time_valid, row.target_time_us) == (MIDNIGHT + SECOND, True, None)
    assert row.values == (Data(DataType.LONG64_UNSIGNED, 1),)
    assert put.headers["Content-Length"] == str(put.octets)


def test_the_meters_take_turns_and_none_waits_for_another_s_backlog(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make()
    gateway.append(50)
    gateway.append(5, meter="pv", device=OTHER)
    gateway.dispatcher.deliver_round()
    assert [put.document.device for put in emp.puts[:3]] == [DEVICE, OTHER, DEVICE]
    assert len(emp.kept) == 55
    assert gateway.cursor()
    assert gateway.cursor("pv")


def test_a_meter_that_speaks_as_fast_as_the_emp_takes_does_not_hold_up_the_others(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make()
    gateway.append(1)
    gateway.append(1, meter="pv", device=OTHER)

    def answer(put: Put) -> Answer:
        if put.document.device == DEVICE and len(emp.puts) < 20:
            gateway.append(1)
        return OK

    emp.answer = answer
    gateway.dispatcher.deliver_round()
    assert [put.document.device for put in emp.puts] == [DEVICE, OTHER]


def test_a_changed_scaler_is_another_document(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make()
    numbers = gateway.append(3) + gateway.append(3, scaler=0) + gateway.append(2)
    gateway.dispatcher.deliver_round()
    assert emp.numbers() == numbers
    assert [put.document.registers[0].scaler for put in emp.puts] == [-1, 0, -1]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_an_emp_that_is_not_well_gets_all_of_it_later(make: Callable[..., Gateway], emp: SmallEmp, status: int) -> None:
    gateway = make()
    numbers = gateway.append(15)
    bad = iter([status, 200, status])
    emp.answer = lambda _: Answer(next(bad, 200), b"later")
    pause = gateway.dispatcher.deliver_round()
    assert pause is not None
    assert pause < 1
    assert gateway.cursor() == 0
    assert gateway.channel() is ChannelKind.BACKING_OFF
    assert gateway.dispatcher.deliver_round() is not None
    assert gateway.cursor() == numbers[9]
    assert gateway.dispatcher.deliver_round() is None
    assert emp.numbers() == numbers
    assert emp.again == 0
    assert gateway.channel() is ChannelKind.IDLE
    assert gateway.aside() == []


def test_retry_after_is_obeyed(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make()
    gateway.append(1)
    emp.answer = lambda _: Answer(429, headers={"Retry-After": "1"})
    with running(gateway.dispatcher):
        until(lambda: emp.puts)
        emp.answer = lambda _: OK
        until(lambda: emp.kept)
    assert emp.puts[1].at - emp.puts[0].at >= 1.0


@pytest.mark.parametrize("status", [401, 403, 404, 405, 411, 301, 307, 409])
def test_a_wrong_set_up_holds_the_channel_and_skips_nothing(
    make: Callable[..., Gateway], emp: SmallEmp, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = make()
    numbers = gateway.append(15)
    gateway.append(5, meter="pv", device=OTHER)
    emp.answer = lambda _: Answer(status, b"who are you?")
    for _ in range(3):
        assert gateway.dispatcher.deliver_round() == dispatcher_module.HOLD_SECONDS
    assert len(emp.puts) == 3
    assert gateway.cursor() == 0
    assert gateway.channel() is ChannelKind.HELD
    assert gateway.events() == ["delivery-held"]
    assert sum("delivery is held" in record.getMessage() for record in caplog.records) == 1
    emp.answer = lambda _: OK
    assert gateway.dispatcher.deliver_round() is None
    assert emp.numbers()[:15] == numbers or emp.numbers()[:10] == numbers[:10]
    assert len(emp.kept) == 20
    assert gateway.events() == ["delivery-held", "delivery-resumed"]


def test_a_document_that_is_too_large_is_halved_until_it_fits(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(batch=100)
    numbers = gateway.append(300)
    emp.answer = lambda put: Answer(413) if len(put.numbers) > 20 else OK
    assert gateway.dispatcher.deliver_round() is None
    assert emp.numbers() == numbers
    assert emp.again == 0
    assert len(emp.puts) < 45  # it remembers what fits
    assert gateway.aside() == []


@pytest.mark.parametrize("status", [400, 415, 422])
def test_the_one_row_that_is_disliked_is_found_and_set_aside(
    make: Callable[..., Gateway], emp: SmallEmp, status: int
) -> None:
    gateway = make(batch=100)
    numbers = gateway.append(100)
    bad = numbers[37]
    emp.answer = refusing({bad}, status)
    assert gateway.dispatcher.deliver_round() is None
    assert emp.numbers() == [number for number in numbers if number != bad]
    assert gateway.aside() == [bad]
    (row,) = gateway.wan.set_aside("demo")
    assert (row.status, row.reason, row.meter) == (status, "not this one", "house")
    assert gateway.cursor() == numbers[-1]
    assert len(emp.puts) <= 16
    with WanView.open(gateway.directory) as view:
        assert view.acknowledged("demo") == 99
        assert view.set_aside_counts() == {"demo": 1}


def test_a_row_too_large_by_itself_is_set_aside_too(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make()
    numbers = gateway.append(4)
    emp.answer = refusing({numbers[1]}, 413)
    gateway.dispatcher.deliver_round()
    assert gateway.aside() == [numbers[1]]
    assert emp.numbers() == [numbers[0], numbers[2], numbers[3]]


@pytest.mark.parametrize("bad", [[0], [0, 1], [9], [8, 9], [0, 9], [3, 4, 5, 6]])
def test_disliked_rows_anywhere_are_set_aside_while_others_are_taken(
    make: Callable[..., Gateway], emp: SmallEmp, bad: list[int]
) -> None:
    gateway = make()
    numbers = gateway.append(10)
    disliked = {numbers[place] for place in bad}
    emp.answer = refusing(disliked)
    assert gateway.dispatcher.deliver_round() is None
    assert set(gateway.aside()) == disliked
    assert set(emp.numbers()) == set(numbers) - disliked
    assert gateway.cursor() == numbers[-1]


def test_where_nothing_is_taken_nothing_is_set_aside_and_the_channel_is_held(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make()
    gateway.append(20)
    emp.answer = lambda _: Answer(422, b"I like none")
    assert gateway.dispatcher.deliver_round() == dispatcher_module.HOLD_SECONDS
    assert gateway.aside() == []
    assert gateway.cursor() == 0
    assert gateway.channel() is ChannelKind.HELD


def test_a_meter_whose_rows_are_all_disliked_does_not_hold_the_others_up(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make()
    bad = gateway.append(10)
    good = gateway.append(10, meter="pv", device=OTHER)
    emp.answer = refusing(set(bad))
    assert gateway.dispatcher.deliver_round() is None
    assert set(emp.numbers()) == set(good)
    assert set(gateway.aside()) == set(bad)


def test_a_row_that_cannot_be_written_as_a_document_is_no_fault_of_the_emp(
    make: Callable[..., Gateway], emp: SmallEmp, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = make()
    bad = gateway.append(5)
    whole = sender_module.cosem_document.encode

    def encode(document: Document) -> bytes:
        if any(row.record_number in bad for row in document.rows):
            raise DocumentError("no place for it", "record")
        return whole(document)

    monkeypatch.setattr(sender_module.cosem_document, "encode", encode)
    assert gateway.dispatcher.deliver_round() is None
    assert gateway.channel() is not ChannelKind.HELD
    assert set(gateway.aside()) == set(bad)


def test_many_disliked_rows_in_front_are_set_aside_when_the_newest_is_taken(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make()
    numbers = gateway.append(20)
    emp.answer = refusing(set(numbers[:12]))
    assert gateway.dispatcher.deliver_round() is None
    assert set(gateway.aside()) == set(numbers[:12])
    assert set(emp.numbers()) == set(numbers[12:])
    assert gateway.cursor() == numbers[-1]


def test_one_disliked_row_alone_waits_until_another_is_taken(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make()
    (bad,) = gateway.append(1)
    emp.answer = refusing({bad})
    pause = gateway.dispatcher.deliver_round()
    assert pause is not None
    assert pause < 1
    assert (gateway.aside(), gateway.cursor(), gateway.channel()) == ([], 0, ChannelKind.BACKING_OFF)
    (good,) = gateway.append(1)
    assert gateway.dispatcher.deliver_round() is None
    assert (gateway.aside(), gateway.cursor(), emp.numbers()) == ([bad], good, [good])


def test_a_meter_s_disliked_rows_are_set_aside_when_another_meter_s_are_taken(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make()
    bad = gateway.append(2)
    (good,) = gateway.append(1, meter="pv", device=OTHER)
    emp.answer = refusing(set(bad))
    assert gateway.dispatcher.deliver_round() is None
    assert gateway.aside() == bad
    assert (gateway.cursor(), gateway.cursor("pv")) == (bad[-1], good)
    gateway.dispatcher.deliver_round()
    assert emp.numbers() == [good]
    assert emp.again == 0


def test_rows_set_aside_are_delivered_again_when_ordered(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make()
    numbers = gateway.append(6)
    emp.answer = refusing({numbers[2], numbers[4]})
    with running(gateway.dispatcher):
        until(lambda: gateway.cursor() == numbers[-1])
        assert gateway.aside() == [numbers[2], numbers[4]]
        emp.answer = refusing({numbers[4]})
        place_order(gateway.directory, "demo", OrderKind.AGAIN)
        until(lambda: gateway.aside() == [numbers[4]])
        assert numbers[2] in emp.numbers()
        emp.answer = lambda _: OK
        place_order(gateway.directory, None, OrderKind.AGAIN)
        with WanView.open(gateway.directory) as view:
            until(lambda: view.acknowledged("demo") == 6)  # the EMP keeps a row before the gateway knows of it
    assert gateway.aside() == []
    assert len(emp.kept) == 6
    assert emp.again == 0


def test_an_order_to_deliver_ends_a_hold(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(forward=3600)
    numbers = gateway.append(3)
    emp.answer = lambda _: Answer(403)
    with running(gateway.dispatcher):
        until(lambda: gateway.channel() is ChannelKind.HELD)
        emp.answer = lambda _: OK
        place_order(gateway.directory, "demo", OrderKind.DELIVER)
        until(lambda: emp.numbers() == numbers)


@pytest.mark.parametrize(
    "answer",
    [Answer(octets=b"SSH-2.0\r\n"), Answer(octets=b""), Answer(hang=True), Answer(drip=0.05, body=b"x" * 100)],
    ids=["garbage", "closed", "silent", "dripping"],
)
def test_an_emp_that_gives_no_answer_gets_all_of_it_later(
    make: Callable[..., Gateway], emp: SmallEmp, answer: Answer
) -> None:
    gateway = make(timeout=0.2)
    numbers = gateway.append(12)
    emp.answer = lambda _: answer
    began = time.monotonic()
    assert gateway.dispatcher.deliver_round() is not None
    assert time.monotonic() - began < 0.7
    assert gateway.cursor() == 0
    emp.answer = lambda _: OK
    assert gateway.dispatcher.deliver_round() is None
    assert sorted(emp.numbers()) == numbers
    assert gateway.cursor() == numbers[-1]


def test_an_answer_that_is_lost_makes_rows_come_again_under_the_same_key(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make(timeout=0.3)
    numbers = gateway.append(5)
    lost = iter([0.6])
    emp.answer = lambda _: Answer(delay=next(lost, 0.0))
    assert gateway.dispatcher.deliver_round() is not None
    time.sleep(0.4)
    assert (emp.numbers(), gateway.cursor()) == (numbers, 0)
    gateway.dispatcher.deliver_round()
    assert (emp.numbers(), emp.again, gateway.cursor()) == (numbers, 5, numbers[-1])


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
        dispatcher = Dispatcher(GATEWAY, profile, [], wan, lambda: None, Clock().stamp)
        with running(dispatcher) as thread:
            dispatcher.drain(5)
            thread.join(1)
            assert not thread.is_alive()


def test_rows_go_out_as_soon_as_there_is_a_store(tmp_path: Path, emp: SmallEmp) -> None:
    with WanStore.open(tmp_path) as wan:
        meter = MeterProfile(name="house", protocol="sml-push", port="/dev/null")

        def open_view() -> LmnView | None:
            with contextlib.suppress(StoreError):
                return LmnView.open(tmp_path)
            return None

        profile = CommunicationProfile(name="demo", url=emp.url, forward=0)
        with running(Dispatcher(GATEWAY, profile, [meter], wan, open_view, Clock().stamp)):
            time.sleep(0.2)
            with LmnStore.open(tmp_path, ballast_bytes=0) as lmn:
                lmn.append([Record(capture(MIDNIGHT))])
                until(lambda: emp.kept)


@pytest.mark.parametrize("forward", [0, 1])
def test_a_store_that_was_replaced_is_delivered_on(make: Callable[..., Gateway], emp: SmallEmp, forward: int) -> None:
    """The file is moved aside and salvaged while the dispatcher has it open: rows keep their names, new ones follow."""
    gateway = make(forward=forward)
    old_id, old = gateway.lmn.store_id, gateway.append(30)
    with running(gateway.dispatcher):
        until(lambda: len(emp.kept) == 30)
        gateway.lmn._file.replace("the test says so")
        gateway.lmn._take_over()
        assert gateway.lmn.store_id != old_id
        new = gateway.append(5)
        until(lambda: gateway.cursor() == new[-1], 5)
    assert {number for store, number in emp.kept if store == old_id} == set(old)
    assert [number for store, number in emp.kept if store == gateway.lmn.store_id] == new
    for put in emp.puts:
        rows = {(put.document.store_id, number) for number in put.numbers}
        assert rows <= emp.kept.keys()


def test_rows_that_retention_took_are_passed_over_and_the_rest_arrives(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make()
    gateway.append(10)
    gateway.dispatcher.deliver_round()
    gateway.append(40)
    later = MIDNIGHT + 30 * 86_400 * SECOND
    while gateway.lmn.retain(later, Retention(live_s=1), {bytes(DEVICE): NOBODY_WAITS}).more:
        pass
    numbers = gateway.append(5)
    with LmnView.open(gateway.directory) as view:
        left = [record.record_number for record in view.records(HOUSE, 0, 1000)]
    assert gateway.dispatcher.deliver_round() is None
    assert set(left) <= set(emp.numbers())
    assert gateway.cursor() == numbers[-1]


def test_a_store_that_cannot_be_read_is_tried_again(
    make: Callable[..., Gateway], emp: SmallEmp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = make()
    numbers = gateway.append(3)
    real, broken = LmnView.records, [True] * 3

    def records(self: LmnView, meter: str, after: int, limit: int) -> object:
        if broken:
            broken.pop()
            raise StoreError(Path("lmn.db"), "cannot be read: disk I/O error")
        return real(self, meter, after, limit)

    monkeypatch.setattr(LmnView, "records", records)
    with running(gateway.dispatcher):
        until(lambda: emp.numbers() == numbers)
    assert sum("disk I/O error" in record.getMessage() for record in caplog.records) == 1


def test_two_emps_do_not_wait_for_each_other(tmp_path: Path, emp: SmallEmp) -> None:
    with SmallEmp() as dead:
        dead.answer = lambda _: Answer(hang=True)
        gateway = Gateway(tmp_path, emp.url)
        other = Dispatcher(
            GATEWAY,
            CommunicationProfile(name="other", url=dead.url, forward=0),
            gateway.meters,
            gateway.wan,
            gateway.open_view,
            Clock().stamp,
        )
        with running(gateway.dispatcher), running(other):
            numbers = gateway.append(20)
            until(lambda: emp.numbers() == numbers)
        assert gateway.wan.cursor("other", gateway.lmn.store_id, "house") == 0
        gateway.close()


def test_a_record_that_no_document_can_carry_stops_nothing(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make()
    good = gateway.append(2)
    odd = capture(MIDNIGHT)
    odd = odd._replace(stamp=odd.stamp._replace(utc_us=327_403_600_000 * SECOND))  # the year 12345
    (bad,) = gateway.lmn.append([Record(odd)])
    good += gateway.append(2)
    assert gateway.dispatcher.deliver_round() is None
    assert gateway.aside() == [bad]
    assert emp.numbers() == good
    assert "not sent" in gateway.wan.set_aside("demo")[0].reason


def test_the_cursor_moves_only_after_the_answer(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make()
    numbers = gateway.append(20)
    seen: list[int] = []

    def answer(_: Put) -> Answer:
        with contextlib.closing(
            sqlite3.connect(f"file:{gateway.directory / 'wan.db'}?mode=ro", uri=True)
        ) as connection:
            rows = connection.execute("SELECT position FROM cursor").fetchall()
        seen.append(rows[0][0] if rows else 0)
        return OK

    emp.answer = answer
    gateway.dispatcher.deliver_round()
    assert seen == [0, numbers[9]]


def test_a_row_set_aside_that_retention_took_is_given_up_and_counted(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make()
    numbers = gateway.append(4)
    emp.answer = refusing({numbers[1]})
    gateway.dispatcher.deliver_round()
    assert gateway.aside() == [numbers[1]]
    later = MIDNIGHT + 90 * 86_400 * SECOND
    while gateway.lmn.retain(later, Retention(live_s=1), {bytes(DEVICE): NOBODY_WAITS}).more:
        pass
    place_order(gateway.directory, "demo", OrderKind.AGAIN)
    gateway.dispatcher.deliver_once()
    assert gateway.aside() == []
    assert gateway.wan.counts()["lost_set_aside"] == 1


def test_a_row_set_aside_in_a_store_that_was_damaged_since_is_delivered_again(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make()
    numbers = gateway.append(4)
    emp.answer = refusing({numbers[1]})
    gateway.dispatcher.deliver_round()
    first = gateway.lmn.store_id
    gateway.lmn._file.replace("a test")
    assert gateway.lmn.store_id != first
    gateway.lmn.append([])
    emp.answer = lambda _: OK
    place_order(gateway.directory, "demo", OrderKind.AGAIN)
    gateway.dispatcher.deliver_once()
    assert gateway.aside() == []
    assert (first, numbers[1]) in {
        (put.document.store_id, row.record_number) for put in emp.puts for row in put.document.rows
    }
