"""The run directory of a gateway without systemd: on a tmpfs, reached by the link `run` in the state directory.

The thread that reads the meter writes a live value with every telegram. On an SD card this would wear the card and
block the thread. So the directory is in /dev/shm, under a name that no other user can guess. Without /dev/shm it is in
the state directory itself.
"""

import logging
import os
import re
import stat
import time
from pathlib import Path

from smgw.store import paths

log = logging.getLogger(__name__)

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - names there are made without following what another user made
_NAME = re.compile(r"smgw-[0-9a-f]{16}")
_MODE = 0o750
_OWNER = "owner"  # a file with the path of the link
_NEW_SECONDS = 60.0


def make_run_directory(state: Path) -> None:
    """Make the directory, or use the one of an earlier run. Never raises: the writer reports a missing directory."""
    run = paths.run_directory(state)
    if run == paths.RUN or _behind(run) is not None or (run.is_dir() and not run.is_symlink()):
        return
    new = run.with_name("run.new")
    try:
        _remove_forgotten()
        target = _SHARED_MEMORY / f"smgw-{os.urandom(8).hex()}"
        target.mkdir(_MODE)
        (target / _OWNER).write_text(str(run.absolute()))
        new.unlink(missing_ok=True)
        new.symlink_to(target)
        new.rename(run)
    except OSError as error:
        log.debug("no run directory in %s: %s", _SHARED_MEMORY, error)


def remove_run_directory(state: Path) -> None:
    """Remove the link and its directory at the end, as systemd does with its own."""
    run = paths.run_directory(state)
    target = _behind(run)
    if target is None:
        return
    try:
        _remove(target)
        run.unlink()
    except OSError as error:
        log.debug("the run directory stays: %s", error)


def _remove_forgotten() -> None:
    """Directories of killed gateways whose state directory no longer exists or has another run directory."""
    for target in _SHARED_MEMORY.iterdir():
        try:
            if not _is_ours(target) or time.time() - target.lstat().st_mtime < _NEW_SECONDS:
                continue  # just made; its link does not exist yet
            if _behind(Path((target / _OWNER).read_text())) != target:
                _remove(target)
        except (OSError, ValueError) as error:
            log.debug("%s stays: %s", target, error)


def _remove(target: Path) -> None:
    """True if it holds only files that a gateway makes."""
    live = target / "live"
    if live.is_dir() and not live.is_symlink():
        for file in live.iterdir():
            file.unlink()
        live.rmdir()
    (target / _OWNER).unlink(missing_ok=True)
    target.rmdir()


def _behind(run: Path) -> Path | None:
    """The directory that the link names, if this user's gateway made it."""
    try:
        target = Path(os.readlink(run))  # noqa: PTH115 - the link itself, not resolved
        return target if _is_ours(target) else None
    except OSError:
        return None


def _is_ours(target: Path) -> bool:
    found = target.lstat()
    named_so = target.parent == _SHARED_MEMORY and _NAME.fullmatch(target.name) is not None
    return named_so and stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
