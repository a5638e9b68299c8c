"""What a GET on the COSEM tree answers, built from the store.

`3-...` answers the latest value, `7-...` the rows; lists above them name what there is. The load profile of an answer
has one column more than that of a PUT, structure {gateway id, store id}, because rows of several gateways come
together; a register whose scaler changed has its scaler_unit in a column of its own.
"""

from collections import Counter
from typing import NamedTuple

from smgw.cosem.data import NULL, Data, DataType, octet_string
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosemxml import columns as document_columns
from smgw.cosemxml.columns import Column
from smgw.cosemxml.document import Register
from smgw.cosemxml.resources import (
    Attribute,
    Attributes,
    Containers,
    Cosem,
    LogicalDevice,
    LogicalDevices,
    Methods,
    Object,
    Objects,
    Resource,
)
from smgw.webservice.error import NotFound
from smgw.webservice.query import Query
from smgw.webservice.uri import Node, ObjectId, Target

from emp.storage import LatestView, RowFilter, RowView, Storage

DEFAULT_ROWS = 1000
MAX_ROWS = 10_000
DEFAULT_DEVICES = 1000
ENTRIES_IN_USE = 7

IDENTITY_ID = ObjectId(document_columns.DATA_CLASS, document_columns.IDENTITY)
PROFILE_ID = ObjectId(document_columns.PROFILE_CLASS, document_columns.PROFILE)
#: Which gateway and store a row came from; 0-0:94.49.240*3 is our invention, like the columns *1 and *2 of a PUT.
SOURCE = Column(1, Obis.parse("0-0:94.49.240*3"), 2)


class Answer(NamedTuple):
    """A resource, and where the next part begins if this is not all: an index for `q.fromidx`."""

    resource: Resource
    next_index: int | None = None


def answer(storage: Storage, target: Target, query: Query) -> Answer:
    """The resource a GET asks for; NotFound if there is none."""
    if target.device is None:
        return _server(storage, target.node, query)
    if not storage.has(target.device):
        raise NotFound(f"no device {target.device} is known here")
    match target.node:
        case Node.LDEV:
            return Answer(_device(storage, target.device))
        case Node.OBJECTS:
            return Answer(Objects(tuple(_objects(storage, target.device))))
        case Node.CONTAINERS:
            return Answer(Containers())
        case Node.OBJECT | Node.ATTRIBUTES | Node.ATTRIBUTE | Node.METHODS:
            return _object(storage, target, query)
    raise NotFound("no container and no method is offered here")


def _server(storage: Storage, node: Node, query: Query) -> Answer:
    if node is Node.CONTAINERS:
        return Answer(Containers())
    if node not in (Node.COSEM, Node.LDEVS):
        raise NotFound("no container is offered here")
    devices = storage.devices()
    first = (query.fromidx or 1) - 1
    limit = min(DEFAULT_DEVICES if query.limit is None else query.limit, MAX_ROWS)
    chosen = devices[first : first + limit]
    lists_only = query.depth is not None and query.depth <= 1
    ldevs = LogicalDevices(
        tuple([LogicalDevice(device) if lists_only else _device(storage, device) for device in chosen])
    )
    more = first + limit + 1 if limit and first + limit < len(devices) else None
    return Answer(ldevs if node is Node.LDEVS else Cosem(ldevs, Containers()), more)


def _device(storage: Storage, device: DeviceId) -> LogicalDevice:
    return LogicalDevice(device, Objects(tuple(_objects(storage, device))), Containers())


def _objects(storage: Storage, device: DeviceId) -> list[Object]:
    """Every object of a device; the rows of its profile are asked for at the profile itself."""
    return [
        _identity(storage, device),
        _profile(storage, device, _columns(storage.registers(device)), None),
        *_registers(storage.latest(device)),
    ]


def _object(storage: Storage, target: Target, query: Query) -> Answer:
    assert target.device is not None
    wanted = target.object
    more = None
    if wanted == PROFILE_ID:
        found: Object | None
        found, more = _profile_answer(storage, target, query)
    else:
        found = next(
            (
                member
                for member in (_identity(storage, target.device), *_registers(storage.latest(target.device)))
                if (member.class_id, member.logical_name) == wanted
            ),
            None,
        )
    if found is None or found.attributes is None:
        raise NotFound(f"device {target.device} has no object {wanted}")
    if target.node is Node.OBJECT:
        return Answer(found, more)
    if target.node is Node.METHODS:
        return Answer(Methods())
    if target.node is Node.ATTRIBUTES:
        return Answer(found.attributes, more)
    for attribute in found.attributes.members:
        if attribute.id == target.number:
            return Answer(attribute, more)
    raise NotFound(f"object {wanted} has no attribute {target.number}")


