"""What is known of the devices behind one meter profile."""

import logging

import pytest
from captures_made import DEVICE
from line_meter import Inbox
from memory_line import FakeTime
from smgw.cosem import Data, DataType, DeviceId, Obis, Reading
from smgw.cosem.corrections import NO_CORRECTIONS, Corrections
from smgw.lmn.contract import Values
from smgw.lmn.watch import Watch
from smgw.store.records import Condition, MeterState
from smgw.wire import Refused

OTHER, THIRD = DeviceId(b"other"), DeviceId(b"THIRD")


class Bench:
    def __init__(self, *named: DeviceId, corrections: Corrections = NO_CORRECTIONS) -> None:
        self.time = FakeTime()
        self.inbox = Inbox()
        self.watch = Watch("house", "/dev/ttyUSB0", 60.0, self.time, self.inbox, self.time, named, corrections)

    def values(self, *readings: Reading, device: DeviceId = DEVICE, remark: str = "") -> None:
        self.watch.heard([(Values(device, self.time.stamp(), None, readings, remark=remark),)])

    def telegram(self, *devices: DeviceId) -> None:
        self.watch.heard([tuple(Values(device, self.time.stamp(), None, ()) for device in devices)])
        self.time.sleep(10)

    def newest(self, device: DeviceId | None) -> MeterState:
        return next(state for state in reversed(self.inbox.states) if state.device == device)


@pytest.fixture
def bench(caplog: pytest.LogCaptureFixture) -> Bench:
    caplog.set_level(logging.INFO)
    return Bench()


def said(caplog: pytest.LogCaptureFixture, text: str) -> int:
    return sum(text in record.getMessage() for record in caplog.records)


def test_before_a_device_is_known_there_is_one_state_without(bench: Bench) -> None:
    assert [(state.device, state.state) for state in bench.inbox.states] == [(None, Condition.WAITING)]


