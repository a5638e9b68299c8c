"""A running smsim in a thread of the test: meters whose faults the test switches, and a note of what they sent."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from smgw.sml.telegram import Telegram, TelegramReader
from smsim.config import parse
from smsim.orders import carry_out
from smsim.simulator import Simulator
from smsim.sml.push import Pusher
from soon import LIMIT

_Result = TypeVar("_Result")


class Running:
    """The simulator, reached from the test's thread. `sent` has what the first meter showed in each telegram."""

    def __init__(self, text: str) -> None:
        self.simulator = Simulator(parse(text))
        self.meter = self.simulator.meters[0]
        self.sent: list[int] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._note_what_is_sent()

    def _note_what_is_sent(self) -> None:
        meter, make = self.meter.meter, self.meter.meter.telegram

        def telegram() -> bytes:
            octets = make()
            (made,) = TelegramReader().receive(octets)
            assert isinstance(made, Telegram)
            numbers = (entry.value.value for entry in made.lists[0].entries if entry.value)
            self.sent.append(next(number for number in numbers if isinstance(number, int)))
            return octets

        meter.telegram = telegram  # type: ignore[method-assign]

    def order(self, line: str) -> str:
        """Switch a fault."""
        return self._call(lambda: carry_out(self.simulator, line))

    def whole(self) -> int:
        """Telegrams that left whole."""
        return self._call(lambda: self._pusher().telegrams)

    def damaged(self) -> int:
        """Telegrams that a fault damaged."""
        return self._call(lambda: self._pusher().damaged)

    def sending(self) -> bool:
        """True while a telegram is on its way."""
        return self._call(lambda: self._pusher()._on_its_way is not None)

    def _pusher(self) -> Pusher:
        assert isinstance(self.meter.driver, Pusher)
        return self.meter.driver

    def _call(self, what: Callable[[], _Result]) -> _Result:
        async def called() -> _Result:
            return what()

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(LIMIT)

    def start(self) -> None:
        """Open the ports and begin."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.simulator.start(), self._loop).result(LIMIT)

    def stop(self) -> None:
        """Close everything, and wait for the sessions that it cut off."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(LIMIT)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LIMIT)
        self._loop.close()

    async def _stop(self) -> None:
        await self.simulator.stop()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


@contextmanager
def simulated(text: str) -> Iterator[Running]:
    """A simulator with these meters."""
    running = Running(text)
    running.start()
    try:
        yield running
    finally:
        running.stop()
