"""Notes on hidden values on their way from telegrams to states and log, on a fake clock."""

import logging

import pytest
from captures_made import DEVICE, ENERGY, POWER
from line_meter import Inbox, Model, telegram
from memory_line import FakeTime, MemoryPort
from smgw.cosem import DeviceId, Obis
from smgw.lmn.contract import Surroundings
from smgw.lmn.sml.poll import SmlPoll
from smgw.lmn.sml.push import SmlPush
from smgw.lmn.watch import Watch
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.sml.messages import ListEntry
from smgw.sml.pin import REDUCED_REMARK
from smgw.sml.server import Reply, Server
from smgw.sml.tlv import unsigned
from smgw.store.records import Condition

PHASE_1 = bytes.fromhex("0100240700ff")
PROFILE = MeterProfile(name="house", protocol="sml-push", port="/dev/ttyUSB0")


class Bench:
    """A pushing line without a port."""

    def __init__(self, profile: MeterProfile = PROFILE) -> None:
        self.time, self.inbox = FakeTime(), Inbox()
        self.meter = SmlPush(profile, Secrets(), Surroundings(self.time, now=self.time))
        self.watch = Watch("house", "/dev/ttyUSB0", 60.0, self.time, self.inbox, self.time)

    def telegram(self, *listed: ListEntry, device: DeviceId = DEVICE) -> tuple[Condition, str]:
        """Condition and remark after a telegram."""
        self.watch.heard(self.meter.receive(telegram(listed=listed, server_id=device), self.time.stamp()))
        self.time.sleep(1)
        return self.inbox.states[-1].state, self.inbox.states[-1].remark


def total(tenths: int) -> ListEntry:
    return ListEntry(bytes(ENERGY), unit=30, scaler=-1, value=unsigned(tenths, 4))


def power(name: bytes) -> ListEntry:
    return ListEntry(name, unit=27, scaler=-2, value=unsigned(50_700, 2))


@pytest.fixture
def bench(caplog: pytest.LogCaptureFixture) -> Bench:
    caplog.set_level(logging.INFO)
    return Bench()


def said(caplog: pytest.LogCaptureFixture, text: str) -> int:
    return sum(text in record.getMessage() for record in caplog.records)


def test_a_meter_with_power_in_one_phase_is_not_locked_at_a_whole_kwh(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    for tenths in range(99_990, 100_011):
        assert bench.telegram(total(tenths), power(PHASE_1)) == (Condition.READING, "")
    assert said(caplog, "PIN") == 0
    assert said(caplog, "house:") == 1


def test_a_meter_without_power_is_healthy_and_the_softer_note_is_logged_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    for tenths in range(9_995, 10_006):
        assert bench.telegram(total(tenths)) == (Condition.READING, REDUCED_REMARK)
        bench.inbox.states.clear()
    assert said(caplog, "PIN") == 1
    assert said(caplog, "house:") == 2


def test_the_note_goes_once_power_comes_and_is_not_logged_again(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        assert bench.telegram(total(12_345)) == (Condition.READING, REDUCED_REMARK)
        assert bench.telegram(total(12_346), power(bytes(POWER))) == (Condition.READING, "")
    assert said(caplog, REDUCED_REMARK) == 1


def test_each_device_of_a_line_has_its_own_note(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    other = DeviceId.parse("1EFR0000000002")
    assert bench.telegram(total(12_345)) == (Condition.READING, REDUCED_REMARK)
    assert bench.telegram(total(10_000), device=other) == (Condition.LOCKED, "")
    assert bench.telegram(total(10_001), device=other) == (Condition.READING, REDUCED_REMARK)
    assert said(caplog, REDUCED_REMARK) == 2
    assert said(caplog, "house: locked") == 1


def test_without_correction_a_power_is_stored_as_the_wire_has_it() -> None:
    exporting = ListEntry(bytes(ENERGY), unsigned(0x1D4904, 4), None, 30, -1, unsigned(837_350, 4))
    for correct, value in ((True, -425), (False, 425)):
        bench = Bench(PROFILE._replace(correct_power_sign=correct))
        bench.telegram(exporting, ListEntry(bytes(POWER), unit=27, scaler=0, value=unsigned(425, 2)))
        reading = bench.inbox.captures[0].readings[1]
        assert (reading.value.value, reading.raw.value if reading.raw else None) == (value, 425 if correct else None)


class EnergyMeter(Model):
    """A meter that answers with a total alone."""

    def entries(self) -> tuple[ListEntry, ...]:
        return (total(12_345),)


@pytest.mark.parametrize(
    ("objects", "remark"), [((), REDUCED_REMARK), ((ENERGY,), "")], ids=["all values", "energy alone"]
)
def test_a_poll_tells_what_is_hidden_if_it_asked_for_all(objects: tuple[Obis, ...], remark: str) -> None:
    time, server = FakeTime(), Server(EnergyMeter())
    port = MemoryPort(
        time, [lambda data: b"".join(one.octets for one in server.receive(data) if isinstance(one, Reply))]
    )
    profile = PROFILE._replace(protocol="sml-poll", objects=objects)
    meter = SmlPoll(profile, Secrets(), Surroundings(time, now=time))
    (heard,) = meter.poll(port)  # type: ignore[arg-type]
    assert isinstance(heard, tuple)
    assert [(len(values.readings), values.remark) for values in heard] == [(1, remark)]
