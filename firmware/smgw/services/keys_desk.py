"""The socket of the agent of keys: who asks, whether that user may, and the answer.

One thread serves all. A client has one request and one answer, and a few seconds for them, so none can hold up others.
"""

import contextlib
import logging
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from pwd import getpwnam, getpwuid
from typing import Final, NamedTuple

from smgw.errors import RemoteProtocolError, SmgwError, reason
from smgw.ports.wake import Wake
from smgw.trust.errors import KeysUnavailableError, TrustError
from smgw.trust.keys import Keys
from smgw.trust.keys.calls import AGREE, ANSWER, RANDOM, REQUEST_MAX, SIGN, Call, address, failure, success

log = logging.getLogger(__name__)

#: Which user may do what; the agent's own user and root may do all. Nobody else may do anything.
#: The HAN process has answers signed, and nothing else: no other message can be made of such a signature.
OPERATIONS: Final[Mapping[str, bytes]] = {"smgw-wan": SIGN + AGREE + RANDOM, "smgw-han": ANSWER}
_EVERY: Final = SIGN + AGREE + RANDOM + ANSWER
#: Clients at one time, in all and of one user.
CLIENTS_MAX, CLIENTS_OF_USER_MAX = 64, 16
#: Seconds a client has for its request.
REQUEST_S = 5.0
#: Seconds between two looks whether files changed.
LOOK_S = 5.0

_ACCEPTED_AT_ONCE = 16
_BACKLOG = 128
_MODE = 0o660
_CREDENTIALS = struct.Struct("=iII")  # struct ucred: pid, uid, gid
_WORDS = {SIGN: "sign", AGREE: "agree", RANDOM: "random", ANSWER: "sign answers"}


#: Digest of an answer to the house -> CMS SignedData without content; TrustError.
Answers = Callable[[bytes], bytes]


class _Client(NamedTuple):
    user: int
    ends: float


class Desk:
    """Answers the calls of a socket with `keys`."""

    def __init__(self, path: Path, keys: Keys, look: Callable[[], None], answers: Answers | None = None) -> None:
        """Opens the socket. `look` is called now and then, by the thread that serves. `answers` signs those.

        :raises SmgwError: the socket cannot be made, or another agent serves it.
        """
        self.keys = keys
        self.answered = 0
        self._look = look
        self._answers = answers
        self._path = path
        self._wake = Wake()
        self._operations = _table()
        self._clients: dict[socket.socket, _Client] = {}
        self._listener = _listen(path)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)

    def run(self, beat: Callable[[], None]) -> None:
        """Serve until `stop`; `beat` is called at each turn."""
        looks = time.monotonic()
        while not self._wake.is_set():
            beat()
            now = time.monotonic()
            if now >= looks:
                looks = now + LOOK_S
                self._look()
            ends = min((client.ends for client in self._clients.values()), default=looks)
            ready = self._selector.select(max(0.0, min(ends, looks) - now))
            for key, _ in ready:
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._serve(key.fileobj)
            self._drop_late()

    def stop(self) -> None:
        """End `run`, from another thread."""
        self._wake.set()

    def close(self) -> None:
        """Close and remove the socket."""
        for connection in list(self._clients):
            self._drop(connection)
        self._selector.close()
        self._listener.close()
        self._wake.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except OSError:  # nobody is left, or there are no more descriptors
                return
            connection.setblocking(False)
            user = _user_of(connection)
            if user not in self._operations:
                self._refuse(connection, f"the user {_name(user)} may not use the keys")
                log.warning("the user %s asked for the keys: refused", _name(user), extra={"event": "keys-refused"})
            elif self._is_full(user):
                self._refuse(connection, f"too many calls of {_name(user)} at one time")
            else:
                self._clients[connection] = _Client(user, time.monotonic() + REQUEST_S)
                self._selector.register(connection, selectors.EVENT_READ)

    def _is_full(self, user: int) -> bool:
        of_user = sum(client.user == user for client in self._clients.values())
        return of_user >= CLIENTS_OF_USER_MAX or len(self._clients) >= CLIENTS_MAX

    def _refuse(self, connection: socket.socket, fault: str) -> None:
        _send(
            connection, failure(KeysUnavailableError(fault, "The agent serves the users smgw-wan, smgw-han and root."))
        )
        connection.close()

    def _serve(self, connection: socket.socket) -> None:
        user = self._clients[connection].user
        try:
            request = connection.recv(REQUEST_MAX + 1)
        except OSError:
            request = b""
        if request:
            _send(connection, self._answer(request, user))
        self._drop(connection)

    def _answer(self, request: bytes, user: int) -> bytes:
        try:
            call = Call.read(request)
            if call.operation not in self._operations[user]:
                raise KeysUnavailableError(
                    f"the user {_name(user)} may not {_WORDS[call.operation]}", "Another user may: see docs/trust.md."
                )
            result = self._signed(call.data) if call.operation == ANSWER else call.done_by(self.keys)
        except RemoteProtocolError as error:
            log.warning("user %s: %s", _name(user), error, extra={"event": "keys-refused"})
            return failure(KeysUnavailableError(str(error), "Use a client of the agent's own version."))
        except TrustError as error:
            log.warning("user %s: %s", _name(user), error, extra={"event": "keys-unusable"})
            return failure(error)
        self.answered += 1
        log.debug("user %s: %s %s", _name(user), _WORDS[call.operation], call.name)
        return success(result)

    def _signed(self, digest: bytes) -> bytes:
        if self._answers is None:
            raise KeysUnavailableError("this agent signs no answers", "Start it as a service: smgw keys serve.")
        return self._answers(digest)

    def _drop_late(self) -> None:
        now = time.monotonic()
        for connection in [one for one, client in self._clients.items() if now >= client.ends]:
            self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        del self._clients[connection]
        self._selector.unregister(connection)
        connection.close()


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        if path.is_socket():
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other, contextlib.suppress(ConnectionError):
                other.connect(address(path))
                raise SmgwError(f"{path}: another agent of keys serves this socket; stop it first")
            path.unlink()  # of an agent that was killed
        path.parent.mkdir(0o750, parents=True, exist_ok=True)
        listener.bind(address(path))
        path.chmod(_MODE)
        listener.setblocking(False)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise SmgwError(f"{path}: the socket cannot be made ({reason(error)}); check who owns its folder") from error
    except SmgwError:
        listener.close()
        raise
    return listener


def _user_of(connection: socket.socket) -> int:
    octets = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(octets)[1])


def _table() -> dict[int, bytes]:
    """The operations of each user who has any."""
    found = {}
    for name, operations in OPERATIONS.items():
        with contextlib.suppress(KeyError):  # a gateway of a lab has no such user
            found[getpwnam(name).pw_uid] = operations
    return {**found, 0: _EVERY, os.geteuid(): _EVERY}


def _name(user: int) -> str:
    try:
        return getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _send(connection: socket.socket, answer: bytes) -> None:
    """A client that does not take its answer loses it."""
    with contextlib.suppress(OSError):
        connection.send(answer)
