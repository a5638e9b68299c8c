"""Ownership of files: a writer uses only files and directories of its own user."""

import contextlib
import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from smgw.errors import reason
from smgw.store.errors import StoreError, StoreFull

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
#: The owner writes; the group (setgid: inherited by new files) searches and reads.
_DIRECTORY_MODE = 0o2750
#: Only the owner reads the lock file. Other users call `lock.owner_running`, which needs no right to the file.
LOCK_MODE = 0o600
#: Other processes read databases.
DATABASE_MODE = 0o640


def make_directory(directory: Path) -> None:
    """Make a writer's directory below the state directory, which must exist. An existing one is not changed."""
    try:
        directory.mkdir(0o750)
    except FileExistsError:
        if not directory.is_dir():
            raise StoreError(directory, "is no directory; a store's files lie in one of their own") from None
        return
    except FileNotFoundError:
        raise StoreError(
            directory,
            f"cannot be made: there is no directory {directory.parent}; make it, or name another with --state",
        ) from None
    except OSError as error:
        raise said(directory, error) from error
    with contextlib.suppress(OSError):  # a file system without modes: the directory is usable all the same
        directory.chmod(_DIRECTORY_MODE)


@contextlib.contextmanager
def as_owner(directory: Path) -> Iterator[None]:
    """Root acts as the user who has the directory, so that a link there leads root to nothing that this user lacks.

    Only for a process with one thread: the user is changed for all of them.
    """
    found = directory.stat()
    if os.geteuid() != 0 or found.st_uid == 0:
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    os.setgroups([])
    os.setegid(found.st_gid)
    os.seteuid(found.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def refuse_blindness(path: Path) -> None:
    """StoreError if this user may not enter one of the directories that lead to a store."""
    for directory in reversed(path.absolute().parents):
        try:
            found = directory.stat()
        except FileNotFoundError:
            return
        if not os.access(directory, os.X_OK):
            raise StoreError(path, f"user {user_name(os.geteuid())} may not look into {directory}; {_remedy(found)}")


def _remedy(directory: os.stat_result) -> str:
    """How a user comes into a directory: by its group, if that group may enter and is not root's."""
    if directory.st_gid == 0 or not directory.st_mode & stat.S_IXGRP:
        return "use sudo" if directory.st_uid == 0 else f"use sudo, or be user {user_name(directory.st_uid)}"
    user, group = user_name(os.geteuid()), group_name(directory.st_gid)
    return f"use sudo, or join the group: sudo adduser {user} {group}, and log in again"


def refuse_foreign(files: Iterable[Path]) -> None:
    """StoreError if one of these files exists and belongs to another user, who could change it.

    This also stops root, who runs a service by hand, from leaving files that the service cannot write.
    """
    for path in files:
        try:
            found = path.lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise said(path, error) from error
        if found.st_uid != os.geteuid():
            owner, user = user_name(found.st_uid), user_name(os.geteuid())
            raise StoreError(path, f"belongs to user {owner}, and this is user {user}; run it as user {owner}")
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(path, "is no regular file; move it away")


def new_file(path: Path, mode: int) -> int:
    """Make a new file and open it. Its mode is `mode`, whatever the umask."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    os.fchmod(file, mode)
    return file


def no_room_for_a_file(directory: Path) -> bool:
    """True if the file system has no inode left. Btrfs does not count inodes and reports a total of 0: False."""
    try:
        space = os.statvfs(directory)
    except OSError:
        return False
    return space.f_files > 0 and space.f_favail == 0


def said(path: Path, error: OSError) -> StoreError:
    """An error of the operating system as a StoreError."""
    if error.errno in _NO_ROOM:
        return StoreFull(path)
    named = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes | os.PathLike) else path
    if isinstance(error, PermissionError):
        return StoreError(named, f"user {user_name(os.geteuid())} may not write there; {_owner(named)}")
    return StoreError(named, f"cannot be used: {reason(error)}")


def _owner(path: Path) -> str:
    """Who may write here: the owner of the nearest directory that this user can see."""
    for directory in path.absolute().parents:
        with contextlib.suppress(OSError):
            return f"{directory} belongs to user {user_name(directory.stat().st_uid)}, who must run this command"
    return "its owner must run this command"


def user_name(user: int) -> str:
    """The name of a user, or the number of one that has none."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def group_name(group: int) -> str:
    """The name of a group, or the number of one that has none."""
    try:
        return grp.getgrgid(group).gr_name
    except KeyError:
        return str(group)
