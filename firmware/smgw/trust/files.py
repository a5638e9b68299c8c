"""Writes files of the trust folder so that a kill or a power cut leaves the old one or the new one, never a part."""

import os
from pathlib import Path
from typing import Final

from smgw.errors import reason
from smgw.trust.errors import FileError

PRIVATE: Final = 0o600
PUBLIC: Final = 0o644


def replace(file: Path, octets: bytes, mode: int) -> None:
    """Write a new file beside, bring it to the disk, and give it the name.

    :raises FileError: it cannot be written, such as on a full disk; the old file is untouched.
    """
    new = file.with_name(f".{file.name}.new")
    try:
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(descriptor, "wb") as opened:
                os.fchmod(descriptor, mode)  # whatever the umask is
                opened.write(octets)
                opened.flush()
                os.fsync(descriptor)
            new.replace(file)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        sync_folder(file.parent)
    except OSError as error:
        raise FileError(
            f"cannot be written ({reason(error)})", "Check free space and who may write the folder.", file=file
        ) from None


def make_folder(folder: Path, mode: int = 0o755) -> None:
    """Make a folder and those above it.

    :raises FileError: it cannot be made.
    """
    try:
        folder.mkdir(mode, parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            f"this folder cannot be made ({reason(error)})", "Check who may write here.", file=folder
        ) from None


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
