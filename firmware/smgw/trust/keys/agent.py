"""Private keys that the process `smgw keys serve` holds, asked over its socket."""

import contextlib
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from smgw.errors import reason
from smgw.trust.errors import KeysUnavailableError
from smgw.trust.keys.calls import (
    AGREE,
    ANSWER,
    ANSWER_MAX,
    RANDOM,
    RANDOM_MAX,
    SIGN,
    SOCKET,
    Call,
    address,
    checked,
    result_of,
)

#: Seconds for one call; a chip card needs one or two.
PATIENCE_S: Final = 20.0
#: struct timeval; on 32 bits the number of the option says how wide it is.
_TIMEVAL: Final = struct.Struct("@ll" if socket.SO_SNDTIMEO < 64 else "@qq")


class AgentKeys:
    """Fulfils `Keys`. Each call has a connection of its own, so a restart of the agent needs no care."""

    def __init__(self, run: Path, patience_s: float = PATIENCE_S) -> None:
        """`run` is the run directory of the gateway."""
        self.socket = run / SOCKET
        self._patience_s = patience_s

    @property
    def present(self) -> bool:
        """Whether there is a socket, as far as this user may look. The agent may be dead nevertheless."""
        try:
            return self.socket.exists()
        except PermissionError:
            return True

    def sign(self, name: str, digest: bytes) -> bytes:
        """See `Keys`.

        :raises KeysUnavailableError: the agent does not answer, or this user may not use it.
        """
        return self._ask(Call(SIGN, name, digest))

    def agree(self, name: str, point: bytes) -> bytes:
        """See `Keys`.

        :raises KeysUnavailableError: the agent does not answer, or this user may not use it.
        """
        return self._ask(Call(AGREE, name, point))

    def random(self, count: int) -> bytes:
        """See `Keys`.

        :raises KeysUnavailableError: the agent does not answer, or this user may not use it.
        """
        return b"".join(self._ask(Call(RANDOM, "", part.to_bytes(2, "big"))) for part in _parts(count))

    def answer(self, digest: bytes) -> bytes:
        """CMS SignedData of an answer to the house with this SHA-256; see `cms.signed.sign_answer`.

        :raises KeysUnavailableError: the agent does not answer, or this user may not use it.
        :raises TrustError: the gateway has no certificate or key for signatures.
        """
        return self._ask(Call(ANSWER, "", digest))

    def _ask(self, call: Call) -> bytes:
        request = checked(call).octets
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(self._patience_s))
                connection.connect(address(self.socket))
                connection.settimeout(self._patience_s)
                answer = _exchange(connection, request)
        except BlockingIOError:
            raise KeysUnavailableError(
                "too many processes ask the agent of keys", "See who: journalctl -u smgw-keys.", file=self.socket
            ) from None
        except OSError as error:
            raise KeysUnavailableError(
                f"the agent of keys does not answer ({reason(error)})",
                "Start it: systemctl start smgw-keys. It may be used by the users smgw-wan, smgw-han and root only.",
                file=self.socket,
            ) from None
        if not answer:
            raise KeysUnavailableError(
                "the agent of keys broke off", "Look into its journal: journalctl -u smgw-keys.", file=self.socket
            )
        return result_of(answer)


def _timeval(seconds: float) -> bytes:
    """A limit for the kernel, so that `connect` waits in turn where the queue of the agent is full.

    With a time-out of Python it would fail at once, and everybody in the group could keep the queue full.
    """
    return _TIMEVAL.pack(int(seconds), int(seconds % 1 * 1_000_000))


def _exchange(connection: socket.socket, request: bytes) -> bytes:
    """A refusal may come, and the connection end, before the request was sent or read."""
    with contextlib.suppress(BrokenPipeError):
        connection.send(request)
    with contextlib.suppress(ConnectionResetError):
        return connection.recv(ANSWER_MAX)
    return connection.recv(ANSWER_MAX)  # the refusal is behind the error


def _parts(count: int) -> Iterator[int]:
    while count > 0:
        yield min(count, RANDOM_MAX)
        count -= RANDOM_MAX
