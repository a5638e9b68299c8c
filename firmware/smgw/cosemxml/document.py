"""The document that a gateway puts to a head-end: an `ldev` with identity, load profile and registers.

Our dialect of Annex II; docs/document.md shows a full example.

    ldev
      1-0000636203ff   attribute 2: structure {gateway id, store id}
      7-0100630100ff   attribute 2: the rows; 3: the columns; 4: capture period 0 (whenever the meter spoke)
      3-...            one a register: latest value, scaler and unit
    columns            record number, capture time, target time, status word, then one a register
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from smgw.cosem import date_time
from smgw.cosem.data import NULL, Data, DataError, DataType, octet_string
from smgw.cosem.device_id import DeviceId
from smgw.cosem.names import CaptureObject, ScalerUnit
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import StatusWord
from smgw.cosem.units import NO_UNIT
from smgw.cosemxml import plain_rows
from smgw.cosemxml.columns import (
    BUFFER,
    CAPTURE_OBJECTS,
    CAPTURE_PERIOD,
    DATA_CLASS,
    FIXED_COLUMNS,
    IDENTITY,
    PROFILE,
    PROFILE_CLASS,
    SCALED_CLASSES,
    SCALER_UNIT,
    identity,
    number,
)
from smgw.cosemxml.data import data_text
from smgw.cosemxml.error import CosemXmlError
from smgw.cosemxml.reader import decode as decode_resource
from smgw.cosemxml.resources import Attribute, Attributes, LogicalDevice, Object
from smgw.cosemxml.source import DEFAULT_LIMITS, Limits, check_bounds
from smgw.cosemxml.writer import DECLARATION, NAMESPACES, attribute_text, device_tag, object_tag, table_text

STORE_ID_OCTETS = 16
# A NamedTuple without its own __new__, in a third of the time.
_new = tuple.__new__


class DocumentError(CosemXmlError):
    """A document that cannot be written, or XML that is not a document; `path` is the place in it."""


class Register(NamedTuple):
    """One register of the device: value · 10^scaler unit. Classes other than 3 and 4 have neither (0, 255)."""

    obis: Obis
    scaler: int
    unit: int
    class_id: int = 3
    attribute: int = 2

    @property
    def column(self) -> CaptureObject:
        """The column of the load profile that holds its values."""
        return CaptureObject(self.class_id, self.obis, self.attribute)


class Row(NamedTuple):
    """One capture: its number in the gateway's store, its times in microseconds UTC, one value a register."""

    record_number: int
    capture_time_us: int | None  # without one the row is not `time_valid`
    target_time_us: int | None
    time_valid: bool
    status: StatusWord
    values: tuple[Data, ...]  # NULL where the capture has none


class Document(NamedTuple):
    """Rows of one device out of one store of one gateway."""

    gateway: DeviceId
    store_id: str  # 32 hex digits
    device: DeviceId
    registers: tuple[Register, ...]
    rows: tuple[Row, ...]


def encode(document: Document) -> bytes:
    """The XML text of a document; times are cut to 10 ms.

    Raises DocumentError naming the register or row that cannot be written.
    """
    return "".join(_pieces(document)).encode()


def objects_of(registers: tuple[Register, ...], latest: tuple[Data, ...]) -> Iterator[Object]:
    """One object for each register, with the latest value. Several attributes of one object are grouped.

    Raises DocumentError for a register that occurs twice, or whose scaler cannot be written.
    """
    groups: dict[tuple[int, Obis], list[tuple[Register, Data]]] = {}
    for register, value in zip(registers, latest, strict=True):
        group = groups.setdefault((register.class_id, register.obis), [])
        if any(other.attribute == register.attribute for other, _ in group):
            raise DocumentError("the register is there twice", str(register.obis))
        group.append((register, value))
    for (class_id, obis), group in groups.items():
        attributes = [Attribute(1, octet_string(bytes(obis)))]
        attributes += [Attribute(register.attribute, value) for register, value in group]
        if len({register[1:3] for register, _ in group}) > 1:
            raise DocumentError("two scalers or units for one register; they go into two documents", str(obis))
        scaler, unit = group[0][0][1:3]
        if class_id in SCALED_CLASSES:
            attributes.append(Attribute(SCALER_UNIT, ScalerUnit(scaler, unit).data()))
        elif (scaler, unit) != (0, NO_UNIT):
            raise DocumentError(f"class {class_id} has no scaler and unit; only {sorted(SCALED_CLASSES)} do", str(obis))
        if len({attribute.id for attribute in attributes}) < len(attributes):
            raise DocumentError("a value cannot be the attribute logical_name or scaler_unit", str(obis))
        yield Object(obis, class_id, 0, Attributes(tuple(sorted(attributes, key=lambda attribute: attribute.id))))


