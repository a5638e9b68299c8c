"""The inner signature of a value, and the column of a document that carries the signatures of a row.

TR-03109-1 signs logical name, status, capture time, value, scaler and unit of a result. Which octets are signed is not
public, so this layout is ours. The signature is ECDSA with SHA-256 by the key SIG of the gateway, in the plain format
of TR-03111 (`trust.plain_signature`). Numbers are big endian.

    octets     field
    16         "smgw value 1", then four zero octets
    2          class of the object
    1          attribute, signed
    2, n       length; logical name in ASCII, lower case: OBIS code in 12 hex digits, ".", device id, ".sm"
    8          status word, bit 0 of each half first, as in the document
    8          capture time: units of 10 ms since 1970-01-01 UTC, as in the document
    1          type of the value (A-XDR tag)
    2, n       length; whole numbers in decimal digits, other types in their octets
    1          scaler, signed
    1          unit; 255: none

A row with signed values has one value more: object 0-0:94.49.240*4 (our range), class 1, attribute 2. It is an
octet-string with one entry for each signed value of the row:

    octets     field
    2          class of the signed value
    6          its OBIS code
    1          attribute, signed
    8          the signer: first octets of the SHA-256 of its certificate SIG
    2, n       length; the signature

So a head-end that knows nothing of signatures stores and gives them like any other value.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from smgw.cosem.data import Data, DataType, octet_string
from smgw.cosem.device_id import DeviceId
from smgw.cosem.names import CaptureObject
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import StatusWord
from smgw.cosem.units import NO_UNIT
from smgw.cosemxml.document import Document, Register
from smgw.errors import SmgwError

#: The column with the signatures of a row.
SIGNATURES = CaptureObject(1, Obis.parse("0-0:94.49.240*4"), 2)
SIGNER_OCTETS = 8

_LABEL = b"smgw value 1\0\0\0\0"
_ENTRY = struct.Struct(">H6sb8sH")
_TIME_UNIT_US = 10_000


class SignaturesError(SmgwError, ValueError):
    """A value that cannot be signed, or octets that are no signatures."""


class ValueSignature(NamedTuple):
    """The signature of one value of a row."""

    column: CaptureObject
    signer: bytes  # SIGNER_OCTETS of the SHA-256 of the certificate
    octets: bytes


class SignedValue(NamedTuple):
    """One value of a document, the octets to be signed, and its signature; None if it has none."""

    record_number: int
    register: Register
    signed_octets: bytes
    signature: ValueSignature | None


def logical_name(obis: Obis, device: DeviceId) -> str:
    """The name of a register, as gateways in the field write it."""
    return f"{obis.hex()}.{device}.sm".lower()


def is_signable(value: Data) -> bool:
    """True for whole numbers and octets. A text or a structure is no result."""
    return isinstance(value.value, int | bytes)


def signed_octets(device: DeviceId, register: Register, status: StatusWord, capture_time_us: int, value: Data) -> bytes:
    """What is signed of a value; SignaturesError for a value that is not signable."""
    content = value.value
    if isinstance(content, bytes):
        written = content
    elif isinstance(content, int):
        written = b"%d" % content
    else:
        raise SignaturesError(f"a value of type {value.type.name} is not signed")
    name = logical_name(register.obis, device).encode()
    return b"".join(
        (
            _LABEL,
            struct.pack(">HbH", register.class_id, register.attribute, len(name)),
            name,
            bytes.fromhex(status.msb0),
            struct.pack(">QBH", capture_time_us // _TIME_UNIT_US, value.type, len(written)),
            written,
            struct.pack(">bB", register.scaler, register.unit),
        )
    )


def cell(signatures: Iterable[ValueSignature]) -> Data:
    """The value of the column."""
    octets = b""
    for column, signer, signature in signatures:
        length = len(signature)
        octets += _ENTRY.pack(column.class_id, bytes(column.obis), column.attribute, signer, length) + signature
    return octet_string(octets)


def read_cell(value: Data) -> list[ValueSignature]:
    """The signatures in a value of the column; SignaturesError if it is none."""
    if value.type is DataType.NULL_DATA:
        return []
    octets = value.value
    if not isinstance(octets, bytes):
        raise SignaturesError("signatures are an octet-string")
    found, at = [], 0
    while at < len(octets):
        if len(octets) - at < _ENTRY.size:
            raise SignaturesError("the signatures are cut off")
        class_id, obis, attribute, signer, length = _ENTRY.unpack_from(octets, at)
        at += _ENTRY.size
        if len(octets) - at < length:
            raise SignaturesError("the signatures are cut off")
        found.append(ValueSignature(CaptureObject(class_id, Obis(obis), attribute), signer, octets[at : at + length]))
        at += length
    return found


def values_of(document: Document) -> Iterator[SignedValue]:
    """Each value of a document that could be signed. SignaturesError for signatures that are none."""
    for row in document.rows:
        cells = zip(document.registers, row.values, strict=True)
        yield from values_of_row(document.device, row.record_number, row.status, row.capture_time_us, cells)


def values_of_row(
    device: DeviceId,
    record_number: int,
    status: StatusWord,
    capture_time_us: int | None,
    cells: Iterable[tuple[Register, Data]],
) -> Iterator[SignedValue]:
    """Each value of a row that could be signed; `cells` include the column of signatures, if there is one."""
    values = list(cells)
    found = [value for register, value in values if register.column == SIGNATURES]
    signatures = {one.column: one for value in found for one in read_cell(value)}
    for register, value in values:
        if register.column == SIGNATURES or not is_signable(value) or capture_time_us is None:
            continue
        octets = signed_octets(device, register, status, capture_time_us, value)
        yield SignedValue(record_number, register, octets, signatures.pop(register.column, None))
    for left in signatures.values():  # of a value that is not there: somebody took it away
        name = Register(left.column.obis, 0, NO_UNIT, left.column.class_id, left.column.attribute)
        yield SignedValue(record_number, name, b"", left)
