"""The check of the signatures of values in a file: a document in COSEM-XML, or an export archive."""

import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from smgw.cosem.device_id import DeviceId
from smgw.cosem.names import CaptureObject
from smgw.cosemxml.document import DocumentError, decode
from smgw.cosemxml.value_signatures import values_of
from smgw.errors import SmgwError, reason
from smgw.trust.certificate import Certificate
from smgw.trust.value_verdict import Verdict, judged, signers_of
from smgw.webservice.parcel import LARGEST_DOCUMENT, unpack


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


def verified(file: Path, certificates: Sequence[Certificate]) -> Verified:
    """Check all values of a file. SmgwError for a file that is none, and for a sealed one."""
    documents = rows = 0
    counts: Counter[Verdict] = Counter()
    faulty = []
    for name, octets in _documents(file):
        try:
            document = decode(octets)
            values = list(values_of(document))
        except DocumentError as error:
            raise SmgwError(f"{file}{name}: this is no document of a gateway ({error})") from error
        signers = signers_of(str(document.gateway), certificates)
        documents, rows = documents + 1, rows + len(document.rows)
        for value in values:
            signature = value.signature
            verdict = judged(
                value.signed_octets, signature and signature.octets, signature.signer if signature else b"", signers
            )
            counts[verdict] += 1
            if verdict in (Verdict.WRONG, Verdict.UNKNOWN):
                column = value.register.column
                faulty.append(Faulty(document.gateway, document.device, value.record_number, column, verdict))
    return Verified(documents, rows, counts, tuple(faulty))


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
