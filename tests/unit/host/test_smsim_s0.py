"""The simulator's meters with a pulse output: the gateway's rule counts each pulse, and power is even."""

import pytest
from smgw.s0.edges import Edge, EdgeReader
from smgw.s0.pulse import PulseFilter
from smsim.config import MeterConfig, parse
from smsim.errors import ConfigError
from smsim.load.timelapse import TimeLapse
from smsim.s0 import S0Pulses
from smsim.sml.meter import Meter

JUNE = 1_780_264_800  # 2026-06-01 00:00 legal time
CONFIGURATION = '[[meter]]\nname = "boiler"\ndevice = "1SOP0000000001"\nport = "pty:/tmp/boiler"\n'
MS = 1_000_000


class Bench:
    """A pulse output whose time the test sets, and the gateway's rule behind it."""

    def __init__(self, pulses: int, kwh: int, quarter_s: int = 900) -> None:
        self.now_ms = 0
        (config,) = parse(f"{CONFIGURATION}s0 = {pulses}\nconsumption_kwh = {kwh}\n").meters
        self.config: MeterConfig = config
        self.meter = Meter(config.spec, TimeLapse(JUNE, quarter_s), lambda: self.now_ms)
        self.source = S0Pulses(self.meter, pulses, lambda: self.now_ms * MS)
        self.reader = EdgeReader()
        self.filter = PulseFilter(10 * MS)
        self.begun: list[int] = []
        self.edges: list[Edge] = []

    def run(self, seconds: int) -> None:
        for _ in range(10 * seconds):
            self.now_ms += 100
            for edge in self.reader.receive(self.source.telegram()):
                assert isinstance(edge, Edge)
                self.edges.append(edge)
                self.begun += [pulse.ns // MS for pulse in self.filter.take(edge)]

    @property
    def energy(self) -> int:
        """In 10^-4 Wh."""
        ((_, value),) = self.meter.values()
        return value


def test_there_are_as_many_pulses_as_the_register_says() -> None:
    bench = Bench(pulses=1000, kwh=20_000)
    bench.run(3600)
    assert len(bench.begun) == bench.energy // 10_000 > 500


def test_pulses_are_spread_evenly() -> None:
    bench = Bench(pulses=1000, kwh=20_000)
    bench.run(800)  # one quarter hour has one power
    pauses = [later - before for before, later in zip(bench.begun, bench.begun[1:], strict=False)]
    assert max(pauses) - min(pauses) <= 100


def test_edges_are_numbered_in_their_order_and_never_of_the_future() -> None:
    bench = Bench(pulses=10_000, kwh=20_000)
    bench.run(60)
    assert [edge.number for edge in bench.edges] == list(range(1, len(bench.edges) + 1))
    assert all(before.ns < later.ns for before, later in zip(bench.edges, bench.edges[1:], strict=False))
    assert bench.edges[-1].ns <= bench.now_ms * MS


def test_more_pulses_than_an_output_can_give_wait() -> None:
    bench = Bench(pulses=100_000, kwh=20_000)
    bench.run(60)
    assert len(bench.begun) == pytest.approx(60_000 // 60, abs=20)


def test_pulses_that_nobody_heard_are_gone() -> None:
    bench = Bench(pulses=1000, kwh=20_000)
    bench.run(60)
    heard = len(bench.begun)
    bench.now_ms += 3_600_000
    bench.run(1)
    assert len(bench.begun) - heard <= 1
    assert bench.reader.receive(bench.source.telegram()) == []


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ("s0 = 0\n", "s0"),
        ('s0 = 1000\np1 = "5"\n', "s0"),
        ('s0 = 1000\nstyle = "emh-mme"\n', "s0"),
        ("s0 = 1000\npush_interval = 2\n", "push_interval"),
        ("s0 = 1000\nanswers = true\n", "answers"),
        ('s0 = 1000\n[[meter.fault]]\nkind = "noise"\n', "fault"),
    ],
    ids=["none", "p1", "style", "interval", "answers", "fault"],
)
def test_what_does_not_fit_a_pulse_output_is_named(more: str, place: str) -> None:
    with pytest.raises(ConfigError, match=rf"meter\[1\]\.{place}"):
        parse(CONFIGURATION + more)


def test_pulses_come_on_a_pseudo_terminal_alone() -> None:
    with pytest.raises(ConfigError, match="pty:LINK"):
        parse(CONFIGURATION.replace("pty:/tmp/boiler", "tcp:0") + "s0 = 1000\n")
