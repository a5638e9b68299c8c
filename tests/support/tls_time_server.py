"""A time server of a gateway administrator over TLS, whose answers a test decides."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from ntp_answers import good
from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.chain import Expected, Moment
from smgw.trust.folder import AuthoritiesFolder
from smgw.trust.names import Role
from smgw.trust.tls import Context, Own, Peer, server_context
from soon import LIMIT
from trial_pki import NOW, Holder, TrialPki


def context_of(pki: TrialPki, folder: Path, holder: Holder, role: Role = Role.SMGW) -> Context:
    """The server's side of TLS with this certificate. It believes anybody of the PKI with that role."""
    own = Own(*pki.write_holder(folder, holder))
    expected = Expected(Purpose.TLS, frozenset({role}), holder.certificate.curve)
    return server_context(
        own, Peer(expected, AuthoritiesFolder(pki.write(folder / "authorities")), lambda: Moment(NOW))
    )


class TlsTimeServer:
    """`respond` makes the records that follow a request; None: the connection is closed instead."""

    def __init__(self, context: Context, respond: Callable[[bytes], list[bytes] | None], port: int = 0) -> None:
        self.respond = respond
        self.requests: list[bytes] = []
        self.resumed: list[bool] = []
        self.peers: list[Certificate] = []
        self.failures: list[Exception] = []
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", port))
        self.name = f"tls://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                plain, _ = self._listener.accept()
                with plain:
                    self._speak(plain)

    def _speak(self, plain: socket.socket) -> None:
        plain.settimeout(LIMIT)
        try:
            with self._context.wrap_socket(plain, server_side=True) as secured:
                self._answer(secured)
        except OSError as error:
            self.failures.append(error)

    def _answer(self, secured: ssl.SSLSocket) -> None:
        self.resumed.append(bool(secured.session_reused))
        self.peers.append(secured.peer)  # type: ignore[attr-defined]
        while octets := secured.recv(1000):
            self.requests.append(octets)
            answer = self.respond(octets)
            if answer is None:
                return
            for record in answer:
                secured.sendall(record)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(LIMIT)


@contextlib.contextmanager
def serving_time(
    context: Context, respond: Callable[[bytes], list[bytes] | None] = lambda request: [good(request)], port: int = 0
) -> Iterator[TlsTimeServer]:
    server = TlsTimeServer(context, respond, port)
    try:
        yield server
    finally:
        server.close()
