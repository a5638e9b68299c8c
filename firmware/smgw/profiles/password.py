"""Reads a password from its file: only on need, and only if no other user can read the file."""

import os
import stat
from pathlib import Path

from smgw.errors import SmgwError, reason

_OTHERS = 0o077
_MOST = 1024  # octets; a file longer than this is not a password


class PasswordFileError(SmgwError):
    """A password file that is missing or not private. The text never holds any of its content."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path


def read_password(password_file: Path, directory: Path) -> bytes:
    """The octets of the file's first line.

    A relative path is looked for in $CREDENTIALS_DIRECTORY (systemd's LoadCredential=), then in `directory`, where the
    configuration stands. Outside $CREDENTIALS_DIRECTORY, which systemd itself guards, the mode must be 0600 or 0400.
    PasswordFileError holds the fault and the advice.
    """
    path, octets = _content(password_file, directory)
    password = octets.partition(b"\n")[0].removesuffix(b"\r")
    if not password:
        raise PasswordFileError(path, "its first line is empty; it must hold the password")
    return password


def located(file: Path, directory: Path) -> Path:
    """Where a file lies whose path may be relative: the credential of that name, or beside the configuration."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and (Path(credentials) / file).exists():
        return Path(credentials) / file
    return directory / file  # an absolute path stays itself


def read_whole(file: Path, directory: Path) -> bytes:
    """All octets of a file with the rights that `read_password` requires: a key in PEM."""
    return _content(file, directory)[1]


def _content(password_file: Path, directory: Path) -> tuple[Path, bytes]:
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    path = located(password_file, directory)
    guarded = credentials is not None and path.resolve().is_relative_to(Path(credentials).resolve())
    try:
        # Mode and content of the same open file; a FIFO must not hold us.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            _private(path, os.fstat(descriptor).st_mode, guarded)
            octets = os.read(descriptor, _MOST + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise PasswordFileError(path, f"cannot be read ({reason(error)}); this user must be able to read it") from error
    if len(octets) > _MOST:
        raise PasswordFileError(path, f"is longer than {_MOST} octets; it must hold the password in its first line")
    return path, octets


def _private(path: Path, mode: int, guarded: bool) -> None:
    if not stat.S_ISREG(mode):
        raise PasswordFileError(path, "is no file; write the password into a file of mode 0600")
    if not guarded and mode & _OTHERS:
        mode = stat.S_IMODE(mode)
        raise PasswordFileError(path, f"has mode {mode:04o}, so others can use it; make it private: chmod 600 {path}")