def _pieces(document: Document) -> Iterator[str]:
    registers, rows = document.registers, document.rows
    for row in rows:
        if len(row.values) != len(registers):
            raise DocumentError(f"{len(row.values)} values for {len(registers)} registers", _row_path(row))
    if len(document.store_id) != 2 * STORE_ID_OCTETS:
        raise DocumentError(f"{document.store_id!r} is no store id; it has 32 hex digits")
    register_objects = list(objects_of(registers, _latest(document)))
    head = device_tag(LogicalDevice(document.device)).replace("<ldev", f"<ldev{NAMESPACES}", 1)
    yield f'{DECLARATION}{head}>\n  <objects count="{2 + len(register_objects)}">\n'
    who = Attribute(2, identity(document.gateway, document.store_id))
    yield from _object(Object(IDENTITY, DATA_CLASS, 0, Attributes((_logical_name(IDENTITY), who))))
    yield f"    {object_tag(Object(PROFILE, PROFILE_CLASS, 1))}>\n"
    yield '      <attributes count="4">\n'
    yield attribute_text(1, octet_string(bytes(PROFILE)), _DEEP)
    if rows:
        yield table_text(BUFFER, [_row_text(row) for row in rows], _DEEP)
    else:
        yield attribute_text(BUFFER, Data(DataType.ARRAY, ()), _DEEP)
    columns = (
        *FIXED_COLUMNS,
        *(register.column for register in registers),
    )
    yield attribute_text(CAPTURE_OBJECTS, Data(DataType.ARRAY, tuple(column.data() for column in columns)), _DEEP)
    yield attribute_text(CAPTURE_PERIOD, Data(DataType.DOUBLE_LONG_UNSIGNED, 0), _DEEP)
    yield "      </attributes>\n    </object>\n"
    for register_object in register_objects:
        yield from _object(register_object)
    yield "  </objects>\n</ldev>\n"


_DEEP = " " * 8  # path of an attribute of an ldev's object


def _logical_name(obis: Obis) -> Attribute:
    return Attribute(1, octet_string(bytes(obis)))


def _object(resource: Object) -> Iterator[str]:
    assert resource.attributes is not None
    yield f'    {object_tag(resource)}>\n      <attributes count="{len(resource.attributes.members)}">\n'
    for attribute in resource.attributes.members:
        yield attribute_text(attribute.id, attribute.value, _DEEP)
    yield "      </attributes>\n    </object>\n"


def _row_path(row: Row) -> str:
    return f"record {row.record_number}"


def _row_text(row: Row) -> str:
    # The hot path: text at once, no tree of Data in between.
    record_number, capture_us, target_us, time_valid, status, values = row
    try:
        capture = "<cod:null-data/>" if capture_us is None else _time_text(capture_us, valid=time_valid)
        target = "<cod:null-data/>" if target_us is None else _time_text(target_us, valid=True)
        return (
            f"<cod:structure>{data_text(number(record_number))}{capture}{target}"
            f"<cod:octet-string>{status.msb0}</cod:octet-string>{''.join(map(data_text, values))}</cod:structure>"
        )
    except ValueError as error:
        raise DocumentError(error.reason if isinstance(error, CosemXmlError) else str(error), _row_path(row)) from None


def _time_text(utc_us: int, *, valid: bool) -> str:
    return f"<cod:date_time>{date_time.encode_utc(utc_us, valid=valid).hex()}</cod:date_time>"


def _latest(document: Document) -> tuple[Data, ...]:
    latest = []
    for column in range(len(document.registers)):
        values = (row.values[column] for row in reversed(document.rows))
        latest.append(next((value for value in values if value.type is not DataType.NULL_DATA), NULL))
    return tuple(latest)


def decode(octets: bytes, limits: Limits = DEFAULT_LIMITS) -> Document:
    """Read a document; the order of its objects and the latest values in it do not matter.

    Raises DocumentError (its cause may be the XML, the resource or the document's rules) with path and reason.
    """
    return _decode_plain(octets, limits) or _decode(octets, limits)


def _decode_plain(octets: bytes, limits: Limits) -> Document | None:
    """The document, if its rows are as our writer puts them; else, or if anything is wrong with it, None."""
    found = plain_rows.cut(octets)
    if found is None:
        return None
    try:
        check_bounds(octets, limits)
        frame = _decode(found.frame, limits)
    except CosemXmlError:
        return None
    read = plain_rows.rows(found.lines, len(FIXED_COLUMNS) + len(frame.registers))
    return None if read is None else frame._replace(rows=tuple([_new(Row, fields) for fields in read]))


def _decode(octets: bytes, limits: Limits) -> Document:
    try:
        resource = decode_resource(octets, limits)
    except CosemXmlError as error:
        raise DocumentError(error.reason, error.path, error.line) from None
    if not isinstance(resource, LogicalDevice):
        raise DocumentError(f"{type(resource).__name__} is no document; its root element is ldev")
    return from_resource(resource)


