"""A tiny RPi.GPIO: it notes what is done with each line."""

from types import ModuleType
from typing import Any

import pytest


class FakeRpi(ModuleType):
    """Put into sys.modules by `install`."""

    BCM, OUT, HIGH, LOW = 11, 0, 1, 0

    def __init__(self) -> None:
        super().__init__("RPi.GPIO")
        self.done: list[tuple[Any, ...]] = []
        self.fails = False

    def setwarnings(self, _on: bool) -> None:
        """Nothing is printed."""

    def setmode(self, mode: int) -> None:
        if self.fails:
            raise RuntimeError("No access to /dev/mem. Try running as root!")
        self.done.append(("mode", mode))

    def setup(self, line: int, direction: int, initial: int) -> None:
        self.done.append(("setup", line, direction, initial))

    def output(self, line: int, level: int) -> None:
        self.done.append(("output", line, level))

    def cleanup(self, line: int) -> None:
        self.done.append(("cleanup", line))


def install(monkeypatch: pytest.MonkeyPatch) -> FakeRpi:
    """For the rest of the test."""
    made, package = FakeRpi(), ModuleType("RPi")
    monkeypatch.setitem(__import__("sys").modules, "RPi", package)
    monkeypatch.setitem(__import__("sys").modules, "RPi.GPIO", made)
    return made
