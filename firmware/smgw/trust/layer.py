"""TLS without a socket: octets of a line go in and out on one side, plain octets on the other (`ssl.MemoryBIO`).

    line -> receive(octets) -> plain octets         send(plain) -> take() -> line

Whoever owns the line gives what it received and sends what `take` returns, after each call. So the layer stands on a
TCP connection as well as on the information fields of an HDLC link. It has no clock: time-outs are the owner's.
"""

import contextlib
import ssl
from collections.abc import Callable
from typing import Final

from smgw.trust.errors import HandshakeError, TrustError
from smgw.trust.tls_rules import check_suite, explained

#: Octets of one record: 5 of its header, 2^14 of content and at most 2048 added by the suite (RFC 5246, 6.2.3).
RECORD_MAX: Final = 5 + (1 << 14) + 2048
_HEADER: Final = 5
_PIECE: Final = 1 << 14
#: Octets that wait to be sent. A peer that makes us answer, and takes no answers, ends here.
_WAITING_MAX: Final = 1 << 18


class TruncatedError(TrustError):
    """The line ended without the end of the TLS connection (close_notify): somebody may have cut it."""


class Layer:
    """One connection, as client or server. After a TrustError it only gives its last octets (an alert) by `take`."""

    def __init__(self, context: ssl.SSLContext, believe: Callable[[bytes], None], *, server_side: bool = False) -> None:
        """`believe` gets the peer's certificate (DER, b"" if there is none) and raises TrustError to refuse it."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=server_side)
        self._believe = believe
        self._record = bytearray()  # header of the record that is coming, while there is no connection
        self._lacks = _HEADER
        self.established = False  #: the handshake is over and the peer believed
        self.ended = False  #: the peer ended the connection

    @property
    def lacks(self) -> int:
        """How many octets to read next at most. During the handshake never more than the present record lacks.

        So nothing behind the handshake is taken from the line before somebody waits for it there.
        """
        return RECORD_MAX if self.established else self._lacks

    @property
    def version(self) -> str:
        """`TLSv1.2` or `TLSv1.3`, once the connection exists."""
        return self._tls.version() or ""

    def begin(self) -> None:
        """Begin the handshake: a client has octets to send then.

        :raises TrustError: both sides of the context cannot begin.
        """
        self._shake()

    def receive(self, octets: bytes) -> bytes:
        """Take octets of the line; the plain octets that they complete.

        :raises TrustError: the peer is refused, refuses us, or sends what is no TLS.
        """
        self._incoming.write(octets)
        if not self.established:
            self._count(octets)
            if not self._shake():
                return b""
        plain = self._plain()
        if self._outgoing.pending > _WAITING_MAX:
            raise HandshakeError("the peer demands answers and takes none", "See the log of the peer.")
        return plain

    def end_of_line(self) -> None:
        """The line has ended: there are no more octets.

        :raises TrustError: the peer had not ended the connection before.
        """
        if self.ended:
            return
        if self.established:
            raise TruncatedError(
                "the peer closed the line without ending TLS (no close_notify)", "See the log of the peer."
            )
        raise HandshakeError(
            "the peer closed the connection during the handshake",
            "Check the port, that the peer speaks TLS there, and that it knows our certificate.",
        )

    def send(self, plain: bytes) -> None:
        """Encrypt octets; `take` gives them.

        :raises TrustError: there is no connection.
        """
        try:
            self._tls.write(plain)
        except ssl.SSLError as error:
            raise explained(error) from error

    def take(self) -> bytes:
        """The octets that are to be sent now."""
        return self._outgoing.read()

    def close(self) -> None:
        """End the connection; `take` gives the close_notify."""
        with contextlib.suppress(ssl.SSLError):  # it waits for the peer's, which we do not need
            self._tls.unwrap()

    def _shake(self) -> bool:
        """Go on with the handshake; True if the connection exists."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise explained(error) from error
        check_suite(self._tls.cipher())
        self._believe(self._tls.getpeercert(binary_form=True) or b"")
        self.established = True
        return True

    def _plain(self) -> bytes:
        parts = []
        try:
            while part := self._tls.read(_PIECE):
                parts.append(part)
            self.ended = True
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            named = error.reason or str(error)
            if "CERTIFICATE" in named or "UNKNOWN_CA" in named:  # in TLS 1.3 a server judges ours after the handshake
                raise explained(error) from error
            raise HandshakeError(f"the TLS connection is broken ({named})", "See the log of the peer.") from error
        return b"".join(parts)

    def _count(self, octets: bytes) -> None:
        """Follow the records: what the present one lacks."""
        while octets:
            part, octets = octets[: self._lacks], octets[self._lacks :]
            self._lacks -= len(part)
            if len(self._record) < _HEADER:
                self._record += part
                if not self._lacks:
                    self._lacks = int.from_bytes(self._record[3:], "big")
            if not self._lacks:
                self._record.clear()
                self._lacks = _HEADER
