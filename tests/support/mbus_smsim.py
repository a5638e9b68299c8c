"""M-Bus meters of smsim on a TCP port, in a thread of the test."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from smsim.config import parse
from smsim.simulator import Simulator
from soon import LIMIT

METERS = """
[[mbus.meter]]
name = "radiators"
id = "66660205"
maker = "LUG"
version = 7
medium = "heat"
address = {heat}
start = 48000
two_telegrams = true
bad_record = true

[[mbus.meter]]
name = "cold-water"
id = "14839120"
maker = "KAM"
address = {water}
start = 815
"""


@contextmanager
def simulated(faults: str = "", heat: int = 1, water: int = 2) -> Iterator[tuple[str, Simulator]]:
    """Host and port, and the running simulator."""
    with running(
        f'[[mbus]]\nport = "tcp:0"\nfaults = {{ {faults} }}\n' + METERS.format(heat=heat, water=water)
    ) as found:
        yield found


@contextmanager
def running(text: str) -> Iterator[tuple[str, Simulator]]:
    """The same for the text of a configuration."""
    simulator, loop = Simulator(parse(text)), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(simulator.start(), loop).result(LIMIT)
    try:
        yield f"127.0.0.1:{simulator.mbus[0].port.rpartition(':')[2]}", simulator
    finally:
        asyncio.run_coroutine_threadsafe(simulator.stop(), loop).result(LIMIT)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(LIMIT)
        loop.close()
