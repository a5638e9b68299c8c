"""Pulses as a meter: the register, the power, lost edges, and a count that outlives the process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from captures_made import BOOT
from memory_line import START_US, FakeTime, MemoryPort
from pulsing import LINE, Gateway
from smgw.cosem import DeviceId, Obis
from smgw.lmn.contract import Surroundings
from smgw.lmn.errors import PollError
from smgw.lmn.s0.counting import S0Meter
from smgw.profiles.meter import MeterProfile
from smgw.profiles.s0 import S0Profile
from smgw.profiles.secrets import Secrets
from smgw.store.errors import StoreError
from smgw.store.lmn.pulses import order_count, state
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.pulse_file import PulseFile
from smgw.store.records import CacheKind

ENERGY, POWER, GAS = "1-0:1.8.0*255", "1-0:1.7.0*255", "7-0:3.0.0*255"
OTHER_BOOT = "11111111-5c1b-4d32-9a52-6e2f9d3a0a11"


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Every gateway is closed at the end."""
    yield
    while Gateway.opened:
        Gateway.opened.pop().close()


def test_each_pulse_is_in_the_next_poll(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, S0Profile(start="100.5"))
    for second in range(10):
        gateway.pulse(second + 0.5)
    gateway.run(12)
    assert gateway.values(ENERGY)[0][1] == 100_500
    assert gateway.values(ENERGY)[-1][1] == 100_510
    assert all(before <= after for before, after in zip(gateway.shown, gateway.shown[1:], strict=False))


