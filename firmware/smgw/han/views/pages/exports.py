"""What a person takes away: CSV of amounts and closing values, the file for TRuDI."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import pairwise
from urllib.parse import urlencode

from smgw.cosem.csv_cell import guarded
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
#: Most rows of one CSV, and how many of a day has each step: a year of quarter hours.
MOST_ROWS = 36_000
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
    days = [first, *(day for day in _months(first, last, step)), last + timedelta(days=1)]
    marks = [zone.midnight(day) for day in days]
    pieces = (Range(*pair) for pair in pairwise(marks))
    rows = _lines(house, consumer, name, step, pieces, zone)
    file = f"{first}_{last}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{file}"', "Cache-Control": "no-store"}
    return Answer(200, rows, "text/csv; charset=utf-8", headers)


def _months(first: date, last: date, step: Step) -> Iterator[date]:
    """The first days of months inside: the whole of a long time need not fit into the memory."""
    day = (first.replace(day=1) + timedelta(days=31)).replace(day=1)
    while day <= last and step is not Step.MONTH:
        yield day
        day = (day + timedelta(days=31)).replace(day=1)


def _lines(house: House, consumer: str, name: str, step: Step, pieces: Iterable[Range], zone: Zone) -> Iterator[bytes]:
    """The head, then the lines of each piece at once."""
    meter = house.meter(consumer, name)
    known = registers(house, consumer, meter)
    objects = [one for one in (known.imported, known.exported) if one is not None]
    units = {obis: unit for source in meter.sources for obis, _, unit in house.registers(consumer, source)}
    heads: list[str] = []
    for obis in objects:
        unit = unit_name(units[obis])
        heads += [f"{obis} amount {unit}", f"{obis} closing value {unit}", f"{obis} complete"]
    yield _line(["meter", "from UTC", "to UTC", "from local", *heads])
    label = guarded(name).replace(";", ",")
    for piece in pieces if objects else ():
        columns = [
            (
                house.amounts(consumer, name, obis, step, piece, zone.name),
                closings(house, consumer, meter, obis, step, piece, zone),
            )
            for obis in objects
        ]
        yield b"".join(_line(_cells(label, columns, place, zone)) for place in range(len(columns[0][0])))


def _cells(
    label: str, columns: list[tuple[list[Amount], list[Closing | None]]], place: int, zone: Zone
) -> Iterator[str]:
    begin_us, end_us = columns[0][0][place][:2]
    yield from (label, iso(begin_us) or "", iso(end_us) or "", zone.local(begin_us))
    for amounts, ends in columns:
        amount, end = amounts[place], ends[place]
        yield "" if amount.value is None else number(amount.value, amount.scaler, amount.unit)
        yield "" if end is None or not end.exact else number(end.value, end.scaler, end.unit)
        yield "yes" if amount.exact and amount.value is not None else "no"


def _line(cells: Iterable[str]) -> bytes:
    return ";".join(cells).encode() + b"\r\n"


def csv_link(meter: str, step: Step, first: str, last: str) -> str:
    """Where this CSV is."""
    return f"/exports/energy.csv?{urlencode({'meter': meter, 'step': str(step), 'from': first, 'to': last})}"
