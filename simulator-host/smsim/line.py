"""Lines for pushed octets: a pseudo terminal, a serial device, or clients over TCP.

Writing never blocks. Octets without room are lost, as on a real line without a reader.
"""

import contextlib
import errno
import fcntl
import os
import select
import socket
import stat
import struct
import termios
import tty
from pathlib import Path
from typing import Protocol

from smgw import ports
from smgw.errors import reason

from smsim.errors import PortError
from smsim.ports import LOOPBACK, PtyPort, PushPort, SerialPort, TcpPushPort

MOST_CLIENTS = 32
#: Errors of `openpty` on a computer without free pseudo terminals.
_NO_MORE = (errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EIO)


class Line(Protocol):
    """An open line."""

    @property
    def port(self) -> PushPort:
        """The port of the line; a free TCP port with its number."""

    def write(self, octets: bytes) -> bool:
        """Send; False if octets were lost. OSError if the line itself is gone."""

    def has_reader(self) -> bool:
        """True if there may be a reader."""

    def drained(self) -> bool:
        """True if the reader has taken everything."""

    def close(self) -> None:
        """Close the line."""


class PtyLine:
    """The master end of a pseudo terminal, and a symbolic link to the end that a reader opens like a serial device."""

    def __init__(self, link: Path) -> None:
        self.port = PtyPort(str(link))
        self._link = link
        try:
            self._master, slave = os.openpty()
        except OSError as error:
            right = "run fewer meters, or raise /proc/sys/kernel/pty/max" if error.errno in _NO_MORE else ""
            raise PortError(str(self.port), f"no pseudo terminal is free: {reason(error)}", right) from None
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
        self._poll.register(self._master, select.POLLHUP | select.POLLIN)

    def _make_link(self) -> None:
        port = str(self.port)
        try:
            mode = self._link.lstat().st_mode
        except FileNotFoundError:
            pass
        except OSError as error:
            raise PortError(
                port, f"the link cannot be made: {reason(error)}", "name a path where you may write"
            ) from None
        else:
            if not stat.S_ISLNK(mode):
                raise PortError(port, "a file is there already", "name a path that is free")
        new = self._link.with_name(f".{self._link.name}.{os.getpid()}")
        try:
            new.symlink_to(self.device)
            new.replace(self._link)
        except OSError as error:
            raise PortError(
                port, f"the link cannot be made: {reason(error)}", "name a path where you may write"
            ) from None

    def fileno(self) -> int:
        """The descriptor of the master end, for a line that is read as well."""
        return self._master

    def has_reader(self) -> bool:
        """True while a reader has the other end open. Octets from the reader are dropped."""
        events = self._poll.poll(0)
        if not events:
            return True
        if events[0][1] & select.POLLIN:
            with contextlib.suppress(OSError):
                os.read(self._master, 4096)
        return not events[0][1] & select.POLLHUP

    def write(self, octets: bytes) -> bool:
        """Send; False without a reader, or if the reader does not take it."""
        if not self.has_reader():
            return False
        try:
            return os.write(self._master, octets) == len(octets)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EIO):  # no room; the reader has just closed
                return False
            raise

    def drained(self) -> bool:
        """True if the reader has taken all octets, or has closed."""
        return not self.has_reader() or not _unread(self.device)

    def close(self) -> None:
        """Remove the link if it is still ours, and close."""
        with contextlib.suppress(OSError):
            if os.readlink(self._link) == self.device:  # noqa: PTH115 - the text as it stands
                self._link.unlink()
        os.close(self._master)


def _unread(device: str) -> bool:
    """True if octets wait for the reader of a pseudo terminal."""
    with contextlib.suppress(OSError):
        descriptor = os.open(device, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            return bool(poll.poll(0))
        finally:
            os.close(descriptor)
    return False


class SerialLine:
    """A serial device at 8N1, opened as the gateway opens one."""

    def __init__(self, device: str, baud: int) -> None:
        self.port = SerialPort(device)
        try:
            self._opened = ports.open_port(device, ports.LineSettings(baud))
        except ports.PortError as error:
            raise PortError(device, error.what) from None
        self._descriptor = self._opened.fileno()
        os.set_blocking(self._descriptor, False)

    def has_reader(self) -> bool:
        """Always true: a wire does not show a reader."""
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
        return not any(fcntl.ioctl(self._descriptor, termios.TIOCOUTQ, struct.pack("i", 0)))

    def close(self) -> None:
        """Close the device."""
        self._opened.close()


class TcpLine:
    """A listening socket. Every client gets the same octets from its connection on."""

    def __init__(self, port: TcpPushPort) -> None:
        self._listener, self.port = listening(port)
        self._clients: list[socket.socket] = []

    def has_reader(self) -> bool:
        """True while a client is connected. Octets from clients are dropped."""
        with contextlib.suppress(BlockingIOError):
            while True:
                client, _ = self._listener.accept()
                if len(self._clients) < MOST_CLIENTS:
                    client.setblocking(False)
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._clients.append(client)
                else:
                    client.close()
        for client in self._clients.copy():
            with contextlib.suppress(BlockingIOError):
                self._drop_if(client, gone=not _receive(client))
        return bool(self._clients)

    def _drop_if(self, client: socket.socket, *, gone: bool) -> None:
        if gone:
            self._clients.remove(client)
            client.close()

    def write(self, octets: bytes) -> bool:
        """Send to all; False without a client, or if one does not take it."""
        taken = bool(self._clients)
        for client in self._clients.copy():
            try:
                taken = client.send(octets) == len(octets) and taken
            except BlockingIOError:
                taken = False
            except OSError:
                self._drop_if(client, gone=True)
                taken = bool(self._clients) and taken
        return taken

    def drained(self) -> bool:
        """True if the clients' computers have received all octets."""
        left = (fcntl.ioctl(client, termios.TIOCOUTQ, struct.pack("i", 0)) for client in self._clients)
        return not any(map(any, left))

    def close(self) -> None:
        """Stop listening and close the connections."""
        self._listener.close()
        for client in self._clients:
            client.close()
        self._clients.clear()


def listening(port: TcpPushPort) -> tuple[socket.socket, TcpPushPort]:
    """A socket that listens and does not block, and its port with address and number. PortError."""
    host = (port.host or LOOPBACK).strip("[]")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port.port), family=family)
    except OSError as error:
        raise PortError(str(port), f"cannot listen: {reason(error)}", "name another") from None
    listener.setblocking(False)
    return listener, TcpPushPort(listener.getsockname()[1], f"[{host}]" if ":" in host else host)


def _receive(client: socket.socket) -> bytes:
    """Octets from a client; b"" if it has gone. BlockingIOError if it sent nothing."""
    try:
        return client.recv(4096)
    except BlockingIOError:
        raise
    except OSError:
        return b""


def open_line(port: PushPort, baud: int) -> Line:
    """Open a line. PortError if that cannot be done."""
    if isinstance(port, PtyPort):
        return PtyLine(Path(port.link))
    return TcpLine(port) if isinstance(port, TcpPushPort) else SerialLine(port.device, baud)
