"""Pages for a technician: how gateway and lines are. No reading of a consumer is among them."""

from collections.abc import Callable

from smgw.han.exchange import Answer, Request, Role, View, problem
from smgw.han.house import House
from smgw.han.views.technician import diagnosis

PREFIX = "/technician/"
_PAGES: dict[str, Callable[[Request, House], Answer]] = {
    PREFIX: diagnosis.overview,
    f"{PREFIX}meters": diagnosis.meters,
    f"{PREFIX}network": diagnosis.network,
    f"{PREFIX}log": diagnosis.system_log,
}


def answer(request: Request, house: House) -> Answer:
    """One page."""
    if request.method not in ("GET", "HEAD"):
        return problem(405, "Pages are read by GET.", {"Allow": "GET, HEAD"})
    found = _PAGES.get(request.path)
    return diagnosis.missing(request, house) if found is None else found(request, house)


VIEW = View("technician", (PREFIX,), Role.TECHNICIAN, answer, "Pages for a technician, who needs a certificate")