def test_two_devices_in_one_telegram_are_no_exchange_and_have_states_of_their_own(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        bench.telegram(DEVICE, OTHER)
    assert said(caplog, "exchanged") == 0
    assert [(bench.newest(one).good, bench.newest(one).state) for one in (DEVICE, OTHER)] == [
        (3, Condition.READING), (3, Condition.READING),
    ]  # fmt: skip
    assert not bench.inbox.gone


def test_a_device_that_comes_in_place_of_another_is_an_exchange_told_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.telegram(DEVICE)
    bench.telegram(OTHER)
    assert not bench.inbox.gone, "it may speak again"
    for _ in range(8):
        bench.telegram(OTHER)
        bench.watch.tick()
    assert said(caplog, "exchanged") == 1
    assert bench.inbox.gone == [("house", DEVICE)]
    assert bench.newest(OTHER).state is Condition.READING
    assert bench.watch.count == (10, 0)
    assert said(caplog, "house: silent") == 0


def test_a_meter_that_is_exchanged_and_exchanged_back_is_the_only_one(bench: Bench) -> None:
    for device in (DEVICE, OTHER, *[DEVICE] * 8):
        bench.telegram(device)
        bench.watch.tick()
    assert bench.inbox.gone == [("house", OTHER)]
    assert bench.newest(DEVICE).state is Condition.READING


def test_one_of_several_devices_with_telegrams_of_their_own_that_ends_is_silent(bench: Bench) -> None:
    for device in (DEVICE, OTHER, DEVICE, OTHER, *[DEVICE] * 8):
        bench.telegram(device)
        bench.watch.tick()
    assert not bench.inbox.gone
    assert bench.newest(OTHER).state is Condition.SILENT


def test_devices_that_each_send_telegrams_of_their_own_are_all_stored_and_told_of_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(8):
        for device in (DEVICE, OTHER, THIRD):
            bench.telegram(device)
            bench.watch.tick()
    assert said(caplog, "exchanged") == 1
    assert said(caplog, f'devices = ["{DEVICE}", "{OTHER}", "{THIRD}"]') == 1
    assert not bench.inbox.gone
    assert {bench.newest(one).state for one in (DEVICE, OTHER, THIRD)} == {Condition.READING}
    assert len(bench.inbox.captures) == 24


@pytest.mark.parametrize("runs", [1, 5, 9], ids=["in turn", "a while each", "longer than the silence each"])
def test_two_meters_on_one_line_are_both_stored_and_told_of_once(
    bench: Bench, caplog: pytest.LogCaptureFixture, runs: int
) -> None:
    for _ in range(10):
        for device in (DEVICE, OTHER):
            for _ in range(runs):
                bench.telegram(device)
                bench.watch.tick()
    assert said(caplog, "meter exchanged?") == 1
    assert said(caplog, f'devices = ["{DEVICE}", "{OTHER}"]') == 1
    assert len(bench.inbox.captures) == 20 * runs
    assert bench.inbox.gone == ([("house", DEVICE)] if runs == 9 else [])


@pytest.mark.parametrize("runs", [1, 9])
def test_devices_that_the_profile_names_are_never_told_of_and_never_leave(
    caplog: pytest.LogCaptureFixture, runs: int
) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench(DEVICE, OTHER)
    for _ in range(5):
        for device in (DEVICE, OTHER):
            for _ in range(runs):
                bench.telegram(device)
                bench.watch.tick()
    assert said(caplog, "exchanged") == 0
    assert not bench.inbox.gone


def test_a_device_that_the_profile_does_not_name_is_told_of_once_and_stored(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(DEVICE, OTHER)
    for _ in range(5):
        for device in (DEVICE, OTHER, THIRD):
            bench.telegram(device)
    assert said(caplog, "exchanged") == 1
    assert sum(capture.device == THIRD for capture in bench.inbox.captures) == 5


def test_one_device_of_two_that_falls_silent_is_told_of(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.telegram(DEVICE, OTHER)
    for _ in range(8):
        bench.telegram(DEVICE)
        bench.watch.tick()
    assert bench.newest(OTHER).state is Condition.SILENT
    assert bench.newest(DEVICE).state is Condition.READING
    assert bench.watch.condition is Condition.SILENT
    assert said(caplog, "house: silent") == 1


def test_a_port_that_goes_takes_all_devices_with_it(bench: Bench) -> None:
    bench.telegram(DEVICE, OTHER)
    bench.watch.absent("unplugged")
    assert [bench.newest(one).state for one in (DEVICE, OTHER)] == [Condition.ABSENT] * 2
    bench.watch.opened()
    assert [bench.newest(one).state for one in (DEVICE, OTHER)] == [Condition.WAITING] * 2


def test_what_is_said_of_the_quality_is_no_part_of_the_note(bench: Bench) -> None:
    bench.watch.heard([(Values(DEVICE, bench.time.stamp(), None, (), remark="its clock is doubtful"),)])
    assert (bench.newest(DEVICE).note, bench.newest(DEVICE).remark) == (f"device {DEVICE}", "its clock is doubtful")


def test_a_meter_that_makes_up_devices_fills_no_memory(bench: Bench) -> None:
    for number in range(500):
        bench.telegram(DEVICE, DeviceId(b"%d" % number))
    assert len(bench.watch._devices) <= 64


def test_a_meter_that_waits_says_what_was_refused(bench: Bench) -> None:
    for number in (1, 2):
        bench.watch.refused(f"check sum {number}")
    state = bench.newest(None)
    assert (state.state, state.note) == (Condition.WAITING, "no good telegram yet, 2 refused, the last: check sum 2")


ENERGY, VOLTS = Obis.parse("1-0:1.8.0"), Obis.parse("1-0:32.7.0")


def test_the_corrections_of_the_profile_are_applied_to_every_capture() -> None:
    bench = Bench(corrections=Corrections.of([(VOLTS, -1)], [(VOLTS, 35)], [(ENERGY, 40)]))
    bench.values(Reading(ENERGY, Data(DataType.LONG, 1000), 0, 30), Reading(VOLTS, Data(DataType.LONG, 2305)))
    (capture,) = bench.inbox.captures
    assert [(one.value.value, one.scaler, one.unit) for one in capture.readings] == [(40_000, 0, 30), (2305, -1, 35)]
    assert capture.readings[0].raw == Data(DataType.LONG, 1000)


def test_what_cannot_be_true_is_logged_once_for_a_device_and_stays_in_its_state(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    wrong, right = (Reading(VOLTS, Data(DataType.LONG, 2305), scaler, 35) for scaler in (0, -1))
    for _ in range(3):
        bench.values(wrong)
    assert said(caplog, "2305 V is far from 230 V") == 1
    assert "set scalers, units or factors" in bench.newest(DEVICE).remark
    bench.values(wrong, device=OTHER)
    assert said(caplog, "2305 V is far from 230 V") == 2
    bench.values(right)
    assert bench.newest(DEVICE).remark == ""
    assert len(bench.inbox.captures) == 5, "whatever is wrong with it, a value is stored"
    (record, _) = [record for record in caplog.records if "far from" in record.getMessage()]
    assert record.__dict__["event"] == "values-implausible"


def test_a_remark_of_the_meter_stands_before_what_cannot_be_true(bench: Bench) -> None:
    bench.values(Reading(VOLTS, Data(DataType.LONG, 2305), 0, 35), remark="its clock is doubtful")
    assert bench.newest(DEVICE).remark.startswith("its clock is doubtful; 2305 V")


def test_a_value_that_a_factor_makes_too_large_is_told_and_costs_no_other_value(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(corrections=Corrections.of(factors=[(ENERGY, 40)]))
    volts = Reading(VOLTS, Data(DataType.LONG, 230), 0, 35)
    bench.values(Reading(ENERGY, Data(DataType.LONG64_UNSIGNED, 2**64 - 1), 0, 30), volts)
    assert bench.inbox.captures[0].readings == (volts,)
    assert said(caplog, "does not fit 64 bits; check factors") == 1


def test_an_id_that_changes_at_each_telegram_is_one_fault(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    for count in range(40):
        bench.telegram(DeviceId(count.to_bytes(2, "big")))
        bench.watch.tick()
    assert [record.levelno for record in caplog.records if record.levelno >= logging.WARNING] == [logging.WARNING]
    assert said(caplog, "its device id changes at each telegram: 0000, 0001, 0002, 0003, 0004") == 1
    assert len(bench.inbox.captures) == 40


def test_devices_that_the_profile_names_are_no_changing_id(caplog: pytest.LogCaptureFixture) -> None:
    devices = [DeviceId(bytes((1, count))) for count in range(8)]
    bench = Bench(*devices)
    for _ in range(2):
        for device in devices:
            bench.telegram(device)
    assert said(caplog, "changes at each telegram") == 0


def test_a_voltage_behind_transformers_is_no_wrong_scaler(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(corrections=Corrections.of(factors=[(VOLTS, 200)]))
    bench.values(Reading(VOLTS, Data(DataType.LONG, 577), -1, 35))
    assert bench.inbox.captures[0].readings[0].value.value == 115_400
    assert bench.newest(DEVICE).remark == ""


def test_refused_telegrams_among_good_ones_are_told_once_an_hour_with_their_number(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(720):  # two hours
        bench.watch.heard([Refused("check sum", 8)])
        bench.telegram(DEVICE)
    told = [one.getMessage() for one in caplog.records if "telegram refused" in one.getMessage()]
    assert told == [
        "meter house: telegram refused: check sum",
        "meter house: telegram refused: check sum; 359 more were refused since this was last said",
    ]
    assert bench.watch.count == (720, 720)


def test_a_telegram_of_which_no_value_is_left_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(corrections=Corrections.of(factors=[(ENERGY, 40)]))
    bench.values(Reading(ENERGY, Data(DataType.LONG64_UNSIGNED, 2**64 - 1), 0, 30))
    assert not bench.inbox.captures
    assert "check factors" in bench.watch.last_refusal
