"""Ends of billing periods: the readings that the gateway signs."""

from collections.abc import Iterable

from smgw.metering.evaluation.boundaries import Boundaries, boundaries
from smgw.profiles.evaluation import EvaluationProfile

_SECOND = 1_000_000


class PeriodEnds:
    """Which readings of which meter stand at the end of a billing period. Used by one thread."""

    def __init__(self, evaluations: Iterable[EvaluationProfile]) -> None:
        self._boundaries: dict[str, list[Boundaries]] = {}
        for one in evaluations:
            for meter in one.parts:
                self._boundaries.setdefault(meter, []).append(boundaries(one.zone, one.billing_months))

    def __call__(self, meter: str, target_us: int) -> bool:
        """True if a period of an evaluation with this meter ends at the target time (microseconds UTC)."""
        seconds, rest = divmod(target_us, _SECOND)
        return not rest and any(one.is_one(seconds) for one in self._boundaries.get(meter, ()))
