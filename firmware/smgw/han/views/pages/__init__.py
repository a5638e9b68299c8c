"""Pages for a consumer: what the meters show, energy, contracts, log book, exports. They read and change nothing."""

from collections.abc import Callable

from smgw.han.exchange import Answer, Request, Role, View, problem
from smgw.han.house import House
from smgw.han.rights import NotYoursError
from smgw.han.views.pages import books, contracts, energy, exports, gateway, now, values
from smgw.han.views.pages.frame import error_answer, framed
from smgw.han.views.pages.rendering import sight


def _log_out(request: Request, house: House) -> Answer:
    if request.query.get("again"):
        return problem(401)
    return framed(request, sight(request, house.now_us()), "logout.html", "")


_PAGES: dict[str, Callable[[Request, House], Answer]] = {
    "/": now.now,
    "/live.json": now.live_json,
    "/energy": energy.energy,
    "/curve.json": energy.curve_json,
    "/values": values.values,
    "/contracts": contracts.contracts,
    "/deliveries": books.deliveries,
    "/log": books.log_book,
    "/gateway": gateway.gateway,
    "/exports": exports.exports,
    "/exports/energy.csv": exports.energy_csv,
    "/logout": _log_out,
}


def answer(request: Request, house: House) -> Answer:
    """One page. What is another's, and what is not there, are told in the same words."""
    found = _PAGES.get(request.path)
    if found is None and request.path.startswith(contracts.PREFIX):
        found = contracts.contract
    if request.method not in ("GET", "HEAD"):
        return problem(405, "Pages are read by GET.", {"Allow": "GET, HEAD"})
    if found is None:
        return error_answer(request, 404, house.now_us())
    try:
        return found(request, house)
    except NotYoursError:
        return error_answer(request, 404, house.now_us())


VIEW = View("pages", ("/",), Role.CONSUMER, answer, "Pages for a person, in a browser")
