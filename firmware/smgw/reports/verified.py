"""The check of the signatures of values in a file: a document in COSEM-XML, or an export archive."""

import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from smgw.cosem.device_id import DeviceId, DeviceIdError
from smgw.cosem.names import CaptureObject
from smgw.cosemxml.document import DocumentError, from_resource
from smgw.cosemxml.error import CosemXmlError
from smgw.cosemxml.exported import exported_rows, is_export
from smgw.cosemxml.reader import decode
from smgw.cosemxml.resources import LogicalDevice, Object
from smgw.cosemxml.value_signatures import SignaturesError, SignedValue, values_of_row
from smgw.errors import SmgwError, reason
from smgw.trust.certificate import Certificate
from smgw.trust.value_verdict import Verdict, judged, signers_of
from smgw.webservice.parcel import LARGEST_DOCUMENT, unpack

#: What stands in the first octets of a consumer's file (VDE-AR 2418-6).
_CONSUMERS_FILE, _HEAD = b"AR_2418-6", 1000


class Faulty(NamedTuple):
    """A value whose signature is not good."""

    gateway: DeviceId
    device: DeviceId
    record_number: int
    column: CaptureObject
    verdict: Verdict


class Verified(NamedTuple):
    """What was found in a file."""

    documents: int
    rows: int
    counts: Counter[Verdict]
    faulty: tuple[Faulty, ...]


class _Row(NamedTuple):
    """A row of a file, with all values that could be signed."""

    gateway: DeviceId
    device: DeviceId
    values: list[SignedValue]


def verified(file: Path, certificates: Sequence[Certificate], device: DeviceId | None = None) -> Verified:
    """Check all values of a file. SmgwError for a file that is none, and for a sealed one.

    `device` is the one of rows that a head-end exported, since they do not name it. By default the file's name does.
    """
    documents = rows = 0
    counts: Counter[Verdict] = Counter()
    faulty = []
    signers: dict[DeviceId, Sequence[Certificate]] = {}
    for name, octets in _documents(file):
        documents += 1
        try:
            found = list(_rows(octets, file, device))
        except (CosemXmlError, SignaturesError) as error:
            if _CONSUMERS_FILE in octets[:_HEAD]:
                raise SmgwError(
                    f"{file}{name}: this is a consumer's file for TRuDI; "
                    "smgw verify takes what a gateway sends or exports"
                ) from error
            raise SmgwError(f"{file}{name}: this is no document of a gateway ({error})") from error
        for row in found:
            rows += 1
            if row.gateway not in signers:
                signers[row.gateway] = signers_of(str(row.gateway), certificates)
            for value in row.values:
                made = value.signature
                octets_of, signer = (None, b"") if made is None else (made.octets, made.signer)
                verdict = judged(value.signed_octets, octets_of, signer, signers[row.gateway])
                counts[verdict] += 1
                if verdict in (Verdict.WRONG, Verdict.UNKNOWN):
                    column = value.register.column
                    faulty.append(Faulty(row.gateway, row.device, value.record_number, column, verdict))
    return Verified(documents, rows, counts, tuple(faulty))


def _rows(octets: bytes, file: Path, device: DeviceId | None) -> Iterator[_Row]:
    resource = decode(octets)
    if isinstance(resource, Object) and is_export(resource):
        named = device or _named(file)
        for one in exported_rows(resource):
            values = values_of_row(named, one.record_number, one.status, one.capture_time_us, one.cells)
            yield _Row(one.gateway, named, list(values))
        return
    if not isinstance(resource, LogicalDevice):
        raise DocumentError(f"{type(resource).__name__} is no document; its root element is ldev")
    document = from_resource(resource)
    for row in document.rows:
        cells = zip(document.registers, row.values, strict=True)
        values = values_of_row(document.device, row.record_number, row.status, row.capture_time_us, cells)
        yield _Row(document.gateway, document.device, list(values))


def _named(file: Path) -> DeviceId:
    """The device in the name of a file, as a head-end gives it: 1EMH0011802881.xml."""
    try:
        return DeviceId.parse(file.name.partition(".")[0])
    except DeviceIdError as error:
        raise SmgwError(f"{file}: its rows do not name their device; write --device ID") from error


def _documents(file: Path) -> Iterator[tuple[str, bytes]]:
    """The name in the archive, and the document."""
    try:
        if not zipfile.is_zipfile(file):
            if file.stat().st_size > LARGEST_DOCUMENT:
                raise SmgwError(f"{file}: is longer than {LARGEST_DOCUMENT} octets; no gateway sends that")
            yield "", file.read_bytes()
            return
    except OSError as error:
        raise SmgwError(f"{file}: cannot be read ({reason(error)}); name a document or an export archive") from error
    for packed in unpack(file):
        if packed.sealed:
            raise SmgwError(f"{file}: is sealed, so only its EMP can read it; import it there, and see the page")
        yield f" ({packed.name})", packed.octets
