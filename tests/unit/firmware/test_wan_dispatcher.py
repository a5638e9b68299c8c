"""When a dispatcher delivers, and when it ends: between real stores and a real HTTP server."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from captures_made import MIDNIGHT, capture
from delivered import reached
from delivering import GATEWAY, Gateway, granted, running
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
from smgw.store.wan.view import WanView
from smgw.wan import dispatcher as dispatcher_module
from smgw.wan.dispatcher import Dispatcher
from smgw.wan.outlet import Batch, Outcome, OutcomeKind, open_outlet
from soon import LIMIT
from testbed import free_port

pytestmark = pytest.mark.usefixtures("quick")


def test_retry_after_is_obeyed(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make()
    gateway.append(1)
    emp.answer = lambda _: Answer(429, headers={"Retry-After": "7"})
    assert gateway.dispatcher.deliver_round() == 7


class Dead:
    """An outlet to a participant who never takes anything."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def send(self, batch: Batch) -> Outcome:
        return self.outcome

    def end(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Nothing is open."""


def pauses(gateway: Gateway, outlet: Dead, until_s: float) -> list[float]:
    """What a dispatcher waits between its tries, until so much time has passed."""
    dispatcher = gateway.dispatcher_to(CommunicationProfile("demo", "http://127.0.0.1:9"), outlet=outlet)
    found: list[float] = []
    while sum(found) < until_s:
        pause = dispatcher.deliver_round()
        assert pause is not None
        found.append(pause)
    dispatcher.stop()
    dispatcher.run()
    return found


def test_in_the_first_hour_of_silence_a_try_comes_each_minute(make: Callable[..., Gateway]) -> None:
    gateway = make()
    gateway.append(1)
    found = pauses(gateway, Dead(Outcome(OutcomeKind.RETRY, "no answer")), 3600)
    assert max(found) <= 60
    later = pauses(gateway, Dead(Outcome(OutcomeKind.RETRY, "no answer")), 10_000)
    assert 225 <= max(later) <= 375


def test_a_channel_that_waits_for_a_repair_is_held_and_tried_as_after_a_failure(
    make: Callable[..., Gateway], caplog: pytest.LogCaptureFixture
) -> None:
    gateway = make()
    gateway.append(1)
    gateway.append(1, meter="pv")
    dead = Dead(Outcome(OutcomeKind.HOLD, "file: broken. Mend it.", whole=True))
    assert max(pauses(gateway, dead, 600)) <= 60
    with WanView.open(gateway.directory) as view:
        (channel,) = view.channels()
    assert (channel.state, channel.detail) == (ChannelKind.HELD, "file: broken. Mend it.")
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert told.endswith("nothing is skipped. It is tried again by itself, or now with: smgw deliver demo")
    dead.outcome = Outcome(OutcomeKind.ACKNOWLEDGED)
    profile = CommunicationProfile("demo", "http://127.0.0.1:9")
    assert gateway.dispatcher_to(profile, outlet=dead).deliver_round() is None
    assert reached(gateway.wan, "demo", gateway.lmn.store_id) == 1
    assert told.startswith("EMP demo: file: broken. Mend it. Delivery is held and nothing is skipped. ")


def test_plain_http_is_told_at_start(make: Callable[..., Gateway], caplog: pytest.LogCaptureFixture) -> None:
    make()
    assert "EMP demo: plain HTTP, as insecure = true permits: who listens on the way can read" in caplog.text


@pytest.mark.parametrize(("kind", "asked"), [(OutcomeKind.RETRY, 100), (OutcomeKind.HOLD, 7200)])
def test_no_try_comes_sooner_than_the_emp_asked_for(
    make: Callable[..., Gateway], kind: OutcomeKind, asked: int
) -> None:
    gateway = make()
    gateway.append(1)
    assert pauses(gateway, Dead(Outcome(kind, "not now", asked)), 1) == [asked]


def test_the_time_of_the_next_try_is_kept_for_the_status(make: Callable[..., Gateway]) -> None:
    gateway = make()
    gateway.append(1)
    pauses(gateway, Dead(Outcome(OutcomeKind.RETRY, "not now", 100)), 1)
    with WanView.open(gateway.directory) as view:
        (channel,) = view.channels()
    assert channel.retry_at_us is not None


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
    port = free_port()
    with SmallEmp(port) as first:
        gateway = Gateway(tmp_path, first.url)
        numbers = gateway.append(5)
        gateway.dispatcher.deliver_round()
    with running(gateway.dispatcher):
        numbers += gateway.append(20)
        until(lambda: gateway.channel() is ChannelKind.BACKING_OFF)
        numbers += gateway.append(20)
        with SmallEmp(port) as second:
            until(lambda: gateway.cursor() == numbers[-1])
            until(lambda: gateway.channel() is ChannelKind.IDLE)
            assert first.numbers() + second.numbers() == numbers
            assert second.again == 0
    gateway.close()
    assert sum("rows are kept and sent later" in record.getMessage() for record in caplog.records) == 1
    assert sum("takes rows again" in record.getMessage() for record in caplog.records) == 1


def test_new_rows_go_out_at_once_where_they_are_to(
    make: Callable[..., Gateway], emp: SmallEmp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other pause ends while the test runs. How quick it is: tests/bench/bench_daemon.py."""
    monkeypatch.setattr(dispatcher_module, "_ATTENTION", 600)
    gateway = make()
    with running(gateway.dispatcher):
        for _ in range(30):
            (number,) = gateway.append(1)
            until(lambda number=number: gateway.cursor() == number)
    assert (len(emp.kept), emp.again, emp.accepted) == (30, 0, 1)


def test_rows_gather_for_the_beat_where_they_are_to(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(forward=3600)
    gateway.append(1)
    with running(gateway.dispatcher):
        until(lambda: gateway.channel() is ChannelKind.IDLE)
        gateway.append(5)
        gateway.append(5)
        place_order(gateway.directory, "demo", OrderKind.DELIVER)
        until(lambda: len(emp.kept) == 11)
    assert [len(put.numbers) for put in emp.puts] == [1, 10]


@pytest.mark.parametrize(("now", "beat"), [(100.0, 105.0), (104.9, 105.0), (105.1, 110.0), (131.0, 135.0)])
def test_the_beat_does_not_drift(make: Callable[..., Gateway], now: float, beat: float) -> None:
    assert make(forward=5).dispatcher._next_beat(100.0, now) == beat


@pytest.mark.parametrize(
    "answer",
    [OK, Answer(hang=True), Answer(drip=0.1, body=b"x" * 10_000), Answer(503), Answer(403)],
    ids=["idle", "in an exchange", "dripping", "backing off", "held"],
)
def test_a_stop_ends_any_wait_and_is_no_fault_of_the_emp(
    make: Callable[..., Gateway],
    emp: SmallEmp,
    answer: Answer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of these waits is longer than the limit of `running`, so a stop that did not end it would fail."""
    for pause in ("_FIRST_PAUSE", "_ATTENTION"):
        monkeypatch.setattr(dispatcher_module, pause, 600)
    gateway = make(timeout=600)
    gateway.append(30)
    emp.answer = lambda _: answer
    in_exchange = answer.hang or bool(answer.drip)
    with running(gateway.dispatcher):
        until(lambda: emp.puts)
        if not in_exchange:
            until(lambda: gateway.channel() in (ChannelKind.IDLE, ChannelKind.BACKING_OFF, ChannelKind.HELD))
        events = gateway.events()
    assert gateway.events() == events
    if in_exchange:
        assert "no answer" not in caplog.text
        assert len(emp.puts) == 1


def test_a_drain_ends_when_all_is_delivered(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(forward=3600)
    with running(gateway.dispatcher) as thread:
        numbers = gateway.append(25)
        gateway.dispatcher.drain(600)
        thread.join(LIMIT)
        assert not thread.is_alive()
    assert emp.numbers() == numbers


def test_a_drain_tries_again_while_it_has_time(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make()
    bad = iter([503, 503, 429])
    emp.answer = lambda _: Answer(next(bad, 200), headers={"Retry-After": "3600"})
    numbers = gateway.append(3)
    with running(gateway.dispatcher) as thread:
        gateway.dispatcher.drain(600)
        thread.join(LIMIT)
        assert not thread.is_alive()
    assert emp.numbers() == numbers


@pytest.mark.parametrize("answer", [Answer(hang=True), Answer(503)], ids=["silent", "refusing"])
def test_a_drain_ends_after_its_time_when_the_emp_is_not_well(
    make: Callable[..., Gateway], emp: SmallEmp, answer: Answer
) -> None:
    gateway = make(timeout=600)
    emp.answer = lambda _: answer
    gateway.append(3)
    with running(gateway.dispatcher) as thread:
        until(lambda: emp.puts)
        gateway.dispatcher.drain(0.6)
        thread.join(LIMIT)
        assert not thread.is_alive()
    assert gateway.cursor() == 0


def test_a_drain_without_a_store_ends_at_once(tmp_path: Path, emp: SmallEmp) -> None:
    with WanStore.open(tmp_path) as wan:
        profile = CommunicationProfile(name="demo", url=emp.url, forward=0)
        dispatcher = Dispatcher(profile, [], open_outlet(GATEWAY, profile), wan, lambda: None, Clock().stamp)
        with running(dispatcher) as thread:
            dispatcher.drain(600)
            thread.join(LIMIT)
            assert not thread.is_alive()


def test_rows_go_out_as_soon_as_there_is_a_store(tmp_path: Path, emp: SmallEmp) -> None:
    with WanStore.open(tmp_path) as wan:
        asked = []

        def open_view() -> LmnView | None:
            asked.append(True)
            with contextlib.suppress(StoreError):
                return LmnView.open(tmp_path)
            return None

        profile = CommunicationProfile(name="demo", url=emp.url, forward=0)
        outlet = open_outlet(GATEWAY, profile)
        with running(Dispatcher(profile, granted("demo", "house"), outlet, wan, open_view, Clock().stamp)):
            until(lambda: asked)  # there is none yet
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
    assert "EMP demo: lmn.db: cannot be read: disk I/O error" in caplog.text


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


class Endless(LmnView):
    """A view of a file whose owner is in an intruder's hands: a read of it takes ages."""

    began = False

    def sources(self) -> list[Source]:
        self.began = True
        self._rows("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n")
        return []


def test_a_stop_ends_a_read_of_the_other_process_s_file(
    make: Callable[..., Gateway], caplog: pytest.LogCaptureFixture
) -> None:
    gateway = make()
    view = Endless.open(gateway.directory)
    gateway.dispatcher._open_view = lambda: view
    with running(gateway.dispatcher):
        until(lambda: view.began)
    assert "reading it was ended" not in caplog.text
