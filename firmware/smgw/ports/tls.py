"""tls://host:port: a TCP connection with TLS, as client of a meter (TR-03109-1, LKS).

The handshake is part of the opening, with a time limit of its own, and ends at once if somebody wakes the port. Reading
and writing never block. A pin is checked before an octet of the meter's protocol is sent.

While the clock is not trusted, nobody knows whether the pinned certificate is valid now. The meter is read all the
same, because its pin fits and its readings would be lost. The certificate is judged when the clock can be trusted.
"""

import contextlib
import logging
import select
import socket
import ssl
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from smgw.cosem import ClockState
from smgw.errors import reason
from smgw.ports.errors import PortError, PortGone, PortWoken
from smgw.ports.security import Security
from smgw.ports.tcp import TcpSerial
from smgw.ports.wake import Wake
from smgw.trust.errors import ClockNotTrustedError, TrustError
from smgw.trust.layer import Layer
from smgw.trust.meter_certificate import MeterCertificate, check_pin, check_time
from smgw.trust.meter_tls import SESSION_S, client_context, own_files, read_own, read_pins
from smgw.trust.tls_rules import NOTHING_IN_COMMON, Own
from smgw.trust.validity import Moment

if TYPE_CHECKING:
    from typing_extensions import Buffer

log = logging.getLogger(__name__)

HANDSHAKE_S = 10.0  # small meters need seconds for it
#: A connection is renewed so long before its session must end.
_EARLY_S = 86_400
#: An open connection is judged by the time so often.
_JUDGED_S = 60.0
_PIECE = 1 << 14
#: Curve of a look at a meter of which nothing is known; the second is tried if the first has no answer.
LOOK_CURVES = ("brainpoolP256r1", "secp256r1")
_SILENT = (
    f"the TLS handshake was not done within {HANDSHAKE_S:g} s; does the meter speak TLS at this port, and are host and "
    "port right?"
)


