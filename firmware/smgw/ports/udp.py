"""udp://host:port: datagrams to and from one peer, for the DLMS wrapper, which carries one APDU in each."""

import contextlib
import socket
import time

from smgw.errors import reason
from smgw.ports.errors import PortError
from smgw.ports.tcp import CONNECT_S, address, resolve
from smgw.ports.wake import Wake

_MOST = 65_535  # octets of a datagram; a shorter read would lose the rest


class UdpSerial:
    """The device interface of a port. There is no connection: only an answer shows that the peer exists."""

    def __init__(self, url: str, wake: Wake) -> None:
        """PortError if the host has no address, PortWoken if woken during the look-up."""
        host, port = address(url)
        family, where = resolve(url, host, port, wake, time.monotonic() + CONNECT_S)[0]
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.connect(where)
        except OSError as error:
            self._socket.close()
            raise PortError(url, f"cannot be reached: {reason(error)}; are host and port right?") from error

    def fileno(self) -> int:
        """The descriptor, for select."""
        return self._socket.fileno()

    def read(self, size: int = 1, /) -> bytes:  # noqa: ARG002  (a datagram comes whole)
        """One datagram, b"" if there is none. OSError if no program listens there."""
        with contextlib.suppress(BlockingIOError):
            return self._socket.recv(_MOST)
        return b""

    def write(self, octets: bytes, /) -> int:
        """One datagram."""
        return self._socket.send(octets)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
