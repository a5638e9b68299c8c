"""A page of variables: templates, words, headers. No other part of the pages knows Tornado."""

import html
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tornado.template import Loader

from smgw.cosem.zone import DEFAULT_ZONE
from smgw.han.exchange import Answer, Request
from smgw.han.words import CODES, language
from smgw.look.language import Language
from smgw.look.moments import Moment, Shown
from smgw.look.times import Zone

_COOKIE = "language"
_COOKIE_S = 365 * 86_400
#: A page runs only our own scripts, sends forms only to us and is shown in no frame. Nothing of it is stored.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # with less than that a browser sends its forms as from nowhere
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Vary": "Accept-Language, Cookie",
}


class Sight(Shown):
    """How a page is seen, with the marks that templates insert as they are (`raw`)."""

    __slots__ = ()

    def time(self, utc_us: int | None) -> str:
        """A time, with UTC as its title."""
        return _time(self.moment(utc_us), "local")

    def age(self, utc_us: int | None, late_us: int) -> str:
        """How long ago, in red if it is older than `late_us`."""
        found = self.moment(utc_us, late_us)
        return _time(found, "ago", "late" if found is not None and found.late else "fresh")


def _time(moment: Moment | None, field: str, kind: str = "") -> str:
    if moment is None:
        return '<span class="none">–</span>'
    text, name = html.escape(getattr(moment, field)), f' class="{kind}"' if kind else ""
    return f'<time{name} datetime="{moment.utc}" title="{moment.utc} (UTC)">{text}</time>'


def flag(text: str, kind: str) -> str:
    """A word in a box, `kind` is good, bad or plain."""
    return f'<span class="flag {kind}">{html.escape(text)}</span>'


def sight(request: Request, now_us: int, zone: str = DEFAULT_ZONE) -> Sight:
    """How this request sees pages: the language of its address, of its cookie, or of its browser."""
    asked = request.query.get(_COOKIE, "")
    code = asked if asked in CODES else _from_cookie(request.headers.get("cookie", "")) or request.language
    return Sight(_zone(zone), language(code), now_us)


def page(request: Request, seen: Sight, template: str, status: int = 200, **variables: Any) -> Answer:
    """The answer that shows a template. A language that the address names is kept in a cookie."""
    spoken = seen.language
    headers = {**HEADERS, "Content-Language": spoken.code}
    if request.query.get(_COOKIE) == spoken.code:
        headers["Set-Cookie"] = f"{_COOKIE}={spoken.code}; Max-Age={_COOKIE_S}; Path=/; HttpOnly; SameSite=Lax; Secure"
    told = {"path": request.path, "user": request.who.name if request.who else "", **variables}
    return Answer(
        status, render(seen, template, links=_languages(request), **told), "text/html; charset=utf-8", headers
    )


def render(seen: Sight, template: str, **variables: Any) -> bytes:
    """A template in a language."""
    words: Language = seen.language
    told = {"_": words.text, "language": words, "seen": seen, "flag": flag, "marked": _marked, **variables}
    return _loader().load(template).generate(**told)


def _marked(text: str, **parts: str) -> str:
    """A translated text as markup; its parts are markup already, such as `seen.time(...)`."""
    return html.escape(text, quote=False) % parts


def _languages(request: Request) -> list[tuple[Language, str]]:
    query = {key: value for key, value in request.query.items() if key != _COOKIE}
    return [(language(code), f"{request.path}?{urlencode({**query, _COOKIE: code})}") for code in CODES]


def _from_cookie(header: str) -> str | None:
    for part in header[:2000].split(";"):
        name, _, value = part.strip().partition("=")
        if name == _COOKIE and value in CODES:
            return value
    return None


@cache
def _zone(name: str) -> Zone:
    return Zone(name)


@cache
def _loader() -> Loader:
    return Loader(str(Path(__file__).parent / "templates"), autoescape="xhtml_escape", whitespace="oneline")
