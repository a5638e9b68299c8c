"""Held meters: each refused a secret, which is not tried again, not even after a restart.

A hold is a row of the table `cache`, because it is an answer of a meter that is not asked for twice.

column     content
kind       CacheKind.REFUSED_SECRET
device     the name of the meter profile
firmware   16 octets of salt, then the digest of the refused secret; the secret itself is not stored
octets     the reason in words
"""

import os
import sqlite3
from pathlib import Path

from smgw.store.digest import sha256
from smgw.store.lmn.beside import write_beside
from smgw.store.lmn.budget import allow
from smgw.store.records import CacheKind

_KIND = CacheKind.REFUSED_SECRET
_SALT = 16
#: A short password must not be found by trying: each guess costs so many digests.
_ROUNDS = 20_000

QUERY = f"SELECT firmware, octets FROM cache WHERE kind = {_KIND:d} AND device = ?"  # noqa: S608 - constant
NAMES = f"SELECT device FROM cache WHERE kind = {_KIND:d}"  # noqa: S608 - constant
_DELETE = f"DELETE FROM cache WHERE kind = {_KIND:d}"  # noqa: S608 - constant


def hold(connection: sqlite3.Connection, meter: str, secret: bytes, reason: str) -> None:
    """Write a hold in place of an older one, inside the caller's transaction."""
    salt = os.urandom(_SALT)
    release(connection, meter)
    row = (_KIND, meter.encode(), salt + _digest(salt, secret), reason.encode())
    connection.execute("INSERT INTO cache VALUES (?, ?, ?, ?)", row)


def release(connection: sqlite3.Connection, meter: str) -> None:
    """Remove the hold of a meter, inside the caller's transaction."""
    connection.execute(f"{_DELETE} AND device = ?", (meter.encode(),))


def is_of(mark: bytes, secret: bytes) -> bool:
    """True if a hold was made for this secret."""
    salt, digest = mark[:_SALT], mark[_SALT:]
    return digest == _digest(salt, secret)  # nobody can measure how long this takes


def order_retry(directory: Path, meters: list[str]) -> list[str]:
    """Remove the holds of these meters beside the owner of lmn.db, who then asks them again; the meters that had one.

    The user must be allowed to write lmn.db. Raises StoreAbsent, StoreTooNew, StoreFull, StoreError.
    """

    def body(connection: sqlite3.Connection) -> list[str]:
        held = {bytes(device).decode() for (device,) in connection.execute(NAMES)}
        found = [meter for meter in meters if meter in held]
        for meter in found:
            release(connection, meter)
            allow(connection, meter)
        return found

    return write_beside(directory, body)


def _digest(salt: bytes, secret: bytes) -> bytes:
    found = sha256(salt + secret)
    for _ in range(_ROUNDS):
        found = sha256(salt + found)
    return found
