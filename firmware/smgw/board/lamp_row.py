"""Drives the status LEDs: sets each line when its pattern changes, and sleeps in between."""

import logging
import time
from collections.abc import Callable, Mapping

from smgw.board.codes import Lights
from smgw.board.lamps import OFF, Pattern
from smgw.ports import PortError, Wake
from smgw.ports.gpio.output import Output, open_output

log = logging.getLogger(__name__)

_AGAIN_S, _LONGEST_S = 10.0, 5.0


class _Lamp:
    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._url = url
        self._output: Output | None = None
        self._try_at = 0.0
        self._told = False
        self._pattern = OFF
        self._began = 0.0
        self._lit: bool | None = None

    def show(self, pattern: Pattern, now: float) -> float:
        """Light it as its pattern says; returns seconds until that changes."""
        if pattern != self._pattern:
            self._pattern, self._began = pattern, now
        lit, left = self._pattern.at(now - self._began)
        try:
            if self._output is None and now >= self._try_at:
                self._try_at = now + _AGAIN_S
                self._output, self._lit = open_output(self._url), None
            if self._output is not None and lit != self._lit:
                self._output.set(active=lit)
                self._lit = lit
        except (PortError, OSError, RuntimeError) as error:
            log.log(logging.DEBUG if self._told else logging.WARNING, "LED %s: %s", self.name, error)
            self._told, self._output = True, None
        return left

    def close(self) -> None:
        if self._output is not None:
            self._output.close()
            self._output = None


class LampRow:
    """The LEDs that there are. `show` may be called from any thread."""

    def __init__(self, lamps: Mapping[str, str]) -> None:
        """`lamps`: name of a field of Lights -> URL of the line."""
        self._lamps = [_Lamp(name, url) for name, url in lamps.items()]
        self._lights: Lights | None = None

    def show(self, lights: Lights, wake: Wake) -> None:
        """Show this from now on. `wake` is that of `run`; it is set."""
        if lights != self._lights:
            self._lights = lights
            wake.set()

    def turn(self, now: float) -> float:
        """Set all lamps; returns seconds until one changes."""
        lights = self._lights
        if lights is None:
            return _LONGEST_S
        return min((lamp.show(getattr(lights, lamp.name), now) for lamp in self._lamps), default=_LONGEST_S)

    def run(self, stopping: Callable[[], bool], wake: Wake, beat: Callable[[], None]) -> None:
        """Until `stopping`; then all are dark."""
        try:
            while not stopping():
                beat()
                wake.clear()
                if not stopping():
                    wake.wait(min(_LONGEST_S, self.turn(time.monotonic())))
        finally:
            for lamp in self._lamps:
                lamp.close()
