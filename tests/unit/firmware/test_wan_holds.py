"""One meter that an EMP refuses does not stop the delivery of the others."""

from collections.abc import Callable

import pytest
from delivering import OTHER, Gateway, refusing, running
from line_meter import until
from small_emp import OK, Answer, Put, SmallEmp
from smgw.store.wan.orders import place_order
from smgw.store.wan.records import ChannelKind, OrderKind
from smgw.store.wan.view import WanView
from smgw.wan import dispatcher, holds

pytestmark = pytest.mark.usefixtures("quick")
STATUSES = [401, 403, 404, 410, 422]


def refusing_pv(status: int) -> Callable[[Put], Answer]:
    return lambda put: Answer(status, b"not this meter") if put.document.device == OTHER else OK


def detail(gateway: Gateway) -> str:
    with WanView.open(gateway.directory) as view:
        (channel,) = view.channels()
    return channel.detail


@pytest.mark.parametrize("status", STATUSES)
def test_a_refused_meter_is_held_and_the_others_are_delivered(
    make: Callable[..., Gateway], emp: SmallEmp, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = make()
    waiting = gateway.append(15, meter="pv", device=OTHER)
    numbers = gateway.append(25)
    emp.answer = refusing_pv(status)
    assert gateway.dispatcher.deliver_round() is None
    assert emp.numbers() == numbers
    assert (gateway.cursor("pv"), gateway.aside()) == (0, [])
    assert gateway.channel() is ChannelKind.IDLE
    assert detail(gateway) == f"meter pv, device {OTHER} is held: answers {status}: not this meter"
    tried = len(emp.puts)
    for _ in range(3):
        numbers += gateway.append(1)
        assert gateway.dispatcher.deliver_round() is None
    assert emp.numbers() == numbers
    assert len(emp.puts) == tried + 3  # the held meter is left alone
    assert gateway.events() == ["delivery-held"]
    assert sum("the rows of this meter wait" in record.getMessage() for record in caplog.records) == 1

    emp.answer = lambda _: OK
    place_order(gateway.directory, "demo", OrderKind.DELIVER)
    gateway.dispatcher.deliver_once()
    assert emp.kept_of[OTHER] == waiting
    assert (emp.again, gateway.aside(), detail(gateway)) == (0, [], "")
    assert gateway.events() == ["delivery-held", "delivery-resumed"]


@pytest.mark.parametrize("status", STATUSES)
def test_a_refused_meter_holds_nothing_up_where_no_row_of_another_waits(
    make: Callable[..., Gateway], emp: SmallEmp, status: int
) -> None:
    gateway = make()
    numbers = gateway.append(2)
    gateway.dispatcher.deliver_round()
    gateway.append(3, meter="pv", device=OTHER)
    emp.answer = refusing_pv(status)
    assert gateway.dispatcher.deliver_round() is None
    assert gateway.channel() is ChannelKind.IDLE
    assert emp.puts[-1].numbers == [numbers[-1]]  # the newest row of the other meter, again
    numbers += gateway.append(1)
    assert gateway.dispatcher.deliver_round() is None
    assert emp.numbers() == numbers


@pytest.mark.parametrize("status", STATUSES)
def test_the_emp_is_held_where_the_other_meters_fail_too(
    make: Callable[..., Gateway], emp: SmallEmp, status: int
) -> None:
    gateway = make()
    gateway.append(2)
    gateway.dispatcher.deliver_round()
    gateway.append(3, meter="pv", device=OTHER)
    emp.answer = lambda _: Answer(status, b"nobody")
    assert gateway.dispatcher.deliver_round() == dispatcher.HOLD_SECONDS
    assert gateway.channel() is ChannelKind.HELD
    assert (gateway.aside(), gateway.cursor("pv")) == ([], 0)


def test_an_emp_that_then_gives_no_answer_is_tried_again_soon(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make()
    gateway.append(2)
    gateway.dispatcher.deliver_round()
    gateway.append(3, meter="pv", device=OTHER)
    emp.answer = lambda put: Answer(404 if put.document.device == OTHER else 503)
    pause = gateway.dispatcher.deliver_round()
    assert pause is not None
    assert pause < 1
    assert gateway.channel() is ChannelKind.BACKING_OFF


def test_a_held_meter_is_tried_again_by_itself_though_no_row_comes(
    make: Callable[..., Gateway], emp: SmallEmp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "HOLD_SECONDS", 0.1)
    gateway = make()
    gateway.append(1)
    waiting = gateway.append(3, meter="pv", device=OTHER)
    emp.answer = refusing_pv(404)
    with running(gateway.dispatcher):
        until(lambda: gateway.events().count("delivery-held") == 1)
        emp.answer = lambda _: OK
        until(lambda: gateway.cursor("pv") == waiting[-1])
    assert gateway.events() == ["delivery-held", "delivery-resumed"]


def test_a_held_meter_is_not_tried_sooner_than_the_emp_asked_for(
    make: Callable[..., Gateway], emp: SmallEmp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "HOLD_SECONDS", 0.0)
    gateway = make()
    gateway.append(1)
    gateway.append(1, meter="pv", device=OTHER)
    refused = Answer(403, headers={"Retry-After": "7200"})
    emp.answer = lambda put: refused if put.document.device == OTHER else OK
    for _ in range(3):
        assert gateway.dispatcher.deliver_round() is None
    assert len(emp.puts) == 2


def test_ordered_rows_of_a_refused_meter_stay_ordered_and_those_of_others_arrive(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make()
    bad = gateway.append(2)
    pv = gateway.append(2, meter="pv", device=OTHER)
    good = gateway.append(1), gateway.append(1, meter="pv", device=OTHER)
    emp.answer = refusing({*bad, *pv})
    gateway.dispatcher.deliver_round()
    assert gateway.aside() == [*bad, *pv]
    emp.answer = refusing_pv(404)
    place_order(gateway.directory, "demo", OrderKind.AGAIN)
    gateway.dispatcher.deliver_once()
    assert set(emp.numbers()) == {*bad, *good[0], *good[1]}
    assert gateway.channel() is not ChannelKind.HELD
    emp.answer = lambda _: OK
    place_order(gateway.directory, "demo", OrderKind.DELIVER)
    gateway.dispatcher.deliver_once()
    assert set(pv) <= set(emp.numbers())
