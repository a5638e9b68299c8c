"""Brings a bundle onto the card: from a file, or from a web server. Room is looked at first."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from smgw.errors import reason
from smgw.update.rauc import UpdateError

#: Room that the stores need while an update is there.
SPARE_OCTETS = 64 * 2**20
_PIECE = 2**18
_CONNECT_S, _READ_S = 30.0, 60.0


def from_file(source: BinaryIO, target: Path) -> None:
    """Copy an open file. UpdateError."""
    try:
        size = os.fstat(source.fileno()).st_size
        _look_at_room(target, size)
        _store(iter(lambda: source.read(_PIECE), b""), target, size)
    except OSError as error:
        raise UpdateError(f"the bundle cannot be copied to {target}: {reason(error)}") from error


def from_web(url: str, target: Path) -> None:
    """Fetch a bundle by HTTP or HTTPS. Its signature protects it, so HTTP is good enough. UpdateError."""
    import urllib3  # takes a moment to load

    pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=_CONNECT_S, read=_READ_S), retries=2)
    try:
        # urllib3 1.26 does not look by itself whether a body is whole.
        answer = pool.request("GET", url, preload_content=False, enforce_content_length=True)
        try:
            if answer.status != 200:
                raise UpdateError(f"{url}: the server answers {answer.status} {answer.reason or ''}".rstrip())
            size = int(answer.headers.get("Content-Length", "0") or 0)
            _look_at_room(target, size)
            _store(answer.stream(_PIECE), target, size)
        finally:
            answer.release_conn()
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise UpdateError(f"{url}: cannot be fetched: {_cause(error)}") from error
    finally:
        pool.clear()


def _cause(error: BaseException) -> str:
    return reason(error, str(getattr(error, "reason", error)))


def _look_at_room(target: Path, size: int) -> None:
    found = os.statvfs(target.parent)
    free = found.f_bavail * found.f_frsize
    if free < size + SPARE_OCTETS:
        raise UpdateError(
            f"{target.parent}: the bundle has {size / 1e6:.0f} MB and the stores need {SPARE_OCTETS / 1e6:.0f} MB, but "
            f"{free / 1e6:.0f} MB are free; use a larger card, or deliver and shorten [gateway] retention"
        )


def _store(pieces: Iterator[bytes], target: Path, size: int) -> None:
    """Write all pieces durably; an incomplete file is removed."""
    target.unlink(missing_ok=True)
    written = 0
    try:
        with target.open("wb") as file:
            for piece in pieces:
                file.write(piece)
                written += len(piece)
            file.flush()
            os.fsync(file.fileno())
        if size and written != size:
            raise UpdateError(f"the bundle ended after {written} of {size} octets; try again")
    except BaseException:
        target.unlink(missing_ok=True)
        raise
