"""One opened port: waits that another thread can end at once, reads and writes that never block for long."""

import fcntl
import logging
import select
import sys
import termios
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from smgw.errors import reason
from smgw.ports import tty
from smgw.ports.errors import PortError, PortGone, PortWoken
from smgw.ports.line_settings import LineSettings
from smgw.ports.security import Security, is_tls
from smgw.ports.wake import Wake

if TYPE_CHECKING:
    from smgw.ports.direction import Direction

log = logging.getLogger(__name__)

GATHER_S = 0.05  # how long octets gather before anyone looks at them
_READ = 4096  # what the kernel holds for a tty at most
_CLOSED = "it was unplugged, or the connection was closed"
_SEVEN = 7
_WRITE_SLACK_S = 1.0  # on top of twice the wire time: USB bridges and TCP are not the wire


class _Serial(Protocol):
    """What a port needs of a pyserial object. Opened with both time-outs 0, its calls do not block."""

    def fileno(self) -> int: ...
    def read(self, size: int = 1, /) -> bytes: ...
    def write(self, b: bytes, /) -> int | None: ...
    def close(self) -> None: ...


def _nobody(octets: bytes) -> None:
    """Nobody listens to what is read."""


@runtime_checkable
class _SetsLine(Protocol):
    """A device that is not a tty and has a line nevertheless."""

    def change_baud(self, url: str, baudrate: int, wake: Wake) -> None: ...


