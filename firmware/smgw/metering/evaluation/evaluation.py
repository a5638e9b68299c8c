"""The evaluation of one measured register (section "Time-variable evaluation" of docs/tariffs.md).

For each two neighbouring slots a < b the energy is value(b) - value(a). It goes to the step that holds in every
registration interval between them. If there is none, it goes to the error register. The total gets it always.
Nothing is interpolated.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from smgw.metering.evaluation.plan import ERROR, TOTAL, Plan
from smgw.metering.evaluation.state import Part, Slot, State

#: Numbers of lists (`store.records.ListKind`).
DERIVED, CALCULATED, DAILY, PERIOD_END = 2, 3, 4, 5
_DAILY_TAF = 6
_MOST_GONE = 8
#: Slots that wait for the readings of other meters.
_MOST_WAITING = 4
#: Longer without a row, and the gateway was off; so many of these times are remembered.
_SILENCE_S, _MOST_SILENT = 7200, 16


class Offer(NamedTuple):
    """A reading of one meter for one registration time, in the order of times. `value` None: it does not count."""

    part: int  # place of the meter in the profile
    device: str  # octets in hex
    time_s: int  # nominal time, seconds UTC
    value: int | None
    scaler: int = 0
    unit: int = 30
    came_s: int = 0  # when the gateway got it: much later than `time_s` for rows of history


class Row(NamedTuple):
    """Registers at a registration time, for a list, by group E of their OBIS code: 0 is the total, 63 the error."""

    time_s: int
    list: int
    registers: tuple[tuple[int, int], ...]
    scaler: int
    unit: int


class EventKind(StrEnum):
    """What an evaluation has to tell."""

    BEGUN = "evaluation-begun"
    FELL = "reading-fell"
    EXCHANGED = "evaluated-meter-exchanged"
    UNIT = "evaluated-unit-changed"
    CLOSED = "period-closed"
    CLOSED_EARLY = "period-incomplete"


class Event(NamedTuple):
    """Something that the log and the bill say. `time_s`: the registration time that it is about."""

    kind: EventKind
    time_s: int
    text: str


class Evaluated(NamedTuple):
    """The result of `evaluate`."""

    rows: list[Row]
    state: State
    events: list[Event]


def evaluate(offers: Iterable[Offer], plan: Plan, state: State) -> Evaluated:
    """Rows, the next state and events. The same offers in pieces give the same as at once."""
    running = _Running(plan, state)
    for offer in offers:
        running.take(offer)
    return Evaluated(running.rows, running.state(), running.events)


def final_row(state: State) -> Row | None:
    """The registers of an evaluation that ends, as a period end; None if it has none, or if that row is there."""
    if state.last is None or not state.steps or state.marked_s == state.last.time_s:
        return None
    amounts = ((TOTAL, state.total), *state.steps, (ERROR, state.error))
    return Row(state.last.time_s, PERIOD_END, amounts, state.scaler or 0, state.unit)


def current(plan: Plan, state: State) -> Row | None:
    """The registers as they are now; None before the first reading, and for readings at boundaries."""
    if state.last is None or not plan.billed:
        return None
    return _Running(plan, state).row(state.last.time_s, PERIOD_END)


class _Running:
    def __init__(self, plan: Plan, state: State) -> None:
        self._plan = plan
        (self._scaler, self._unit, self._last, self._newest, steps, self._error, self._total, self._step,
         self._period_end, self._used, self._level, self._fell, self._marked, self._closed,
         waiting, gone, silent) = state  # fmt: skip
        self._steps = {**dict.fromkeys(plan.numbers, 0), **dict(steps)}
        self._waiting = {time_s: dict(parts) for time_s, parts in waiting}
        self._gone = list(gone)
        self._silent = list(silent)
        self.rows: list[Row] = []
        self.events: list[Event] = []

    def state(self) -> State:
        return State(
            self._scaler, self._unit, self._last, self._newest, tuple(sorted(self._steps.items())), self._error,
            self._total, self._step, self._period_end, self._used, self._level, self._fell, self._marked, self._closed,
            tuple([(time_s, tuple(sorted(parts.items()))) for time_s, parts in sorted(self._waiting.items())]),
            tuple(self._gone), tuple(self._silent),
        )  # fmt: skip

    def take(self, offer: Offer) -> None:
        part, device, time_s, value, scaler, unit, came_s = offer
        plan = self._plan
        if time_s % plan.period_s or not plan.begin_s <= time_s <= plan.end_s:
            if time_s > plan.end_s:
                self._after_validity(max(time_s, came_s))
            return
        self._pass_to(max(time_s, came_s) if plan.hold_s else time_s)
        # Rows of a load profile come in order: so old a row, and nothing before it comes any more.
        fetched_s = time_s if value is not None and came_s - time_s >= plan.hold_s else 0
        last = self._last
        if value is not None and time_s >= self._closed and (last is None or time_s > last.time_s):
            value = self._fitting(value, scaler, unit, time_s)
            if value is not None and (part, device) not in self._gone:
                self._offer(part, Part(device, value), time_s)
        if self._waiting:
            self._settle(fetched_s)
        if 0 < self._period_end < self._newest and self._last is not None and self._waited(self._period_end + 1):
            self._close_overdue(self._last)

    def _pass_to(self, now_s: int) -> None:
        """Time passes. While the gateway is off it fetches no history, so that time is no time of waiting."""
        hold_s, before_s = self._plan.hold_s, self._newest
        if now_s <= before_s:
            return
        self._newest = now_s
        if hold_s and now_s - before_s > max(_SILENCE_S, 2 * self._plan.period_s):
            self._silent = [*self._silent, (before_s, now_s)][-_MOST_SILENT:]
        self._silent = [one for one in self._silent if not self._waited(one[1])]

    def _waited(self, since_s: int) -> bool:
        """Whether the gateway has run so long since then that no history comes any more."""
        silent = sum([end_s - max(begin_s, since_s) for begin_s, end_s in self._silent if end_s > since_s])
        return self._newest - since_s - silent >= self._plan.hold_s

    def _offer(self, place: int, part: Part, time_s: int) -> None:
        """A value that counts. Of two of a meter for one time the first one counts."""
        plan = self._plan
        if plan.parts == 1 and not self._waiting and (not plan.hold_s or self._follows(time_s)):
            self._judge(Slot(time_s, (part,)))
        else:
            self._waiting.setdefault(time_s, {}).setdefault(place, part)

    def _follows(self, time_s: int) -> bool:
        """Whether there is no registration time between the last slot, or the begin of the validity, and this one."""
        before_s = time_s - self._plan.period_s
        return before_s < self._plan.begin_s if self._last is None else before_s == self._last.time_s

    def _fitting(self, value: int, scaler: int, unit: int, time_s: int) -> int | None:
        """The value with the scaler of the registers; None for another unit."""
        if scaler == self._scaler and unit == self._unit:
            return value
        if self._scaler is None:
            self._scaler, self._unit = scaler, unit
            return value
        if unit != self._unit:
            self._tell(EventKind.UNIT, time_s, f"a reading has unit {unit} instead of {self._unit}; it is left out")
            return None
        if scaler < self._scaler:
            self._refine(10 ** (self._scaler - scaler))
            self._scaler = scaler
        return value * int(10 ** (scaler - self._scaler))

    def _refine(self, times: int) -> None:
        """Amounts get more digits: a meter has sent a finer scaler."""

        def finer(part: Part) -> Part:
            return Part(part.device, part.value * times)

        self._steps = {step: amount * times for step, amount in self._steps.items()}
        self._error, self._total, self._used = self._error * times, self._total * times, self._used * times
        if self._last is not None:
            self._last = Slot(self._last.time_s, tuple(map(finer, self._last.parts)))
        for parts in self._waiting.values():
            parts.update({place: finer(part) for place, part in parts.items()})

    def _settle(self, fetched_s: int) -> None:
        """Judge the slots that wait for nothing more, in order. Up to `fetched_s` the load profile is fetched."""
        plan = self._plan
        for time_s in sorted(self._waiting):
            parts = self._waiting[time_s]
            old = time_s <= fetched_s or self._waited(time_s)
            if len(parts) < plan.parts:
                if plan.hold_s and not old:
                    break  # a row of a load profile may complete it
                continue
            if not old and not self._follows(time_s):
                break  # a row of a load profile may fill the gap before it
            for earlier in [one for one in self._waiting if one <= time_s]:
                del self._waiting[earlier]
            self._judge(Slot(time_s, tuple([parts[place] for place in range(plan.parts)])))
        if len(self._waiting) > _MOST_WAITING and not plan.hold_s:
            del self._waiting[min(self._waiting)]

    def _judge(self, slot: Slot) -> None:
        last = self._last
        if last is None:
            self._begin(slot)
            return
        time_s = slot.time_s
        energy = 0  # exchanged meters add nothing
        for place, (before, after) in enumerate(zip(last.parts, slot.parts, strict=True)):
            if before.device == after.device:
                if after.value < before.value:
                    self._fallen(place, before, after, time_s)
                    return
                energy += after.value - before.value if place < self._plan.added else before.value - after.value
            else:
                self._exchanged(place, before, time_s)
        self._fell = False
        crossing = not self._period_end or time_s > self._period_end
        if crossing and self._period_end:
            self._end_early(last)
        self._last = slot
        if self._plan.billed:
            self._account(last.time_s, time_s, energy, crossing)
            if self._plan.every:
                self.rows.append(self.row(time_s, DERIVED))
        if crossing or time_s == self._period_end:
            self._at_boundary(time_s, begins=crossing)

    def _begin(self, slot: Slot) -> None:
        self._last = slot
        self._tell(EventKind.BEGUN, slot.time_s, "the first reading counts; energy before it is in no register")
        if self._plan.billed and self._plan.every:
            self.rows.append(self.row(slot.time_s, DERIVED))
        self._at_boundary(slot.time_s, begins=True)

    def _account(self, begin_s: int, end_s: int, energy: int, crossing: bool) -> None:
        """Give the energy of a span to its step, or to the error register."""
        self._total += energy
        step = self._step_of(begin_s, end_s, energy, crossing)
        if step and self._step and step != self._step:
            self.rows.append(self.row(begin_s, CALCULATED, self._total - energy))
        self._step = step or self._step
        if step is None:
            self._error += energy
        elif step:
            self._steps[step] = self._steps.get(step, 0) + energy

    def _step_of(self, begin_s: int, end_s: int, energy: int, crossing: bool) -> int | None:
        """The step of a span; None: the error register; 0: the energy is given already."""
        plan = self._plan
        if plan.steps is not None:
            return plan.steps.of(begin_s, end_s)
        if plan.profile.loads:
            return self._load_step(energy) if end_s - begin_s == plan.period_s else None
        if crossing:  # it belongs to no billing period
            return None
        return self._tier_steps(energy)

    def _load_step(self, energy: int) -> int:
        """TAF 3: by the mean power of a registration period, with hysteresis."""
        loads, scaler = self._plan.profile.loads, self._scaler or 0
        # Mean power in W is energy * 10^scaler * 3600 / period: both sides of the comparison are whole numbers.
        power = energy * 3600 * 10 ** max(scaler, 0)
        watt = self._plan.period_s * 10 ** max(-scaler, 0)
        while self._level < len(loads) and power > loads[self._level].over * watt:
            self._level += 1
        while self._level and power < loads[self._level - 1].under * watt:
            self._level -= 1
        return loads[self._level - 1].step if self._level else 1

    def _tier_steps(self, energy: int) -> int:
        """TAF 4: by the energy used since the billing period began. The energy is divided exactly at a tier."""
        scaler = self._scaler or 0
        while energy:
            place = next(
                (place for place, one in enumerate(self._plan.profile.tiers) if not self._reached(one, scaler)), None
            )
            room = energy
            if place is not None and energy > 0:
                # The least energy with which the tier is reached, in counts.
                tier = self._plan.profile.tiers[place]
                least = tier * 10**-scaler if scaler <= 0 else -(-tier // 10**scaler)
                room = min(energy, least - self._used)
            step = (len(self._plan.profile.tiers) if place is None else place) + 1
            self._steps[step] = self._steps.get(step, 0) + room
            self._used += room
            energy -= room
        return 0

    def _reached(self, tier_wh: int, scaler: int) -> bool:
        return self._used * int(10 ** max(scaler, 0)) >= tier_wh * int(10 ** max(-scaler, 0))

    def _at_boundary(self, time_s: int, *, begins: bool) -> None:
        """A billing period or day ends here and the next begins; `begins`: this one begins with its first reading."""
        boundaries = self._plan.boundaries
        exact = not begins or boundaries.is_one(time_s)
        self._period_end, self._used = boundaries.after(time_s), 0
        if self._plan.billed:
            self._marked = time_s
            self.rows.append(self.row(time_s, PERIOD_END))
        elif exact:
            self.rows.append(self._reading(time_s))
        if not begins and self._plan.profile.taf != _DAILY_TAF:
            self._tell(EventKind.CLOSED, time_s, "registers at the end of the period are formed")

    def _end_early(self, last: Slot) -> None:
        """No reading counts at the end of the period: it ends with the last one that does."""
        if self._plan.billed and self._marked != last.time_s:
            self.rows.append(self.row(last.time_s, PERIOD_END))
        self._tell(
            EventKind.CLOSED_EARLY,
            self._period_end,
            "no reading counts at the end of the period; it ends with the last one",
        )

    def _close_overdue(self, last: Slot) -> None:
        """The period is over, and nothing came in the time that history may take."""
        if last.time_s < self._period_end and not any(one <= self._period_end for one in self._waiting):
            self._end_early(last)
            self._closed, self._period_end = self._period_end, 0

    def _after_validity(self, now_s: int) -> None:
        """The profile is over: its registers end with the last reading that counts, also with one of history."""
        if not self._period_end and not self._waiting:  # all is done
            return
        self._pass_to(now_s)
        self._settle(0)
        if not self._waited(self._plan.end_s + 1):
            return
        self._waiting.clear()
        self._period_end = 0
        row = final_row(self.state())
        if row is not None:
            self.rows.append(row)
            self._marked = row.time_s
            self._tell(EventKind.CLOSED, row.time_s, "the validity has ended; final registers are formed")

    def _fallen(self, place: int, before: Part, after: Part, time_s: int) -> None:
        if not self._fell:
            meter = self._plan.profile.parts[place]
            self._tell(
                EventKind.FELL, time_s, f"meter {meter} fell from {before.value} to {after.value}; it does not count"
            )
        self._fell = True

    def _exchanged(self, place: int, before: Part, time_s: int) -> None:
        self._gone = [*self._gone, (place, before.device)][-_MOST_GONE:]
        meter = self._plan.profile.parts[place]
        self._tell(
            EventKind.EXCHANGED, time_s, f"meter {meter} was exchanged; energy between both meters does not count"
        )

    def row(self, time_s: int, kind: int, total: int | None = None) -> Row:
        amounts = ((TOTAL, self._total if total is None else total), *sorted(self._steps.items()), (ERROR, self._error))
        return Row(time_s, kind, amounts, self._scaler or 0, self._unit)

    def _reading(self, time_s: int) -> Row:
        """TAF 1 and 6: the reading itself, of several meters their sum and difference."""
        assert self._last is not None
        added = self._plan.added
        value = sum(part.value if place < added else -part.value for place, part in enumerate(self._last.parts))
        kind = DAILY if self._plan.profile.taf == _DAILY_TAF else PERIOD_END
        return Row(time_s, kind, ((TOTAL, value),), self._scaler or 0, self._unit)

    def _tell(self, kind: EventKind, time_s: int, text: str) -> None:
        self.events.append(Event(kind, time_s, text))