def test_a_poll_every_2_s_for_10_minutes_does_not_drift_whenever_pulses_come(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    for place in range(1000):
        gateway.pulse(place * 0.59)
    gateway.run(600)
    moments = [capture.stamp.utc_us - START_US for capture in gateway.inbox.captures]
    assert moments == [2_000_000 * place for place in range(300)]
    assert gateway.shown[-1] == 1000


def test_bounces_are_not_counted(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    for second in range(5):
        for at, active in ((0, True), (0.001, False), (0.002, True), (0.040, False), (0.042, True), (0.043, False)):
            gateway.edge(second + at, active=active)
    gateway.run(7)
    assert gateway.shown[-1] == 5


def test_power_comes_from_the_time_between_pulses_and_falls_without_them(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    gateway.pulse(0.5)
    gateway.pulse(4.1)
    gateway.run(41)
    power = gateway.values(POWER)
    assert power[0] == (6.0, 10_000)  # 1 Wh in 3.6 s: 1000.0 W
    assert dict(power)[8.0] == 3600 * 10_000 // 3900  # 3.9 s after the last pulse
    assert dict(power)[40.0] == 3600 * 10_000 // 35_900
    assert [value for _, value in power] == sorted((value for _, value in power), reverse=True)


def test_gas_is_counted_in_cubic_metres_and_has_no_power(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, S0Profile(pulses=1, per="10 l", medium="gas", start="1234.56"))
    for second in range(3):
        gateway.pulse(second + 0.1, 0.5)
    gateway.run(5)
    assert gateway.values(GAS)[-1][1] == 1_234_590
    (reading,) = gateway.inbox.captures[-1].readings
    assert (reading.scaler, reading.unit) == (-3, 13)


def test_feed_in_has_its_own_registers() -> None:
    registers = S0Profile(register=Obis.parse("1-0:2.8.0")).registers
    assert tuple(map(str, registers)) == ("1-0:2.8.0*255", "1-0:2.7.0*255")


def test_a_line_without_pulses_is_read_and_on_the_grid(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, period=60, interval=10)
    gateway.run(300)
    assert {one.state for one in gateway.inbox.states[2:]} == {"reading"}
    gateway.registrar.drain()
    gateway.store.close()
    with LmnView.open(tmp_path / "lmn") as view:
        (source,) = view.sources()
        targets = [row.target_time_us for row in view.records(source, 0, 100)]
    assert targets == [START_US + 60_000_000 * minute for minute in range(5)]


def test_lost_edges_are_counted_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gateway = Gateway(tmp_path)
    gateway.pulse(1)
    gateway.lose(40)
    gateway.pulse(3)
    gateway.run(6)
    assert gateway.shown[-1] == 2
    assert "40 edges were lost" in caplog.text
    last = gateway.inbox.states[-1]
    assert last.refused == 1
    assert "40 edges were lost since the start" in last.remark


def test_a_kill_loses_no_pulse_that_was_read(tmp_path: Path) -> None:
    """The process ends without a word: nothing is committed but what the poll before committed."""
    first = Gateway(tmp_path)
    for second in range(5):
        first.pulse(second + 0.5)
    first.run(6)
    assert state(tmp_path / "lmn", "gas")[0] is None, "nothing was committed"
    first.registrar._inbox.__init__()  # type: ignore[misc]
    first.store.close()
    second = Gateway(tmp_path)
    second.time.sleep(10)
    second.pulse(0.5)
    second.run(3)
    assert second.shown[0] == 5
    assert second.shown[-1] == 6


def test_after_a_power_cut_the_count_is_that_of_the_newest_stored_capture(tmp_path: Path) -> None:
    first = Gateway(tmp_path)
    first.pulse(0.5)
    first.run(3)
    first.registrar.drain()
    stored = first.shown[-1]
    first.pulse(0.5)
    first.run(3)
    first.store.close()
    second = Gateway(tmp_path, boot_id=OTHER_BOOT)
    second.run(1)
    assert (stored, first.shown[-1], second.shown[0]) == (1, 2, 1)


def test_on_a_grid_a_count_is_stored_within_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("smgw.store.lmn.pending.time.monotonic", lambda: now[0])
    with LmnStore.open(tmp_path / "lmn", ballast_bytes=0) as store:
        store.flush(now=True)
        found = []
        for _ in range(8):
            store.note_pulses("gas", len(found), 0)
            store.flush()
            found.append(state(tmp_path / "lmn", "gas")[0])
            now[0] += 10
    assert found == [*[None] * 6, (6, 0), (6, 0)]


@pytest.mark.parametrize(
    ("before", "after", "pulses"),
    [
        ([], [(0.5, False)], 0),
        ([(0.99, True)], [(0.02, False)], 1),
        ([(0.5, True)], [(0.5, False)], 1),
        ([(0.99, True)], [(0.5, True), (0.6, False)], 2),
        ([(0.99, True)], [], 1),
        ([(0.1, True), (0.2, False)], [(0.5, False)], 2),
        ([(0.1, True), (0.2, False)], [(0.5, True), (0.6, False)], 2),
        ([(0.1, True), (0.995, False)], [(0.002, False)], 1),
    ],
    ids=[
        "active at the first start", "killed in a young pulse", "killed in an old pulse", "its end was missed",
        "its end was missed and nothing comes", "its begin was missed", "killed in a pause", "killed while it bounced",
    ],
)  # fmt: skip
def test_a_pulse_that_is_cut_by_a_kill_counts_once(
    tmp_path: Path, before: list[tuple[float, bool]], after: list[tuple[float, bool]], pulses: int
) -> None:
    first = Gateway(tmp_path)
    for at, active in before:
        first.edge(at, active=active)
    first.run(1)
    first.store.close()
    second = Gateway(tmp_path)
    second.time.sleep(1.0)
    for at, active in after:
        second.edge(at, active=active)
    second.run(3.5)
    assert second.shown[-1] == pulses


def test_a_restart_goes_on_and_the_line_that_is_active_waits_for_its_end(tmp_path: Path) -> None:
    first = Gateway(tmp_path)
    first.edge(0.5, active=True)
    first.run(3)
    assert first.shown[-1] == 1, "a pulse counts once it is long enough"
    first.store.close()
    second = Gateway(tmp_path)
    second.time.sleep(3)
    second.edge(0.5, active=False)
    second.pulse(1)
    second.run(5)
    assert (second.shown[0], second.shown[-1]) == (1, 2)


def test_an_order_sets_the_count_once_and_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gateway = Gateway(tmp_path)
    gateway.pulse(0.5)
    gateway.run(3)
    gateway.registrar.drain()
    number = order_count(tmp_path / "lmn", "gas", 5_000_000)
    gateway.pulse(3)
    gateway.run(6)
    assert gateway.shown[-1] == 5_000_001
    assert "its counter was 0.001 kWh and is set to 5000.000 kWh" in caplog.text
    gateway.registrar.drain()
    assert state(tmp_path / "lmn", "gas") == ((5_000_001, number), None)
    gateway.store.close()
    second = Gateway(tmp_path)
    second.run(3)
    assert second.shown[-1] == 5_000_001


def test_an_order_that_was_obeyed_and_not_committed_is_not_obeyed_again(tmp_path: Path) -> None:
    first = Gateway(tmp_path)
    order_count(tmp_path / "lmn", "gas", 100)
    first.pulse(3)
    first.run(6)
    first.registrar._inbox.__init__()  # type: ignore[misc]
    first.store.close()
    second = Gateway(tmp_path)
    second.run(3)
    assert second.shown[-1] == first.shown[-1] == 101


def test_an_order_waits_for_a_gateway_that_does_not_run(tmp_path: Path) -> None:
    Gateway(tmp_path).store.close()
    order_count(tmp_path / "lmn", "gas", 7)
    order_count(tmp_path / "lmn", "gas", 8)
    gateway = Gateway(tmp_path)
    gateway.run(3)
    assert gateway.shown[-1] == 8


def test_without_a_gateway_there_is_no_count_and_it_says_who_has_it() -> None:
    time = FakeTime()
    port: Any = MemoryPort(time)
    meter = S0Meter(MeterProfile("gas", "s0", LINE, options=S0Profile()), Secrets(), Surroundings(time, now=time))
    with pytest.raises(PollError, match="counted by the running gateway"):
        meter.poll(port)


def test_a_count_that_cannot_be_read_is_not_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway(tmp_path, S0Profile(start="5"))

    def broken(_meter: str) -> None:
        raise StoreError(tmp_path, "the card is gone")

    monkeypatch.setattr(gateway.store, "pulses", broken)
    gateway.pulse(1)
    gateway.run(5)
    assert gateway.shown == []
    assert "the count cannot be read" in gateway.inbox.states[-1].note
    monkeypatch.undo()
    gateway.run(60)
    assert gateway.shown[-1] == 5001, "and the pulse that came meanwhile counts"


def test_a_torn_file_or_one_of_another_boot_is_not_believed(tmp_path: Path) -> None:
    file = PulseFile(tmp_path / "pulses" / "gas", BOOT)
    assert file.read() is None
    file.write(5, 1, 7)
    file.write(6, 2, 9)
    assert file.read() == (6, 2, 9)
    assert PulseFile(tmp_path / "pulses" / "gas", OTHER_BOOT).read() is None
    octets = bytearray((tmp_path / "pulses" / "gas").read_bytes())
    octets[16] ^= 1
    (tmp_path / "pulses" / "gas").write_bytes(octets)
    assert file.read() is None
    (tmp_path / "pulses" / "gas").write_bytes(octets[:7])
    assert file.read() is None
    file.close()


def test_a_file_that_cannot_be_written_costs_no_pulse(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gateway = Gateway(tmp_path)
    (tmp_path / "lmn" / "pulses").write_text("a file in the way")
    gateway.pulse(0.5)
    gateway.run(3)
    assert gateway.shown[-1] == 1
    assert "a kill may lose pulses" in caplog.text


def test_a_commit_without_counts_does_not_put_them_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("smgw.store.lmn.pending.time.monotonic", lambda: now[0])
    with LmnStore.open(tmp_path / "lmn", ballast_bytes=0) as store:
        store.flush(now=True)
        store.note_pulses("gas", 7, 0)
        for _ in range(7):
            now[0] += 10
            store.cache(CacheKind.OBJECT_LIST, DeviceId(b"d"), b"1", b"x")
            store.flush()
        assert state(tmp_path / "lmn", "gas")[0] == (7, 0)
