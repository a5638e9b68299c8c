"""What is said on the socket of the agent. One connection is one call: a request, an answer, the end.

Request, at most `REQUEST_MAX` octets:

    S  name  digest     sign: 32, 48 or 64 octets
    A  name  point      agree: 04 | x | y, at most 133 octets
    R  count            random: two octets, big endian, 1 to `RANDOM_MAX`
    H  digest           CMS SignedData without content, of an answer to the house: 32 octets

`name` has 40 hex digits (see `key_name`). Answer, at most `ANSWER_MAX` octets:

    +  octets                                         the result
    -  class LF fault LF remedy LF subject LF file    a TrustError, in UTF-8

The socket keeps the limits of messages (SOCK_SEQPACKET), so nobody can send half a request and let others wait.
"""

import re
from pathlib import Path
from typing import Final, NamedTuple

from smgw.errors import LocalProtocolError, RemoteProtocolError
from smgw.trust import errors
from smgw.trust.errors import KeysUnavailableError, TrustError
from smgw.trust.keys import Keys

REQUEST_MAX: Final = 256
ANSWER_MAX: Final = 4096
RANDOM_MAX: Final = 1024
SIGN, AGREE, RANDOM, ANSWER = b"S", b"A", b"R", b"H"
#: Below the run directory.
SOCKET: Final = "keys/keys.sock"


def address(socket: Path) -> str:
    """The address of a socket: its path behind links, since an address has 107 octets at most (unix(7))."""
    return str(socket.parent.resolve() / socket.name)


_NAME_LENGTH = 40
_NAME = re.compile(rb"[0-9a-f]{40}")
_DIGESTS = (32, 48, 64)
_POINTS = (65, 97, 129, 133)
_LINE_MAX = 900
_PARTS = 4


class Call(NamedTuple):
    """A request. The data are a digest, a point, or a number of octets."""

    operation: bytes
    name: str
    data: bytes

    @property
    def octets(self) -> bytes:
        """As they go over the socket."""
        return self.operation + self.name.encode() + self.data

    @classmethod
    def read(cls, octets: bytes) -> "Call":
        """The request in these octets.

        :raises RemoteProtocolError: it breaks the grammar.
        """
        operation, rest = octets[:1], octets[1:]
        if operation == RANDOM and len(rest) == 2 and 1 <= int.from_bytes(rest, "big") <= RANDOM_MAX:
            return cls(RANDOM, "", rest)
        if operation == ANSWER and len(rest) == _DIGESTS[0]:
            return cls(ANSWER, "", rest)
        lengths = {SIGN: _DIGESTS, AGREE: _POINTS}.get(operation, ())
        name, data = rest[:_NAME_LENGTH], rest[_NAME_LENGTH:]
        if len(octets) > REQUEST_MAX or len(data) not in lengths or not _NAME.fullmatch(name):
            raise RemoteProtocolError(f"no request of the agent of keys: {len(octets)} octets")
        return cls(operation, name.decode(), data)

    def done_by(self, keys: Keys) -> bytes:
        """The result; `ANSWER` needs a certificate too, so the agent does it.

        :raises TrustError: as of `Keys`.
        """
        if self.operation == SIGN:
            return keys.sign(self.name, self.data)
        if self.operation == AGREE:
            return keys.agree(self.name, self.data)
        return keys.random(int.from_bytes(self.data, "big"))


def checked(call: Call) -> Call:
    """The same call.

    :raises LocalProtocolError: it does not follow the grammar, so this program is wrong.
    """
    try:
        return Call.read(call.octets)
    except RemoteProtocolError as error:
        raise LocalProtocolError(str(error)) from None


def success(result: bytes) -> bytes:
    """The answer with a result."""
    return b"+" + result


def failure(error: TrustError) -> bytes:
    """The answer with an error."""
    public = (one for one in type(error).__mro__ if one.__module__ == errors.__name__)  # known to every client
    parts = (next(public).__name__, error.fault, error.remedy, error.subject, str(error.file or ""))
    return b"-" + b"\n".join(" ".join(part.split()).encode()[:_LINE_MAX] for part in parts)


def result_of(answer: bytes) -> bytes:
    """The result in an answer.

    :raises TrustError: the one that the agent met.
    :raises KeysUnavailableError: this is no answer.
    """
    if answer[:1] == b"+":
        return answer[1:]
    name, *parts = answer[1:].decode("utf-8", "replace").split("\n")
    kind = getattr(errors, name, None)
    if answer[:1] == b"-" and len(parts) == _PARTS and isinstance(kind, type) and issubclass(kind, TrustError):
        fault, remedy, subject, file = parts
        raise kind(fault, remedy, subject=subject, file=file or None)
    raise KeysUnavailableError("the agent of keys gives no answer", "Look into its journal: journalctl -u smgw-keys.")