class TlsSerial(TcpSerial):
    """What a port needs of a device."""

    _layer: Layer
    _security: Security

    def __init__(self) -> None:
        super().__init__()
        self._pin: MeterCertificate | None = None
        self._begun = self._judged = 0.0
        self._unsent = bytearray()
        self._owed = 0  # plain octets that are encrypted and not yet sent whole

    @classmethod
    def secured(cls, url: str, wake: Wake, security: Security) -> Self:
        """A port with a peer that is believed. PortError, PortWoken."""
        own = own_files(security.trust)
        if security.meters:
            try:
                pins = read_pins(security.trust, security.meters)
                context = client_context(own, pins)
            except TrustError as error:
                raise PortError(url, str(error)) from error
            return cls._secured(url, wake, security, context, pins)
        failed: list[PortGone] = []
        for curve in LOOK_CURVES:
            try:
                return cls._secured(url, wake, security, _look_context(own, curve), ())
            except PortGone as error:
                failed.append(error)
        raise next((error for error in failed if NOTHING_IN_COMMON not in error.what), failed[0])

    @classmethod
    def _secured(
        cls, url: str, wake: Wake, security: Security, context: ssl.SSLContext, pins: Sequence[MeterCertificate]
    ) -> Self:
        made = cls.opened(url, wake)
        try:
            made._security = security

            def believe(der: bytes) -> None:
                security.shown(der)
                if pins:
                    made._pin = check_pin(der, pins)
                    made._judge(telling=True)

            made._layer = Layer(context, believe)
            made._shake(url)
        except BaseException:
            made.close()
            raise
        return made

    @property
    def outdated(self) -> bool:
        """True if the connection should be renewed at the next good moment."""
        return _boottime() - self._begun > SESSION_S - _EARLY_S

    def read(self, size: int = 1, /) -> bytes:  # noqa: ARG002  (plain octets that stay here would wake nobody)
        """The plain octets that are there, b"" if none are. PortGone."""
        url = str(self.portstr)
        self._look(url)
        try:
            octets = self._socket.recv(_PIECE)
            if not octets:
                self._layer.end_of_line()
                raise PortGone(url, "is gone: the meter ended the TLS connection")
            plain = self._layer.receive(octets)
            self._flush()
        except BlockingIOError:
            self._flush()
            return b""
        except TrustError as error:
            self._flush()
            raise PortGone(url, f"is gone: {error}") from error
        if self._layer.ended:  # what follows is no octet of the meter; the next read says that the port is gone
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RD)
        return plain

    def write(self, octets: "Buffer", /) -> int:
        """Hand over plain octets; how many were taken, and sent whole. PortGone."""
        if not self._owed:
            piece = bytes(octets)[:_PIECE]
            try:
                self._layer.send(piece)
            except TrustError as error:
                raise PortGone(str(self.portstr), f"is gone: {error}") from error
            self._owed = len(piece)
        if not self._flush():
            return 0
        taken, self._owed = self._owed, 0
        return taken

    def close(self) -> None:
        """End TLS, then the connection."""
        if self.is_open and hasattr(self, "_layer"):
            self._layer.close()
            with contextlib.suppress(OSError):
                self._flush()
        super().close()

    def _shake(self, url: str) -> None:
        """Until the peer is believed."""
        deadline = time.monotonic() + HANDSHAKE_S
        layer, connection = self._layer, self._socket
        try:
            layer.begin()
            while not layer.established:
                unsent = [] if self._flush() else [connection.fileno()]
                left = max(0.0, deadline - time.monotonic())
                ready, _, _ = select.select([connection.fileno(), self.wake.fileno()], unsent, [], left)
                if self.wake.is_set():
                    raise PortWoken(url, "stopped during the TLS handshake")
                if left <= 0:
                    raise PortError(url, _SILENT)
                if connection.fileno() in ready:
                    if octets := connection.recv(layer.lacks):
                        layer.receive(octets)
                    else:
                        layer.end_of_line()
        except (OSError, TrustError) as error:
            with contextlib.suppress(OSError):
                self._flush()  # the alert
            what = (
                str(error)
                if isinstance(error, TrustError)
                else f"the connection broke in the handshake: {reason(error)}"
            )
            raise PortGone(url, f"no TLS connection: {what}") from error
        self._begun = _boottime()
        self._flush()

    def _flush(self) -> bool:
        """Send what gathered; True if all of it went. OSError."""
        self._unsent += self._layer.take()
        with contextlib.suppress(BlockingIOError):
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        return not self._unsent

    def _look(self, url: str) -> None:
        """End a connection that is too old, or whose certificate is not valid any more."""
        now = time.monotonic()
        if now - self._judged < _JUDGED_S:
            return
        if _boottime() - self._begun > SESSION_S:
            raise PortGone(url, f"the TLS session ends after {SESSION_S // 86_400} days; it is begun anew")
        try:
            self._judge()
        except TrustError as error:
            raise PortGone(url, f"the TLS connection ends: {error}") from error

    def _judge(self, *, telling: bool = False) -> None:
        """Judge the pinned certificate by the time. TrustError."""
        self._judged = time.monotonic()
        if self._pin is None:
            return
        stamp = self._security.stamp()
        try:
            check_time(self._pin, Moment(stamp.utc_us // 1_000_000, stamp.state is ClockState.SYNCHRONISED))
        except ClockNotTrustedError as error:
            log.log(
                logging.INFO if telling else logging.DEBUG,
                "%s: the meter is read all the same: %s",
                self.portstr,
                error,
            )


def _look_context(own: Own, curve: str) -> ssl.SSLContext:
    """Of a look at a meter: our certificate is shown if this user may use it, and if it fits."""
    with contextlib.suppress(TrustError):
        if read_own(own).curve == curve:
            return client_context(own, (), curve)
    return client_context(None, (), curve)


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
