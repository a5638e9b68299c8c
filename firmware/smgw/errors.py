"""The errors that all rooms share. Each error carries fields; its text is built from them."""

import errno
import os

#: Where the system's own text leaves a user alone.
_WORDS = {
    errno.ECONNRESET: "the other side closed the connection",
    errno.EPIPE: "the other side closed the connection",
    errno.EIO: "the device does not answer",
}


class SmgwError(Exception):
    """A message to a person: what happened, where, and what to do."""


class LocalProtocolError(SmgwError):
    """Our own caller asked a protocol for something it must not do."""


class RemoteProtocolError(SmgwError):
    """The peer sent something its protocol does not allow."""


def error_number(error: BaseException) -> int | None:
    """The errno of an error, or of the one that a library wrapped in it; None if there is none."""
    found = _with_number(error)
    return None if found is None else int(found.args[0])


def reason(error: BaseException, otherwise: str = "") -> str:
    """An error of the operating system in words, without its number. `otherwise`: where the error has no number."""
    found = _with_number(error)
    if found is None:
        return otherwise or str(error) or type(error).__name__
    number = int(found.args[0])
    if number <= 0:  # of the resolver; its texts are not those of errno
        return str(found.args[1])
    return _WORDS.get(number, os.strerror(number))


def _with_number(error: BaseException) -> BaseException | None:
    seen: BaseException | None = error
    while seen is not None:
        if len(seen.args) > 1 and isinstance(seen.args[0], int):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
