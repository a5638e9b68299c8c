"""The connections of an exchange: plain or with TLS, interrupted from another thread at every step."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from smgw.patience import patiently
from smgw.profiles.checks import is_public
from smgw.trust.errors import TrustError
from smgw.wan.cosem_xml.response import Response


class Watch:
    """What an exchange knows of its connection."""

    def __init__(self, seconds: float) -> None:
        """`seconds`: how long the opening may take."""
        self._seconds = seconds
        self.connection: HTTPConnection | None = None
        self.ended = threading.Event()
        self.meanwhile: Callable[[], None] | None = None  # called once, as soon as a request is on its way

    @property
    def secured(self) -> ssl.SSLSocket | None:
        """The open connection, if it has TLS."""
        sock = self.connection.sock if self.connection is not None else None
        return sock if isinstance(sock, ssl.SSLSocket) else None

    def opened(self, connect: Callable[[], socket.socket]) -> socket.socket:
        """A new TCP connection. `ended` interrupts even the look-up of the name."""
        return patiently("connect", connect, self._seconds, self.ended.is_set, socket.socket.close)

    def knows(self, connection: HTTPConnection) -> None:
        """From now on `abort` interrupts this connection."""
        self.connection = connection
        if self.ended.is_set():
            raise OSError("stopping")

    def requested(self) -> None:
        """A request is on its way."""
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()

    def abort(self) -> None:
        """Interrupt whatever waits for the peer: a handshake, a request, an answer."""
        connection = self.connection
        sock = connection.sock if connection is not None else None
        if sock is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket.shutdown: it would let the other thread go on without TLS.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class PlainConnection(HTTPConnection):
    """HTTP without TLS, to private addresses only."""

    response_class = Response
    watch: Watch

    def _new_conn(self) -> socket.socket:
        found = self.watch.opened(super()._new_conn)
        try:
            self._refuse_public(found.getpeername()[0])
        except BaseException:  # a peer that has hung up already has no address
            found.close()
            raise
        return found

    def _refuse_public(self, address: str) -> None:
        if is_public(address):
            raise TrustError(
                f"it has the address {address}, which is not private, and http has no encryption",
                "Write https:// in url, or name a host of a private network.",
                subject=self.host,
            )

    def connect(self) -> None:
        super().connect()
        self.watch.knows(self)

    def getresponse(self) -> urllib3.response.HTTPResponse:  # type: ignore[override]
        self.watch.requested()
        return super().getresponse()


class SecuredConnection(HTTPSConnection):
    """HTTP over TLS."""

    response_class = Response
    watch: Watch
    #: Makes a connection over TLS before its handshake; the second is the host.
    wrap: Callable[[socket.socket, str], ssl.SSLSocket]
    handshake: Callable[[ssl.SSLSocket], None]

    def _new_conn(self) -> socket.socket:
        return self.watch.opened(super()._new_conn)

    def connect(self) -> None:
        secured = self.wrap(self._new_conn(), self.host.strip("[]"))
        self.sock = secured
        self.watch.knows(self)
        self.handshake(secured)
        self.is_verified = True

    def getresponse(self) -> urllib3.response.HTTPResponse:  # type: ignore[override]
        self.watch.requested()
        return super().getresponse()
