"""Lines of GPIO chips, by the kernel's character device v2 (Linux 5.10; Debian 12 and 13 alike). No library."""

from smgw.ports.gpio.line import GpioLine

__all__ = ["GpioLine"]