class Port:
    """An open port. It belongs to one thread; only `wake` may be called from others.

    A Wake given to it is shared and stays open; otherwise the port has its own. `security` is for a tls:// port.
    """

    def __init__(
        self,
        url: str,
        settings: LineSettings,
        device: _Serial,
        wake: Wake | None = None,
        security: Security | None = None,
    ) -> None:
        self.url = url
        self.settings = settings
        self._device = device
        self._own_wake = wake is None
        self._wake = Wake() if wake is None else wake
        self._security = security
        self._closed = False
        self._masks = self._masked_in_software(settings)
        self._direction: Direction | None = None
        if settings.rs485 != "none" and _is_tty(url):
            from smgw.ports.direction import direction  # few lines are switched by the gateway

            self._direction = direction(url, settings.rs485, self.fileno)
            self._switch(lambda switched: switched.opened())
        self.tap: Callable[[bytes], None] = _nobody  #: gets what `read` returns, too

    def fileno(self) -> int:
        """The descriptor, for select."""
        return self._device.fileno()

    @property
    def paced(self) -> bool:
        """True if octets come at the speed of `settings`: a serial line, here or behind RFC 2217."""
        return has_line(self.url)

    @property
    def waiting(self) -> int:
        """The number of octets that can be read; 0 where the device does not tell."""
        try:
            return int.from_bytes(fcntl.ioctl(self._device.fileno(), termios.FIONREAD, bytes(4)), sys.byteorder)
        except OSError:
            return 0

    @property
    def outdated(self) -> bool:
        """True if the port should be opened again soon, while it works: a TLS session must not become too old."""
        return self._security is not None and bool(getattr(self._device, "outdated", False))

    def wake(self) -> None:
        """End the wait that is under way, and those to come until `rearm`. From any thread."""
        self._wake.set()

    def rearm(self) -> None:
        """Let waits wait again after a `wake`."""
        self._wake.clear()

    def wait(self, timeout: float | None) -> bool:
        """True as soon as there is something to read (or the port is gone, which `read` then says).

        False after `timeout` seconds (None: without end), or at once if woken.
        """
        if self._wake.is_set():
            return False
        ready, _, _ = select.select([self._device.fileno(), self._wake.fileno()], [], [], timeout)
        return self._device.fileno() in ready and not self._wake.is_set()

    def gather(self, seconds: float = GATHER_S) -> None:
        """Let octets come in for `seconds`, or until woken, so that a burst is handled once."""
        self._wake.wait(seconds)

    def read(self) -> bytes:
        """What is there, up to 4096 octets; b"" if nothing is. PortGone if the port is no more."""
        try:
            octets = self._device.read(_READ)
        except (OSError, termios.error) as error:
            raise PortGone(self.url, f"is gone: {reason(error, _CLOSED)}") from error
        if self._masks and octets:
            octets = _without_parity(octets)
        if octets:
            self.tap(octets)
        return octets

    def write(self, data: bytes) -> None:
        """Hand all octets to the operating system.

        PortError if the line takes longer than twice its speed allows, PortGone if the port is no more, PortWoken if
        woken before all were taken.
        """
        if self._masks and self.settings.parity != "N":
            data = _with_parity(data, odd=self.settings.parity == "O")
        deadline = time.monotonic() + _WRITE_SLACK_S + 2 * len(data) * self.settings.octet_time
        if self._direction is None:
            self._write(data, deadline)
            return
        self._switch(lambda switched: switched.send())
        try:
            self._write(data, deadline)
            self._sent(deadline)
        finally:  # whatever happened, others may speak
            self._switch(lambda switched: switched.listen())

    def _sent(self, deadline: float) -> None:
        from smgw.ports.direction import wait_until_sent

        try:
            left = max(0.0, deadline - time.monotonic())
            wait_until_sent(self.url, self.fileno(), self.settings.octet_time, left, self._wake)
        except (OSError, termios.error) as error:
            raise PortGone(self.url, f"is gone: {reason(error, _CLOSED)}") from error

    def _switch(self, call: Callable[["Direction"], None]) -> None:
        if self._direction is None:
            return
        try:
            call(self._direction)
        except (OSError, RuntimeError) as error:
            from smgw.ports.direction import refused

            raise refused(self.url, self.settings.rs485, error) from error

    def _write(self, data: bytes, deadline: float) -> None:
        left = memoryview(data)
        while left:
            remaining = deadline - time.monotonic()
            _, ready, _ = select.select([self._wake], [self._device], [], max(0.0, remaining))
            if self._wake.is_set():
                raise PortWoken(self.url, f"stopped with {len(left)} of {len(data)} octets unwritten")
            if ready:
                try:
                    left = left[self._device.write(left.tobytes()) or 0 :]
                except (OSError, termios.error) as error:
                    raise PortGone(self.url, f"is gone: {reason(error, _CLOSED)}") from error
            elif remaining <= 0:
                raise PortError(self.url, f"takes no octets: {len(left)} of {len(data)} unwritten; is anybody reading?")

    def _masked_in_software(self, settings: LineSettings) -> bool:
        """True if the line shall have seven data bits and the device has eight: a pty, TCP, a mini-UART (R20, R21)."""
        if settings.bytesize != _SEVEN or isinstance(self._device, _SetsLine):
            return False
        return not _is_tty(self.url) or not tty.keeps_seven_bits(self.fileno())

    def change_baud(self, baudrate: int) -> None:
        """Set another speed on the open port; everything else stays. PortError if the device cannot do it.

        What was written must be on the wire by then: IEC 62056-21 changes the speed in mid-session. On TCP the far end
        has the line, so nothing happens, unless it takes settings (RFC 2217).
        """
        if isinstance(self._device, _SetsLine):
            self._device.change_baud(self.url, baudrate, self._wake)
        elif _is_tty(self.url):
            try:
                speed = getattr(termios, f"B{baudrate}")
                attributes = termios.tcgetattr(self.fileno())
                attributes[4] = attributes[5] = speed
                termios.tcsetattr(self.fileno(), termios.TCSANOW, attributes)
            except AttributeError:
                raise PortError(self.url, f"{baudrate} Bd is no speed of a serial line") from None
            except (OSError, termios.error) as error:
                raise PortError(self.url, f"cannot change to {baudrate} Bd: {reason(error)}") from error
        self.settings = self.settings._replace(baudrate=baudrate)

    def reopen(self, settings: LineSettings) -> None:
        """Open the port again with these settings. PortError, after which it can only be closed.

        A tty is opened before the old descriptor is closed: some programs end when the last one leaves their pty. A
        bridge may take one connection only, so there the old one is closed first. A `spy://` port keeps its
        descriptor, because opening empties the file.
        """
        if "://" in self.url and _is_tty(self.url):
            return
        old = self._device
        if not _is_tty(self.url):
            old.close()
            self._device = _open_device(self.url, settings, self._wake, self._security)
        else:
            tty.release(old)
            try:
                self._device = _open_device(self.url, settings, self._wake, None)
            finally:
                old.close()
        self.settings = settings
        self._masks = self._masked_in_software(settings)
        self._switch(lambda switched: switched.opened())

    def close(self) -> None:
        """Give the port back. Never raises for a port that is gone; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._direction is not None:
            self._direction.close()
        try:
            if _is_tty(self.url):
                tty.release(self._device)
            self._device.close()
        except OSError as error:
            log.debug("%s: close: %s", self.url, error)
        if self._own_wake:
            self._wake.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_port(url: str, settings: LineSettings, wake: Wake | None = None, security: Security | None = None) -> Port:
    """Open a device path, socket://, tls://, rfc2217:// or udp:// with host:port, gpio://chip/line, or spy://path.

    A device is claimed for this process alone. A `wake` set by another thread ends even the opening (PortWoken).
    PortError says what is wrong and what would be right. TCP is given up after 5 s, a TLS handshake after 10 s more.
    """
    if wake is not None and wake.is_set():
        raise PortWoken(url, "stopped before it was opened")
    looking = Wake() if wake is None else wake
    try:
        device = _open_device(url, settings, looking, security)
        try:
            return Port(url, settings, device, wake, security)
        except PortError:
            device.close()
            raise
    finally:
        if wake is None:
            looking.close()


def _without_parity(octets: bytes) -> bytes:
    from smgw.iec62056.seven_bit import without_parity  # few lines have seven data bits

    return without_parity(octets)


def _with_parity(octets: bytes, *, odd: bool) -> bytes:
    from smgw.iec62056.seven_bit import with_parity

    even = with_parity(octets)
    return bytes(octet ^ 0x80 for octet in even) if odd else even


def is_socket(url: str) -> bool:
    """True for a port on the network."""
    return url.lower().startswith(("socket://", "tls://", "udp://", "rfc2217://"))


def has_line(url: str) -> bool:
    """True if the gateway sets speed and parity of this port."""
    return not (is_tls(url) or url.lower().startswith(("socket://", "udp://", "gpio://")))


def _is_tty(url: str) -> bool:
    return not is_socket(url) and not url.startswith("gpio://")


def _open_device(url: str, settings: LineSettings, wake: Wake, security: Security | None) -> _Serial:
    scheme, separator, _ = url.partition("://")
    match scheme.lower() if separator else "":
        case "socket":
            from smgw.ports.tcp import TcpSerial  # a gateway with serial meters only does not carry the socket modules

            return TcpSerial.opened(url, wake)
        case "tls":
            if security is None:
                raise PortError(url, "nobody here has certificates for TLS; use a command that reads the configuration")
            from smgw.ports.tls import TlsSerial  # a gateway without TLS meters does not carry ssl

            return TlsSerial.secured(url, wake, security)
        case "rfc2217":
            from smgw.ports.rfc2217 import Rfc2217Serial

            return Rfc2217Serial.with_settings(url, settings, wake)
        case "udp":
            from smgw.ports.udp import UdpSerial

            return UdpSerial(url, wake)
        case "gpio":
            from smgw.ports.gpio import GpioLine  # few gateways count pulses

            return GpioLine.with_edges(url)
        case "" | "spy":
            return tty.open_tty(url, settings)
    raise PortError(
        url,
        f"{scheme}:// is no port of this gateway; use a device, spy://, gpio://, or socket://, tls://, rfc2217:// "
        "or udp:// with host:port",
    )
