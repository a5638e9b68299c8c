"""TLS to one EMP: mutual, pinned, resumed within 48 h, by the files of the trust folder as they are now."""

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from smgw.trust.certificate import Purpose
from smgw.trust.errors import FileError, TrustError
from smgw.trust.tls import Context, Counters, Own, Peer, PeerRefusedError, client_context, explained, hung_up
from smgw.wan.cosem_xml.parties import Parties

_Files = tuple[tuple[Path, int, int, int], ...]


class Way:
    """The contexts of one EMP. One thread uses it."""

    def __init__(self, parties: Parties, passphrase: Callable[[], bytes]) -> None:
        self._parties = parties
        self._passphrase = passphrase
        self._context: Context | None = None
        self._made_of: _Files = ()
        self.counters = Counters()

    def context(self) -> Context:
        """The context for a connection now. It stays the same while the own triple does.

        :raises TrustError: there can be no connection; the error names the file and the remedy.
        """
        triple = self._parties.own(Purpose.TLS)
        files = triple.certificate_file(Purpose.TLS), triple.key_file(Purpose.TLS)
        peer = Peer(self._parties.expected(triple.tls.curve), self._parties.authorities, self._parties.now)
        seen = _seen(*files)
        if self._context is None or seen != self._made_of:
            self._context = None
            made = client_context(Own(*files, self._passphrase), peer)
            made.counters = self.counters
            self._context, self._made_of = made, seen
        self._context.peer = peer
        return self._context

    def wrap(self, plain: socket.socket, host: str) -> ssl.SSLSocket:
        """A connection before its handshake. `host` is told to the peer (SNI).

        :raises TrustError: there can be none; the socket is closed.
        """
        try:
            return self.context().wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
        except PeerRefusedError as error:
            plain.close()
            raise error.refusal from None
        except BaseException:
            plain.close()
            raise

    def goes_on(self, secured: ssl.SSLSocket) -> bool:
        """True if an open connection serves for one more exchange; False if a new one must replace it.

        :raises TrustError: the peer is not believed any more, or our own certificate is no longer good.
        """
        context = self.context()
        if secured.context is not context or context.session_is_over:
            return False
        context.judge_again(secured)
        return True

    @staticmethod
    def handshake(secured: ssl.SSLSocket) -> None:
        """Make the handshake.

        :raises TrustError: one side does not believe the other.
        """
        try:
            secured.do_handshake()
        except PeerRefusedError as error:
            raise error.refusal from None
        except TimeoutError:  # its text names a line of a source, and urllib3 takes it for a read
            raise OSError("no answer in the TLS handshake") from None

    @staticmethod
    def refusal(error: BaseException) -> TrustError | None:
        """What the peer said by an alert after the handshake; None for another failure, such as a closed connection."""
        found = _of_tls(error)
        if found is None or hung_up(found):
            return None
        return explained(found)


def _of_tls(error: BaseException) -> ssl.SSLError | None:
    """The error of TLS that urllib3 may have wrapped."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return seen
        inner = next((one for one in seen.args if isinstance(one, ssl.SSLError)), None)
        seen = inner or seen.__cause__ or seen.__context__
    return None


def _seen(*files: Path) -> _Files:
    """What changes when one of the files does."""
    found = []
    for file in files:
        try:
            status = file.stat()
        except OSError as error:
            raise FileError(
                f"cannot be read ({error.strerror})", "Check who may read it, or make new keys.", file=file
            ) from None
        found.append((file, status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)
