"""Who drives an RS-485 line: two wires carry both directions, so the sender must let go when it has sent.

rs485            what switches the driver (DE, and RE with it)
none             the adapter by itself: most USB adapters, and HATs with automatic direction
kernel           the UART's driver (TIOCSRS485): exact, where the driver has it (PL011)
rts              the gateway, by the RTS line
gpio://...       the gateway, by a line of a GPIO chip

The gateway lets go only after the last stop bit: the kernel's buffer, the UART's FIFO and its shift register are empty.
Letting go early cuts the last octet; letting go late collides with the answer, which comes after 3 octets at least.
"""

import errno
import fcntl
import struct
import sys
import termios
import time
from collections.abc import Callable
from typing import Protocol

from smgw.errors import reason
from smgw.ports.errors import PortError
from smgw.ports.wake import Wake

NONE, KERNEL, RTS = "none", "kernel", "rts"
# linux/serial.h: struct serial_rs485 { flags, delay before, delay after (ms), padding[5] }, all u32.
_RS485 = struct.Struct("=3I20x")
_TIOCGRS485, _TIOCSRS485 = 0x542E, 0x542F
_ENABLED, _RTS_ON_SEND = 1 << 0, 1 << 1
_TIOCSERGETLSR, _TEMT = 0x5459, 1
_RTS_BIT = struct.pack("=i", termios.TIOCM_RTS)
_LOOK_S = 0.001


class Direction(Protocol):
    """Switches the driver of a line. OSError where the device refuses."""

    def opened(self) -> None:
        """The device was opened, or opened again: listen."""

    def send(self) -> None:
        """Drive the line from now on."""

    def listen(self) -> None:
        """Let go of the line: all is sent."""

    def close(self) -> None:
        """The port is closed."""


class _ByKernel:
    def __init__(self, url: str, fileno: Callable[[], int]) -> None:
        self._url = url
        self._fileno = fileno

    def opened(self) -> None:
        try:
            fcntl.ioctl(self._fileno(), _TIOCSRS485, _RS485.pack(_ENABLED | _RTS_ON_SEND, 0, 0))
            (flags, _, _) = _RS485.unpack(fcntl.ioctl(self._fileno(), _TIOCGRS485, bytes(_RS485.size)))
        except OSError as error:
            if error.errno not in (errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP):
                raise
            flags = 0
        if not flags & _ENABLED:
            raise PortError(
                self._url,
                'its driver has no RS-485 mode; write rs485 = "none" for an adapter that switches by itself, else '
                '"rts", or the GPIO line that switches it',
            )

    def send(self) -> None:
        """The kernel does it."""

    listen = close = send


class _ByRts:
    def __init__(self, _url: str, fileno: Callable[[], int]) -> None:
        self._fileno = fileno

    def opened(self) -> None:
        self.listen()

    def send(self) -> None:
        fcntl.ioctl(self._fileno(), termios.TIOCMBIS, _RTS_BIT)

    def listen(self) -> None:
        fcntl.ioctl(self._fileno(), termios.TIOCMBIC, _RTS_BIT)

    def close(self) -> None:
        """Closing the device drops RTS."""


class _ByGpio:
    def __init__(self, _url: str, line: str) -> None:
        from smgw.ports.gpio.output import open_output

        self._output = open_output(line)

    def opened(self) -> None:
        self.listen()

    def send(self) -> None:
        self._output.set(active=True)

    def listen(self) -> None:
        self._output.set(active=False)

    def close(self) -> None:
        self._output.close()


def direction(url: str, rs485: str, fileno: Callable[[], int]) -> Direction | None:
    """What switches the line; None if nothing has to. PortError.

    `fileno` is asked each time, because a port may be opened again.
    """
    match rs485:
        case "none":
            return None
        case "kernel":
            return _ByKernel(url, fileno)
        case "rts":
            return _ByRts(url, fileno)
    return _ByGpio(url, rs485)


def wait_until_sent(url: str, fileno: int, octet_time: float, seconds: float, wake: Wake) -> None:
    """Until the last stop bit is on the line; earlier if woken. PortError after so many seconds, OSError."""
    ends = time.monotonic() + seconds
    while int.from_bytes(fcntl.ioctl(fileno, termios.TIOCOUTQ, bytes(4)), sys.byteorder):
        if time.monotonic() > ends:
            raise PortError(url, "takes no octets; is flow control switched on?")
        if wake.wait(min(octet_time, _LOOK_S * 5)):
            return
    termios.tcdrain(fileno)  # the FIFO of the UART, as its driver knows it
    while (empty := _shift_register_empty(fileno)) is False and time.monotonic() < ends:
        wake.wait(_LOOK_S)
    if empty is None:
        time.sleep(octet_time)  # the driver does not say; nobody can interrupt a millisecond


def _shift_register_empty(fileno: int) -> bool | None:
    """None if the driver does not say."""
    try:
        found = fcntl.ioctl(fileno, _TIOCSERGETLSR, bytes(4))
    except OSError:
        return None
    return bool(int.from_bytes(found, sys.byteorder) & _TEMT)


def refused(url: str, rs485: str, error: Exception) -> PortError:
    """The line could not be switched."""
    return PortError(url, f'cannot be switched to send and listen by rs485 = "{rs485}": {reason(error)}')
