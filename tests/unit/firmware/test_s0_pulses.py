"""Pulses of edges, the dial and the power. Sequences are (milliseconds, active)."""

from collections.abc import Sequence

import pytest
from smgw.cosem.units import WATT
from smgw.profiles.s0 import QUANTITIES
from smgw.s0.dial import Dial, Rate
from smgw.s0.edges import Edge, EdgeReader, Lost, event_octets
from smgw.s0.pulse import PulseFilter

MS = 1_000_000
#: What contacts did: how many pulses of at least 10 ms there are.
SEQUENCES = {
    "one pulse": (1, [(0, 1), (30, 0)]),
    "two pulses": (2, [(0, 1), (30, 0), (60, 1), (90, 0)]),
    "a spike": (0, [(0, 1), (2, 0)]),
    "spikes of a relay": (0, [(0, 1), (1, 0), (5, 1), (6, 0), (20, 1), (29, 0)]),
    "a pulse that bounces at its begin": (1, [(0, 1), (1, 0), (2, 1), (4, 0), (5, 1), (45, 0)]),
    "a pulse that bounces at its end": (1, [(0, 1), (40, 0), (41, 1), (42, 0), (44, 1), (45, 0)]),
    "a contact that stops on its edge": (1, [(0, 1), (50, 0), (55, 1), (80, 0), (84, 1), (120, 0), (121, 1), (190, 0)]),
    "a pause that is too short": (1, [(0, 1), (30, 0), (39, 1), (70, 0)]),
    "a pause that is just long enough": (2, [(0, 1), (30, 0), (40, 1), (50, 0)]),
    "active at the start": (1, [(10, 0), (40, 1), (70, 0)]),
    "active at the start, and bouncing": (0, [(10, 0), (12, 1), (60, 0)]),
    "an edge that was too short to be seen": (1, [(0, 1), (20, 1), (25, 0)]),
    "a first touch that the kernel took too late": (2, [(0, 1), (30, 0), (60, 0), (61, 1), (90, 0)]),
    "the fastest meter": (17, [(at, at % 60 == 0) for at in range(0, 1020, 30)]),
    "a long pulse, then one more": (2, [(0, 1), (500, 0), (1000, 1), (1500, 0)]),
}


def edges(sequence: Sequence[tuple[int, int]]) -> list[Edge]:
    return [Edge(ms * MS, bool(active), place) for place, (ms, active) in enumerate(sequence, 1)]


def counted(events: Sequence[Edge | Lost]) -> int:
    made = PulseFilter(10 * MS)
    return sum(len(made.take(event)) for event in events)


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_pulse_counts_once_if_it_and_the_pause_before_are_long_enough(name: str) -> None:
    wanted, sequence = SEQUENCES[name]
    assert counted(edges(sequence)) == wanted


