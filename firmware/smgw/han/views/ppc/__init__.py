"""/cgi-bin/hanservice.cgi: the forms of PPC's gateways, so that programs made for these work with this one.

    action                    parameters     answer
    (none), login             -              menu; a cookie `session`
    meterform                 -              the meters: ids `mid`
    showMeterProfile          mid            newest values
    showMeterValues           mid, from, to  stored values; both ends included, local time `YYYY-MM-DD HH:MM:SS`
    exportMeterValues         mid, from, to  the same as CMS SignedData around DKE XML (profile_generic-1)
    exportMeterProfile        mid            CMS around the profile of the meter (kaf_lmn_container-1)
    tariffform                -              the contracts: ids `tid`
    showTariffProfile         tid            a contract
    showTarification          tid            its registers at the ends of billing periods
    log                       from, to       the consumer's log book
    swversions                -              parts of the firmware
    selftest                  -              the result of the last one; it cannot be started here
    logout                    -              ends the session of PPC's programs; each request has its own login here

Parameters come by POST or in the query. Cookie and field `tkn` are there because programs look for them. The login is
HTTP Digest, and the server refuses requests from pages of other sites. What PPC does not publish (tariff exports) is
answered with 501.
"""

import secrets
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from smgw.han.exchange import Answer, Request, Role, View, problem
from smgw.han.house import House
from smgw.han.rights import NotYoursError
from smgw.han.views.ppc import export, show
from smgw.han.views.ppc.asked import WrongError
from smgw.han.views.ppc.pages import page

PATH = "/cgi-bin/hanservice.cgi"
_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 20
_NO_STORE = {"Cache-Control": "no-store"}

_Action = Callable[[House, str, Mapping[str, str]], Answer]


def answer(request: Request, house: House) -> Answer:
    """The answer to any action."""
    assert request.who is not None  # the view has a role
    if request.path.rstrip("/") != PATH:
        return problem(404)
    if request.method not in ("GET", "HEAD", "POST"):
        return problem(405, "Only GET and POST are possible here.", {"Allow": "GET, HEAD, POST"})
    fields = dict(request.query)
    if request.method == "POST":
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            return problem(415, f"The body must be {_FORM}.")
        try:
            fields |= parse_qsl(request.body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            return problem(400, "The body is no form.")
    action = _ACTIONS.get(fields.get("action", ""))
    if action is None:
        return problem(501 if fields["action"] in _UNPUBLISHED else 404, "There is no such action.")
    try:
        found = action(house, request.who.name, fields)
    except NotYoursError:
        return problem(404)
    except WrongError as error:
        return problem(error.status, str(error))
    headers = {**_NO_STORE, **found.headers}
    if "session=" not in request.headers.get("cookie", "") or fields.get("action", "") in ("", "login"):
        headers["Set-Cookie"] = f"session={secrets.token_hex(16)}; Path={PATH}; Secure; HttpOnly; SameSite=Strict"
    if fields.get("action") == "logout":
        headers["Set-Cookie"] = f"session=; Path={PATH}; Max-Age=0; Secure; HttpOnly; SameSite=Strict"
    return found._replace(headers=headers)


def _menu(house: House, _consumer: str, _fields: Mapping[str, str]) -> Answer:
    return page(house, "Menu", [show.menu()])


_ACTIONS: Mapping[str, _Action] = {
    "": _menu,
    "login": _menu,
    "meterform": show.meters,
    "showMeterProfile": show.newest,
    "showMeterValues": show.values,
    "exportMeterValues": export.values,
    "exportMeterProfile": export.profile,
    "tariffform": show.contracts,
    "showTariffProfile": show.contract,
    "showTarification": show.periods,
    "log": show.log,
    "swversions": show.firmware,
    "selftest": show.self_test,
    "logout": show.logout,
}
_UNPUBLISHED = frozenset({"exportTariffProfile", "exportCommProfile", "showTarificationRegister", "exportTarification"})

VIEW = View("ppc", (PATH,), Role.CONSUMER, answer, "the forms and exports of PPC's gateways")
