"""Contracts, their profiles, registers and billing periods."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from smgw.cosem.obis import Obis
from smgw.han.exchange import Answer, Request
from smgw.han.house import Contract, House
from smgw.han.periods import Period
from smgw.han.views.pages.frame import framed
from smgw.han.views.pages.meters import registers as registers_of
from smgw.han.views.pages.quantity import meaning, quantity
from smgw.han.views.pages.rendering import Sight, sight
from smgw.look.language import N_

PREFIX = "/contracts/"
_SECOND = 1_000_000
_ERROR_REGISTER = 63

_TITLES = {
    1: N_("data-sparing"),
    2: N_("time-variable"),
    3: N_("load-variable"),
    4: N_("consumption-variable"),
    6: N_("on-demand"),
    7: N_("reading series"),
    9: N_("present feed-in"),
    10: N_("grid state"),
    14: N_("value-added"),
}


def contracts(request: Request, house: House) -> Answer:
    """The list of contracts, and the meters."""
    assert request.who is not None
    consumer, seen = request.who.name, sight(request, house.now_us())
    meters = []
    for meter in house.meters(consumer):
        known = registers_of(house, consumer, meter)
        shown = meter.allowed or [one for one in known if one is not None]
        meters.append(
            {
                "name": meter.profile.name,
                "link": f"/energy?{urlencode({'meter': meter.profile.name})}",
                "device": ", ".join(str(source.device) for source in meter.sources),
                "registers": ", ".join(map(str, shown)),
            }
        )
    found = [
        {**_names(one, seen), "number": number, "pairs": _short(one, seen)}
        for number, one in enumerate(house.contracts(consumer), 1)
    ]
    return framed(request, seen, "contracts.html", "/contracts", contracts=found, meters=meters)


def contract(request: Request, house: House) -> Answer:
    """One contract."""
    assert request.who is not None
    consumer, seen = request.who.name, sight(request, house.now_us())
    one = house.contract(consumer, request.path.removeprefix(PREFIX))
    periods = sorted(house.periods(consumer, one.name), key=lambda each: (-each.begin_us, each.measured))
    return framed(
        request,
        seen,
        "contract.html",
        "/contracts",
        contract=_names(one, seen),
        registers=_registers(house, consumer, one, seen),
        periods=[_period(one, each, seen) for each in periods],
        profile=_profile(one, seen),
    )


def transparency_link(one: Contract, period: Period) -> str:
    """Where the file for TRuDI is: a view of its own makes it."""
    query = {
        "TafName": one.name,
        "TafId": one.profile.taf,
        "Start": _seconds(period.begin_us),
        "End": _seconds(period.end_us),
    }
    return f"/trudi/data?{urlencode(query)}"


def _seconds(at_us: int) -> str:
    return datetime.fromtimestamp(at_us // _SECOND, UTC).isoformat()


def _names(one: Contract, seen: Sight) -> dict[str, Any]:
    profile, _ = one.profile, seen.language.text
    now_s = seen.now_us // _SECOND
    state, kind = _("runs"), "good"
    if profile.begin is not None and now_s < profile.begin:
        state, kind = _("has not begun"), "plain"
    elif profile.end is not None and now_s > profile.end:
        state, kind = _("has ended"), "plain"
    return {
        "name": one.name,
        "link": PREFIX + quote(one.name, safe=""),
        "taf": profile.taf,
        "title": _(_TITLES.get(profile.taf, profile.use_case.title)),
        "state": state,
        "state_kind": kind,
    }


def _short(one: Contract, seen: Sight) -> list[tuple[str, str]]:
    profile, _ = one.profile, seen.language.text
    told = [
        (_("Meters"), ", ".join(profile.meters)),
        (_("Metering point"), profile.usage_point),
        (_("Supplier"), profile.supplier),
        (_("Who may get the results"), ", ".join(profile.emps) or _("nobody")),
    ]
    return [pair for pair in told if pair[1]]


def _profile(one: Contract, seen: Sight) -> list[tuple[str, str]]:
    profile, language = one.profile, seen.language
    _ = language.text

    def day(at_s: int | None) -> str:
        return "" if at_s is None else language.time(seen.zone, at_s * _SECOND)

    told = [
        *_short(one, seen),
        (_("Meters that are subtracted"), ", ".join(profile.subtract)),
        (_("Measured registers"), ", ".join(map(str, profile.objects))),
        (_("Valid from"), day(profile.begin)),
        (_("Valid until"), day(profile.end)),
        (_("Registration period"), language.period(profile.registration_period)),
        (_("Months of a billing period"), str(profile.billing_months)),
        (_("Time zone"), profile.zone),
        (_("Steps by power"), ", ".join(f"{it.step}: > {it.over} W" for it in profile.loads)),
        (_("Steps by amount"), ", ".join(f"{it} Wh" for it in profile.tiers)),
        (_("Device id of the registers"), ", ".join(str(source.device) for source in one.sources)),
    ]
    return [pair for pair in told if pair[1]]


def _registers(house: House, consumer: str, one: Contract, seen: Sight) -> list[dict[str, Any]]:
    found = []
    for group in house.step_registers(consumer, one.name):
        for number, amount in sorted(group.amounts, key=_order):
            obis = Obis(group.measured[:4] + bytes((number,)) + group.measured[5:])
            figure = quantity(amount, group.scaler, group.unit, seen.language)
            found.append(
                {
                    "obis": str(obis),
                    "meaning": meaning(obis, seen.language),
                    "error": number == _ERROR_REGISTER,
                    "value": figure.text,
                    "unit": figure.unit,
                    "at_us": group.time_us,
                }
            )
    return found


def _order(pair: tuple[int, int]) -> int:
    """Steps first, then the error register, then the total."""
    return pair[0] or 1 + _ERROR_REGISTER


def _period(one: Contract, period: Period, seen: Sight) -> dict[str, Any]:
    _ = seen.language.text
    figure = quantity(period.total, period.scaler, period.unit, seen.language)
    return {
        "begin_us": period.begin_us,
        "end_us": period.end_us,
        "obis": str(period.measured),
        "amount": figure.text,
        "unit": figure.unit,
        "steps": ", ".join(_steps(period, seen)),
        "state": _("not over yet") if period.open else _("closed"),
        "kind": "plain" if period.open else "good",
        "link": transparency_link(one, period),
    }


def _steps(period: Period, seen: Sight) -> Iterable[str]:
    _ = seen.language.text

    def told(amount: int) -> str:
        return str(quantity(amount, period.scaler, period.unit, seen.language))

    for number, amount in period.steps:
        yield f"{_('step')} {number}: {told(amount)}"
    if period.error:
        yield f"{_('step not known')}: {told(period.error)}"
