"""What every page of a consumer has around it, and its errors."""

import time
from typing import Any

from smgw.han.exchange import Answer, Request
from smgw.han.views.pages.rendering import Sight, page, render, sight
from smgw.han.words import language
from smgw.look.language import N_
from smgw.look.times import Zone

TABS = (
    ("/", N_("Now")),
    ("/energy", N_("Energy")),
    ("/contracts", N_("Contracts")),
    ("/deliveries", N_("Deliveries")),
    ("/log", N_("Log book")),
    ("/gateway", N_("Gateway")),
    ("/exports", N_("Exports")),
)


def frame(seen: Sight, tab: str = "") -> dict[str, Any]:
    """The variables of the frame."""
    _ = seen.language.text
    tabs = [(link, _(text)) for link, text in TABS]
    return {"tabs": tabs, "tab": tab, "home": "/", "brand": _("my meters"), "leave": "/logout"}


def framed(request: Request, seen: Sight, template: str, tab: str, status: int = 200, **variables: Any) -> Answer:
    """A page of a consumer."""
    return page(request, seen, template, status, **frame(seen, tab), **variables)


def error_page(status: int, text: str, code: str) -> bytes:
    """The page of a refusal, without any name or value. `text`: what the server says, in English; may be empty."""
    seen = Sight(Zone(), language(code), time.time_ns() // 1000)
    told = {**frame(seen), "tabs": (), "user": "", "links": (), "path": ""}
    return render(seen, "error.html", **told, **_words(seen, status, text))


def error_answer(request: Request, status: int, now_us: int) -> Answer:
    """The same for somebody who is logged in, with the frame."""
    seen = sight(request, now_us)
    return framed(request, seen, "error.html", "", status, **_words(seen, status, ""))


def _words(seen: Sight, status: int, text: str) -> dict[str, Any]:
    _ = seen.language.text
    title, said = _ERRORS.get(status, _OTHER if status < 500 else _FAULT)
    return {
        "code": status,
        "title": _(title),
        "said": text or _(said),
        "help": [_(line) for line in _HELP] if status == 401 else [],
    }


_OTHER = N_("The gateway refused this"), N_("Go back and try another way.")
_FAULT = N_("The gateway could not answer"), N_("Try again in a minute. If it stays so, tell whoever runs the gateway.")
_ERRORS = {
    401: (N_("Login needed"), N_("These pages show only what is yours, so the gateway must know who you are.")),
    403: (N_("Not allowed"), N_("Your login does not open this page.")),
    404: (N_("There is no such page"), N_("The address is wrong, or the page is not yours.")),
    429: (N_("Locked for a while"), N_("There were too many wrong logins. Wait, then try again.")),
    503: (N_("The gateway is busy"), N_("Too many ask at the same time. Try again in a minute.")),
}
_HELP = (
    N_("Name and password came from whoever runs the gateway. The command `smgw consumer add NAME` prints them once."),
    N_("A lost password cannot be shown again. `smgw consumer reset NAME` prints a new one."),
    N_("After several wrong logins the gateway waits. The message says until when."),
    N_("Reload this page to be asked again."),
)
