"""The calls to the kernel. Tests replace `KERNEL` by one that is drawn from linux/gpio.h."""

import fcntl
import os
from pathlib import Path
from typing import Protocol


class Kernel(Protocol):
    """What the operating system does for GPIO. Raises OSError."""

    def chips(self) -> list[str]:
        """The paths of the chips' devices, in order."""

    def open(self, path: str) -> int:
        """A descriptor of a chip."""

    def ioctl(self, descriptor: int, request: int, buffer: bytearray) -> None:
        """Exchange a structure, in place."""


class Linux:
    """The kernel itself."""

    def chips(self) -> list[str]:
        """By number."""
        return sorted(map(str, Path("/dev").glob("gpiochip*")), key=lambda path: (len(path), path))

    def open(self, path: str) -> int:
        """Not passed on to children."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def ioctl(self, descriptor: int, request: int, buffer: bytearray) -> None:
        """See `fcntl.ioctl`."""
        fcntl.ioctl(descriptor, request, buffer, True)


KERNEL: Kernel = Linux()
