"""The channel of a DLMS line: a TCP connection, a pseudo terminal or a serial device, in both directions."""

import asyncio
import logging
import os
import termios
from pathlib import Path
from typing import Protocol

from smgw import ports

from smsim.errors import PortError
from smsim.line import PtyLine
from smsim.ports import PtyPort, SerialPort

log = logging.getLogger(__name__)

_READ = 4096
_PIECE = 64  # octets that are written at once on a paced line
_BITS = 10
_GARBLE = bytes((octet * 167 + 89) & 0xFF for octet in range(256))  # octets as seen at another speed


class Gone(Exception):  # noqa: N818  (a state of the line)
    """The other side has closed."""


class Channel(Protocol):
    """An open channel to the reader of the meters."""

    async def read(self, timeout: float | None) -> bytes:
        """Received octets; b"" after `timeout` seconds without any. Raises Gone."""

    async def write(self, octets: bytes) -> None:
        """Send. Raises Gone."""

    def change_baud(self, baudrate: int) -> None:
        """Set another speed at the meter's end of the line."""

    def close(self) -> None:
        """Close it."""


class TcpChannel:
    """One connection. It has no speed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, timeout: float | None) -> bytes:
        try:
            async with asyncio.timeout(timeout):
                data = await self._reader.read(_READ)
        except TimeoutError:
            return b""
        except OSError as error:
            raise Gone from error
        if not data:
            raise Gone
        return data

    async def write(self, octets: bytes) -> None:
        try:
            self._writer.write(octets)
            await self._writer.drain()
        except OSError as error:
            raise Gone from error

    def change_baud(self, baudrate: int) -> None:
        """Nothing: the far end has the line."""

    def close(self) -> None:
        self._writer.close()


class TtyChannel:
    """A pseudo terminal or a serial device. On a pseudo terminal octets take their time at `baud`; 0: no time.

    With `heeds_speed` a reader that has set another speed receives garbage, and we do too, as on a wire.
    """

    def __init__(self, port: PtyPort | SerialPort, baud: int, *, heeds_speed: bool = False, parity: str = "N") -> None:
        """`parity`: of a serial device."""
        self._baud = baud
        self._heeds_speed = heeds_speed
        self._pty: PtyLine | None = None
        self._serial: ports.Port | None = None
        self._slave = -1
        if isinstance(port, PtyPort):
            self._pty = PtyLine(Path(port.link))
            self._descriptor = self._pty.fileno()
            # Held open: without it the terminal would hang up when a reader leaves.
            self._slave = os.open(self._pty.device, os.O_RDWR | os.O_NOCTTY)
        else:
            try:
                self._serial = ports.open_port(port.device, ports.LineSettings(baud or 9600, parity=parity))
            except ports.PortError as error:
                raise PortError(str(port), error.what) from None
            self._descriptor = self._serial.fileno()
            os.set_blocking(self._descriptor, False)

    async def read(self, timeout: float | None) -> bytes:
        if not await self._ready(timeout):
            return b""
        try:
            data = os.read(self._descriptor, _READ)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise Gone from error
        if not data:
            raise Gone
        heard = self._garbled(data)
        if heard == data and self._pty is not None and self._baud:  # at another speed the time is not known
            await asyncio.sleep(len(data) * _BITS / self._baud)
        return heard

    async def write(self, octets: bytes) -> None:
        left = self._garbled(octets)
        while left:
            piece, left = left[:_PIECE], left[_PIECE:]
            if self._pty is not None and self._baud:  # octets arrive when their time on the wire is over
                await asyncio.sleep(len(piece) * _BITS / self._baud)
            try:
                os.write(self._descriptor, piece)
            except BlockingIOError:  # nobody reads
                log.debug("%d octets lost, as on a wire", len(piece))
            except OSError as error:
                raise Gone from error

    def change_baud(self, baudrate: int) -> None:
        if self._serial is not None:
            self._serial.change_baud(baudrate)
        if self._baud:
            self._baud = baudrate

    def close(self) -> None:
        if self._slave >= 0:
            os.close(self._slave)
        for opened in (self._pty, self._serial):
            if opened is not None:
                opened.close()

    async def _ready(self, timeout: float | None) -> bool:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._descriptor, _wake, ready)
        try:
            async with asyncio.timeout(timeout):  # `wait_for` can swallow a cancellation before Python 3.12
                await ready
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self._descriptor)
        return True

    def _garbled(self, octets: bytes) -> bytes:
        if not self._heeds_speed or self._slave < 0 or not self._baud:
            return octets
        speed = termios.tcgetattr(self._slave)[5]
        return octets if speed == getattr(termios, f"B{self._baud}", speed) else octets.translate(_GARBLE)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
