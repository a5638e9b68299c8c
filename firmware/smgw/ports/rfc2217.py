"""rfc2217://host:port: a serial line behind a TCP bridge that takes line settings (RFC 2217).

pyserial has such a port too, but it needs a thread, has no descriptor for `select`, and its waits cannot be
interrupted. This one is a `TcpSerial` that speaks Telnet.
"""

import contextlib
import errno
import select
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from smgw.errors import reason
from smgw.ports.errors import PortError, PortWoken
from smgw.ports.line_settings import LineSettings
from smgw.ports.tcp import CONNECT_S, TcpSerial
from smgw.ports.telnet import Setting, Telnet
from smgw.ports.wake import Wake

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PARITIES = {1: "N", 2: "O", 3: "E", 4: "M", 5: "S"}
_ASKED = (Setting.BAUDRATE, Setting.DATASIZE, Setting.PARITY, Setting.STOPSIZE)


class Rfc2217Serial(TcpSerial):
    """What a port needs of a device. Its settings are in force once it is open."""

    def __init__(self) -> None:
        super().__init__()
        self._telnet = Telnet()

    @classmethod
    def with_settings(cls, url: str, settings: LineSettings, wake: Wake) -> "Rfc2217Serial":
        """A connected port with these settings. PortError, PortWoken."""
        made = cls.opened(url, wake)
        try:
            made._negotiate(url, settings)
        except BaseException:
            made.close()
            raise
        return made

    def change_baud(self, url: str, baudrate: int, wake: Wake) -> None:
        """Set another speed. PortError if the bridge does not take it, PortWoken."""
        self.wake = wake
        self._telnet.baudrate(baudrate)
        self._await(url, lambda: Setting.BAUDRATE in self._telnet.in_force)
        found = int.from_bytes(self._telnet.in_force[Setting.BAUDRATE], "big")
        if found != baudrate:
            raise PortError(url, f"the bridge cannot change to {baudrate} Bd; it stays at {found} Bd")

    def read(self, size: int = 1, /) -> bytes:
        """The data that is there, b"" if none is. OSError if the connection is closed."""
        try:
            octets = self._socket.recv(size)
        except BlockingIOError:
            return b""
        if not octets:
            raise OSError(errno.ECONNRESET, "closed")
        data = self._telnet.receive(octets)
        self._flush()
        return data

    def write(self, octets: "Buffer", /) -> int:
        """Hand over data; how many octets were taken."""
        if not self._flush():
            return 0
        data = bytes(octets)
        self._telnet.outgoing += Telnet.escaped(data)
        self._flush()
        return len(data)

    def _flush(self) -> bool:
        """Send what gathered; True if all of it went."""
        outgoing = self._telnet.outgoing
        with contextlib.suppress(BlockingIOError):
            while outgoing:
                del outgoing[: self._socket.send(outgoing)]
        return not outgoing

    def _negotiate(self, url: str, settings: LineSettings) -> None:
        telnet = self._telnet
        self._await(url, lambda: telnet.com_port is not None)
        if not telnet.com_port:
            raise PortError(
                url,
                "the bridge speaks Telnet and takes no line settings; allow RFC 2217 there, or set its serial side and "
                f'its mode "raw TCP" there and write the port as {url.replace("rfc2217", "socket", 1)}',
            )
        telnet.settings(settings)
        self._await(url, lambda: all(setting in telnet.in_force for setting in _ASKED))
        size, parity, stop = (int.from_bytes(telnet.in_force[setting], "big") for setting in _ASKED[1:])
        speed = int.from_bytes(telnet.in_force[Setting.BAUDRATE], "big")
        found = f"{speed} {size}{_PARITIES.get(parity, '?')}{stop}"
        if found != str(settings):
            raise PortError(url, f"the bridge set {found} instead of {settings}; its serial port may not do more")

    def _await(self, url: str, done: Callable[[], bool]) -> None:
        """Until the bridge said what is waited for. Octet by octet: data behind it stays where `select` sees it."""
        deadline = time.monotonic() + CONNECT_S
        while not done():
            self._flush()
            connection = self._socket.fileno()
            left = max(0.0, deadline - time.monotonic())
            unsent = [connection] if self._telnet.outgoing else []
            ready, _, _ = select.select([connection, self.wake.fileno()], unsent, [], left)
            if self.wake.is_set():
                raise PortWoken(url, "stopped while the bridge was set")
            if left <= 0:
                raise PortError(url, self._silence(url))
            if connection in ready:
                try:
                    octet = self._socket.recv(1)
                except OSError as error:
                    raise PortError(url, f"the bridge closed the connection: {reason(error)}") from error
                if not octet:
                    raise PortError(url, "the bridge closed the connection; does another program use it?")
                self._telnet.receive(octet)

    def _silence(self, url: str) -> str:
        if self._telnet.negotiates:
            return f"the bridge did not confirm the line settings within {CONNECT_S:g} s; set them there"
        return (
            f"the other side did not answer in RFC 2217 within {CONNECT_S:g} s; if it is a raw TCP bridge, write "
            f"{url.partition('?')[0].replace('rfc2217', 'socket', 1)}"
        )
