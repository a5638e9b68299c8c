"""The files of the pages: style, the plot's script, and uPlot (MIT, see static/uplot/LICENSE)."""

from importlib.resources import files

from aiohttp import web
from smgw.webservice.error import NotFound

from emp.answers import paths

_TYPES = {
    "emp.css": "text/css",
    "emp.svg": "image/svg+xml",
    "curve.js": "text/javascript",
    "uplot/uPlot.iife.min.js": "text/javascript",
    "uplot/uPlot.min.css": "text/css",
    "uplot/LICENSE": "text/plain",
}


class Assets:
    """Reads them once; a path that is none of them does not exist."""

    def __init__(self) -> None:
        root = files("emp.pages").joinpath("static")
        self._octets = {name: root.joinpath(*name.split("/")).read_bytes() for name in _TYPES}

    async def serve(self, request: web.Request) -> web.Response:
        """One file."""
        name = paths.part(request, "name")
        if name not in _TYPES:
            raise NotFound("no such file")
        response = web.Response(
            body=self._octets[name],
            content_type=_TYPES[name],
            charset="utf-8",
            headers={"Cache-Control": "max-age=3600"},
        )
        response.enable_compression()
        return response
