"""/setup: the first configuration in a browser, from a link of this computer, before a consumer exists."""

import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from smgw.han.exchange import Answer, Request, View, problem
from smgw.han.house import House
from smgw.han.set_up.desk import SetUp
from smgw.han.set_up.link import is_on_link
from smgw.han.set_up.orders import MOST_METERS, SCAN, WRITE, Choice, Order, OrderError, dump, parse
from smgw.han.views.pages.rendering import Sight, page, sight
from smgw.look.language import N_

_PATH = "/setup"
_COOKIE = "setup"
_MOST_FIELDS = 4 * MOST_METERS
_PERIODS = ((900, N_("each quarter hour")), (60, N_("each minute")), (3600, N_("each hour")), (0, N_("each telegram")))


def answer(request: Request, house: House) -> Answer:
    """A page of the set-up, or what a form of it does."""
    desk = None if house is None else house.around.set_up
    if request.path not in (_PATH, f"{_PATH}/") or desk is None or not desk.is_open():
        return problem(404, "There is nothing here.")
    if not is_on_link(request.address):
        return problem(403, "The set-up is open to computers of this network only.")
    if request.method in ("GET", "HEAD"):
        return _shown(request, house, desk)
    if request.method != "POST":
        return problem(405, "The set-up has GET and POST.", {"Allow": "GET, HEAD, POST"})
    return _done(request, house, desk, _form(request.body))


def _shown(request: Request, house: House, desk: SetUp, fault: str = "", status: int = 200) -> Answer:
    """The page as it is now: the code is asked for, meters are looked for, or the answers."""
    seen = sight(request, house.now_us())
    if not desk.knows(_session(request)):
        return _page(request, seen, "setup_code.html", status, fault=fault)
    told = desk.answer()
    running = desk.order is not None and (told is None or told.get("state") == "running")
    if not running and told is not None and desk.order is not None and desk.order.kind == WRITE:
        if told.get("state") == "done":
            return _page(request, seen, "setup_done.html", status, login=None, text=str(told.get("text", "")))
        fault = fault or str(told.get("text", ""))
    _ = seen.language.text
    shown = _page(
        request,
        seen,
        "setup.html",
        status,
        fault=fault,
        running=running,
        scanned=told is not None and not running,
        notes=str((told or {}).get("text", "")).splitlines() if not fault else [],
        meters=list(enumerate((told or {}).get("meters", []), 1)),
        periods=[(value, _(text)) for value, text in _PERIODS],
        servers=" ".join(house.configuration.gateway.ntp) or "system",
        gateway=str(house.configuration.gateway.device_id),
    )
    return shown._replace(headers={**shown.headers, "Refresh": f"3; url={_PATH}"}) if running else shown


def _done(request: Request, house: House, desk: SetUp, form: Mapping[str, str]) -> Answer:
    seen = sight(request, house.now_us())
    _ = seen.language.text
    if not desk.knows(_session(request)):
        found = desk.enter(form.get("code", ""), request.address)
        if isinstance(found, str):
            cookie = f"{_COOKIE}={found}; Path={_PATH}; HttpOnly; SameSite=Strict; Secure; Max-Age=3600"
            return _see_other({"Set-Cookie": cookie})
        wait = _("Wait %(time)s.") % {"time": seen.language.duration(round(found * 1_000_000))} if found else ""
        return _shown(request, house, desk, " ".join(filter(None, (_("This is not the code."), wait))), 403)
    if form.get("do") == SCAN:
        desk.give(Order(SCAN, secrets.token_hex(8)))
        return _see_other()
    if form.get("do") == "login":
        return _page(request, seen, "setup_done.html", 200, login=desk.finish(), text="")
    try:
        desk.give(_order(form))
    except (OrderError, ValueError) as error:
        return _shown(request, house, desk, str(error), 400)
    return _see_other()


def _order(form: Mapping[str, str]) -> Order:
    """The order of the form. OrderError as the helper would raise it."""
    chosen = [
        Choice(number, form.get(f"name-{number}", ""))
        for number in range(1, MOST_METERS + 1)
        if form.get(f"meter-{number}")
    ]
    texts = {name: form.get(name, "").strip() for name in ("consumer", "url", "emp", "participant")}
    every = int(form.get("every", "")) if form.get("every", "").isdecimal() else -1
    order = Order(WRITE, secrets.token_hex(8), tuple(chosen), tuple(form.get("servers", "").split()), every, **texts)
    return parse(dump(order))


def _see_other(headers: Mapping[str, str] | None = None) -> Answer:
    """Back to the page, so that a reload sends nothing again."""
    return Answer(303, b"", "text/plain", {"Location": _PATH, "Cache-Control": "no-store", **(headers or {})})


def _form(body: bytes) -> dict[str, str]:
    try:
        fields = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in fields.items()}


def _session(request: Request) -> str:
    for part in request.headers.get("cookie", "")[:2000].split(";"):
        name, _, value = part.strip().partition("=")
        if name == _COOKIE:
            return value
    return ""


def _page(request: Request, seen: Sight, template: str, status: int, **variables: Any) -> Answer:
    around: dict[str, Any] = {
        "tabs": (),
        "tab": "",
        "home": _PATH,
        "brand": seen.language.text(N_("set-up")),
        "leave": "",
    }
    return page(request, seen, template, status, **around, **variables)


VIEW = View("setup", (_PATH,), None, answer, "The first configuration in a browser")
