"""The export archive: deliveries in one file, for a gateway without network (`smgw export`, `emp import`).

It is a ZIP archive of the documents that would have been PUT, in order. The last member states their number. The format
is our own. Each row keeps its key (gateway, store id, record number), so an archive may be imported twice, and may
overlap with rows delivered over the network.

Format 1 has bare documents. Format 2 names the media type of its documents: each is signed and sealed (CMS), so only
the EMP can read it. Whoever has the file sees the number of documents and rows, and their lengths.
"""

import contextlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from smgw.errors import SmgwError, reason
from smgw.webservice.error import ServiceError
from smgw.webservice.media_type import COSEM_XML, MediaType, is_cms_cosem_xml

SLIP = "parcel.json"
_BARE, _TYPED = 1, 2  # formats
#: As of a PUT (docs/document.md).
LARGEST_DOCUMENT = 4 * 1024 * 1024
#: What a seal may add.
LARGEST_SEAL = 64 * 1024
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
    ServiceError,  # a media type that nobody knows
)


class ParcelError(SmgwError):
    """A file that is not a complete export archive, or cannot be written."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path


class Packed(NamedTuple):
    """One document of an archive."""

    octets: bytes
    sealed: bool
    name: str  # of its member in the archive


class ParcelWriter:
    """Writes FILE.part. It is renamed when the archive is complete and on the disk."""

    def __init__(self, path: Path, media_type: MediaType = COSEM_XML) -> None:
        """`media_type`: of all documents."""
        self._path = path
        self._media_type = media_type
        self._sealed = is_cms_cosem_xml(media_type)
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
        name = f"{self.documents + 1:07}.{'p7m' if self._sealed else 'xml'}"
        try:
            self._archive.writestr(name, document, zipfile.ZIP_STORED if self._sealed else None)
        except OSError as error:
            raise self._said(error) from error
        self.documents += 1
        self.rows += rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        slip: dict[str, object] = {"format": _BARE, "documents": self.documents, "rows": self.rows}
        if self._sealed:
            slip |= {"format": _TYPED, "media_type": str(self._media_type)}
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


def unpack(path: Path) -> Iterator[Packed]:
    """The documents of an archive, in order; ParcelError if it is not complete, or where one is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if not names or names[-1] != SLIP or archive.getinfo(SLIP).file_size > 1000:
                raise ParcelError(path, "is no archive of `smgw export`")
            slip = json.loads(archive.read(SLIP))
            if slip["format"] not in (_BARE, _TYPED):
                raise ParcelError(path, f"has format {slip['format']}; this program knows 1 and 2, use a newer one")
            sealed = slip["format"] == _TYPED and is_cms_cosem_xml(MediaType.parse(slip["media_type"]))
            largest = LARGEST_DOCUMENT + (LARGEST_SEAL if sealed else 0)
            if slip["documents"] != len(names) - 1 or len(names) > MOST_DOCUMENTS:
                raise ParcelError(
                    path, f"should hold {slip['documents']} documents, has {len(names) - 1}; copy it again"
                )
            for name in names[:-1]:
                with archive.open(name) as document:
                    octets = document.read(largest + 1)
                if len(octets) > largest:
                    raise ParcelError(path, f"{name} is longer than {largest} octets; no gateway packs that")
                yield Packed(octets, sealed, name)
    except _BROKEN as error:
        if isinstance(error, PermissionError):
            raise ParcelError(path, "this user may not read it; run the command as its owner, or as root") from error
        if isinstance(error, OSError) and error.errno:
            raise ParcelError(path, f"cannot be read ({reason(error)}); name a file that `smgw export` made") from error
        raise ParcelError(path, f"cannot be unpacked ({error}); copy it or export it again") from error
