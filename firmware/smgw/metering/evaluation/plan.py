"""An evaluation profile, compiled once: what the evaluation of one measured register asks at each slot."""

from functools import lru_cache
from typing import NamedTuple

from smgw.cosem.obis import Obis
from smgw.metering.evaluation.boundaries import Boundaries, boundaries
from smgw.metering.evaluation.steps import Steps
from smgw.profiles.calendar import Calendar
from smgw.profiles.evaluation import EvaluationProfile

#: So long a slot after a gap waits for rows of the meter's own load profile, which may fill the gap.
HISTORY_S = 86_400


class Plan(NamedTuple):
    """A profile without what is not asked at each slot."""

    profile: EvaluationProfile
    added: int  # the first parts are added, the others subtracted
    parts: int
    period_s: int
    begin_s: int
    end_s: int
    boundaries: Boundaries  # of billing periods; of billing days for TAF 6
    steps: Steps | None  # TAF 2
    numbers: tuple[int, ...]  # of all steps
    billed: bool  # registers of steps, or else readings at boundaries
    hold_s: int  # how long a slot after a gap waits for history
    every: bool  # a row of derived registers at each slot

    @classmethod
    def of(cls, profile: EvaluationProfile, *, history: bool = False, every: bool = True) -> "Plan":
        """`history`: its meters' load profiles are fetched, so gaps may be filled later."""
        return cls(
            profile,
            len(profile.meters),
            len(profile.parts),
            profile.registration_period,
            0 if profile.begin is None else profile.begin,
            1 << 62 if profile.end is None else profile.end,
            boundaries(profile.zone, 0 if profile.taf == _DAILY else profile.billing_months, profile.day_begin),
            None if profile.calendar is None else _steps(profile.calendar),
            _numbers(profile),
            profile.use_case.billed,
            HISTORY_S if history else 0,
            every,
        )


# Many evaluations have one calendar. They share what is compiled of it: one thread evaluates.
_steps = lru_cache(maxsize=16)(Steps)


@lru_cache(maxsize=16)
def _step_numbers(calendar: Calendar) -> tuple[int, ...]:
    return calendar.steps


def _numbers(profile: EvaluationProfile) -> tuple[int, ...]:
    if profile.calendar is not None:
        return _step_numbers(profile.calendar)
    if profile.loads:
        return tuple(sorted({1, *(one.step for one in profile.loads)}))
    return tuple(range(1, len(profile.tiers) + 2)) if profile.tiers else ()


_DAILY = 6
TOTAL, ERROR = 0, 63


@lru_cache(maxsize=256)
def register_name(measured: Obis, group_e: int) -> Obis:
    """The OBIS code of a register: group E names the step; 0 is the total, 63 the error register."""
    return Obis(bytes((*measured[:4], group_e, measured[5])))
