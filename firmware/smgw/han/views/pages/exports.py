"""What a person takes away: CSV of amounts and closing values, the file for TRuDI."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from urllib.parse import urlencode

from smgw.cosem.csv_cell import guarded
from smgw.cosem.obis import Obis
from smgw.cosem.units import WATT_HOUR
from smgw.han.calendar import Step
from smgw.han.exchange import Answer, Request, problem
from smgw.han.house import House
from smgw.han.series import Amount, Closing
from smgw.han.views.pages.contracts import transparency_link
from smgw.han.views.pages.frame import framed
from smgw.han.views.pages.meters import closings, registers
from smgw.han.views.pages.quantity import number, unit_name
from smgw.han.views.pages.rendering import sight
from smgw.han.views.pages.window import MAX_YEAR, MIN_YEAR, Span, Window, parse_day
from smgw.look.language import N_
from smgw.look.times import Zone, iso
from smgw.store.ranges import Range

_STEPS = (
    (Step.QUARTER, N_("a quarter hour")),
    (Step.HOUR, N_("an hour")),
    (Step.DAY, N_("a day")),
    (Step.MONTH, N_("a month")),
)
#: Most rows of one CSV, and how many of a day has each step: a quarter of quarter hours, a year of hours.
MOST_ROWS = 9000
_OF_A_DAY = {Step.QUARTER: 96, Step.HOUR: 24, Step.DAY: 1, Step.MONTH: 1}
_MOST_PERIODS = 48


def exports(request: Request, house: House) -> Answer:
    """The page."""
    assert request.who is not None
    consumer, seen = request.who.name, sight(request, house.now_us())
    _ = seen.language.text
    today = seen.zone.at(seen.now_us).date()
    month = Window.around(Span.MONTH, today)
    periods = {}
    for contract in house.contracts(consumer):
        for one in reversed(house.periods(consumer, contract.name)):  # one a register
            periods[contract.name, one.begin_us] = {
                "contract": contract.name,
                "begin_us": one.begin_us,
                "end_us": one.end_us,
                "link": transparency_link(contract, one),
                "file": f"{contract.name}-{seen.zone.at(one.begin_us):%Y-%m-%d}.xml",
            }
    return framed(
        request,
        seen,
        "exports.html",
        "/exports",
        meters=[one.profile.name for one in house.meters(consumer)],
        steps=[(str(step), _(text)) for step, text in _STEPS],
        since=month.first.isoformat(),
        until=today.isoformat(),
        contracts=[one.name for one in house.contracts(consumer)],
        periods=list(periods.values())[:_MOST_PERIODS],
        programs=[
            ("/smgw/con/v1/", _("Everything as JSON, described by OpenAPI")),
            ("/trudi/contracts", _("Contracts for TRuDI")),
        ],
    )


def energy_csv(request: Request, house: House) -> Answer:
    """Amounts and closing values of a meter between two days, one row a step."""
    assert request.who is not None
    first, last = parse_day(request.query.get("from", "")), parse_day(request.query.get("to", ""))
    step = next((one for one, _ in _STEPS if str(one) == request.query.get("step")), None)
    if first is None or last is None or step is None or not MIN_YEAR <= first.year <= last.year <= MAX_YEAR:
        return problem(400, "A first and a last day and a step are needed, such as from=2026-11-01.")
    if not 0 <= (last - first).days * _OF_A_DAY[step] <= MOST_ROWS:
        return problem(400, f"This asks for more than {MOST_ROWS} rows, or for none: take fewer days.")
    consumer, zone = request.who.name, Zone()
    name = request.query.get("meter", "")
    house.meter(consumer, name)
    wanted = Range(zone.midnight(first), zone.midnight(last + timedelta(days=1)))
    rows = _lines(name, _columns(house, consumer, name, step, wanted, zone), zone)
    file = f"{first}_{last}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{file}"', "Cache-Control": "no-store"}
    return Answer(200, rows, "text/csv; charset=utf-8", headers)


#: A register, and what it counted and said in each step.
_Column = tuple[Obis, list[Amount], list[Closing | None]]


def _columns(house: House, consumer: str, name: str, step: Step, wanted: Range, zone: Zone) -> list[_Column]:
    """All is read here: the lines are taken later, and in another thread."""
    meter = house.meter(consumer, name)
    known = registers(house, consumer, meter)
    columns = []
    for obis in (known.imported, known.exported):
        if obis is not None:
            amounts = house.amounts(consumer, name, obis, step, wanted, zone.name)
            columns.append((obis, amounts, closings(house, consumer, meter, obis, step, wanted, zone)))
    return columns


def _lines(name: str, columns: list[_Column], zone: Zone) -> Iterator[bytes]:
    heads: list[str] = []
    for obis, amounts, _ in columns:
        unit = unit_name(next((one.unit for one in amounts if one.value is not None), WATT_HOUR))
        heads += [f"{obis} amount {unit}", f"{obis} closing value {unit}", f"{obis} complete"]
    yield _line(["meter", "from UTC", "to UTC", "from local", *heads])
    label = guarded(name).replace(";", ",")
    for place, one in enumerate(columns[0][1] if columns else ()):
        cells = [label, iso(one.begin_us) or "", iso(one.end_us) or "", zone.local(one.begin_us)]
        for _, amounts, ends in columns:
            amount, end = amounts[place], ends[place]
            cells.append("" if amount.value is None else number(amount.value, amount.scaler, amount.unit))
            cells.append("" if end is None or not end.exact else number(end.value, end.scaler, end.unit))
            cells.append("yes" if amount.exact and amount.value is not None else "no")
        yield _line(cells)


def _line(cells: Iterable[str]) -> bytes:
    return ";".join(cells).encode() + b"\r\n"


def csv_link(meter: str, step: Step, first: str, last: str) -> str:
    """Where this CSV is."""
    return f"/exports/energy.csv?{urlencode({'meter': meter, 'step': str(step), 'from': first, 'to': last})}"
