"""TLS for the gateways' listener: a new context for a renewed certificate, and once a day for new ticket keys."""

import logging
import ssl
import time
from functools import partial
from typing import Final

from smgw.trust.certificate import Purpose
from smgw.trust.errors import TrustError
from smgw.trust.keys.private_file import read_passphrase
from smgw.trust.own import Triple
from smgw.trust.tls import SESSION_S, Context, Own, Peer, server_context

from emp.trust.room import Room

_LOG = logging.getLogger(__name__)
#: A context, with its ticket keys, and a connection live half of a session each. So a session ends in time, even if
#: each connection resumes the one before.
CONTEXT_S: Final = SESSION_S // 2
_RETRY_S: Final = 60.0  # after a renewed certificate that could not be used


class GatewayTls:
    """Gives the context for the next connection of a gateway."""

    def __init__(self, room: Room) -> None:
        """:raises TrustError: certificate or key cannot be used; the error names the file."""
        self._room = room
        self._triple = room.active
        self._context = self._made(self._triple)
        self._begun_s = _uptime_s()
        self._again_s = 0.0

    def current(self) -> ssl.SSLContext:
        """The context of the certificate in use.

        :raises TrustError: the authorities cannot be read, so nobody can be believed.
        """
        triple, now_s = self._room.active, _uptime_s()
        if (triple != self._triple or now_s - self._begun_s > CONTEXT_S) and now_s >= self._again_s:
            self._renew(triple, now_s)
        self._room.authorities.current()
        return self._context

    def _renew(self, triple: Triple, now_s: float) -> None:
        try:
            self._context = self._made(triple)
        except TrustError as error:
            self._again_s = now_s + _RETRY_S
            _LOG.error("TLS goes on with the certificate before: %s", error)
        else:
            self._triple, self._begun_s = triple, now_s

    def _made(self, triple: Triple) -> Context:
        file = self._room.passphrase
        passphrase = bytes if file is None else partial(read_passphrase, file)
        own = Own(triple.certificate_file(Purpose.TLS), triple.key_file(Purpose.TLS), passphrase)
        return server_context(own, Peer(self._room.expected(Purpose.TLS), self._room.authorities, self._room.now))


def _uptime_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
