"""The files of the pages: style, icon, plot. Anybody may have them, so the page that asks for a login has its style."""

from typing import Any

from smgw.han.exchange import Answer, Request, View, problem
from smgw.look.assets import CACHE_CONTROL, asset

PREFIX = "/static/"


def answer(request: Request, _: Any) -> Answer:
    """One file."""
    found = asset(request.path.removeprefix(PREFIX)) if request.method in ("GET", "HEAD") else None
    if found is None:
        return problem(404)
    headers = {"Cache-Control": CACHE_CONTROL, "X-Content-Type-Options": "nosniff"}
    return Answer(
        200, found.octets, f"{found.media}; charset=utf-8" if "svg" not in found.media else found.media, headers
    )


VIEW = View("static", (PREFIX,), None, answer, "Style, icon and plot of the pages")