def _logical_name(obis: Obis) -> Attribute:
    return Attribute(1, octet_string(bytes(obis)))


def _identity(storage: Storage, device: DeviceId) -> Object:
    who = tuple([document_columns.identity(gateway, store_id) for gateway, store_id in storage.sources(device)])
    attributes = (_logical_name(IDENTITY_ID.logical_name), Attribute(2, Data(DataType.ARRAY, who)))
    return Object(IDENTITY_ID.logical_name, IDENTITY_ID.class_id, 0, Attributes(attributes))


def _registers(latest: list[LatestView]) -> list[Object]:
    objects: dict[tuple[int, Obis], list[Attribute]] = {}
    for view in latest:
        register = view.register
        attributes = objects.setdefault((register.class_id, register.obis), [_logical_name(register.obis)])
        attributes.append(Attribute(register.attribute, view.value))
        if register.class_id in document_columns.SCALED_CLASSES and all(
            attribute.id != document_columns.SCALER_UNIT for attribute in attributes
        ):
            scaler_unit = document_columns.scaler_unit(register.scaler, register.unit)
            attributes.append(Attribute(document_columns.SCALER_UNIT, scaler_unit))
    return [
        Object(obis, class_id, 0, Attributes(tuple(sorted(attributes, key=lambda attribute: attribute.id))))
        for (class_id, obis), attributes in objects.items()
    ]


def _columns(registers: list[Register]) -> list[Column]:
    """The columns after the four fixed ones."""
    scalers = Counter((register.class_id, register.obis, register.attribute) for register in registers)
    columns = [SOURCE]
    for (class_id, obis, attribute), count in scalers.items():
        columns.append(Column(class_id, obis, attribute))
        if count > 1:
            columns.append(Column(class_id, obis, document_columns.SCALER_UNIT))
    return list(dict.fromkeys(columns))


def _profile(storage: Storage, device: DeviceId, columns: list[Column], rows: Data | None) -> Object:
    capture_objects = map(document_columns.capture_object, (*document_columns.FIXED_COLUMNS, *columns))
    attributes = (
        _logical_name(PROFILE_ID.logical_name),
        Attribute(document_columns.BUFFER, rows),
        Attribute(document_columns.CAPTURE_OBJECTS, Data(DataType.ARRAY, tuple(capture_objects))),
        Attribute(document_columns.CAPTURE_PERIOD, Data(DataType.DOUBLE_LONG_UNSIGNED, 0)),
        Attribute(ENTRIES_IN_USE, Data(DataType.DOUBLE_LONG_UNSIGNED, min(storage.count(device), 0xFFFFFFFF))),
    )
    return Object(PROFILE_ID.logical_name, PROFILE_ID.class_id, 1, Attributes(attributes))


def _profile_answer(storage: Storage, target: Target, query: Query) -> tuple[Object, int | None]:
    assert target.device is not None
    columns = _columns(storage.registers(target.device))
    if query.depth is not None and query.depth <= 1 and target.node is not Node.ATTRIBUTE:
        return _profile(storage, target.device, columns, None), None
    offset = (query.fromidx or 1) - 1
    limit = min(DEFAULT_ROWS if query.limit is None else query.limit, MAX_ROWS)
    rows = storage.rows(target.device, RowFilter(offset, limit + 1, query.fromtime_us, query.totime_us))
    more = offset + limit + 1 if limit and len(rows) > limit else None
    cells = tuple([Data(DataType.STRUCTURE, _cells(row, columns)) for row in rows[:limit]])
    return _profile(storage, target.device, columns, Data(DataType.ARRAY, cells)), more


def _cells(row: RowView, columns: list[Column]) -> tuple[Data, ...]:
    values: dict[Column, Data] = {SOURCE: document_columns.identity(row.gateway, row.store_id)}
    for register, value in row.cells:
        values[Column(register.class_id, register.obis, register.attribute)] = value
        if register.class_id in document_columns.SCALED_CLASSES:
            scaler_unit = document_columns.scaler_unit(register.scaler, register.unit)
            values[Column(register.class_id, register.obis, document_columns.SCALER_UNIT)] = scaler_unit
    return (
        document_columns.number(row.record_number),
        document_columns.moment(row.capture_time_us, valid=row.time_valid),
        document_columns.moment(row.target_time_us),
        octet_string(bytes.fromhex(row.status.msb0)),
        *[values.get(column, NULL) for column in columns],
    )
