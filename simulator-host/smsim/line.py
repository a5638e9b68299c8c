"""Lines that octets are pushed to: a pseudo terminal or a serial device.

Writing never blocks; what finds no room is lost, as on a real line that nobody listens to.
"""

import contextlib
import errno
import os
import select
import stat
import termios
import tty
from pathlib import Path
from typing import Protocol

import serial

from smsim.errors import PortError
from smsim.ports import PtyPort, PushPort, SerialPort


class Line(Protocol):
    """An open line."""

    def write(self, octets: bytes) -> bool:
        """Send; False if some or all of it was lost. OSError if the line itself is gone."""

    def has_reader(self) -> bool:
        """True if somebody may be listening."""

    def drained(self) -> bool:
        """True if the reader has taken everything."""

    def close(self) -> None:
        """Give the line back."""


class PtyLine:
    """The master end of a pseudo terminal, and a symbolic link to the end that a reader opens like a serial device."""

    def __init__(self, link: Path) -> None:
        self._link = link
        self._master, slave = os.openpty()
        try:
            tty.setraw(slave, termios.TCSANOW)
            os.set_blocking(self._master, False)
            self.device = os.ttyname(slave)
            self._make_link()
        except BaseException:
            os.close(self._master)
            raise
        finally:
            os.close(slave)  # only a reader holds it, so that the master sees whether there is one
        self._poll = select.poll()
        self._poll.register(self._master, select.POLLHUP)

    def _make_link(self) -> None:
        port = f"pty:{self._link}"
        try:
            mode = self._link.lstat().st_mode
        except FileNotFoundError:
            pass
        except OSError as error:
            raise PortError(port, f"the link cannot be made: {error.strerror}") from None
        else:
            if not stat.S_ISLNK(mode):
                raise PortError(port, "a file is there already", "name a path that is free")
        new = self._link.with_name(f".{self._link.name}.{os.getpid()}")
        try:
            new.symlink_to(self.device)
            new.replace(self._link)
        except OSError as error:
            raise PortError(port, f"the link cannot be made: {error.strerror}", "name a folder you may write") from None

    def has_reader(self) -> bool:
        """True while somebody has the other end open."""
        return not any(event & select.POLLHUP for _, event in self._poll.poll(0))

    def write(self, octets: bytes) -> bool:
        """Send; False without a reader, or if the reader does not take it."""
        if not self.has_reader():
            return False
        with contextlib.suppress(OSError):  # whatever a reader sends is taken and dropped
            os.read(self._master, 4096)
        try:
            return os.write(self._master, octets) == len(octets)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EIO):  # no room; the reader went away just now
                return False
            raise

    def drained(self) -> bool:
        """True if the reader has taken everything, or went away."""
        return not self.has_reader() or not _unread(self.device)

    def close(self) -> None:
        """Remove the link, if it is still ours, and close."""
        with contextlib.suppress(OSError):
            if os.readlink(self._link) == self.device:  # noqa: PTH115 - the text as it stands
                self._link.unlink()
        os.close(self._master)


def _unread(device: str) -> bool:
    """True if octets wait for the reader of a pseudo terminal."""
    with contextlib.suppress(OSError):
        descriptor = os.open(device, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            return bool(select.select([descriptor], [], [], 0)[0])
        finally:
            os.close(descriptor)
    return False


class SerialLine:
    """A serial device at 8N1."""

    def __init__(self, device: str, baud: int) -> None:
        try:
            self._serial = serial.Serial(device, baud, timeout=0, write_timeout=0, exclusive=True)
        except (serial.SerialException, ValueError, OSError) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            right = "plug the adapter in, or join the group dialout" if isinstance(error, OSError) else ""
            raise PortError(device, f"cannot be opened: {reason}", right) from None
        self._descriptor: int = self._serial.fileno()
        os.set_blocking(self._descriptor, False)

    def has_reader(self) -> bool:
        """A wire does not tell."""
        return True

    def write(self, octets: bytes) -> bool:
        """Send; False if the driver has no room."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._descriptor, 4096)
        try:
            return os.write(self._descriptor, octets) == len(octets)
        except BlockingIOError:
            return False

    def drained(self) -> bool:
        """True if the driver has sent everything."""
        return not self._serial.out_waiting

    def close(self) -> None:
        """Close the device."""
        with contextlib.suppress(OSError):
            self._serial.close()


def open_line(port: PushPort, baud: int) -> Line:
    """Open a line. PortError if that cannot be done."""
    if isinstance(port, PtyPort):
        return PtyLine(Path(port.link))
    assert isinstance(port, SerialPort)
    return SerialLine(port.device, baud)
