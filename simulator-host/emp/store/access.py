"""Who may open the files of the database: their owner and group, nobody else. They hold people's readings."""

import logging
import os
import stat
from pathlib import Path

from smgw.errors import reason

_LOG = logging.getLogger(__name__)

MODE = 0o640
#: SQLite's own files beside the database, the lock, and the copy that `emp restore` leaves.
_BESIDE = ("", "-wal", "-shm", "-journal", ".lock", ".before-restore")


def make_private(path: Path) -> None:
    """Take every right of other users from a database and from the files beside it, which SQLite makes like it."""
    for ending in _BESIDE:
        _mend(path.with_name(path.name + ending))


def new_private(path: Path, *, exclusive: bool = False) -> int:
    """Open a file for reading and writing; a new one gets at most the rights of `MODE`, whatever the umask.

    Raises OSError. `exclusive`: also if there is a file or a link, which another user may have put there.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (os.O_EXCL if exclusive else 0), MODE)


def _mend(path: Path) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if not mode & stat.S_IRWXO:
            return
        path.chmod(mode & ~stat.S_IRWXO)
    except FileNotFoundError:
        return
    except OSError as error:
        _LOG.warning("%s: every user can open it, and it holds readings (%s); chmod o= %s", path, reason(error), path)
        return
    _LOG.warning("%s: every user could open it (mode %o); now only its owner and group can", path, mode)
