"""The password of users: a hash in a file that only its owner can read, made by `emp password`.

scrypt$16384$8$1$<salt, 32 hex digits>$<hash, 64 hex digits>
"""

import hashlib
import hmac
import os
import re
import secrets
import stat
from pathlib import Path

from smgw.errors import SmgwError, reason

SHORTEST = 8
LONGEST = 1024  # octets
_N, _R, _P = 16_384, 8, 1  # 16 MiB and some 50 ms a try
_LINE = re.compile(r"scrypt\$([0-9]{1,7})\$([0-9]{1,2})\$([0-9]{1,2})\$([0-9a-f]{32})\$([0-9a-f]{64})")


class PasswordError(SmgwError):
    """A wrong password or password file. The text never holds the password."""


class Password:
    """Checks passwords."""

    def __init__(self, numbers: tuple[int, int, int], salt: bytes, expected: bytes) -> None:
        self._numbers = numbers
        self._salt = salt
        self._expected = expected
        # A correct password is recognised again without another 50 ms, by a key that is only in memory.
        self._key = secrets.token_bytes(32)
        self._right: bytes | None = None

    def is_known(self, candidate: bytes) -> bool:
        """True if this password was checked and correct before; fast."""
        return self._right is not None and hmac.compare_digest(self._right, self._mark(candidate))

    def check(self, candidate: bytes) -> bool:
        """True if the password is correct; slow and memory-hungry on purpose."""
        if len(candidate) > LONGEST:
            return False
        found = _scrypt(candidate, self._salt, *self._numbers)
        if not hmac.compare_digest(found, self._expected):
            return False
        self._right = self._mark(candidate)
        return True

    def _mark(self, candidate: bytes) -> bytes:
        return hmac.digest(self._key, candidate, "sha256")


def write(path: Path, password: str) -> None:
    """Make the file with mode 0600, or replace its content; PasswordError if that fails."""
    octets = password.encode()
    if not len(password) >= SHORTEST or len(octets) > LONGEST:
        raise PasswordError(f"the password is too short or too long; it has {SHORTEST} to {LONGEST} characters")
    salt = secrets.token_bytes(16)
    line = f"scrypt${_N}${_R}${_P}${salt.hex()}${_scrypt(octets, salt, _N, _R, _P).hex()}\n"
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise PasswordError(f"{path}: {reason(error)}; name a file in a directory that may be written") from None


def read(path: Path) -> Password:
    """Read the file; PasswordError if it is missing, readable by other users, or malformed."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(1000).decode("ascii", "replace").strip()
    except FileNotFoundError:
        raise PasswordError(f"{path}: no such file; emp password {path} makes it") from None
    except OSError as error:
        raise PasswordError(
            f"{path}: cannot be read ({reason(error)}); run emp as its owner, or name another file"
        ) from None
    if not stat.S_ISREG(mode):
        raise PasswordError(f"{path}: is no file; emp password makes one")
    if mode & 0o077:
        raise PasswordError(f"{path}: others may read or write it (mode {mode & 0o777:o}); chmod 600 {path}")
    match = _LINE.fullmatch(text)
    if match is None:
        raise PasswordError(f"{path}: holds no password's hash; emp password {path} makes one")
    numbers = (int(match[1]), int(match[2]), int(match[3]))
    try:
        _scrypt(b"", b"", *numbers)
    except (ValueError, MemoryError):
        raise PasswordError(f"{path}: its scrypt numbers cannot be used; emp password {path} makes others") from None
    return Password(numbers, bytes.fromhex(match[4]), bytes.fromhex(match[5]))


def _scrypt(password: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=64 * 1024 * 1024, dklen=32)
