"""socket://host:port: pyserial's TCP port, with a connect that can be interrupted and a close that always closes."""

import errno
import re
import select
import socket
import time
from typing import Self

from serial.urlhandler import protocol_socket

from smgw.errors import reason
from smgw.patience import patiently
from smgw.ports.errors import PortError, PortWoken
from smgw.ports.wake import Wake

CONNECT_S = 5.0  # name and connection together
_URL = re.compile(r"(?:socket|tls|udp|rfc2217)://(?:\[([^\]/]+)\]|([^:/?#@\[\]]+)):(\d{1,5})/?", re.IGNORECASE)
# A meter's bridge that lost its power never says so: after this it is known, even if nothing is sent.
_KEEPALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}

_Address = tuple[int, tuple[object, ...]]  # family, what connect takes


class TcpSerial(protocol_socket.Serial):
    """A pyserial port over TCP. Octets that the peer sends at once after connecting are kept."""

    wake: Wake

    @classmethod
    def opened(cls, url: str, wake: Wake) -> Self:
        """A connected port whose calls do not block. PortError, PortWoken."""
        made = cls()
        made.wake = wake
        made.port = url
        made.timeout = made.write_timeout = 0
        try:
            made.open()
        except OSError as error:
            raise PortError(url, f"cannot connect: {reason(error)}; are host and port right?") from error
        return made

    def open(self) -> None:
        """Connect within CONNECT_S seconds. PortError if that fails, PortWoken if woken."""
        url = str(self.portstr)
        host, port = address(url)
        deadline = time.monotonic() + CONNECT_S
        fault = "has no address"
        addresses = resolve(url, host, port, self.wake, deadline)
        for tried, (family, where) in enumerate(addresses):
            now = time.monotonic()
            until = now + (deadline - now) / (len(addresses) - tried)  # one that is silent leaves time for the others
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                number = _connect(connection, where, self.wake, until)
                if self.wake.is_set():
                    raise PortWoken(url, "stopped while connecting")
                if number == 0:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                    for option, value in _KEEPALIVE.items():
                        connection.setsockopt(socket.IPPROTO_TCP, option, value)
                    self._socket = connection
                    self.is_open = True
                    return
                fault = reason(OSError(number, ""))
            finally:
                if not self.is_open:
                    connection.close()
        raise PortError(url, f"cannot connect: {fault}; is the meter's TCP bridge on, and are host and port right?")

    def close(self) -> None:
        """Close, even where the peer was faster."""
        if self.is_open:
            self.is_open = False
            self._socket.close()


def address(url: str) -> tuple[str, int]:
    """Host and port of socket://host:port and the like; PortError if it is not of this form.

    rfc2217:// may have pyserial's options behind a "?"; nothing depends on them here.
    """
    match = _URL.fullmatch(url.partition("?")[0] if url.lower().startswith("rfc2217") else url)
    if match is None or not 1 <= int(match[3]) <= 65535:
        kind = "UDP" if url.lower().startswith("udp") else "TCP"
        raise PortError(url, f'is no {kind} port; write "{url.partition(":")[0].lower()}://host:port", port 1 to 65535')
    return match[1] or match[2], int(match[3])


def resolve(url: str, host: str, port: int, wake: Wake, deadline: float) -> list[_Address]:
    """The addresses of a host; PortError if it has none until `deadline`, PortWoken if woken meanwhile."""
    try:
        return _addresses(host, port, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        pass  # a name needs the resolver, which cannot be interrupted
    left = deadline - time.monotonic()
    try:
        return patiently(f"resolve {host}", lambda: _addresses(host, port, 0), left, wake.is_set)
    except TimeoutError:
        if wake.is_set():
            raise PortWoken(url, "stopped while looking up the host") from None
        why = f"no answer within {CONNECT_S:g} s"
    except (OSError, UnicodeError) as error:
        why = reason(error)
    raise PortError(url, f"cannot find the host {host}: {why}; give its address, or mend its name")


def _addresses(host: str, port: int, flags: int) -> list[_Address]:
    return [(one[0], one[4]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)]


def _connect(connection: socket.socket, where: tuple[object, ...], wake: Wake, deadline: float) -> int:
    """The error number of the attempt, 0 if connected; ends early if woken."""
    connection.setblocking(False)
    number = connection.connect_ex(where)
    if number != errno.EINPROGRESS:
        return number
    _, ready, _ = select.select([wake], [connection], [], max(0.0, deadline - time.monotonic()))
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if ready else errno.ETIMEDOUT
