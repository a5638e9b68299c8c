"""What a consumer sees of the gateway, and that it is nothing of others."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from captures_made import capture, energy
from house_state import (
    AFTER_THE_MOVE,
    DAY,
    DEVICE,
    ENERGY,
    FLAT,
    HOUSE,
    MIDNIGHT,
    MOVED,
    SLOT,
    TEXT,
    THE_FLAT,
    exported,
    make,
    opened,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from smgw.cosem import Data, DataType, Obis, meter_status
from smgw.han.calendar import Step
from smgw.han.house import House
from smgw.han.rights import NotYoursError, Rights
from smgw.profiles.toml_importer import parse
from smgw.store import paths
from smgw.store.live_reader import Live
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range
from smgw.store.records import ListKind, Record, Source

EVER = Range(0, 1 << 61)
CONSUMERS = ("anna", "berta", "carl", "nobody", "", "Anna")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("house")
    make(directory)
    return directory


@pytest.fixture(scope="module")
def house(state: Path) -> Iterator[House]:
    live = [
        Live("/dev/null", capture(0, energy(1))),
        Live("/dev/zero", capture(0, energy(2), meter="flat", device=FLAT)),
    ]
    with LmnView.open(paths.lmn_directory(state)) as view:
        yield opened(state, view, live=lambda: list(live))


def derived(house: House, consumer: str) -> Source:
    return next(one for one in house.sources(consumer) if one.meter not in ("house", "flat"))


def test_contracts_are_those_that_name_the_consumer(house: House) -> None:
    assert [one.name for one in house.contracts("anna")] == ["day-night", "series"]
    assert [one.name for one in house.contracts("berta")] == ["flat-total"]
    assert house.contracts("carl") == []


def test_a_contract_has_the_devices_of_its_registers(house: House) -> None:
    day_night, series = house.contracts("anna")
    assert [str(one.device)[:5] for one in day_night.sources] == ["taf2-"]
    assert series.sources == ()


@pytest.mark.parametrize(
    ("consumer", "meters"), [("anna", ["house"]), ("berta", ["flat"]), ("carl", ["flat"]), ("nobody", []), ("", [])]
)
def test_meters_are_those_of_contracts_and_of_the_table_consumer(
    house: House, consumer: str, meters: list[str]
) -> None:
    assert [one.profile.name for one in house.meters(consumer)] == meters


SHARED = """\
[[evaluation]]
name = "stairs"
taf = 1
meters = ["house"]
subtract = ["flat"]
usage_point = "DE3"
consumer = "anna"
zone = "UTC"
"""


@pytest.mark.parametrize(("others", "shown"), [(True, [HOUSE]), (False, [HOUSE, THE_FLAT])])
def test_a_meter_that_is_subtracted_is_shown_if_it_is_no_other_consumers(
    tmp_path: Path, others: bool, shown: list[Source]
) -> None:
    text = TEXT if others else TEXT[: TEXT.index('[[evaluation]]\nname = "flat-total"')]
    make(tmp_path, range(8), text + SHARED)
    with LmnView.open(paths.lmn_directory(tmp_path)) as view:
        house = opened(tmp_path, view)
        contract = house.contract("anna", "stairs")
        assert house.parts("anna", contract) == shown
        assert [one.profile.name for one in house.meters("anna")] == [one.meter for one in shown]


def test_who_moved_out_sees_no_later_value_and_who_moved_in_no_earlier_one(house: House) -> None:
    before = [one.target_us for one in house.samples("berta", THE_FLAT, EVER, (ENERGY,))]
    after = [one.target_us for one in house.samples("carl", THE_FLAT, EVER, (ENERGY,))]
    assert before == [MIDNIGHT + place * SLOT for place in range(MOVED + 1)]
    assert after == [MIDNIGHT + place * SLOT for place in range(MOVED + 1, 3 * DAY + 10)]


def test_the_newest_record_of_who_moved_out_is_the_last_of_their_time(house: House) -> None:
    newest = house.newest("berta", THE_FLAT)
    assert newest is not None
    assert newest.target_time_us == MIDNIGHT + MOVED * SLOT


@pytest.mark.parametrize(("consumer", "shown"), [("anna", ["house"]), ("berta", []), ("carl", ["flat"])])
def test_live_values_are_those_of_today_s_meters(house: House, consumer: str, shown: list[str]) -> None:
    assert [one.capture.meter for one in house.live(consumer)] == shown


def test_records_and_samples_have_the_same_values(house: House) -> None:
    records = [
        (row.target_time_us, one.obis, one.value.value)
        for row in house.readings("anna", HOUSE, EVER)
        for one in row.readings
    ]
    samples = [(one.target_us, one.obis, one.value) for one in house.samples("anna", HOUSE, EVER)]
    assert sorted(records) == sorted(samples)
    assert len(records) == 2 * (3 * DAY + 10)


def test_both_ends_of_a_range_are_included(house: House) -> None:
    wanted = Range(MIDNIGHT + SLOT, MIDNIGHT + 3 * SLOT)
    found = [row.target_time_us for row in house.readings("anna", HOUSE, wanted, objects=(ENERGY,))]
    assert found == [MIDNIGHT + place * SLOT for place in (1, 2, 3)]


def test_a_day_counts_what_the_meter_counted(house: House) -> None:
    found = house.amounts("anna", "house", ENERGY, Step.DAY, Range(MIDNIGHT, MIDNIGHT + 2 * DAY * SLOT), "UTC")
    assert [(one.value, one.scaler, one.exact) for one in found] == [(960, -1, True), (960, -1, True)]


def test_a_day_that_is_not_over_is_not_exact(house: House) -> None:
    (today,) = house.amounts(
        "anna", "house", ENERGY, Step.DAY, Range(MIDNIGHT + 3 * DAY * SLOT, MIDNIGHT + 3 * DAY * SLOT + 1), "UTC"
    )
    assert (today.value, today.exact) == (90, False)


def test_the_closing_value_of_a_day_is_that_of_the_next_midnight(house: House) -> None:
    found = house.closings("anna", HOUSE, ENERGY, Step.DAY, Range(MIDNIGHT, MIDNIGHT + DAY * SLOT), "UTC")
    assert [one and (one.value, one.exact) for one in found] == [(0, True), (960, True)]


def test_a_whole_day_has_no_gap(house: House) -> None:
    (day,) = house.gaps("anna", "house", ENERGY, Step.DAY, Range(MIDNIGHT, MIDNIGHT + 1), "UTC")
    assert (day.expected, day.present, day.missing, day.unusable) == (96, 96, (), ())


def test_before_the_move_nothing_is_missing_for_who_moves_in(house: House) -> None:
    first, second, *_ = house.gaps("carl", "flat", ENERGY, Step.DAY, Range(MIDNIGHT, MIDNIGHT + 2 * DAY * SLOT), "UTC")
    assert (first.expected, second.expected, second.missing) == (0, DAY - 40, ())


def test_step_registers_add_up_to_the_total(house: House) -> None:
    (found,) = house.step_registers("anna", "day-night")
    amounts = dict(found.amounts)
    assert amounts.pop(0) == sum(amounts.values()) == 10 * (3 * DAY + 9)
    assert set(amounts) == {1, 2, 63}


def test_the_open_period_reaches_to_the_newest_reading(house: House) -> None:
    (found,) = house.periods("anna", "day-night")
    assert found.open
    assert found.begin_us == MIDNIGHT
    assert (found.total, found.error) == (10 * (3 * DAY + 9), 0)


def test_registers_of_who_moved_out_are_those_of_their_last_value(house: House) -> None:
    (found,) = house.step_registers("berta", "flat-total")
    assert (found.time_us, found.amounts) == (MIDNIGHT + MOVED * SLOT, ((0, 7 * MOVED),))
    assert all(one.end_us <= MIDNIGHT + MOVED * SLOT for one in house.periods("berta", "flat-total"))


def test_a_row_keeps_the_meter_s_status_that_another_register_brought(tmp_path: Path) -> None:
    word = Data(DataType.DOUBLE_LONG_UNSIGNED, 0x204)  # a basic meter, and a magnet
    with LmnStore.open(paths.lmn_directory(tmp_path), ballast_bytes=0) as store:
        one = capture(0, energy(1), exported(2)._replace(status=word))
        store.append([Record(one, one.stamp.utc_us + MIDNIGHT)])
    text = TEXT.replace('name = "carl"\nmeters = ["flat"]', 'name = "carl"\nmeters = ["house"]')
    (tmp_path / "gateway.toml").write_text(text.replace("begin = 2026-03-02T10:15:00Z\n", ""))
    with LmnView.open(paths.lmn_directory(tmp_path)) as view:
        own = opened(tmp_path, view)
        (row,) = own.readings("carl", HOUSE, EVER, objects=(ENERGY,))
        (sample,) = own.samples("carl", HOUSE, EVER, (ENERGY,))
    assert meter_status(row.readings) == sample.meter_status == 0x204
    assert [one.obis for one in row.readings] == [ENERGY]


def test_a_log_book_has_the_entries_of_its_consumer_alone(house: House) -> None:
    for consumer in ("anna", "berta", "carl"):
        texts = [one.subject for one in house.log(consumer) if one.event == "meter-lost"]
        assert texts == [f"of {consumer}"]
    assert house.log("nobody") == house.log("") == []


def test_entries_about_a_meter_end_with_the_time_of_the_consumer(house: House) -> None:
    def told(consumer: str) -> list[str]:
        return [one.subject for one in house.log(consumer) if one.event == "values-missing"]

    assert told("carl") == [AFTER_THE_MOVE]
    assert told("berta") == told("anna") == []


def test_the_firmware_has_a_hash(house: House) -> None:
    (component, *_) = house.firmware()
    assert len(bytes.fromhex(component.digest)) == 32


#: Every question about a source, and about a name.
OF_SOURCE: dict[str, Callable[[House, str, Source], object]] = {
    "registers": lambda house, who, source: house.registers(who, source),
    "newest": lambda house, who, source: house.newest(who, source),
    "readings": lambda house, who, source: list(house.readings(who, source, EVER)),
    "period ends": lambda house, who, source: list(house.readings(who, source, EVER, ListKind.PERIOD_END)),
    "samples": lambda house, who, source: list(house.samples(who, source, EVER)),
    "telegrams": lambda house, who, source: list(house.telegrams(who, source, EVER)),
    "closings": lambda house, who, source: house.closings(
        who, source, ENERGY, Step.DAY, Range(MIDNIGHT, MIDNIGHT + SLOT)
    ),
    "source": lambda house, who, source: house.source(who, str(source.device)),
}
_DAYS = Range(MIDNIGHT, MIDNIGHT + 3 * DAY * SLOT)
OF_NAME: dict[str, Callable[[House, str, str], object]] = {
    "amounts": lambda house, who, name: house.amounts(who, name, ENERGY, Step.DAY, _DAYS),
    "gaps": lambda house, who, name: house.gaps(who, name, ENERGY, Step.DAY, _DAYS),
    "contract": lambda house, who, name: house.contract(who, name),
    "periods": lambda house, who, name: house.periods(who, name),
    "step registers": lambda house, who, name: house.step_registers(who, name),
    "meter": lambda house, who, name: house.meter(who, name),
}


def owned(house: House, consumer: str) -> set[str]:
    return {
        *(one.profile.name for one in house.meters(consumer)),
        *(one.name for one in house.contracts(consumer)),
    }


def every_source(house: House) -> list[Source]:
    return [one for consumer in ("anna", "berta", "carl") for one in house.sources(consumer)]


@pytest.mark.parametrize("question", OF_SOURCE)
def test_a_source_of_another_is_as_one_that_does_not_exist(house: House, question: str) -> None:
    for consumer in CONSUMERS:
        own = house.sources(consumer)
        for source in [*every_source(house), Source("house", FLAT), Source("x", DEVICE)]:
            if source not in own and not (question == "source" and source.device in {one.device for one in own}):
                with pytest.raises(NotYoursError) as raised:
                    OF_SOURCE[question](house, consumer, source)
                assert str(raised.value) == str(NotYoursError())


@pytest.mark.parametrize("question", OF_NAME)
def test_a_name_of_another_is_as_one_that_does_not_exist(house: House, question: str) -> None:
    names = {name for consumer in CONSUMERS for name in owned(house, consumer)} | {"", "x"}
    for consumer in CONSUMERS:
        for name in names - owned(house, consumer):
            with pytest.raises(NotYoursError) as raised:
                OF_NAME[question](house, consumer, name)
            assert str(raised.value) == str(NotYoursError())


_NAMES = ("anna", "berta", "carl")
_METERS = ("m1", "m2", "m3")


@st.composite
def _grants(draw: st.DrawFn) -> list[tuple[str, str, int | None, int | None]]:
    """Who may see which meter, from when and until when, in days from the first; None is open."""
    found = []
    for _ in range(draw(st.integers(0, 5))):
        begin = draw(st.none() | st.integers(1, 20))
        end = draw(st.none() | st.integers((begin or 1) + 1, 30))
        found.append((draw(st.sampled_from(_NAMES)), draw(st.sampled_from(_METERS)), begin, end))
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_grants(), st.integers(0, 40 * 96), st.integers(1, 900 * 10**6 - 1))
def test_a_value_is_shown_if_and_only_if_a_profile_grants_its_time(
    grants: list[tuple[str, str, int | None, int | None]], slot: int, within: int
) -> None:
    text = '[gateway]\ndevice_id = "ESMG0000000001"\n'
    text += "".join(
        f'[[meter]]\nname = "{name}"\nprotocol = "sml-push"\nport = "/dev/tty{place}"\n'
        for place, name in enumerate(_METERS)
    )
    for name, meter, begin, end in grants:
        text += f'[[consumer]]\nname = "{name}"\nmeters = ["{meter}"]\n'
        text += f"begin = 2026-03-{begin:02d}T00:00:00Z\n" if begin else ""
        text += f"end = 2026-03-{end:02d}T00:00:00Z\n" if end else ""
    rights = Rights(parse(text, "gateway.toml"), lambda _: json.dumps({"consumer": "anna"}))
    at_us = MIDNIGHT + slot * SLOT + within * (slot % 2)
    day_us = DAY * SLOT

    def granted(consumer: str, meter: str) -> bool:
        return any(
            who == consumer
            and what == meter
            and (begin is None or at_us >= MIDNIGHT + (begin - 1) * day_us)
            and (end is None or at_us <= MIDNIGHT + (end - 1) * day_us)
            for who, what, begin, end in grants
        )

    sources = [Source(name, DEVICE) for name in _METERS]
    for consumer in (*_NAMES, "nobody"):
        shares = {one.source.meter: one for one in rights.shares(consumer, sources)}
        for meter in _METERS:
            seen = meter in shares and shares[meter].covers(at_us)
            assert seen == granted(consumer, meter)
            parts = shares[meter].parts(Range(at_us, at_us)) if meter in shares else []
            assert bool(parts) == seen


def test_another_register_has_no_amount(house: House) -> None:
    found = house.amounts("anna", "house", Obis.parse("3.8.0"), Step.DAY, _DAYS, "UTC")
    assert {one.value for one in found} == {None}


def test_who_gets_readings_on_request_is_told_too(state: Path) -> None:
    more = """[[evaluation]]
name = "move"
taf = 6
meters = ["house"]
consumer = "anna"
emps = ["utility"]
[[emp]]
name = "utility"
url = "http://127.0.0.1:1"
insecure = true
"""
    with LmnView.open(paths.lmn_directory(state)) as view:
        house = House(view, None, parse(TEXT + more, "g.toml"), list, lambda: MIDNIGHT + DAY * SLOT)
        assert [(one.grant.who, one.grant.meter) for one in house.recipients("anna")] == [("utility", "move")]
        assert house.recipients("berta") == []
