"""The clock filter believes the most precise of the newest samples."""

import random

from smgw.clock.sample import FILTER_DEPTH, SampleFilter, TimeSample, drift_us

SECOND_NS = 1_000_000_000


def sample(at_s: int, dispersion_us: int, offset_us: int = 0) -> TimeSample:
    return TimeSample("boot", at_s * SECOND_NS, offset_us, dispersion_us, "a")


def test_a_clock_drifts_fifteen_microseconds_a_second_into_both_directions_of_time() -> None:
    assert drift_us(SECOND_NS) == drift_us(-SECOND_NS) == 15
    assert drift_us(1) == 1
    assert drift_us(0) == 0


def test_the_least_dispersion_wins_over_a_newer_sample() -> None:
    chosen = SampleFilter()
    best = sample(0, 500)
    chosen.add(best)
    assert chosen.add(sample(64, 50_000)) == best


def test_an_old_sample_loses_when_it_has_aged_beyond_a_newer_one() -> None:
    chosen = SampleFilter()
    chosen.add(sample(0, 500))
    newer = sample(256, 4_000)
    assert chosen.add(newer) == newer


def test_among_equals_the_newest_wins() -> None:
    chosen = SampleFilter()
    chosen.add(sample(5, 500, offset_us=1))
    assert chosen.add(sample(5, 500, offset_us=2)).offset_us == 2


def test_the_best_sample_leaves_after_eight_newer_ones() -> None:
    chosen = SampleFilter()
    best = sample(0, 1)
    chosen.add(best)
    for at_s in range(1, FILTER_DEPTH):
        assert chosen.add(sample(at_s, 10_000 - 100 * at_s)) == best
    assert chosen.add(sample(FILTER_DEPTH, 10_000)).boottime_ns == (FILTER_DEPTH - 1) * SECOND_NS


def test_the_filter_is_nearer_to_the_truth_than_the_newest_sample() -> None:
    # Each exchange waits somewhere on the way: its offset is off by up to half of its delay, which its dispersion says.
    draw = random.Random(5)
    chosen = SampleFilter()
    filtered = newest = 0
    for number in range(1000):
        delay_us = int(draw.expovariate(1 / 40_000))
        error_us = draw.randint(-delay_us // 2, delay_us // 2)
        best = chosen.add(sample(64 * number, 500 + delay_us // 2, error_us))
        filtered += abs(best.offset_us)
        newest += abs(error_us)
    assert filtered * 2 < newest
