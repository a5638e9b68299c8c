"""Finds the handler of a request by its path as it arrived, so an encoded octet of any value stays in its segment.

The routes of aiohttp match a decoded path. There a line feed, a brace or a slash of a device id breaks the match, and
releases of aiohttp differ in it.
"""

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web
from smgw.webservice.error import MethodNotAllowed, NotFound

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_PART = re.compile(r"\{(\w+)(?::([^}]+))?\}")


class _Route(NamedTuple):
    pattern: re.Pattern[str]
    handler: Handler


class Routes:
    """Paths for GET and HEAD, and one handler for all other paths."""

    def __init__(self) -> None:
        self._routes: list[_Route] = []
        self._rest: Handler | None = None

    def add_get(self, path: str, handler: Handler) -> None:
        """A path. `{name}` is one segment or a part of it, `{name:expression}` what the expression matches."""
        pattern, end = "", 0
        for part in _PART.finditer(path):
            pattern += re.escape(path[end : part.start()]) + f"(?P<{part[1]}>{part[2] or '[^/]+'})"
            end = part.end()
        self._routes.append(_Route(re.compile(pattern + re.escape(path[end:]), re.DOTALL), handler))

    def add_rest(self, handler: Handler) -> None:
        """The handler of all other paths."""
        self._rest = handler

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer a request; `match_info` has its parts, percent-encoded. NotFound or MethodNotAllowed."""
        path = origin_form(request.raw_path).partition("?")[0]
        for route in self._routes:
            if match := route.pattern.fullmatch(path):
                if request.method not in ("GET", "HEAD"):
                    raise MethodNotAllowed(request.method, ("GET", "HEAD"))
                request.match_info.update(match.groupdict())
                return await route.handler(request)
        if self._rest is None:
            raise NotFound(f"{path!r:.80} is not here")
        return await self._rest(request)


def origin_form(target: str) -> str:
    """A request target as path and query. A proxy may send the absolute form, http://host/path."""
    if target.startswith("/"):
        return target
    _, marker, rest = target.partition("://")
    return "/" + rest.partition("/")[2] if marker else target
