"""The files of the pages, which are those of `smgw.look`."""

from aiohttp import web
from smgw.look.assets import CACHE_CONTROL, asset
from smgw.webservice.error import NotFound

from emp.answers import paths


class Assets:
    """Serves them; a path that is none of them does not exist."""

    async def serve(self, request: web.Request) -> web.Response:
        """One file."""
        found = asset(paths.part(request, "name"))
        if found is None:
            raise NotFound("no such file")
        response = web.Response(
            body=found.octets, content_type=found.media, charset="utf-8", headers={"Cache-Control": CACHE_CONTROL}
        )
        response.enable_compression()
        return response
