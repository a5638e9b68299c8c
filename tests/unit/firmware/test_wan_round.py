"""One round of delivery, between real stores and a real HTTP server."""

import contextlib
import sqlite3
from collections.abc import Callable

import pytest
from captures_made import DEVICE, HOUSE, MIDNIGHT, SECOND
from delivered import acknowledged
from delivering import GATEWAY, OTHER, Gateway, refusing, running
from line_meter import until
from small_emp import OK, Answer, Put, SmallEmp
from smgw.cosem import Data, DataType, DeviceId
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.feed import Grant
from smgw.store.lmn import behind
from smgw.store.lmn.view import LmnView
from smgw.store.records import NOBODY_WAITS, Retention, Source, StoredRecord
from smgw.store.wan.records import ChannelKind
from smgw.store.wan.view import WanView
from smgw.wan.participant import BatchSize
from soon import soon
from stored import finish_salvage

GAS = DeviceId.parse("7GAS0000000001")
FOREIGN = DeviceId(b"\x09\x01gas")


pytestmark = pytest.mark.usefixtures("quick")


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


@pytest.mark.parametrize(
    "answer",
    [Answer(octets=b"SSH-2.0\r\n"), Answer(octets=b""), Answer(hang=True), Answer(drip=0.05, body=b"x" * 10_000)],
    ids=["garbage", "closed", "silent", "dripping"],
)
def test_an_emp_that_gives_no_answer_gets_all_of_it_later(
    make: Callable[..., Gateway], emp: SmallEmp, answer: Answer
) -> None:
    gateway = make(timeout=0.2)
    numbers = gateway.append(12)
    emp.answer = lambda _: answer
    assert soon(gateway.dispatcher.deliver_round) is not None
    assert gateway.cursor() == 0
    emp.answer = lambda _: OK
    until(lambda: gateway.dispatcher.deliver_round() is None)
    assert sorted(emp.numbers()) == numbers
    assert gateway.cursor() == numbers[-1]


