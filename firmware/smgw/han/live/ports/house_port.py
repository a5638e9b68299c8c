"""A TCP port of the house, in one thread: who connects, what they sent, what they have not taken yet.

Nobody holds it up. Connections are bounded in number, for each address too. Who does not take what was sent is ended.
"""

import logging
import selectors
import socket
import threading
import time
from collections import Counter
from typing import Protocol

from smgw.errors import reason
from smgw.patience import BackOff
from smgw.ports.wake import Wake
from smgw.profiles.checks import is_public

log = logging.getLogger(__name__)

_MOST, _MOST_OF_ADDRESS = 64, 16
_QUEUED = 128
#: Seconds in which somebody must ask, take what was sent, and close after the answer.
_ASK_S, _TAKE_S, _CLOSE_S = 10.0, 30.0, 2.0
_CHUNK = 4096
_KERNEL = 32_768  # octets of what was sent that the kernel holds for one connection
_FIRST_S, _LONGEST_S = 1.0, 60.0


class Speaker(Protocol):
    """What a port says."""

    def greeting(self) -> bytes | None:
        """For somebody who has just connected; None: whoever connects must ask."""

    def reply(self, received: bytes) -> bytes | None:
        """The answer to a question, after which the connection ends; None: it is not whole."""

    def news(self) -> bytes:
        """For all who are connected, after the wake; empty: nothing."""


class _Peer:
    """One connection."""

    def __init__(self, sock: socket.socket, address: str, *, asks: bool) -> None:
        self.sock = sock
        self.address = address
        self.asks = asks
        self.received = b""
        self.unsent = b""
        self.last = False  # it ends when it has taken everything
        self.until = time.monotonic() + _ASK_S if asks else None


class HousePort:
    """Listens at one address; see `smgw.services.fleet.Runner`."""

    def __init__(self, listen: str, speaker: Speaker, wake: Wake) -> None:
        """`wake` is set when the speaker has news."""
        self._listen = listen
        self._speaker = speaker
        self._wake = wake
        self._stopping = threading.Event()
        self._peers: dict[socket.socket, _Peer] = {}
        self._selector: selectors.BaseSelector
        #: Why it does not listen; empty: it does, or has not tried.
        self.fault = ""
        #: Where it listens now: for tests, which let the system choose a port.
        self.bound: tuple[str, int] | None = None

    def run(self) -> None:
        """Until `stop`. While the address cannot be had it is tried again."""
        pauses = BackOff(_FIRST_S, _LONGEST_S)
        while not self._stopping.is_set():
            try:
                server = self._opened()
            except OSError as error:
                why = reason(error)
                say = log.debug if why == self.fault else log.warning
                extra = {"event": "house-port-refused", "PORT": self._listen}
                say("%s: no live values there: %s; it is tried again", self._listen, why, extra=extra)
                self.fault = why
                self._stopping.wait(pauses.next())
                continue
            self.fault = ""
            with server, selectors.DefaultSelector() as self._selector:
                self._serve(server)

    def stop(self) -> None:
        """End, from another thread."""
        self._stopping.set()
        self._wake.set()

    def _opened(self) -> socket.socket:
        host, _, port = self._listen.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = socket.create_server((host, int(port)), family=family, backlog=_QUEUED)
        server.setblocking(False)
        self.bound = server.getsockname()[:2]
        return server

    def _serve(self, server: socket.socket) -> None:
        self._selector.register(server, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)
        try:
            while not self._stopping.is_set():
                for key, events in self._selector.select(self._rest()):
                    if key.fileobj is server:
                        self._accept(server)
                    elif key.fileobj is self._wake:
                        self._wake.clear()
                        self._spread(self._speaker.news())
                    elif (peer := self._peers.get(key.data)) is not None:
                        self._turn(peer, events)
                now = time.monotonic()
                for peer in [one for one in self._peers.values() if one.until is not None and one.until <= now]:
                    self._end(peer)
        finally:
            for peer in list(self._peers.values()):
                self._end(peer)

    def _rest(self) -> float | None:
        until = min((one.until for one in self._peers.values() if one.until is not None), default=None)
        return None if until is None else max(0.0, until - time.monotonic())

    def _accept(self, server: socket.socket) -> None:
        try:
            sock, (address, *_) = server.accept()
        except OSError:  # gone again
            return
        count = Counter(one.address for one in self._peers.values())
        if is_public(address) or len(self._peers) >= _MOST or count[address] >= _MOST_OF_ADDRESS:
            sock.close()
            return
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL)
        greeting = self._speaker.greeting()
        peer = self._peers[sock] = _Peer(sock, address, asks=greeting is None)
        self._selector.register(sock, selectors.EVENT_READ, sock)
        if greeting:
            self._send(peer, greeting)

    def _spread(self, octets: bytes) -> None:
        """To all who took everything before. Others miss it."""
        for peer in list(self._peers.values()) if octets else ():
            if not peer.asks and not peer.unsent:
                self._send(peer, octets)

    def _turn(self, peer: _Peer, events: int) -> None:
        if events & selectors.EVENT_READ and not self._hear(peer):
            return
        if events & selectors.EVENT_WRITE:
            self._send(peer, b"")

    def _hear(self, peer: _Peer) -> bool:
        """False if the connection ended."""
        try:
            octets = peer.sock.recv(_CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            octets = b""
        if not octets:
            self._end(peer)
            return False
        if peer.asks and not peer.last:
            peer.received += octets
            if (reply := self._speaker.reply(peer.received)) is not None:
                peer.received, peer.last = b"", True
                self._send(peer, reply)
                return peer.sock in self._peers
        return True

    def _send(self, peer: _Peer, octets: bytes) -> None:
        peer.unsent += octets
        try:
            peer.unsent = peer.unsent[peer.sock.send(peer.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._end(peer)
            return
        if not peer.unsent and peer.last:
            self._close_after(peer)
            return
        waits = selectors.EVENT_WRITE if peer.unsent else 0
        self._selector.modify(peer.sock, selectors.EVENT_READ | waits, peer.sock)
        if octets and peer.unsent:
            peer.until = time.monotonic() + _TAKE_S
        elif not peer.unsent and not peer.asks:
            peer.until = None

    def _close_after(self, peer: _Peer) -> None:
        """All is said. What still comes is read, so that the system does not take the answer back."""
        try:
            peer.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._end(peer)
            return
        peer.until = time.monotonic() + _CLOSE_S
        self._selector.modify(peer.sock, selectors.EVENT_READ, peer.sock)

    def _end(self, peer: _Peer) -> None:
        del self._peers[peer.sock]
        self._selector.unregister(peer.sock)
        peer.sock.close()
