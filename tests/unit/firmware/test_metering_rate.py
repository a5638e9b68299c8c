"""A meter that floods costs the others nothing."""

from pathlib import Path

from captures_made import MIDNIGHT, SECOND, capture, energy
from registering import Clock
from smgw.metering.rate import BURST, RATE, RateBound
from smgw.metering.registrar import Registrar
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView

NS = 1_000_000_000


def test_a_meter_within_the_rate_is_never_bounded() -> None:
    told: list[str] = []
    bound = RateBound(told.append)
    assert all(bound.admits("house", place * NS // RATE) for place in range(3 * BURST))
    assert (told, bound.take_refused()) == ([], 0)


def test_a_burst_passes_and_a_flood_is_cut_to_the_rate() -> None:
    bound = RateBound(lambda _: None)
    assert sum(bound.admits("house", 5) for _ in range(2 * BURST)) == BURST
    seconds = 60
    assert sum(bound.admits("house", place * NS // 650) for place in range(seconds * 650)) == seconds * RATE - 1
    assert bound.admits("roof", 7)
    assert bound.take_refused() == BURST + seconds * 650 - (seconds * RATE - 1)
    assert bound.take_refused() == 0


def test_a_flood_is_told_once_and_again_after_quiet() -> None:
    told: list[str] = []
    bound = RateBound(told.append)
    for second in (0, 1, 2, 4000):
        for _ in range(2 * BURST):
            bound.admits("house", second * NS)
    assert len(told) == 2
    assert told[0].startswith("meter house brings more than 100 captures a second")


def test_a_clock_that_goes_back_gives_no_room() -> None:
    bound = RateBound(lambda _: None)
    assert sum(bound.admits("house", (place % 2) * NS) for place in range(2 * BURST)) <= BURST + RATE


def test_what_a_flood_brings_beyond_the_rate_is_counted_and_logged(
    store: LmnStore, clock: Clock, tmp_path: Path
) -> None:
    registrar = Registrar(store, clock, {"house": 0, "roof": 0})
    one = capture(MIDNIGHT, energy(1))
    for _ in range(BURST + 500):
        registrar.capture(one)
    registrar.capture(capture(MIDNIGHT + SECOND, energy(2), meter="roof"))
    assert registrar.drain() == BURST + 1
    store.flush(now=True)
    assert store.counts()["refused_rate"] == 500
    with LmnView.open(tmp_path) as view:
        assert [entry.event for entry in view.log_entries(10)] == ["meter-floods"]
