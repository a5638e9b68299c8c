"""Random weeks of a time-variable tariff: the evaluation gives what a plain implementation gives.

`plain_tariff` was written by another hand, from the text of the rules alone. Some hundred cases run in `make test`, and
20,000 in `make test-long`.
"""

import random
from collections import Counter
from operator import itemgetter

import plain_tariff
import tariff_cases
from effort import SEED, rounds
from smgw.metering.evaluation.evaluation import Offer, evaluate
from smgw.metering.evaluation.plan import Plan
from smgw.metering.evaluation.state import State

CASES = rounds(300, 20_000)
FIRST = 1_000_000 * SEED


def _nonzero(steps: dict[int, int]) -> dict[int, int]:
    return {step: amount for step, amount in steps.items() if amount}


def test_registers_are_those_of_the_plain_implementation() -> None:
    for seed in range(FIRST, FIRST + CASES):
        case = tariff_cases.case_of(seed)
        _, (_, state, _) = tariff_cases.whole(case)
        plain = plain_tariff.registers(case)
        if plain is None:
            assert state.last is None, seed
            continue
        assert state.last is not None, seed
        found = (state.last.time_s, _nonzero(dict(state.steps)), state.error, state.total)
        assert found == (plain.end_s, _nonzero(dict(plain.steps)), plain.error, plain.total), seed


def test_bills_are_those_of_the_plain_implementation() -> None:
    for seed in range(FIRST, FIRST + CASES // 3):
        case = tariff_cases.case_of(seed)
        found = [
            (one.begin_s, one.end_s, _nonzero(dict(one.steps)), one.error, one.total)
            for one in tariff_cases.bills_of(*tariff_cases.whole(case))
        ]
        plain = [
            (one.begin_s, one.end_s, _nonzero(dict(one.steps)), one.error, one.total)
            for one in plain_tariff.bills(case)
            if one.begin_s < one.end_s  # a single reading makes no bill
        ]
        assert found == plain, seed


def test_readings_in_pieces_give_the_same_as_at_once() -> None:
    for seed in range(FIRST, FIRST + CASES // 3):
        chance = random.Random(seed)
        case = tariff_cases.case_of(seed)
        plan, once = tariff_cases.whole(case)
        rows, events, state, offers = [], [], State(), tariff_cases.offers_of(case)
        while offers or state == State():
            cut = chance.choice((1, 1, 5, 100))
            pieces = evaluate(offers[:cut], plan, State.decode(state.encode()))
            rows, events, state, offers = rows + pieces.rows, events + pieces.events, pieces.state, offers[cut:]
        assert (rows, events, state) == (once.rows, once.events, once.state), seed


def test_steps_and_error_register_add_up_to_the_total() -> None:
    for seed in range(FIRST, FIRST + CASES // 3):
        _, (rows, _, _) = tariff_cases.whole(tariff_cases.case_of(seed))
        for row in rows:
            amounts = dict(row.registers)
            assert amounts.pop(0) == sum(amounts.values()), seed


def _later(offers: list[Offer], period_s: int, first_s: int, chance: random.Random) -> list[Offer]:
    """The same offers, some of them up to a day later, as rows of a load profile come.

    Doubles stay where they are, and so do those of the first slot: an evaluation begins with the first that it gets.
    """
    once = Counter((one.part, one.time_s) for one in offers)
    due: list[tuple[int, int, Offer]] = []
    for place, one in enumerate(offers):
        late = once[one.part, one.time_s] == 1 and one.time_s > first_s and chance.random() < 0.1
        delay = chance.randrange(86_400 - 2 * period_s) if late and period_s < 43_200 else 0
        due.append((one.time_s + delay, place, one))
    return [one for _, _, one in sorted(due, key=itemgetter(0, 1))]


def _silent(last_s: int, period_s: int) -> list[Offer]:
    """Gap rows of some days: what waits for history is judged then."""
    begin_s = last_s - last_s % period_s
    return [Offer(0, "", time_s, None) for time_s in range(begin_s + period_s, begin_s + 3 * 86_400 + 1, period_s)]


def test_rows_of_a_load_profile_that_come_within_a_day_give_the_same_registers_as_in_order() -> None:
    for seed in range(FIRST, FIRST + CASES // 3):
        case = tariff_cases.case_of(seed)
        profile, offers = tariff_cases.profile_of(case), tariff_cases.offers_of(case)
        last = max((one.time_s for one in offers), default=0)
        silent = _silent(last, case.period_s)
        rows, in_order, _ = evaluate([*offers, *silent], Plan.of(profile._replace(end=None)), State())
        first_s = rows[0].time_s if rows else last
        later = _later(offers, case.period_s, first_s, random.Random(seed))
        held = evaluate([*later, *silent], Plan.of(profile._replace(end=None), history=True), State()).state
        assert (held.last, held.steps, held.error, held.total) == (
            in_order.last,
            in_order.steps,
            in_order.error,
            in_order.total,
        ), seed


def _after_an_outage(offers: list[Offer], period_s: int, chance: random.Random) -> list[Offer]:
    """The same offers with an outage: the gap rows and the next reading come first, then the load profile in order."""
    off, on = sorted(chance.choice(offers).time_s for _ in range(2))
    if chance.random() < 0.3:  # off since the beginning
        off = offers[0].time_s - 1
    missed = [one for one in offers if off < one.time_s < on]
    gap = [Offer(0, one.device, one.time_s, None, came_s=on) for one in missed if one.time_s % period_s == 0]
    return [
        *(one for one in offers if one.time_s <= off),
        *gap,
        *(one for one in offers if one.time_s == on),
        *(one._replace(came_s=on + 60) for one in missed),
        *(one for one in offers if one.time_s > on),
    ]


def test_an_outage_whose_load_profile_is_fetched_gives_the_same_registers_and_bills() -> None:
    for seed in range(FIRST, FIRST + CASES // 3):
        case, chance = tariff_cases.case_of(seed), random.Random(seed)
        profile, offers = tariff_cases.profile_of(case)._replace(end=None), tariff_cases.offers_of(case)
        if not offers:
            continue
        silent = _silent(offers[-1].time_s, case.period_s)
        plan = Plan.of(profile, history=True)
        in_order = evaluate([*offers, *silent], plan, State())
        fetched = evaluate([*_after_an_outage(offers, case.period_s, chance), *silent], plan, State())
        assert fetched.rows == in_order.rows, seed
        assert (fetched.state.last, fetched.state.total) == (in_order.state.last, in_order.state.total), seed
