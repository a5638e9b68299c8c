"""The export archive: deliveries in one file, for a gateway without network (`smgw export`, `emp import`).

It is a ZIP archive of the documents that would have been PUT, in order. The last member states their number. The format
is our own. Each row keeps its key (gateway, store id, record number), so an archive may be imported twice, and may
overlap with rows delivered over the network.
"""

import contextlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from smgw.errors import SmgwError, reason

SLIP = "parcel.json"
FORMAT = 1
#: As of a PUT (docs/document.md).
LARGEST_DOCUMENT = 4 * 1024 * 1024
MOST_DOCUMENTS = 1_000_000
_BROKEN = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
)


class ParcelError(SmgwError):
    """A file that is not a complete export archive, or cannot be written."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path


class ParcelWriter:
    """Writes FILE.part. It is renamed when the archive is complete and on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self.documents = self.rows = 0
        try:
            self._part.unlink(missing_ok=True)
            # Readings are nobody else's business; on a stick with FAT the mode has no effect.
            file = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            self._file = os.fdopen(file, "w+b")
            self._archive = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED)
        except OSError as error:
            raise self._said(error) from error

    def add(self, document: bytes, rows: int) -> None:
        """Add the next document, with its number of rows."""
        try:
            self._archive.writestr(f"{self.documents + 1:07}.xml", document)
        except OSError as error:
            raise self._said(error) from error
        self.documents += 1
        self.rows += rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        slip = {"format": FORMAT, "documents": self.documents, "rows": self.rows}
        try:
            if kind is None:
                self._archive.writestr(SLIP, json.dumps(slip))
            self._archive.close()
            self._file.close()
            if kind is None:
                _sync(self._part)
                self._part.replace(self._path)
        except (OSError, ValueError) as error:  # ValueError: closing after a failed write
            if kind is None:
                raise self._said(error) from error
        finally:
            with contextlib.suppress(OSError):
                self._file.close()
            self._part.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # some file systems of memory sticks cannot
            _sync(self._path.parent)

    def _said(self, error: Exception) -> ParcelError:
        return ParcelError(
            self._path, f"cannot be written ({reason(error)}); name a file where you may write and room is left"
        )


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def unpack(path: Path) -> Iterator[bytes]:
    """The documents of an archive, in order; ParcelError if it is not complete, or where one is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if not names or names[-1] != SLIP or archive.getinfo(SLIP).file_size > 1000:
                raise ParcelError(path, "is no archive of `smgw export`")
            slip = json.loads(archive.read(SLIP))
            if slip["format"] != FORMAT:
                raise ParcelError(path, f"has format {slip['format']}; this program knows {FORMAT}, use a newer one")
            if slip["documents"] != len(names) - 1 or len(names) > MOST_DOCUMENTS:
                raise ParcelError(
                    path, f"should hold {slip['documents']} documents, has {len(names) - 1}; copy it again"
                )
            for name in names[:-1]:
                with archive.open(name) as document:
                    octets = document.read(LARGEST_DOCUMENT + 1)
                if len(octets) > LARGEST_DOCUMENT:
                    raise ParcelError(path, f"{name} is longer than {LARGEST_DOCUMENT} octets; no gateway packs that")
                yield octets
    except _BROKEN as error:
        if isinstance(error, PermissionError):
            raise ParcelError(path, "this user may not read it; run the command as its owner, or as root") from error
        if isinstance(error, OSError) and error.errno:
            raise ParcelError(path, f"cannot be read ({reason(error)}); name a file that `smgw export` made") from error
        raise ParcelError(path, f"cannot be unpacked ({error}); copy it or export it again") from error
