"""Imports export archives (`smgw export`) into the store, or sends them to a running server."""

import http.client
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from smgw.cosemxml import document
from smgw.cosemxml.document import Document
from smgw.errors import SmgwError, reason
from smgw.webservice.error import Unprocessable
from smgw.webservice.parcel import unpack

from emp.store.sqlite_storage import SqliteStorage
from emp.store.storage import RecordConflictError

_XML = "application/vnd.de-dke-k461-cosem+xml"
_TIMEOUT_S = 60


class TransferError(SmgwError):
    """The server cannot be reached, or does not accept documents."""


class Imported(NamedTuple):
    """The outcome of the documents of an archive, and the rows of the accepted ones."""

    documents: int
    rows: int
    refused: tuple[str, ...]  # why, one a document


_Deposit = Callable[[Document, bytes], str]  # the reason of a refusal, or nothing


def import_into_file(parcel: Path, database: Path) -> Imported:
    """Import into a store that no server uses. Raises ParcelError, StorageError, DocumentError."""
    storage = SqliteStorage(database)
    try:

        def deposit(found: Document, _: bytes) -> str:
            try:
                storage.deposit(found, time.time_ns() // 1000).result()
            except (RecordConflictError, Unprocessable) as error:
                return str(error)
            return ""

        return _import(parcel, deposit)
    finally:
        storage.close()


def import_over_http(parcel: Path, url: str) -> Imported:
    """Send to a running server, as the gateway would deliver. Raises ParcelError, TransferError, DocumentError."""
    try:
        where = urlsplit(url)
        right = where.scheme == "http" and bool(where.hostname) and where.port != 0
    except ValueError:  # of the port
        right = False
    if not right:
        raise TransferError(f"{url}: write the point of contact of a running server, such as http://127.0.0.1:8080")
    connection = http.client.HTTPConnection(where.hostname or "", where.port or 80, timeout=_TIMEOUT_S)

    def deposit(found: Document, octets: bytes) -> str:
        try:
            path = f"{where.path.rstrip('/')}/cosem/ldevs/{found.device.uri}"
            connection.request("PUT", path, octets, {"Content-Type": _XML})
            answer = connection.getresponse()
            said = answer.read().decode(errors="replace").strip()
        except (OSError, http.client.HTTPException) as error:
            raise TransferError(
                f"{url}: no answer ({reason(error)}); start the server and import again: no row is stored twice"
            ) from error
        if answer.status in (200, 201):
            return ""
        if answer.status in (400, 413, 422):
            return f"{answer.status}: {said}"
        raise TransferError(f"{url}: answers {answer.status} ({said}); mend that and import again, nothing comes twice")

    try:
        return _import(parcel, deposit)
    finally:
        connection.close()


def _import(parcel: Path, deposit: _Deposit) -> Imported:
    documents = rows = 0
    refused = []
    for octets, *_ in unpack(parcel):
        found = document.decode(octets)
        if why := deposit(found, octets):
            refused.append(why)
            continue
        documents += 1
        rows += len(found.rows)
    return Imported(documents, rows, tuple(refused))
