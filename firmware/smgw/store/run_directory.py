"""The run directory of a gateway that systemd gave none: on a tmpfs, behind the link `run` in the state directory.

A live value is written in the thread that reads the meter, with every telegram. On a card it would wear the card, and
the thread would wait for it. So the directory lies in /dev/shm, under a name that nobody can make before. Where there
is no /dev/shm, it lies in the state directory itself.
"""

import logging
import os
import re
import stat
from pathlib import Path

from smgw.store import paths

log = logging.getLogger(__name__)

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - names there are made without following what another user made
_NAME = re.compile(r"smgw-[0-9a-f]{16}")
_MODE = 0o750


def make_run_directory(state: Path) -> None:
    """Make the directory, or find the one of an earlier run again. Never raises; the writer will say what is wrong."""
    run = paths.run_directory(state)
    if run == paths.RUN or _behind(run) is not None or (run.is_dir() and not run.is_symlink()):
        return
    new = run.with_name("run.new")
    try:
        target = _SHARED_MEMORY / f"smgw-{os.urandom(8).hex()}"
        target.mkdir(_MODE)
        new.unlink(missing_ok=True)
        new.symlink_to(target)
        new.rename(run)
    except OSError as error:
        log.debug("no run directory in %s: %s", _SHARED_MEMORY, error)


def remove_run_directory(state: Path) -> None:
    """At the end: the link and what is behind it, as systemd removes its own."""
    run = paths.run_directory(state)
    target = _behind(run)
    if target is None:
        return
    try:
        for path in (paths.live_directory(state), target):
            path.rmdir()
        run.unlink()
    except OSError as error:
        log.debug("the run directory stays: %s", error)


def _behind(run: Path) -> Path | None:
    """The directory behind the link, if it is one that this user's gateway made."""
    try:
        target = Path(os.readlink(run))  # noqa: PTH115 - the link itself, not resolved
        found = target.lstat()
    except OSError:
        return None
    made_so = target.parent == _SHARED_MEMORY and _NAME.fullmatch(target.name) is not None
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
    return target if made_so and own else None
