"""Builds the answers to GET on the COSEM tree from the store.

`3-...` gives the latest value, `7-...` the rows; the lists above give the members. The load profile of an answer has
one column more than that of a PUT: structure {gateway id, store id}, because it has rows of several gateways. A
register whose scaler changed has its scaler_unit in a column of its own. The buffer is empty here: there may be
millions of rows, so they are inserted while they are sent.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from smgw.cosem import CaptureObject, ScalerUnit
from smgw.cosem.data import NULL, Data, DataType, octet_string
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosemxml import columns as document_columns
from smgw.cosemxml.resources import (
    Attribute,
    Attributes,
    Containers,
    Cosem,
    LogicalDevice,
    LogicalDevices,
    Method,
    Methods,
    Object,
    Objects,
    Resource,
)
from smgw.cosemxml.value_signatures import SIGNATURES
from smgw.webservice.error import BadRequest, NotFound
from smgw.webservice.query import Query
from smgw.webservice.uri import Node, ObjectId, Target

from emp.answers.row_query import DEFAULT_ROWS, RowQuery, plan
from emp.store.storage import LatestView, RowView, Storage

DEFAULT_DEVICES = 1000
MAX_DEVICES = 10_000
ENTRIES_IN_USE = 7
_BUFFER = document_columns.BUFFER

IDENTITY_ID = ObjectId(document_columns.DATA_CLASS, document_columns.IDENTITY)
PROFILE_ID = ObjectId(document_columns.PROFILE_CLASS, document_columns.PROFILE)
SOURCE = document_columns.SOURCE


#: Method 1 of a profile generic empties its buffer.
RESET = 1


class Answer(NamedTuple):
    """A resource, and the start of the next part if there is one: an index for `q.fromidx`.

    `rows`, if given, go into the buffer, whose columns are `columns`; `rows.picks` are the requested ones.
    """

    resource: Resource
    next_index: int | None = None
    rows: RowQuery | None = None
    columns: tuple[CaptureObject, ...] = ()
    scaler_unit: ScalerUnit | None = None  # of attributes that stand without their register

    @property
    def picked(self) -> frozenset[CaptureObject]:
        """The requested columns."""
        return frozenset() if self.rows is None else frozenset(self.columns[place] for place in self.rows.picks)


def answer(storage: Storage, target: Target, query: Query, default_rows: int | None = DEFAULT_ROWS) -> Answer:
    """The resource of a GET; NotFound if there is none, BadRequest if it cannot be filtered in this way.

    A query without a number of rows gets `default_rows` of them (None: all).
    """
    buffer = target.object == PROFILE_ID and (
        target.node in (Node.OBJECT, Node.ATTRIBUTES) or (target.node, target.number) == (Node.ATTRIBUTE, _BUFFER)
    )
    if query.selection is not None and not buffer:
        raise BadRequest(f"sa.* choose from a buffer; objects/{PROFILE_ID}/attributes/{_BUFFER} has one")
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
            return _object(storage, target, query, default_rows)
    raise NotFound("no container is offered here")


def _server(storage: Storage, node: Node, query: Query) -> Answer:
    if node is Node.CONTAINERS:
        return Answer(Containers())
    if node not in (Node.COSEM, Node.LDEVS):
        raise NotFound("no container is offered here")
    devices = storage.devices()
    first = (query.fromidx or 1) - 1
    limit = min(DEFAULT_DEVICES if query.limit is None else query.limit, MAX_DEVICES)
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
    """Every object of a device, without the rows of its profile."""
    return [
        _identity(storage, device),
        _profile(storage, device, profile_columns(storage, device), None),
        *_registers(storage.latest(device)),
    ]


def _object(storage: Storage, target: Target, query: Query, default_rows: int | None) -> Answer:
    assert target.device is not None
    if target.object == PROFILE_ID:
        found = _profile_answer(storage, target, query, default_rows)
    else:
        chosen = [
            member
            for member in (_identity(storage, target.device), *_registers(storage.latest(target.device)))
            if (member.class_id, member.logical_name) == target.object
        ]
        if not chosen:
            raise NotFound(f"device {target.device} has no object {target.object}")
        found = Answer(chosen[0])
    whole = found.resource
    assert isinstance(whole, Object)
    assert whole.attributes is not None
    if target.node is Node.OBJECT:
        return found
    if target.node is Node.METHODS:
        return Answer(whole.methods or Methods())
    scaler_unit = scaler_unit_of(whole)
    if target.node is Node.ATTRIBUTES:
        return found._replace(resource=whole.attributes, scaler_unit=scaler_unit)
    for attribute in whole.attributes.members:
        if attribute.id == target.number:
            kept = found if attribute.id == _BUFFER else Answer(attribute)  # only the buffer has rows
            return kept._replace(resource=attribute, scaler_unit=scaler_unit)
    raise NotFound(f"object {target.object} has no attribute {target.number}")


def scaler_unit_of(register: Object) -> ScalerUnit | None:
    """The scaler_unit of a register; None if the object is none."""
    if register.class_id in document_columns.SCALED_CLASSES and register.attributes is not None:
        for attribute in register.attributes.members:
            if attribute.id == document_columns.SCALER_UNIT and attribute.value is not None:
                return ScalerUnit.of(attribute.value)
    return None


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
            scaler_unit = ScalerUnit(register.scaler, register.unit).data()
            attributes.append(Attribute(document_columns.SCALER_UNIT, scaler_unit))
    return [
        Object(obis, class_id, 0, Attributes(tuple(sorted(attributes, key=lambda attribute: attribute.id))))
        for (class_id, obis), attributes in objects.items()
    ]


def profile_columns(storage: Storage, device: DeviceId) -> list[CaptureObject]:
    """The columns of a device's load profile: the fixed four, the source, then the registers.

    Scaler and unit of a register have a column, if they differ from row to row or if values are signed: they are signed
    too.
    """
    registers = storage.registers(device)
    scalers = Counter(register.column for register in registers)
    columns = [*document_columns.FIXED_COLUMNS, SOURCE]
    for column, count in scalers.items():
        columns.append(column)
        if count > 1 or (SIGNATURES in scalers and column.class_id in document_columns.SCALED_CLASSES):
            columns.append(column._replace(attribute=document_columns.SCALER_UNIT))
    return list(dict.fromkeys(columns))


def _profile(storage: Storage, device: DeviceId, columns: Sequence[CaptureObject], buffer: Data | None) -> Object:
    attributes = (
        _logical_name(PROFILE_ID.logical_name),
        Attribute(_BUFFER, buffer),
        Attribute(
            document_columns.CAPTURE_OBJECTS,
            Data(DataType.ARRAY, tuple(column.data() for column in columns)),
        ),
        Attribute(document_columns.CAPTURE_PERIOD, Data(DataType.DOUBLE_LONG_UNSIGNED, 0)),
        Attribute(ENTRIES_IN_USE, Data(DataType.DOUBLE_LONG_UNSIGNED, min(storage.count(device), 0xFFFFFFFF))),
    )
    return Object(PROFILE_ID.logical_name, PROFILE_ID.class_id, 1, Attributes(attributes), Methods((Method(RESET),)))


def _profile_answer(storage: Storage, target: Target, query: Query, default_rows: int | None) -> Answer:
    assert target.device is not None
    columns = profile_columns(storage, target.device)
    if query.depth is not None and query.depth <= 1 and target.node is not Node.ATTRIBUTE:
        return Answer(_profile(storage, target.device, columns, None))
    rows = plan(query, columns, storage.version(target.device).last_position, default_rows)
    picked = [columns[place] for place in rows.picks]
    whole = _profile(storage, target.device, picked, Data(DataType.ARRAY, ()))
    # A query that selects rows by sa.* gets all of them.
    bounded = query.selection is not None and query.selection.limit is not None
    more = None if bounded else rows.next_index(storage, target.device)
    return Answer(whole, more, rows, tuple(columns))


def row_data(row: RowView, columns: Sequence[CaptureObject], picks: Sequence[int]) -> list[Data]:
    """The picked cells of a row."""
    values: dict[CaptureObject, Data] = {
        document_columns.RECORD_NUMBER: document_columns.number(row.record_number),
        document_columns.CAPTURE_TIME: document_columns.moment(row.capture_time_us, valid=row.time_valid),
        document_columns.TARGET_TIME: document_columns.moment(row.target_time_us),
        document_columns.STATUS_WORD: octet_string(bytes.fromhex(row.status.msb0)),
        SOURCE: document_columns.identity(row.gateway, row.store_id),
    }
    for register, value in row.cells:
        values[register.column] = value
        if register.class_id in document_columns.SCALED_CLASSES:
            scaler_unit = ScalerUnit(register.scaler, register.unit).data()
            values[register.column._replace(attribute=document_columns.SCALER_UNIT)] = scaler_unit
    return [values.get(columns[place], NULL) for place in picks]
