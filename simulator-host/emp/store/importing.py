"""Imports export archives (`smgw export`) into the store, or sends them to a running server."""

import base64
import http.client
import ssl
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from smgw.cosemxml import document
from smgw.cosemxml.document import Document
from smgw.errors import SmgwError, reason
from smgw.webservice.error import Unprocessable
from smgw.webservice.media_type import COSEM_XML, COSEM_XML_CMS
from smgw.webservice.parcel import Packed, ParcelError, unpack

from emp.store.sqlite_storage import SqliteStorage
from emp.store.storage import ForeignDeviceError, Proof, RecordConflictError

_TIMEOUT_S = 60


class TransferError(SmgwError):
    """The server cannot be reached, or does not accept documents."""


class RefusedError(SmgwError):
    """A document of an archive that is not accepted; the others may be."""


class Brought(NamedTuple):
    """A document of an archive, opened, and the proof who made it if it was sealed."""

    document: Document
    proof: Proof | None = None


class Imported(NamedTuple):
    """The outcome of the documents of an archive, and the rows of the accepted ones."""

    documents: int
    rows: int
    refused: Counter[str]  # the reasons, and how many documents each is about


class Access(NamedTuple):
    """How to reach a running server."""

    url: str
    password: str | None = None
    certificate: Path | None = None  # of a server with https; None: one that the system trusts


#: Reads one document. ParcelError if none of the archive can be read, RefusedError if this one is not accepted.
Read = Callable[[Path, Packed], Brought]
_Deposit = Callable[[Brought, Packed], str]  # the reason of a refusal, or nothing


def bare(parcel: Path, packed: Packed) -> Brought:
    """Read a document that is not sealed. Raises DocumentError."""
    if packed.sealed:
        raise ParcelError(parcel, "is sealed; name the trust folder of the EMP that it is for: --trust DIR")
    return Brought(document.decode(packed.octets))


def import_into_file(parcel: Path, database: Path, read: Read = bare) -> Imported:
    """Import into a store that no server uses. Raises ParcelError, StorageError, DocumentError."""
    storage = SqliteStorage(database)
    try:

        def deposit(brought: Brought, _: Packed) -> str:
            try:
                storage.deposit(brought.document, time.time_ns() // 1000, brought.proof).result()
            except (RecordConflictError, ForeignDeviceError, Unprocessable) as error:
                return str(error)
            return ""

        return _import(parcel, read, deposit)
    finally:
        storage.close()


def import_over_http(parcel: Path, access: Access, read: Read = bare) -> Imported:
    """Send the documents as they are to a running server. Raises ParcelError, TransferError, DocumentError."""
    connection, base = _connected(access)
    headers = {}
    if access.password is not None:
        headers["Authorization"] = f"Basic {base64.b64encode(f'emp:{access.password}'.encode()).decode()}"

    def deposit(brought: Brought, packed: Packed) -> str:
        media_type = str(COSEM_XML_CMS if packed.sealed else COSEM_XML)
        path = f"{base}/cosem/ldevs/{brought.document.device.uri}"
        try:
            connection.request("PUT", path, packed.octets, {"Content-Type": media_type, **headers})
            answer = connection.getresponse()
            said = answer.read().decode(errors="replace").strip()
        except (OSError, http.client.HTTPException) as error:
            raise TransferError(
                f"{access.url}: no answer ({reason(error)}); start the server and import again: no row is stored twice"
            ) from error
        if answer.status in (200, 201):
            return ""
        if answer.status in (400, 413, 422):
            return f"{answer.status}: {said}"
        raise TransferError(
            f"{access.url}: answers {answer.status} ({said}); mend that and import again, nothing comes twice"
        )

    try:
        return _import(parcel, read, deposit)
    finally:
        connection.close()


def _connected(access: Access) -> tuple[http.client.HTTPConnection, str]:
    """A connection, and what stands before /cosem in its paths."""
    try:
        where = urlsplit(access.url)
        right = where.scheme in ("http", "https") and bool(where.hostname) and where.port != 0
    except ValueError:  # of the port
        right = False
    if not right:
        raise TransferError(
            f"{access.url}: write the point of contact of a running server, such as http://127.0.0.1:8080"
        )
    host, base = where.hostname or "", where.path.rstrip("/")
    if where.scheme == "http":
        return http.client.HTTPConnection(host, where.port or 80, timeout=_TIMEOUT_S), base
    try:
        context = ssl.create_default_context(cafile=access.certificate)
    except OSError as error:  # ssl.SSLError is one
        raise TransferError(
            f"{access.certificate}: is no certificate ({reason(error)}); name that of the server, in PEM"
        ) from None
    return http.client.HTTPSConnection(host, where.port or 443, timeout=_TIMEOUT_S, context=context), base


def _import(parcel: Path, read: Read, deposit: _Deposit) -> Imported:
    documents = rows = 0
    refused: Counter[str] = Counter()
    for packed in unpack(parcel):
        try:
            brought = read(parcel, packed)
        except RefusedError as error:
            refused[str(error)] += 1
            continue
        if why := deposit(brought, packed):
            refused[why] += 1
            continue
        documents += 1
        rows += len(brought.document.rows)
    return Imported(documents, rows, refused)
