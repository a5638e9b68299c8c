"""Serial devices: opened exclusively with the requested settings, or an error with the reason."""

import errno
import fcntl
import grp
import logging
import os
import stat
import sys
import termios
from typing import TYPE_CHECKING

import serial

from smgw.errors import error_number, reason
from smgw.ports.errors import PortBusy, PortError
from smgw.ports.holder import device_of, holder_of
from smgw.ports.line_settings import LineSettings

if TYPE_CHECKING:
    from _typeshed import HasFileno

log = logging.getLogger(__name__)

_PTY_MAJORS = range(136, 144)  # Linux: Documentation/admin-guide/devices.txt, Unix98 pty slaves
_SIZES = {5: termios.CS5, 6: termios.CS6, 7: termios.CS7, 8: termios.CS8}
#: Error numbers of a device that another process holds.
_HELD = {errno.EBUSY, errno.EAGAIN}
_ON_A_PTY = LineSettings()  # a pty has no line: it refuses a change of parity or size alone


def open_tty(url: str, settings: LineSettings) -> serial.Serial:
    """The opened device of a path or a spy:// URL; PortError."""
    path = device_of(url)
    pty = is_pty(path)
    line = LineSettings(settings.baudrate) if pty else settings
    device: serial.Serial | None = None
    try:
        device = serial.serial_for_url(url, do_not_open=True)
        # Set while it is closed: on an open port each of these would set up the line again.
        device.baudrate = line.baudrate
        device.bytesize = line.bytesize
        device.parity = line.parity
        device.stopbits = line.stopbits
        device.timeout = 0
        device.write_timeout = 0
        device.exclusive = True
        device.open()
        if not pty:
            fcntl.ioctl(device.fileno(), termios.TIOCEXCL)  # keeps out programs that do not check the lock
            _verify(url, device.fileno(), line)
    except (OSError, ValueError, termios.error, ImportError) as error:
        if device is not None:
            device.close()
        if error_number(error) in _HELD:
            raise _busy(url, path) from error
        raise PortError(url, _reason(path, settings, error)) from error
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
        raise PortError(url, _refused(line))


def _refused(line: LineSettings) -> str:
    return (
        f"does not keep the settings {line}; a mini-UART has no parity: use parity N with 8 data bits, "
        "or another UART or USB head"
    )


def _busy(url: str, path: str) -> PortBusy:
    holder = holder_of(path)
    advice = "stop it, or give each meter a port of its own"
    if holder is None:
        return PortBusy(url, f"another program has claimed it; {advice}")
    if holder.pid == os.getpid():
        return PortBusy(url, "this process has claimed it already; give each meter a port of its own", *holder)
    return PortBusy(url, f"{holder} has claimed it; {advice}", *holder)


def _reason(path: str, line: LineSettings, error: Exception) -> str:
    number = error_number(error)
    if isinstance(error, termios.error) and number == errno.EINVAL:
        return _refused(line)
    match number:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return "there is no such device; plug it in, or look for its name in /dev/serial/by-id"
        case errno.EACCES | errno.EPERM:
            return f"this user may not open it; add the user to the group {_group(path)}"
        case errno.ENOTTY | errno.EISDIR:
            return "is no serial device; give one such as /dev/ttyUSB0"
        case errno.EIO:
            return "the device does not answer; plug it in again"
    return f"cannot be opened: {reason(error)}"


def _group(path: str) -> str:
    try:
        return grp.getgrgid(os.stat(path).st_gid).gr_name  # noqa: PTH116
    except (OSError, KeyError):
        return "dialout"
