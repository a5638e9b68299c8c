"""An output line, by RPi.GPIO where there is one, else by the kernel's character device.

RPi.GPIO drives the lines of a Raspberry Pi's header alone. On a Pi 5 the package rpi-lgpio has the same name. The older
RPi.GPIO needs /dev/gpiomem. Where it cannot be used, the character device does the same.
"""

import logging
from importlib import import_module
from typing import Any, Protocol

from smgw.ports.errors import PortError
from smgw.ports.gpio.line import GpioLine
from smgw.profiles.gpio_line import HEADER, HEADERS, LineName, line_name

log = logging.getLogger(__name__)


class Output(Protocol):
    """A line that is driven. It is inactive at first."""

    def set(self, *, active: bool) -> None:
        """Drive it. OSError."""

    def close(self) -> None:
        """Leave it inactive and give it back. A second call does nothing."""


class _RpiOutput:
    """A line by RPi.GPIO."""

    def __init__(self, library: Any, name: LineName) -> None:
        self._library = library
        self._name = name
        self._open = True
        library.setwarnings(False)
        library.setmode(library.BCM)
        library.setup(name.offset, library.OUT, initial=self._level(active=False))

    def set(self, *, active: bool) -> None:
        """Drive it."""
        self._library.output(self._name.offset, self._level(active=active))

    def close(self) -> None:
        """Leave it inactive, then an input."""
        if self._open:
            self._open = False
            self.set(active=False)
            self._library.cleanup(self._name.offset)

    def _level(self, *, active: bool) -> Any:
        return self._library.HIGH if active != self._name.active_low else self._library.LOW


class _KernelOutput:
    """A line by the character device."""

    def __init__(self, url: str) -> None:
        self._line: GpioLine | None = GpioLine.output(url)

    def set(self, *, active: bool) -> None:
        """Drive it."""
        if self._line is not None:
            self._line.set(active=active)

    def close(self) -> None:
        """Leave it inactive. The chip decides what the line is then."""
        if self._line is not None:
            try:
                self._line.set(active=False)
            except OSError as error:
                log.debug("an output at its end: %s", error)
            self._line.close()
            self._line = None


def open_output(url: str) -> Output:
    """An output by its URL. PortError says what is wrong."""
    name = line_name(url)
    if isinstance(name, str):
        raise PortError(url, name)
    if name.chip in (HEADER, *HEADERS):
        try:
            return _RpiOutput(import_module("RPi.GPIO"), name)
        except (ImportError, RuntimeError, OSError, ValueError) as error:
            log.debug("%s: RPi.GPIO cannot be used (%s); the character device is", url, error)
    return _KernelOutput(url)
