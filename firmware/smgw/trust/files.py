"""Writes files of the trust folder so that a kill or a power cut leaves the old one or the new one, never a part."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from smgw.errors import reason
from smgw.trust.errors import FileError

PRIVATE: Final = 0o600
PUBLIC: Final = 0o644


class Content(NamedTuple):
    """What a file shall hold."""

    octets: bytes
    mode: int = PUBLIC


def replace(file: Path, octets: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Write a new file beside, bring it to the disk, and give it the name. `owner`: user and group; None: one's own.

    :raises FileError: it cannot be written, such as on a full disk; the old file is untouched.
    """
    new = file.with_name(f".{file.name}.new")
    try:
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(descriptor, "wb") as opened:
                os.fchmod(descriptor, mode)  # whatever the umask is
                if owner is not None:
                    os.fchown(descriptor, *owner)
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


def write_all(folder: Path, wanted: Mapping[str, Content]) -> int:
    """Write the files of a folder that do not hold what they shall, in this order; how many that were.

    :raises FileError: one cannot be written; those before it are.
    """
    written = 0
    for name, content in wanted.items():
        file = folder / name
        if _holds(file, content):
            continue
        make_folder(file.parent)
        replace(file, content.octets, content.mode)
        written += 1
    return written


def remove_all(files: Iterable[Path], within: Path) -> int:
    """Remove files, and the folders that are empty then, below `within`; how many files.

    :raises FileError: one cannot be removed.
    """
    removed = 0
    for file in files:
        try:
            file.unlink(missing_ok=True)
            removed += 1
            for above in file.parents:
                if above == within or not above.is_relative_to(within) or any(above.iterdir()):
                    break
                above.rmdir()
        except OSError as error:
            raise FileError(f"cannot be removed ({reason(error)})", "Check who may write here.", file=file) from None
    return removed


def make_folder(folder: Path, mode: int = 0o755) -> None:
    """Make a folder and those above it, with this mode whatever the umask is. One that is there stays as it is.

    :raises FileError: it cannot be made.
    """
    try:
        for one in (*reversed(folder.parents), folder):
            if not one.is_dir():
                one.mkdir(mode, exist_ok=True)
                one.chmod(mode)
    except OSError as error:
        raise FileError(
            f"this folder cannot be made ({reason(error)})", "Check who may write here.", file=folder
        ) from None


def _holds(file: Path, content: Content) -> bool:
    try:
        return not file.is_symlink() and file.read_bytes() == content.octets
    except OSError:
        return False


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
