"""The time server of an administrator in a thread of its own, with its loop."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from gwa.time_server import TimeServer
from soon import LIMIT


@contextlib.contextmanager
def serving(server: TimeServer, port: int = 0) -> Iterator[int]:
    """Serve on loopback; yield the port."""
    ready: list[int] = []
    came = threading.Event()

    def note(bound: int) -> None:
        ready.append(bound)
        came.set()

    loop = asyncio.new_event_loop()
    task = loop.create_task(server.serve("127.0.0.1", port, note))

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert came.wait(LIMIT)
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(LIMIT)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
