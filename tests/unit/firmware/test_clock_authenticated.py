"""A time server that proves who it is: the others neither outvote it nor replace it."""

from collections.abc import Callable

import pytest
from smgw.clock.event import ClockEventKind
from smgw.clock.gateway_clock import GatewayClock
from smgw.clock.sources import Sources
from smgw.cosem.reading import ClockState
from time_lies import LIES, SECOND_NS, SECOND_US, YEAR_S, Kernel, Lie, live

GWA, SECOND, THIRD = (f"tls://gwa{number}:4123" for number in range(3))
OPEN = ("a", "b", "c", "system clock")


def fed(clock: GatewayClock, kernel: Kernel, source: str, off_s: float = 0) -> ClockEventKind | None:
    kernel.boottime += SECOND_NS
    event = clock.feed(kernel.sample(source, round(off_s * SECOND_US), 1000))
    return event and event.kind


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_any_number_of_unauthenticated_liars_has_no_effect(lie: Callable[[int], Lie]) -> None:
    kernel = Kernel()
    clock = GatewayClock(source=kernel, sources=[GWA, *OPEN])
    outcome = live(clock, kernel, 40, lambda number, server: Lie(0) if server == GWA else lie(number), [GWA, *OPEN])
    assert outcome.worst_us < SECOND_US
    assert outcome.valid == 1.0


def test_unauthenticated_sources_do_not_set_the_clock_while_the_authenticated_one_is_silent() -> None:
    kernel = Kernel()
    clock = GatewayClock(source=kernel, sources=[GWA, *OPEN])
    for name in OPEN * 5:
        assert fed(clock, kernel, name) is None
    assert clock.state is ClockState.INVALID
    assert fed(clock, kernel, f"{GWA} (Admin.GWA)") is ClockEventKind.SYNCHRONISED


def test_one_that_contradicts_the_authenticated_one_is_told() -> None:
    kernel = Kernel()
    clock = GatewayClock(source=kernel, sources=[GWA, "a"])
    fed(clock, kernel, GWA)
    assert fed(clock, kernel, "a", 60) is ClockEventKind.JUMP_IGNORED
    assert fed(clock, kernel, "a", 60) is None


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_one_liar_with_a_valid_certificate_among_three_is_outvoted(lie: Callable[[int], Lie]) -> None:
    kernel = Kernel()
    servers = [GWA, SECOND, THIRD]
    clock = GatewayClock(source=kernel, sources=servers)
    first = live(clock, kernel, 1, lambda number, server: lie(number) if server == SECOND else Lie(0), servers)
    rest = live(clock, kernel, 40, lambda number, server: lie(number + 1) if server == SECOND else Lie(0), servers)
    assert max(first.worst_us, rest.worst_us) < SECOND_US
    assert (first.valid_at_last, rest.valid) == (True, 1.0)


def test_a_single_liar_with_a_valid_certificate_cannot_move_a_synchronised_clock_without_a_person() -> None:
    kernel = Kernel()
    clock = GatewayClock(source=kernel, sources=[GWA, "a", "b"])
    fed(clock, kernel, GWA)
    events = [fed(clock, kernel, GWA, YEAR_S) for _ in range(10)]
    assert ClockEventKind.JUMP_IGNORED in events
    assert ClockEventKind.SYNCHRONISED not in events
    assert clock.refused


def test_without_an_authenticated_source_all_have_a_voice() -> None:
    assert Sources(OPEN).needed == 3
    assert Sources([GWA, *OPEN]).needed == 1
    assert Sources([GWA, SECOND, THIRD, *OPEN]).needed == 2


def test_a_source_that_becomes_authenticated_silences_the_others_from_then_on() -> None:
    kernel = Kernel()
    clock = GatewayClock(source=kernel, sources=["a"])
    fed(clock, kernel, "a")
    clock.expect(["a", GWA])
    fed(clock, kernel, GWA, 0.1)
    assert fed(clock, kernel, "a", 60) is ClockEventKind.JUMP_IGNORED
    kernel.boottime += 3600 * SECOND_NS
    stamp = clock.stamp()
    assert abs(stamp.utc_us - kernel.true_us - 100_000) < 60_000
