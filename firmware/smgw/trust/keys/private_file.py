"""Reads a file that only its owner may read: a private key or a passphrase."""

import os
import stat
from pathlib import Path
from typing import Final

from smgw.errors import reason
from smgw.trust.errors import FileError, OpenToOthersError, PassphraseError

SIZE_MAX: Final = 16 * 1024
_OTHERS: Final = 0o077
_ROOT: Final = 0


def read_private(file: Path) -> bytes:
    """The octets of a private file. Rights and content are those of the same open file.

    Mode 0600 or 0400, owned by this user or by root; root reads those of any user. Files in $CREDENTIALS_DIRECTORY
    are not checked: systemd itself guards them (`LoadCredential=`).

    :raises OpenToOthersError: others may use it, or it belongs to another user.
    :raises FileError: it cannot be read, is no regular file, or is too large.
    """
    try:
        # A FIFO must not hold us, and a terminal must not become ours.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise FileError("is no regular file", "Name a file of mode 0600.", file=file)
            if not _is_credential(file):
                _check_rights(file, status)
            octets = _read_all(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise FileError(
            f"cannot be read ({reason(error)})", "Check the path, and that this user owns the file.", file=file
        ) from None
    if len(octets) > SIZE_MAX:
        raise FileError("is too large", f"A private key has at most {SIZE_MAX} octets.", file=file)
    return octets


def read_passphrase(file: Path) -> bytes:
    """The first line of a private file, such as a credential of systemd, without its end.

    :raises PassphraseError: the line is empty.
    :raises FileError: as of `read_private`.
    """
    passphrase = read_private(file).partition(b"\n")[0].removesuffix(b"\r")
    if not passphrase:
        raise PassphraseError("has an empty first line", "Write the passphrase of the key there.", file=file)
    return passphrase


def _check_rights(file: Path, status: os.stat_result) -> None:
    user = os.geteuid()
    if user != _ROOT and status.st_uid not in (user, _ROOT):  # root may look after the files of any user
        raise OpenToOthersError(
            f"belongs to the user {status.st_uid}, who could replace it",
            f"Give it to this user: chown {user} {file}",
            file=file,
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & _OTHERS:
        raise OpenToOthersError(
            f"has mode {mode:04o}, so others can use it",
            f"Make it private: chmod 600 {file}. If others could read it, make a new key.",
            file=file,
        )


def _is_credential(file: Path) -> bool:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and file.resolve().is_relative_to(Path(folder or "/").resolve())


def _read_all(descriptor: int) -> bytes:
    parts, size = [], 0
    while size <= SIZE_MAX and (part := os.read(descriptor, SIZE_MAX + 1 - size)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)
