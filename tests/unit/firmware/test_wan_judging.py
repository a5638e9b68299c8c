"""What follows from an EMP's answers: between real stores and a real HTTP server."""

from collections.abc import Callable

import pytest
from captures_made import DEVICE, MIDNIGHT, SECOND, capture
from delivered import acknowledged
from delivering import OTHER, Gateway, refusing, running
from line_meter import until
from small_emp import OK, Answer, SmallEmp
from smgw.cosemxml.document import Document, DocumentError
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.feed import Grant
from smgw.store.records import NOBODY_WAITS, ListKind, Record, Retention
from smgw.store.wan.orders import place_order
from smgw.store.wan.records import ChannelKind, OrderKind
from smgw.store.wan.view import WanView
from smgw.wan import dispatcher
from smgw.wan.cosem_xml import outlet as outlet_module

pytestmark = pytest.mark.usefixtures("quick")


@pytest.mark.parametrize("status", [401, 403, 404, 405, 411, 301, 307, 409])
def test_a_wrong_set_up_holds_the_channel_and_skips_nothing(
    make: Callable[..., Gateway], emp: SmallEmp, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = make()
    numbers = gateway.append(15)
    gateway.append(5, meter="pv", device=OTHER)
    emp.answer = lambda _: Answer(status, b"who are you?")
    for _ in range(3):
        assert gateway.dispatcher.deliver_round() == dispatcher.HOLD_SECONDS
    assert len(emp.puts) == 6  # each meter has its turn
    assert gateway.cursor() == gateway.cursor("pv") == 0
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
    assert (row.reason, row.meter) == (f"answers {status}: not this one", "house")
    assert gateway.cursor() == numbers[-1]
    assert len(emp.puts) <= 16
    with WanView.open(gateway.directory) as view:
        assert acknowledged(view, "demo") == 99
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
    assert gateway.dispatcher.deliver_round() == dispatcher.HOLD_SECONDS
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
    assert (gateway.aside(), gateway.cursor()) == ([], 0)  # the meter is held
    gateway.append(1)  # the EMP takes this row, so the others are at fault
    place_order(gateway.directory, "demo", OrderKind.DELIVER)
    gateway.dispatcher.deliver_once()
    assert set(gateway.aside()) == set(bad)


def test_a_row_that_cannot_be_written_as_a_document_is_no_fault_of_the_emp(
    make: Callable[..., Gateway], emp: SmallEmp, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = make()
    bad = gateway.append(5)
    whole = outlet_module.cosem_document.encode

    def encode(document: Document) -> bytes:
        if any(row.record_number in bad for row in document.rows):
            raise DocumentError("no place for it", "record")
        return whole(document)

    monkeypatch.setattr(outlet_module.cosem_document, "encode", encode)
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


def test_the_newest_row_of_a_feed_may_lie_behind_rows_of_other_lists(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make()
    bad, good = gateway.append(5), gateway.append(3)
    later = [capture(MIDNIGHT + (100 + second) * SECOND) for second in range(20)]
    gateway.lmn.append([Record(one, list=ListKind.DERIVED) for one in later])
    dispatcher_of = gateway.dispatcher_to(
        CommunicationProfile("lists", emp.url, forward=0, batch=1),
        [Grant("lists", "house", lists=(ListKind.ORIGINAL,))],
    )
    emp.answer = refusing(set(bad), 400)
    assert dispatcher_of.deliver_round() is None
    assert sorted(row.record_number for row in gateway.wan.set_aside("lists")) == bad
    assert set(emp.numbers()) == set(good)


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
            until(lambda: acknowledged(view, "demo") == 6)  # the EMP keeps a row before the gateway knows of it
    assert gateway.aside() == []
    assert len(emp.kept) == 6
    assert emp.again == 0


def test_a_record_that_no_document_can_carry_stops_nothing(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make()
    good = gateway.append(2)
    odd = capture(MIDNIGHT)
    odd = odd._replace(stamp=odd.stamp._replace(utc_us=327_403_600_000 * SECOND))  # the year 12345
    (outcome,) = gateway.lmn.append([Record(odd)])
    bad = outcome.number
    good += gateway.append(2)
    assert gateway.dispatcher.deliver_round() is None
    assert gateway.aside() == [bad]
    assert emp.numbers() == good
    assert "not sent" in gateway.wan.set_aside("demo")[0].reason


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