def from_resource(ldev: LogicalDevice) -> Document:
    """The document of a logical device; DocumentError if it has none."""
    objects: dict[tuple[int, Obis], dict[int, Data | None]] = {}
    for member in ldev.objects.members if ldev.objects else ():
        attributes = {attribute.id: attribute.value for attribute in (member.attributes or Attributes()).members}
        if objects.setdefault((member.class_id, member.logical_name), attributes) is not attributes:
            raise DocumentError("the object is there twice", _object_path(member.class_id, member.logical_name))
    gateway, store_id = _identity(_attribute(objects, DATA_CLASS, IDENTITY, 2))
    columns = _columns(_attribute(objects, PROFILE_CLASS, PROFILE, CAPTURE_OBJECTS))
    registers = tuple([_register(objects, column) for column in columns])
    path = _object_path(PROFILE_CLASS, PROFILE, BUFFER)
    rows = _members(_attribute(objects, PROFILE_CLASS, PROFILE, BUFFER), DataType.ARRAY, path)
    width = len(FIXED_COLUMNS) + len(registers)
    return Document(
        gateway, store_id, ldev.device, registers, tuple([_row(row, width, path, at) for at, row in enumerate(rows, 1)])
    )


def _object_path(class_id: int, obis: Obis, attribute: int | None = None) -> str:
    return f"object {class_id}-{obis.hex()}" + ("" if attribute is None else f"/attribute {attribute}")


def _attribute(
    objects: dict[tuple[int, Obis], dict[int, Data | None]], class_id: int, obis: Obis, attribute: int
) -> Data:
    value = objects.get((class_id, obis), {}).get(attribute)
    if value is None:
        raise DocumentError("is missing; a document has it", _object_path(class_id, obis, attribute))
    return value


def _members(data: Data, kind: DataType, path: str) -> tuple[Data, ...]:
    if data.type is not kind or not isinstance(data.value, tuple):
        raise DocumentError(f"{data.type.name.lower()} where {kind.name.lower()} belongs", path)
    return data.value


def _identity(data: Data) -> tuple[DeviceId, str]:
    path = _object_path(DATA_CLASS, IDENTITY, 2)
    match _members(data, DataType.STRUCTURE, path):
        case (Data(DataType.OCTET_STRING, bytes(gateway)), Data(DataType.OCTET_STRING, bytes(store))):
            if len(store) != STORE_ID_OCTETS or not 1 <= len(gateway) <= 64:
                raise DocumentError("a gateway id has 1 to 64 octets, a store id 16", path)
            return DeviceId(gateway), store.hex()
    raise DocumentError("structure {octet-string gateway id, octet-string store id} belongs here", path)


def _columns(data: Data) -> list[CaptureObject]:
    path = _object_path(PROFILE_CLASS, PROFILE, CAPTURE_OBJECTS)
    columns = []
    for at, member in enumerate(_members(data, DataType.ARRAY, path), 1):
        try:
            column: CaptureObject | None = CaptureObject.of(member)
        except DataError:
            column = None
        if column is None or column.data_index:
            raise DocumentError("structure {class, logical name, attribute, 0} belongs here", f"{path}[{at}]")
        columns.append(column)
    if tuple(columns[: len(FIXED_COLUMNS)]) != FIXED_COLUMNS:
        raise DocumentError("the first four are record number, capture time, target time, status word", path)
    if len(set(columns)) < len(columns):
        raise DocumentError("a column is there twice", path)
    return columns[len(FIXED_COLUMNS) :]


def _register(objects: dict[tuple[int, Obis], dict[int, Data | None]], column: CaptureObject) -> Register:
    if column.class_id not in SCALED_CLASSES:
        return Register(column.obis, 0, NO_UNIT, column.class_id, column.attribute)
    path = _object_path(column.class_id, column.obis, SCALER_UNIT)
    data = _attribute(objects, column.class_id, column.obis, SCALER_UNIT)
    try:
        scaler, unit = ScalerUnit.of(data)
    except DataError:
        raise DocumentError("structure {integer scaler, enum unit} belongs here", path) from None
    return Register(column.obis, scaler, unit, column.class_id, column.attribute)


def _row(data: Data, width: int, path: str, at: int) -> Row:
    path = f"{path}/row {at}"
    cells = _members(data, DataType.STRUCTURE, path)
    if len(cells) != width:
        raise DocumentError(f"{len(cells)} cells for {width} capture objects", path)
    record, capture, target, status = cells[:4]
    if not isinstance(record.value, int) or record.value < 0:
        raise DocumentError("column 1 is no record number", path)
    try:
        capture_us, time_valid = _moment(capture)
        target_us, _ = _moment(target)
    except ValueError as error:
        raise DocumentError(str(error), path) from None
    if status.type is not DataType.OCTET_STRING or not isinstance(status.value, bytes) or len(status.value) != 8:
        raise DocumentError("column 4 is no status word; it is an octet-string of 8", path)
    return Row(record.value, capture_us, target_us, time_valid, _status(status.value), cells[4:])


@lru_cache(maxsize=256)
def _status(octets: bytes) -> StatusWord:
    # A meter's status rarely changes from row to row.
    return StatusWord.from_msb0(octets.hex())


def _moment(data: Data) -> tuple[int | None, bool]:
    if data.type is DataType.NULL_DATA:
        return None, False
    if data.type not in (DataType.DATE_TIME, DataType.OCTET_STRING) or not isinstance(data.value, bytes):
        raise ValueError("columns 2 and 3 are date_time or null-data")
    return date_time.decode_utc(data.value)
