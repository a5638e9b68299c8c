"""An aiohttp server that reads each body and answers 200: what HTTP alone costs."""

import asyncio

from aiohttp import web


async def _answer(request: web.Request) -> web.Response:
    await request.read()
    return web.Response()


async def _serve() -> None:
    application = web.Application(client_max_size=1 << 24)
    application.router.add_route("*", "/{anything:.*}", _answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    print(f"listening on http://127.0.0.1:{port}/", flush=True)
    await asyncio.Event().wait()


asyncio.run(_serve())