def test_an_answer_that_is_lost_makes_rows_come_again_under_the_same_key(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make()
    numbers = gateway.append(5)
    answers = iter([Answer(lost=True)])
    emp.answer = lambda _: next(answers, OK)
    assert gateway.dispatcher.deliver_round() is not None
    assert (emp.numbers(), gateway.cursor()) == (numbers, 0)
    gateway.dispatcher.deliver_round()
    assert (emp.numbers(), emp.again, gateway.cursor()) == (numbers, 5, numbers[-1])


@pytest.mark.parametrize("forward", [0, 1])
def test_a_store_that_was_replaced_is_delivered_on(make: Callable[..., Gateway], emp: SmallEmp, forward: int) -> None:
    """The file is moved aside and salvaged while the dispatcher has it open: rows keep their names, new ones follow."""
    gateway = make(forward=forward)
    old_id, old = gateway.lmn.store_id, gateway.append(30)
    with running(gateway.dispatcher):
        until(lambda: len(emp.kept) == 30)
        gateway.lmn._file.replace("the test says so")
        gateway.lmn._take_over()
        finish_salvage(gateway.lmn)
        assert gateway.lmn.store_id != old_id
        new = gateway.append(5)
        until(lambda: gateway.cursor() == new[-1])
    assert {number for store, number in emp.kept if store == old_id} == set(old)
    assert [number for store, number in emp.kept if store == gateway.lmn.store_id] == new
    for put in emp.puts:
        rows = {(put.document.store_id, number) for number in put.numbers}
        assert rows <= emp.kept.keys()


def test_rows_of_a_salvage_that_waits_for_long_come_after_newer_ones_and_once(
    make: Callable[..., Gateway], emp: SmallEmp, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = make()
    old_id, old = gateway.lmn.store_id, gateway.append(30)
    gateway.lmn._file.replace("the test says so")
    gateway.lmn._take_over()
    new_id, new = gateway.lmn.store_id, gateway.append(5)
    gateway.dispatcher.deliver_round()
    assert not emp.kept
    with monkeypatch.context() as patch:
        patch.setattr(behind, "_free", lambda _: 0)
        patch.setattr(behind, "HELD_BACK_S", 0.0)
        gateway.lmn.salvage_step()
    gateway.dispatcher.deliver_round()
    assert list(emp.kept) == [(new_id, number) for number in new]
    finish_salvage(gateway.lmn)
    gateway.dispatcher.deliver_round()
    assert list(emp.kept) == [(new_id, number) for number in new] + [(old_id, number) for number in old]
    assert emp.again == 0
    assert gateway.aside() == []


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


def test_two_devices_behind_one_profile_have_documents_and_cursors_of_their_own(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make()
    power = gateway.append(3)
    gas = gateway.append(2, device=GAS)
    emp.answer = lambda put: OK if put.document.device == DEVICE else Answer(503)
    assert gateway.dispatcher.deliver_round() is not None
    assert (gateway.cursor(), gateway.cursor(device=GAS)) == (power[-1], 0)
    emp.answer = lambda _: OK
    assert gateway.dispatcher.deliver_round() is None
    assert gateway.cursor(device=GAS) == gas[-1]
    assert emp.kept_of == {DEVICE: power, GAS: gas}
    assert emp.again == 0


def test_a_device_whose_rows_are_all_disliked_does_not_hold_its_neighbour_up(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make()
    bad = gateway.append(10, device=GAS)
    good = gateway.append(10)
    emp.answer = refusing(set(bad))
    assert gateway.dispatcher.deliver_round() is None
    assert emp.numbers() == good
    assert (gateway.cursor(), gateway.cursor(device=GAS)) == (good[-1], 0)


def test_a_device_that_appears_while_running_is_picked_up(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make()
    gateway.append(1)
    with running(gateway.dispatcher):
        until(gateway.cursor)
        (number,) = gateway.append(1, device=GAS)
        until(lambda: gateway.cursor(device=GAS) == number)
    assert emp.kept_of[GAS] == [number]


def test_a_cursor_from_before_there_were_devices_is_gone_on_from(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make()
    gateway.append(2)
    gateway.append(2, device=GAS)
    gateway.wan._file.writer.execute(
        "INSERT INTO cursor VALUES ('demo', ?, 'house', x'', 4, 4)", (gateway.lmn.store_id,)
    )
    numbers = gateway.append(1) + gateway.append(1, device=GAS)
    assert gateway.dispatcher.deliver_round() is None
    assert emp.numbers() == numbers
    with WanView.open(gateway.directory) as view:
        assert acknowledged(view, "demo") == 6


def test_a_second_foreign_device_is_delivered_under_its_own_id_and_that_is_logged(
    make: Callable[..., Gateway], emp: SmallEmp, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = make()
    other = DeviceId(b"\x09\x01water")
    gateway.append(1, device=FOREIGN)
    gateway.append(1, device=other)
    dispatcher = gateway.dispatcher_to(
        CommunicationProfile("demo", emp.url, forward=0), [Grant("demo", "house", OTHER)]
    )
    for _ in range(2):
        assert dispatcher.deliver_round() is None
        gateway.append(1, device=other)
    dispatcher.stop()
    dispatcher.run()
    assert emp.kept_of.keys() == {OTHER, other}
    assert caplog.text.count(f"device {other} of meter house is delivered under its own id") == 1


def test_rows_read_ahead_are_not_sent_before_the_outcome_of_those_before_them(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make()
    numbers = gateway.append(30)
    emp.answer = refusing({numbers[3]})
    gateway.dispatcher.deliver_round()
    sent = [put.numbers for put in emp.puts]
    assert sent[:2] == [numbers[:10], numbers[:5]]
    until_found = sent.index([numbers[3]])
    assert all(numbers[10] not in one for one in sent[:until_found])
    assert emp.numbers() == [number for number in numbers if number != numbers[3]]
    assert gateway.aside() == [numbers[3]]


def test_rows_read_ahead_of_a_failed_exchange_wait_for_the_next_round(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make()
    numbers = gateway.append(30)
    emp.answer = lambda _: Answer(503)
    assert gateway.dispatcher.deliver_round() is not None
    assert [put.numbers for put in emp.puts] == [numbers[:10]]
    emp.answer = lambda _: OK
    gateway.dispatcher.deliver_round()
    assert emp.numbers() == numbers
    assert emp.again == 0


def test_the_next_rows_are_read_while_the_emp_works(
    make: Callable[..., Gateway], emp: SmallEmp, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = make()
    numbers = gateway.append(30)
    read: list[int] = []
    records = LmnView.records

    def noting(view: LmnView, source: Source, after: int, limit: int) -> list[StoredRecord]:
        found = records(view, source, after, limit)
        read.extend(record.record_number for record in found)
        return found

    monkeypatch.setattr(LmnView, "records", noting)

    def answer(put: Put) -> Answer:
        until(lambda: len(read) == min(len(numbers), numbers.index(put.numbers[-1]) + 1 + 10))
        return OK

    emp.answer = answer
    assert gateway.dispatcher.deliver_round() is None
    assert read == numbers


def test_documents_grow_to_the_batch_s_size_and_begin_small_again_after_a_failure() -> None:
    size = BatchSize(1000)
    assert size.rows == 100
    for _ in range(30):
        size.grow()
    assert size.rows == 1000
    size.restart()
    assert size.rows == 100
    assert BatchSize(7).rows == 7
