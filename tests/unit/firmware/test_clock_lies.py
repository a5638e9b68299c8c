"""One of three time servers lies: the clock is right, or its time is flagged. Steps have bounds."""

from collections.abc import Callable
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smgw.clock.event import ClockEvent, ClockEventKind
from smgw.clock.gateway_clock import Floor, GatewayClock
from smgw.cosem.reading import ClockState
from time_lies import LIES, SECOND_NS, SECOND_US, UTC_US, Kernel, Lie, live

DAY_S = 86_400
HOUR_S = 3600


def clock_of(kernel: Kernel, servers: str = "abc", floor: Floor | None = None) -> GatewayClock:
    return GatewayClock(source=kernel, sources=servers, floor=floor)


def fed(clock: GatewayClock, kernel: Kernel, *said: tuple[str, float]) -> list[ClockEventKind]:
    """The events of these samples, a second apart."""
    events = []
    for source, off_s in said:
        kernel.boottime += SECOND_NS
        event = clock.feed(kernel.sample(source, round(off_s * SECOND_US), 1000))
        if event is not None:
            events.append(event.kind)
    return events


@pytest.mark.parametrize("order", list(permutations("abc")))
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_with_one_liar_among_three_the_clock_is_right_and_valid_after_the_first_round(
    lie: Callable[[int], Lie], order: tuple[str, ...]
) -> None:
    kernel = Kernel()
    clock = clock_of(kernel)
    first = live(clock, kernel, 1, lambda number, server: lie(number) if server == "b" else Lie(0), order)
    rest = live(clock, kernel, 40, lambda number, server: lie(number + 1) if server == "b" else Lie(0), order)
    assert max(first.worst_us, rest.worst_us) < SECOND_US
    assert (first.valid_at_last, rest.valid) == (True, 1.0)


#: What the liar says at one answer: nothing, the truth or about it, or anything at all; and how exact it claims to be.
SAID = st.one_of(
    st.none(),
    st.builds(
        Lie,
        st.one_of(
            st.sampled_from([0.0, 0.2, 1.0, 20.0, -20.0, 900.0, 6.0 * HOUR_S, 365.0 * DAY_S, -6.0 * 365 * DAY_S]),
            st.floats(-30, 30),
            st.floats(-1e9, 4e9),
        ),
        st.floats(0, 16),
    ),
)
HONEST_S = 0.2


@settings(max_examples=200, deadline=None)
@given(
    st.lists(SAID, min_size=1, max_size=40),
    st.lists(st.tuples(st.floats(-1, 1), st.floats(0.001, HONEST_S), st.booleans()), min_size=1, max_size=40),
    st.sampled_from(list(permutations("abc"))),
    st.integers(-50, 50),
)
def test_whatever_one_of_three_says_a_valid_time_is_right_within_a_second(
    lies: list[Lie | None], honest: list[tuple[float, float, bool]], order: tuple[str, ...], ppm: int
) -> None:
    """True servers have up to 200 ms of error, which they tell, and may be silent; the crystal is off by 50 ppm."""
    kernel = Kernel(ppm)

    def ask(number: int, server: str) -> Lie | None:
        if server == "b":
            return lies[number % len(lies)]
        share, claims_s, silent = honest[(number * 2 + "ac".index(server)) % len(honest)]
        return None if silent else Lie(share * claims_s, claims_s)

    assert live(clock_of(kernel), kernel, 40, ask, order).worst_us < SECOND_US


def test_three_true_servers_synchronise_a_fresh_clock_with_the_second_answer() -> None:
    kernel = Kernel()
    assert fed(clock_of(kernel), kernel, ("a", 0), ("b", 0.01), ("c", -0.01)) == [ClockEventKind.SYNCHRONISED]


def test_one_of_two_or_of_three_configured_servers_steps_nothing() -> None:
    for servers in ("ab", "abc"):
        kernel = Kernel()
        clock = clock_of(kernel, servers)
        assert fed(clock, kernel, ("a", 0), ("a", 0)) == []
        assert clock.state is ClockState.INVALID


def test_two_servers_that_contradict_each_other_leave_the_time_invalid_and_it_is_told_once() -> None:
    kernel = Kernel()
    clock = clock_of(kernel, "ab")
    assert fed(clock, kernel, ("a", 0), ("b", 20), ("a", 0), ("b", 20)) == [ClockEventKind.CONTRADICTION]
    assert clock.state is ClockState.INVALID


def test_a_liar_that_comes_and_goes_does_not_fill_the_log() -> None:
    kernel = Kernel()
    clock = clock_of(kernel, "ab", Floor(known_us=UTC_US + DAY_S * SECOND_US))
    events = fed(clock, kernel, ("a", 0), *[("b", 0.0), ("b", 20.0)] * 5)
    assert events == [ClockEventKind.BEFORE_KNOWN, ClockEventKind.CONTRADICTION]


def test_the_only_configured_server_may_step_the_clock() -> None:
    kernel = Kernel()
    assert fed(clock_of(kernel, "a"), kernel, ("a", 0)) == [ClockEventKind.SYNCHRONISED]


def test_a_source_that_is_not_configured_has_no_voice() -> None:
    kernel = Kernel()
    clock = clock_of(kernel, "abc")
    assert fed(clock, kernel, ("a", 20), ("x", 20), ("y", 20)) == []
    assert clock.state is ClockState.INVALID


