"""A meter's load profile of the simulated past: its energy registers at the end of each quarter hour.

A running meter records nothing. The past is computed on request from the same profiles, and equals the registers of
that time to the last unit. A meter's past begins at the start of the simulator.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from smsim.load.days import QUARTER_HOUR_S
from smsim.load.registers import ENERGY, Register, RegisterBank
from smsim.load.timelapse import TimeLapse

_STEP = 96  # quarter hours between two stored states: the most that an answer computes again


class Moment(NamedTuple):
    """The end of one quarter hour: seconds since 1970, and the value of each column."""

    utc_s: int
    values: tuple[int, ...]


class History:
    """The past of one meter: of its registers, those that count energy.

    `new_bank` makes the registers as they were at the start, which is in seconds since 1970.
    """

    def __init__(
        self, registers: Sequence[Register], new_bank: Callable[[], RegisterBank], time: TimeLapse, start_utc_s: int
    ) -> None:
        self.columns = tuple(register for register in registers if register.drive in ENERGY)
        self._new_bank = new_bank
        self._time = time
        self._first = -(-start_utc_s // QUARTER_HOUR_S)  # the first end of a quarter hour
        self._kept: list[RegisterBank] = []  # as at quarters _first, _first + _STEP, ...

    def moments(self, begin_utc_s: int, end_utc_s: int) -> Iterator[Moment]:
        """The ends of quarter hours from begin to end, both inclusive. `end` must not be in the future."""
        quarter = max(self._first, -(-begin_utc_s // QUARTER_HOUR_S))
        last = end_utc_s // QUARTER_HOUR_S
        if quarter > last:
            return
        bank = self._bank_at(quarter)
        for place in range(quarter, last + 1):
            bank.advance(place * self._time.ticks_per_quarter)
            yield Moment(place * QUARTER_HOUR_S, tuple(map(bank.value, self.columns)))

    def _bank_at(self, quarter: int) -> RegisterBank:
        """A copy of the stored state at most _STEP before that quarter hour."""
        place = (quarter - self._first) // _STEP
        while len(self._kept) <= place:
            bank = copy.deepcopy(self._kept[-1]) if self._kept else self._new_bank()
            bank.advance((self._first + len(self._kept) * _STEP) * self._time.ticks_per_quarter)
            self._kept.append(bank)
        return copy.deepcopy(self._kept[place])
