"""The bills of a usage point in a billing period: those of all its evaluations.

Evaluations say their usage point themselves. One that says none is chosen by its device id.
"""

from typing import NamedTuple, Protocol

from smgw.cosem.device_id import DeviceId
from smgw.cosem.evaluation_facts import EvaluationFacts
from smgw.look.times import iso
from smgw.webservice.error import NotFound

from emp.answers.period_bills import Period, PeriodBill, Rows, Unbilled, facts_of, is_evaluation, period_bills

#: The choice of all periods.
ALL = "all"


class Evaluations(Rows, Protocol):
    """What is asked of a store."""

    def devices(self, gateway: DeviceId | None = None) -> list[DeviceId]:
        """See Storage."""


class Evaluation(NamedTuple):
    """A device with derived registers, and what it says of itself."""

    device: DeviceId
    facts: EvaluationFacts | None

    @property
    def usage_point(self) -> str:
        """Its usage point, or else its device id."""
        return (self.facts.usage_point if self.facts else "") or str(self.device)

    @property
    def name(self) -> str:
        """As the gateway's operator calls it; "" if that is not known."""
        return self.facts.name if self.facts else ""


class OwnBill(NamedTuple):
    """A bill, and whose it is."""

    evaluation: Evaluation
    bill: PeriodBill


class OwnUnbilled(NamedTuple):
    """Energy in no bill, and whose it is."""

    evaluation: Evaluation
    unbilled: Unbilled


class Choice(NamedTuple):
    """What can be chosen, what is chosen, and its bills; the newest first."""

    usage_points: list[str]
    usage_point: str  # "": there is none
    periods: list[Period]
    period: str  # as `period_name` gives it, or ALL
    bills: list[OwnBill]
    unbilled: list[OwnUnbilled]


def period_name(period: Period) -> str:
    """`2026-01-01T00:00:00Z/2026-02-01T00:00:00Z` (ISO 8601)."""
    return "/".join((iso(time_us) or "").replace(".00Z", "Z") for time_us in period)


def choose(storage: Evaluations, usage_point: str | None, period: str | None) -> Choice:
    """The bills of a choice; by default of the first usage point and its newest period. NotFound for an unknown one."""
    found: dict[str, list[Evaluation]] = {}
    for device in storage.devices():
        if is_evaluation(device):
            one = Evaluation(device, facts_of(storage, device))
            found.setdefault(one.usage_point, []).append(one)
    names = sorted(found)
    if usage_point and usage_point not in found:
        raise NotFound(f"no evaluation of usage point {usage_point!r:.80} is known here")
    chosen = usage_point or (names[0] if names else "")
    bills: list[OwnBill] = []
    unbilled: list[OwnUnbilled] = []
    for evaluation in found.get(chosen, ()):
        own = period_bills(storage, evaluation.device)
        bills += [OwnBill(evaluation, bill) for bill in own.bills]
        unbilled += [OwnUnbilled(evaluation, one) for one in own.unbilled]
    periods = sorted({one.bill.period for one in bills}, reverse=True)
    wanted = period or (period_name(periods[0]) if periods else ALL)
    if wanted != ALL:
        bills = [one for one in bills if period_name(one.bill.period) == wanted]
        spans = [one for one in periods if period_name(one) == wanted]
        unbilled = [
            one
            for one in unbilled
            if any(one.unbilled.begin_us < end and begin < one.unbilled.end_us for begin, end in spans)
        ]
    bills.sort(key=lambda one: (-one.bill.end_us, one.evaluation.name, bytes(one.bill.register)))
    return Choice(names, chosen, periods, wanted, bills, unbilled)
