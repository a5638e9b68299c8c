"""Rows under pseudonyms: between real stores and a real HTTP server."""

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from captures_made import DEVICE, ENERGY, MIDNIGHT, SECOND, capture, energy
from delivering import GATEWAY, OTHER, Gateway
from small_emp import OK, Answer, Put, SmallEmp
from smgw.cosem import NULL, Data, DataType, DeviceId, Obis, Reading
from smgw.cosem.quantity import quantities
from smgw.cosemxml import document
from smgw.profiles.communication import CommunicationProfile
from smgw.store.errors import StoreFull
from smgw.store.records import ListKind, Origin, Record
from smgw.store.wan.orders import place_order
from smgw.store.wan.records import OrderKind
from smgw.store.wan.store import WanStore
from stored import finish_salvage

pytestmark = pytest.mark.usefixtures("quick")

DAY = 86_400 * SECOND
QUARTER = 900 * SECOND
SERIAL = Obis.parse("0-0:96.1.0")


def on_grid(gateway: Gateway, count: int, begin: int = MIDNIGHT, *, meter: str = "house") -> None:
    """Rows of quarter hours, each with a value of its own."""
    device = {"house": DEVICE, "pv": OTHER}[meter]
    rows = []
    for at in range(count):
        target = begin + at * QUARTER
        value = energy(target // SECOND)
        rows.append(Record(capture(target + 370_000, value, meter=meter, device=device), target))
    gateway.lmn.append(rows)


def by_pseudonym(emp: SmallEmp) -> dict[DeviceId, list[int]]:
    """The record numbers of each pseudonym, as the EMP kept them, each once."""
    return {device: sorted(set(numbers)) for device, numbers in emp.kept_of.items()}


def kept_values(emp: SmallEmp) -> list[int]:
    """The energy of each row that the EMP has, in order."""
    return sorted(cell.value for row in emp.kept.values() for cell in row.values if isinstance(cell.value, int))


def test_a_document_names_neither_device_nor_gateway_nor_store(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(pseudonym_days=7)
    gateway.append(5, meter="pv", device=OTHER)
    on_grid(gateway, 25)
    assert gateway.dispatcher.deliver_round() is None
    assert sorted(by_pseudonym(emp).values()) == [list(range(1, 6)), list(range(1, 26))]
    for put in emp.puts:
        document = put.document
        assert document.device.is_pseudonym
        assert document.gateway == document.device
        assert document.store_id != gateway.lmn.store_id
        assert put.path == f"/smgw/cosem/ldevs/{document.device}"
    assert len({put.headers["x-CID"] for put in emp.puts}) == len(emp.puts)


def test_every_octet_sent_is_free_of_the_ids_of_the_gateway(
    make: Callable[..., Gateway], emp: SmallEmp, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[bytes] = []
    take = emp.take
    gateway = make(pseudonym_days=7)

    def seen(handler: BaseHTTPRequestHandler) -> None:
        bodies.append(f"{handler.path} {handler.headers}".encode())
        take(handler)

    monkeypatch.setattr(emp, "take", seen)
    on_grid(gateway, 3)
    gateway.dispatcher.deliver_round()
    octets = b"".join([*bodies, *(document.encode(put.document) for put in emp.puts)]).lower()
    for secret in (DEVICE, GATEWAY):
        for form in (secret.hex(), str(secret).lower(), secret.uri):
            assert form.encode() not in octets
    assert gateway.lmn.store_id.encode() not in octets
    assert b"house" not in octets


def test_a_pseudonym_changes_by_the_rows_own_time_in_the_middle_of_a_batch(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make(pseudonym_days=1, batch=1000)
    on_grid(gateway, 3 * 96)
    assert gateway.dispatcher.deliver_round() is None
    assert list(by_pseudonym(emp).values()) == [list(range(1, 97))] * 3
    assert len({put.document.store_id for put in emp.puts}) == 3
    first = emp.puts[0].document
    assert [row.target_time_us for row in first.rows][:2] == [MIDNIGHT, MIDNIGHT + QUARTER]
    assert emp.again == 0


def test_a_late_row_goes_under_the_pseudonym_of_its_time(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(pseudonym_days=1)
    on_grid(gateway, 5)
    on_grid(gateway, 5, MIDNIGHT + DAY)
    gateway.dispatcher.deliver_round()
    late = Record(
        capture(MIDNIGHT + DAY + 9000 * SECOND, energy(1)),
        MIDNIGHT + 6 * QUARTER,
        origin=Origin.HISTORY,
        profile=Obis.parse("1-0:99.1.0"),
    )
    gateway.lmn.append([late])
    gateway.dispatcher.deliver_round()
    assert list(by_pseudonym(emp).values()) == [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5]]
    (row,) = emp.puts[-1].document.rows
    assert (row.record_number, row.capture_time_us, row.target_time_us) == (6, *[MIDNIGHT + 6 * QUARTER] * 2)


def test_the_time_of_a_live_rate_row_is_its_minute(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(pseudonym_days=1)
    gateway.lmn.append([Record(capture(MIDNIGHT + 61_370_000 + at * SECOND)) for at in range(3)])
    gateway.dispatcher.deliver_round()
    assert [row.capture_time_us for row in emp.kept.values()] == [MIDNIGHT + 60 * SECOND] * 3
    assert emp.numbers() == [1, 2, 3]


def test_an_unbelievable_time_of_a_meter_makes_no_pseudonym(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(pseudonym_days=1)
    for year in (1, 40, 80):
        gateway.lmn.append([Record(capture(MIDNIGHT), year * 365 * DAY, list=ListKind.DAILY)])
    gateway.dispatcher.deliver_round()
    assert list(by_pseudonym(emp).values()) == [[1, 2, 3]]


def test_a_lost_answer_is_repeated_under_the_same_names(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(pseudonym_days=1, batch=50)
    on_grid(gateway, 120)
    answers = iter([OK, Answer(lost=True), Answer(503), Answer(lost=True)])
    emp.answer = lambda _: next(answers, OK)
    while gateway.dispatcher.deliver_round() is not None:
        pass
    assert list(by_pseudonym(emp).values()) == [list(range(1, 97)), list(range(1, 25))]
    assert emp.again > 0
    assert len(emp.kept) == 120


def test_two_emps_get_different_pseudonyms(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(pseudonym_days=1)
    on_grid(gateway, 4)
    gateway.dispatcher.deliver_round()
    with SmallEmp() as second:
        profile = CommunicationProfile("north", second.url, forward=0, pseudonym_days=1)
        other = gateway.dispatcher_to(profile)
        assert other.deliver_round() is None
        other.stop()
        other.run()
        assert by_pseudonym(second).keys().isdisjoint(by_pseudonym(emp))
        assert {put.document.store_id for put in second.puts}.isdisjoint(put.document.store_id for put in emp.puts)
        assert list(by_pseudonym(second).values()) == [[1, 2, 3, 4]]


def test_a_restart_goes_on_where_it_ended(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(pseudonym_days=3)
    on_grid(gateway, 7)
    gateway.dispatcher.deliver_round()
    gateway.close()
    again = make(pseudonym_days=3)
    on_grid(again, 7, MIDNIGHT + 7 * QUARTER)
    again.dispatcher.deliver_round()
    assert list(by_pseudonym(emp).values()) == [list(range(1, 15))]
    assert emp.again == 0


def test_other_days_change_the_pseudonym_but_not_of_rows_that_may_have_arrived(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make(pseudonym_days=3)
    on_grid(gateway, 4)
    emp.answer = lambda _: Answer(lost=True)
    gateway.dispatcher.deliver_round()
    gateway.close()
    emp.answer = lambda _: OK
    again = make(pseudonym_days=5)
    on_grid(again, 4, MIDNIGHT + 4 * QUARTER)
    again.dispatcher.deliver_round()
    assert list(by_pseudonym(emp).values()) == [[1, 2, 3, 4], [1, 2, 3, 4]]
    assert emp.again == 4


def test_a_quarantined_row_keeps_its_number(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(pseudonym_days=366, batch=10)
    on_grid(gateway, 30)
    emp.answer = lambda put: Answer(422, b"not this one") if 7 in put.numbers else OK
    assert gateway.dispatcher.deliver_round() is None
    assert gateway.aside() == [7]
    for part in range(3):  # many runs later
        on_grid(gateway, 500, MIDNIGHT + (30 + 500 * part) * QUARTER)
        assert gateway.dispatcher.deliver_round() is None
    emp.answer = lambda _: OK
    place_order(gateway.directory, "demo", OrderKind.AGAIN)
    gateway.dispatcher.deliver_once()
    assert list(by_pseudonym(emp).values()) == [list(range(1, 1531))]
    assert emp.again == 0
    assert gateway.aside() == []


def test_the_newest_row_that_is_sent_as_a_question_keeps_its_number(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    """The EMP refuses one meter: the newest row of the other one, delivered long ago, is sent again."""
    gateway = make(pseudonym_days=30)
    on_grid(gateway, 30)
    gateway.dispatcher.deliver_round()
    on_grid(gateway, 1, meter="pv")
    house = next(iter(emp.kept_of))
    emp.answer = lambda put: OK if put.document.device == house else Answer(403)
    gateway.dispatcher.deliver_round()
    assert by_pseudonym(emp) == {house: list(range(1, 31))}
    assert emp.again == 1


def test_a_row_that_waits_behind_rejected_ones_keeps_the_number_of_the_question(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make(pseudonym_days=30, batch=10)
    on_grid(gateway, 20)
    bad = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
    emp.answer = lambda put: Answer(422) if bad & set(put.numbers) else OK
    gateway.dispatcher.deliver_round()
    emp.answer = lambda _: OK
    place_order(gateway.directory, "demo", OrderKind.AGAIN)
    gateway.dispatcher.deliver_once()
    assert list(by_pseudonym(emp).values()) == [list(range(1, 21))]
    assert len(kept_values(emp)) == len(set(kept_values(emp))) == 20


def test_a_row_that_went_under_its_own_id_does_not_go_again_under_a_pseudonym(
    make: Callable[..., Gateway], emp: SmallEmp
) -> None:
    gateway = make()
    on_grid(gateway, 3)
    gateway.dispatcher.deliver_round()
    gateway.close()
    again = make(pseudonym_days=30)
    on_grid(again, 1, meter="pv")
    emp.answer = lambda _: Answer(403)
    again.dispatcher.deliver_round()  # asks with the newest row of the other meter
    emp.answer = lambda _: OK
    on_grid(again, 2, MIDNIGHT + 3 * QUARTER)
    again.dispatcher.deliver_once()
    assert emp.kept_of.pop(DEVICE) == [1, 2, 3]
    assert sorted(map(len, by_pseudonym(emp).values())) == [1, 2]


def test_without_room_for_a_number_nothing_is_sent(
    make: Callable[..., Gateway], emp: SmallEmp, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = make(pseudonym_days=30)
    on_grid(gateway, 3)

    def full(*_: object) -> None:
        raise StoreFull(Path("wan.db"))

    with monkeypatch.context() as patch:
        patch.setattr(WanStore, "number", full)
        assert gateway.dispatcher.deliver_round() is not None
    assert emp.puts == []
    assert gateway.dispatcher.deliver_round() is None
    assert list(by_pseudonym(emp).values()) == [[1, 2, 3]]


def test_the_log_names_a_pseudonym_nowhere(
    make: Callable[..., Gateway], emp: SmallEmp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    caplog.set_level("INFO", "urllib3")  # as in every process
    gateway = make(pseudonym_days=30, batch=2)

    def named(put: Put) -> Answer:
        document = put.document
        bad = 2 in put.numbers
        return Answer(422 if bad else 200, f"{document.device}, {document.device.hex()} {document.store_id}".encode())

    emp.answer = named
    on_grid(gateway, 6)
    gateway.dispatcher.deliver_round()
    (aside,) = gateway.wan.set_aside("demo")
    assert aside.reason == "answers 422: (pseudonym), (pseudonym) (pseudonym)"
    for put in emp.puts:
        for form in (str(put.document.device), put.document.device.hex(), put.document.store_id):
            assert form not in caplog.text


def readings(*names: str) -> tuple[Reading, ...]:
    number = Data(DataType.LONG64_UNSIGNED, 12)
    return tuple(Reading(Obis.parse(name), number, 0, 30) for name in names)


@pytest.mark.parametrize(
    "reading",
    [
        *readings("1-0:1.8.0", "1-0:2.8.1", "1-0:16.7.0", "7-0:3.0.0", "0-1:24.2.1", "6-0:1.0.0", "8-0:1.0.0"),
        Reading(Obis.parse("1-0:1.8.0"), NULL, 0, 30),
        Reading(Obis.parse("1-0:13.7.0"), Data(DataType.LONG, 987), -3, 255),  # the power factor has no unit
        Reading(Obis.parse("1-0:1.6.0"), Data(DataType.LONG, 1), 0, 27, class_id=4),
    ],
    ids=lambda reading: f"{reading.obis} {reading.value.type.name}",
)
def test_a_measured_quantity_goes_under_a_pseudonym(reading: Reading) -> None:
    assert quantities((reading,)) == (reading,)


@pytest.mark.parametrize(
    "reading",
    [
        *readings("0-0:96.1.0", "1-0:96.50.1", "1-0:0.0.9", "1-0:0.4.2", "129-129:199.130.5", "1-128:1.8.0",
                  "1-0:1.8.0*3", "1-0:1.128.0", "0-0:96.6.3", "0-1:96.1.0", "1-0:97.97.0"),
        Reading(SERIAL, Data(DataType.OCTET_STRING, b"4711")),
        Reading(Obis.parse("1-0:1.8.0"), Data(DataType.VISIBLE_STRING, "4711"), 0, 30),
        Reading(Obis.parse("1-0:1.8.0"), Data(DataType.DOUBLE_LONG, 4711), 0, 7),
        Reading(Obis.parse("1-0:1.8.0"), Data(DataType.LONG, 1), 0, 27, class_id=1),
        Reading(Obis.parse("1-0:1.6.0"), Data(DataType.LONG, 1), 0, 27, class_id=4, attribute=4),
        Reading(Obis.parse("1-0:1.8.0"), Data(DataType.LONG, 1), 0, 27, attribute=-1),
    ],
    ids=lambda one: f"{one.obis} {one.value.type.name} {one.unit} {one.class_id}/{one.attribute}",
)  # fmt: skip
def test_what_may_name_a_meter_or_count_its_life_does_not_go(reading: Reading) -> None:
    assert quantities((reading,)) == ()


def test_registers_that_name_the_meter_are_not_in_the_document(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(pseudonym_days=30)
    serial = Reading(SERIAL, Data(DataType.OCTET_STRING, b"1EMH-4711"))
    seconds = Reading(Obis.parse("0-0:96.8.0"), Data(DataType.DOUBLE_LONG_UNSIGNED, 99), 0, 7)
    gateway.lmn.append([
        Record(capture(MIDNIGHT, energy(5), serial, seconds), MIDNIGHT),
        Record(capture(MIDNIGHT + QUARTER, serial, seconds), MIDNIGHT + QUARTER),
        Record(capture(MIDNIGHT + 2 * QUARTER, serial, energy(6)), MIDNIGHT + 2 * QUARTER),
    ])  # fmt: skip
    assert gateway.dispatcher.deliver_round() is None
    assert {register.obis for put in emp.puts for register in put.document.registers} == {ENERGY}
    assert emp.numbers() == [1, 2]
    assert gateway.cursor() == 3


def test_rows_of_a_salvaged_lmn_db_keep_their_numbers(make: Callable[..., Gateway], emp: SmallEmp) -> None:
    gateway = make(pseudonym_days=30, batch=10)
    on_grid(gateway, 30)
    answers = iter([OK, Answer(lost=True)])
    emp.answer = lambda _: next(answers, Answer(503))
    gateway.dispatcher.deliver_round()
    gateway.close()
    file = next(gateway.directory.rglob("lmn.db"))
    octets = bytearray(file.read_bytes())
    octets[20:100] = bytes(80)  # the head of the file
    file.write_bytes(octets)
    emp.answer = lambda _: OK
    again = make(pseudonym_days=30, batch=10)
    assert again.lmn.salvaged
    on_grid(again, 5, MIDNIGHT + 30 * QUARTER)
    finish_salvage(again.lmn)
    while again.dispatcher.deliver_round() is not None:
        pass
    values = kept_values(emp)
    assert len(values) == len(set(values)) == 35
    assert list(by_pseudonym(emp).values()) == [list(range(1, 36))]
