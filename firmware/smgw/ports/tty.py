"""Serial devices: opened exclusively with the requested settings, or an error with the reason."""

import errno
import fcntl
import logging
import os
import stat
import sys
import termios
from typing import TYPE_CHECKING

import serial

from smgw.errors import error_number
from smgw.ports.errors import PortError
from smgw.ports.holder import device_of
from smgw.ports.line_settings import LineSettings
from smgw.ports.refusal import busy, settings_refused, why

if TYPE_CHECKING:
    from _typeshed import HasFileno

log = logging.getLogger(__name__)

_PTY_MAJORS = range(136, 144)  # Linux: Documentation/admin-guide/devices.txt, Unix98 pty slaves
_SIZES = {5: termios.CS5, 6: termios.CS6, 7: termios.CS7, 8: termios.CS8}
#: Error numbers of a device that another process holds.
_HELD = {errno.EBUSY, errno.EAGAIN}
_SEVEN = 7
_ON_A_PTY = LineSettings()  # a pty has no line: it refuses a change of parity or size alone


class _Tty(serial.Serial):
    """A device whose `read` is one system call if there are octets."""

    def read(self, size: int = 1, /) -> bytes:
        """What is there, b"" if nothing is. OSError if the device is gone."""
        try:
            octets = os.read(self.fileno(), size)
        except BlockingIOError:
            return b""
        return octets or bytes(super().read(size))  # it finds out whether nothing is there or the device is gone


class _SettingsRefusedError(PortError):
    """The driver does not keep the settings."""


def open_tty(url: str, settings: LineSettings) -> serial.Serial:
    """The opened device of a path or a spy:// URL; PortError.

    A UART without parity is opened with eight data bits instead of seven. `keeps_seven_bits` tells which it is.
    """
    try:
        return _opened(url, settings)
    except _SettingsRefusedError:
        if settings.bytesize != _SEVEN or settings.stopbits != 1:
            raise
        return _opened(url, LineSettings(settings.baudrate, rs485=settings.rs485))


def keeps_seven_bits(descriptor: int) -> bool:
    """True if the line itself has seven data bits, so that nothing has to be masked."""
    flags: int = termios.tcgetattr(descriptor)[2]
    return flags & termios.CSIZE == termios.CS7


def _opened(url: str, settings: LineSettings) -> serial.Serial:
    path = device_of(url)
    pty = is_pty(path)
    line = LineSettings(settings.baudrate, rs485=settings.rs485) if pty else settings
    device: serial.Serial | None = None
    try:
        if "://" in url:
            device = serial.serial_for_url(url, do_not_open=True)
        else:
            device = _Tty()
            device.port = path
        # Set while it is closed: on an open port each of these would set up the line again.
        device.baudrate = line.baudrate
        device.bytesize = line.bytesize
        device.parity = line.parity
        device.stopbits = line.stopbits
        device.timeout = 0
        device.write_timeout = 0
        device.exclusive = True
        if line.rs485 == "rts":
            device.rts = False  # it would drive the line
        device.open()
        if not pty:
            fcntl.ioctl(device.fileno(), termios.TIOCEXCL)  # keeps out programs that do not check the lock
            _verify(url, device.fileno(), line)
    except (OSError, ValueError, termios.error, ImportError) as error:
        if device is not None:
            device.close()
        if error_number(error) in _HELD:
            raise busy(url, path) from error
        refused = isinstance(error, termios.error) and error_number(error) == errno.EINVAL
        kind = _SettingsRefusedError if refused else PortError
        raise kind(url, why(path, settings, error)) from error
    except PortError:
        if device is not None:
            device.close()
        raise
    return device


def is_pty(path: str) -> bool:
    """True for the slave end of a pty: it has no line and no parity, and exists while its master is open."""
    try:
        status = os.stat(path)  # noqa: PTH116 (one call, no object)
    except (OSError, ValueError):
        return False
    return stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) in _PTY_MAJORS


def release(device: "HasFileno") -> None:
    """Give up the claim on a device before it is closed, or before it is opened a second time.

    TIOCEXCL would outlive the close where another process still has the device, and the file of spy:// would stay open.
    """
    try:
        fcntl.ioctl(device, termios.TIOCNXCL)
        fcntl.flock(device, fcntl.LOCK_UN)
    except OSError as error:
        log.debug("TIOCNXCL on a device that is gone: %s", error)
    output = getattr(getattr(device, "formatter", None), "output", None)
    if output is not None and output is not sys.stderr:
        output.close()


def _verify(url: str, descriptor: int, line: LineSettings) -> None:
    """Check the settings: a driver may silently ignore a setting (Raspberry Pi mini-UART: parity)."""
    flags = termios.tcgetattr(descriptor)[2]
    kept = (
        flags & termios.CSIZE == _SIZES[line.bytesize]
        and bool(flags & termios.PARENB) == (line.parity != "N")
        and (line.parity == "N" or bool(flags & termios.PARODD) == (line.parity == "O"))
        and bool(flags & termios.CSTOPB) == (line.stopbits == 2)
    )
    if not kept:
        raise _SettingsRefusedError(url, settings_refused(line))