def test_a_source_that_is_configured_no_more_loses_its_voice() -> None:
    kernel = Kernel()
    clock = clock_of(kernel, "abc")
    fed(clock, kernel, ("a", 20))
    clock.expect(["b", "c"])
    assert fed(clock, kernel, ("b", 20)) == []
    assert fed(clock, kernel, ("b", 0), ("c", 0)) == [ClockEventKind.SYNCHRONISED]


@pytest.mark.parametrize("off_s", [20, -20, 6 * HOUR_S, -6 * HOUR_S, 365 * DAY_S])
def test_a_majority_that_contradicts_a_synchronised_clock_makes_it_invalid_and_steps_it(off_s: float) -> None:
    kernel = Kernel()
    clock = clock_of(kernel)
    fed(clock, kernel, ("a", off_s), ("b", off_s))
    events = fed(clock, kernel, ("c", 0), ("a", 0), ("b", 0))
    assert events == [ClockEventKind.JUMP_IGNORED, ClockEventKind.DEVIATED, ClockEventKind.SYNCHRONISED]
    assert abs(clock.stamp().utc_us - kernel.true_us) < SECOND_US


def test_a_leap_second_that_all_servers_tell_is_slewed() -> None:
    kernel = Kernel()
    clock = clock_of(kernel)
    fed(clock, kernel, ("a", 0), ("b", 0), ("c", 0))
    assert fed(clock, kernel, ("a", -1), ("b", -1), ("c", -1)) == [ClockEventKind.JUMP_IGNORED]
    assert clock.state is ClockState.SYNCHRONISED


def test_the_only_server_is_believed_to_have_jumped_when_it_says_so_three_times() -> None:
    kernel = Kernel()
    clock = clock_of(kernel, "a")
    fed(clock, kernel, ("a", 2000))
    assert fed(clock, kernel, ("a", 0), ("a", 0)) == [ClockEventKind.JUMP_IGNORED]
    assert fed(clock, kernel, ("a", 0), ("a", 0)) == [ClockEventKind.DEVIATED, ClockEventKind.SYNCHRONISED]


def test_the_only_server_steps_a_clock_by_more_than_an_hour_only_if_a_person_agrees() -> None:
    kernel = Kernel()
    clock = clock_of(kernel, "a")
    fed(clock, kernel, ("a", 6 * HOUR_S))
    events = fed(clock, kernel, *[("a", 0.0)] * 6)
    assert events == [ClockEventKind.JUMP_IGNORED, ClockEventKind.DEVIATED, ClockEventKind.ALONE]
    assert (clock.state, clock.refused) == (ClockState.INVALID, True)
    clock.accept()
    event = clock.poll()
    assert event is not None
    assert event.kind is ClockEventKind.SYNCHRONISED
    assert (clock.refused, abs(clock.stamp().utc_us - kernel.true_us) < SECOND_US) == (False, True)


def test_no_agreement_steps_the_time_before_the_build_of_the_software_and_no_person_does() -> None:
    kernel = Kernel()
    clock = clock_of(kernel, floor=Floor(built_us=UTC_US - DAY_S * SECOND_US))
    off = -2 * DAY_S
    assert fed(clock, kernel, ("a", off), ("b", off), ("c", off)) == [ClockEventKind.BEFORE_BUILD]
    clock.accept()
    assert (clock.poll(), clock.state) == (None, ClockState.INVALID)


def test_no_agreement_steps_the_time_before_the_newest_value_but_a_person_may() -> None:
    kernel = Kernel()
    clock = clock_of(kernel, floor=Floor(known_us=UTC_US + DAY_S * SECOND_US))
    assert fed(clock, kernel, ("a", 0), ("b", 0), ("c", 0)) == [ClockEventKind.BEFORE_KNOWN]
    clock.accept()
    event = clock.poll()
    assert isinstance(event, ClockEvent)
    assert event.kind is ClockEventKind.SYNCHRONISED
    assert "smgw clock accept" not in event.text


def test_what_a_person_accepts_is_what_the_sources_say_then_and_nothing_later() -> None:
    kernel = Kernel()
    clock = clock_of(kernel, floor=Floor(known_us=UTC_US + DAY_S * SECOND_US))
    clock.accept()
    assert clock.poll() is None
    assert fed(clock, kernel, ("a", 0), ("b", 0)) == [ClockEventKind.BEFORE_KNOWN]


def test_a_value_from_a_clock_that_was_a_little_ahead_is_no_obstacle() -> None:
    kernel = Kernel()
    clock = clock_of(kernel, floor=Floor(known_us=UTC_US + 80 * SECOND_US))
    assert fed(clock, kernel, ("a", 0), ("b", 0)) == [ClockEventKind.SYNCHRONISED]


def test_a_process_that_goes_on_with_a_saved_time_takes_no_older_sample_a_second_time() -> None:
    kernel = Kernel()
    clock = clock_of(kernel, "a")
    old = kernel.sample("a", 100 * SECOND_US, 1000)
    fed(clock, kernel, ("a", 0))
    again = GatewayClock(source=kernel, saved=clock.saved(), sources="a")
    assert again.feed(old) is None
    assert again.state is ClockState.SYNCHRONISED
