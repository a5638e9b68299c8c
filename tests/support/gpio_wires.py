"""Wires at the GPIO chip of the emulated board: QEMU's PL061, whose inputs its test protocol (qtest) drives.

The registers of the chip tell whether the kernel watches a line and has taken an edge. So no test depends on how fast
the board is emulated.
"""

import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, Self

LABEL = "9030000.pl061"  # of the chip, as the kernel names it
_BASE = 0x9030000
_DATA, _EDGES_WATCHED, _EDGES_PENDING = 0x3FC, 0x410, 0x414


class _Control(Protocol):
    def order(self, command: str, **arguments: object) -> list[dict[str, str]]: ...


def words(folder: Path) -> Sequence[str]:
    """For QEMU's command line."""
    return ["-qtest", f"unix:{folder / 'wires'},server=on,wait=off", "-qtest-log", "none"]


class GpioWires:
    """The eight lines of the chip. The board's own power button is line 3."""

    def __init__(self, folder: Path, qmp: _Control) -> None:
        """`folder` is that of `words`; the board is on."""
        listed = qmp.order("qom-list", path="/machine/unattached")
        self._chip = next(f"/machine/unattached/{one['name']}" for one in listed if "pl061" in one["type"])
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(str(folder / "wires"))
        self._file = self._socket.makefile("rw")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def set(self, line: int, *, active: bool) -> None:
        """Change an input; returns when the kernel has taken the edge, if it watches the line."""
        self._order(f"set_irq_in {self._chip} unnamed-gpio-in {line} {int(active)}")
        self._until(lambda: not self._bit(_EDGES_PENDING, line))

    def pulse(self, line: int, seconds: float) -> None:
        """Active for so long, then inactive for so long."""
        for active in (True, False):
            self.set(line, active=active)
            time.sleep(seconds)

    def watched(self, line: int) -> bool:
        """If a program has requested the line for its edges."""
        return self._bit(_EDGES_WATCHED, line)

    def driven(self, line: int) -> bool:
        """The state of an output."""
        return self._bit(_DATA, line)

    def wait_until_watched(self, line: int, *, watched: bool = True) -> None:
        """Until a program requests the line, or gives it back."""
        self._until(lambda: self.watched(line) == watched, 900)

    def _bit(self, register: int, line: int) -> bool:
        return bool(int(self._order(f"readl {_BASE + register:#x}").split()[1], 16) >> line & 1)

    def _order(self, text: str) -> str:
        self._file.write(f"{text}\n")
        self._file.flush()
        answer = self._file.readline().strip()
        assert answer.startswith("OK"), f"{text}: {answer}"
        return answer

    def _until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        ends = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < ends, "the board does not do it"
            time.sleep(0.005)