@pytest.mark.parametrize("name", SEQUENCES)
def test_looking_all_the_time_counts_as_many(name: str) -> None:
    """A pulse may count before its end; it then does not count at its end."""
    wanted, sequence = SEQUENCES[name]
    made, found, events = PulseFilter(10 * MS), 0, edges(sequence)
    for ms in range(events[-1].ns // MS + 100):
        found += sum(len(made.take(event)) for event in events if event.ns == ms * MS)
        found += len(made.settle(ms * MS))
    assert found == wanted


def taken_late(burst: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """All that the kernel may make of edges in quick succession.

    It notes the time of an edge at once, and reads the state of the line later, perhaps after further edges. Edges that
    come before it reads are one event.
    """
    last = len(burst) - 1

    def after(done: int, read: int) -> list[list[tuple[int, int]]]:
        if done == last:
            return [[]]
        return [
            [(burst[noted][0], burst[state][1]), *rest]
            for noted in range(max(done + 1, read), last + 1)
            for state in range(noted, last + 1)
            for rest in after(noted, state)
        ]

    return after(-1, 0)


BEGINS = taken_late([(0, 1), (1, 0), (3, 1), (4, 0), (5, 1)])
ENDS = taken_late([(40, 0), (41, 1), (42, 0)])


def test_a_pulse_that_bounces_counts_once_however_late_the_kernel_looks() -> None:
    wrong = []
    for begin in BEGINS:
        for end in ENDS:
            sequence = [(0, 1), (30, 0), *((at + ms, active) for at in (100, 200) for ms, active in (*begin, *end))]
            if counted(edges(sequence)) != 3:
                wrong.append((begin, end))
    assert len(BEGINS) * len(ENDS) > 1000
    assert wrong == []


@pytest.mark.parametrize("looked", [False, True], ids=["ended at once", "ended after the pulse counted"])
@pytest.mark.parametrize("ended", ["before the pulse", "in the pulse"])
def test_such_a_pulse_counts_once_if_the_process_ends(ended: str, looked: bool) -> None:
    wrong = []
    for begin in BEGINS:
        for end in ENDS:
            first = PulseFilter(10 * MS)
            events = edges([(-100, 1), (-70, 0), *(begin if ended == "in the pulse" else ())])
            found = sum(len(first.take(event)) for event in events)
            if looked:
                found += len(first.settle(30 * MS))
            later = PulseFilter(10 * MS)
            later.resume(first.state)
            events = edges(end if ended == "in the pulse" else [*begin, *end])
            found += sum(len(later.take(event)) for event in events)
            if found != 2:
                wrong.append((begin, end, found))
    assert wrong == []


def test_a_contact_that_stays_closed_counts_before_it_opens() -> None:
    made = PulseFilter(10 * MS)
    made.take(Edge(0, True, 1))
    assert [len(made.settle(ms * MS)) for ms in (9, 10, 11, 5000)] == [0, 1, 0, 0]
    assert made.take(Edge(6000 * MS, False, 2)) == []


def test_a_pulse_has_the_time_of_its_begin() -> None:
    made = PulseFilter(10 * MS)
    made.take(Edge(5 * MS, True, 1))
    assert [one.ns for one in made.take(Edge(50 * MS, False, 2))] == [5 * MS]


@pytest.mark.parametrize("size", [1, 7, 48, 100, 10_000])
def test_events_in_pieces_of_any_size_are_the_same_edges(size: int) -> None:
    sent = edges(SEQUENCES["the fastest meter"][1])
    octets = b"".join(map(event_octets, sent))
    reader = EdgeReader()
    found = [one for at in range(0, len(octets), size) for one in reader.receive(octets[at : at + size])]
    assert found == sent


def test_a_gap_in_the_numbers_is_a_number_of_lost_edges() -> None:
    reader = EdgeReader()
    octets = b"".join(event_octets(Edge(number * MS, True, number)) for number in (1, 2, 7))
    assert reader.receive(octets)[2] == Lost(4)


def test_numbers_go_round() -> None:
    reader = EdgeReader()
    reader.receive(event_octets(Edge(0, True, 0xFFFF_FFFF)))
    assert reader.receive(event_octets(Edge(1, False, 0))) == [Edge(1, False, 0)]


def test_an_event_of_an_unknown_kind_is_a_lost_edge() -> None:
    octets = bytearray(event_octets(Edge(0, True, 1)))
    octets[8] = 9
    assert EdgeReader().receive(bytes(octets)) == [Lost(1)]


def test_after_lost_edges_counting_goes_on() -> None:
    before, after = edges([(0, 1), (30, 0), (60, 1)]), edges([(1000, 1), (1030, 0), (1060, 1), (1090, 0)])
    assert counted([*before, Lost(1000), *after]) == 3


@pytest.mark.parametrize(
    ("pulses", "per", "count", "value", "scaler"),
    [
        (1000, "kWh", 12_345, 12_345, 0),
        (500, "kWh", 3, 6, 0),
        (800, "kWh", 3, 375, -2),
        (10_000, "kWh", 7, 7, -1),
        (600, "kWh", 600_000_000, 1_000_000_000_000, -3),
        (600, "kWh", 1, 1666, -3),
        (1, "10 l", 5, 50, -3),
        (1, "m3", 5, 5000, -3),
        (1, "GJ", 2, 2_000_000_000, 0),
    ],
)
def test_the_dial_is_exact(pulses: int, per: str, count: int, value: int, scaler: int) -> None:
    dial = Dial(pulses, QUANTITIES[per])
    assert (dial.value(count), dial.scaler) == (value, scaler)


@pytest.mark.parametrize(
    ("pulses", "per", "digits", "decimals", "count", "text"),
    [
        (1000, "kWh", 12_345_678, 3, 12_345_678, "12345.678 kWh"),
        (800, "kWh", 100, 0, 80_000, "100.00000 kWh"),
        (1, "10 l", 123_456, 2, 123_456, "1234.560 m³"),
        (1, "m3", 17, 0, 17, "17.000 m³"),
        (10, "MWh", 25, 1, 25, "2.500000 MWh"),
        (1, "GJ", 25, 1, 3, "3.000000000 GJ"),
        (1000, "kWh", 0, 0, 0, "0.000 kWh"),
    ],
)
def test_a_reading_of_the_dial_is_a_count_and_back(
    pulses: int, per: str, digits: int, decimals: int, count: int, text: str
) -> None:
    dial = Dial(pulses, QUANTITIES[per])
    assert dial.count(digits, decimals) == count
    assert dial.text(count) == text


def test_power_is_a_pulse_divided_by_the_time_between_two() -> None:
    quantity = QUANTITIES["kWh"]
    assert (quantity.rate_unit, quantity.rate_scaler) == (WATT, -1)
    assert Dial(1000, quantity).rate(3_600_000_000) == 10_000  # 1 Wh in 3.6 s: 1000.0 W


@pytest.mark.parametrize(
    ("pulses", "per", "seconds", "rate"),
    [(1, "10 l", 36, 10_000), (1, "GJ", 1000, 10_000_000), (1, "MWh", 3600, 10_000_000), (1, "l", 3600, 10)],
)
def test_flow_and_heat_have_their_own_rates(pulses: int, per: str, seconds: int, rate: int) -> None:
    assert Dial(pulses, QUANTITIES[per]).rate(seconds * 1_000_000_000) == rate


def test_without_pulses_the_time_between_them_grows() -> None:
    rate = Rate()
    assert rate.interval(0) is None
    rate.pulse(1000)
    assert rate.interval(5000) is None
    rate.pulse(3000)
    assert [rate.interval(ns) for ns in (3000, 4000, 5000, 7000, 13_000)] == [2000, 2000, 2000, 4000, 10_000]
    rate.broken()
    assert rate.interval(20_000) is None
