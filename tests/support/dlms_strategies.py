"""hypothesis strategies for COSEM data and DLMS APDUs."""

from collections.abc import Callable
from functools import partial
from operator import methodcaller
from typing import Any

from hypothesis import strategies as st
from smgw.cosem import AttributeName, Data, DataType, MethodName, Obis
from smgw.cosem.data import RANGE
from smgw.dlms import data as axdr
from smgw.dlms.apdus import action, short
from smgw.dlms.apdus import set as set_service
from smgw.dlms.apdus.block import GeneralBlock
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.descriptors import Block, Selection
from smgw.dlms.apdus.envelope import GENERAL_DED, GENERAL_GLO, PLAIN_TAG, Ciphered
from smgw.dlms.apdus.exception import ConfirmedServiceError, ExceptionResponse
from smgw.dlms.apdus.get import (
    GetRequest,
    GetRequestNext,
    GetRequestWithList,
    GetResponse,
    GetResponseBlock,
    GetResponseWithList,
)
from smgw.dlms.apdus.initiate import InitiateRequest, InitiateResponse
from smgw.dlms.apdus.notify import DataNotification, EventNotification
from smgw.dlms.apdus.results import ActionResult, DataAccessResult, ServiceError, StateError
from smgw.dlms.data.tags import SIZE

# Functions with names: hypothesis looks for the source of a lambda each time it is called.


def _call(kind: Callable[..., Any], parts: tuple[Any, ...]) -> Any:
    return kind(*parts)


def _alike(kind: DataType, drawn: tuple[Data, int]) -> Data:
    """One value, several times."""
    value, times = drawn
    return Data(kind, (value,) * times)


def _record(kind: Callable[..., Any], *fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """`st.builds` would invent the fields that are not given."""
    return st.tuples(*fields).map(partial(_call, kind))


def _data(kind: DataType, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Data]:
    return values.map(partial(Data, kind))


def _octets(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


_NUMBERS = [_data(kind, st.integers(low, high)) for kind, (low, high) in RANGE.items()]
_SIZED = [
    _data(kind, _octets(size))
    for kind, size in SIZE.items()
    if kind not in RANGE and kind not in (DataType.NULL_DATA, DataType.DONT_CARE)
]
_EMPTY = [st.just(Data(kind, None)) for kind in (DataType.NULL_DATA, DataType.DONT_CARE)]
_STRINGS = [
    _data(DataType.OCTET_STRING, st.binary(max_size=150)),
    _data(DataType.VISIBLE_STRING, st.binary(max_size=20).map(methodcaller("decode", "latin-1"))),
    _data(DataType.UTF8_STRING, st.text(max_size=20)),
    _data(DataType.BIT_STRING, st.text("01", max_size=40)),
]

#: One value that holds no others.
simple_data = st.one_of(*_NUMBERS, *_SIZED, *_EMPTY, *_STRINGS)


def _compact(elements: st.SearchStrategy[Data]) -> st.SearchStrategy[Data]:
    """Elements of one make: one of them, several times."""
    return st.tuples(elements, st.integers(1, 5)).map(partial(_alike, DataType.COMPACT_ARRAY))


_made_alike = st.one_of(*_NUMBERS, *_SIZED, *_STRINGS)
_structures = _data(DataType.STRUCTURE, st.lists(_made_alike, min_size=1, max_size=4).map(tuple))
_same = st.tuples(_made_alike, st.integers(1, 4)).map(partial(_alike, DataType.ARRAY))
compact_arrays = _compact(st.one_of(_made_alike, _structures, _same))


def _lists(elements: st.SearchStrategy[Data]) -> st.SearchStrategy[Data]:
    members = st.lists(elements, max_size=4).map(tuple)
    return st.one_of(_data(DataType.ARRAY, members), _data(DataType.STRUCTURE, members))


_flat = st.one_of(simple_data, compact_arrays)
_shallow = st.one_of(_flat, _lists(_flat))
#: Any value, data in data in data at most: `st.recursive` takes ten times as long to draw from.
data = st.one_of(_shallow, _lists(_shallow))
encoded = data.map(axdr.encode)

#: Columns of a profile's rows.
row_values = st.one_of(*_NUMBERS, *_SIZED, *_EMPTY, *_STRINGS)

_octet, _word, _long = st.integers(0, 255), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
_attribute = _record(AttributeName, _word, _octets(6).map(Obis), st.integers(-128, 127))
_method = _record(MethodName, _word, _octets(6).map(Obis), st.integers(-128, 127))
_selection = st.none() | _record(Selection, _octet, encoded)
_selected = st.lists(st.tuples(_attribute, _selection), max_size=4).map(tuple)
_methods = st.lists(_method, max_size=4).map(tuple)
_raw = st.binary(max_size=200)
_block = _record(Block, st.booleans(), _long, _raw)
_refusal = _octet.map(DataAccessResult)
_refusals = st.lists(_refusal, max_size=9).map(tuple)
_outcome = _record(action.Outcome, _octet.map(ActionResult), st.none() | encoded | _refusal)
_date_time = _octets(12)
_conformance = st.integers(0, 0xFFFFFF).map(Conformance)
_variable = _record(short.Variable, _word, _selection)
_variables = st.lists(_variable, max_size=4).map(tuple)
_quality = st.none() | st.integers(-128, 127)


def _write_request(pairs: list[tuple[Any, bytes]]) -> Any:
    return short.WriteRequest(tuple(one for one, _ in pairs), tuple(value for _, value in pairs))


def _with_values(kind: Callable[..., Any], what: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """As many values as there is something to give them to."""
    return st.tuples(_octet, st.lists(st.tuples(what, encoded), max_size=4)).map(partial(_with_list, kind))


def _with_list(kind: Callable[..., Any], drawn: tuple[int, list[tuple[Any, bytes]]]) -> Any:
    invoke, pairs = drawn
    return kind(invoke, tuple(one for one, _ in pairs), tuple(value for _, value in pairs))


apdus = st.one_of(
    _record(GetRequest, _octet, _attribute, _selection),
    _record(GetRequestNext, _octet, _long),
    _record(GetRequestWithList, _octet, _selected),
    _record(GetResponse, _octet, encoded | _refusal),
    _record(GetResponseBlock, _octet, st.booleans(), _long, _raw | _refusal),
    _record(GetResponseWithList, _octet, st.lists(encoded | _refusal, max_size=4).map(tuple)),
    _record(set_service.SetRequest, _octet, _attribute, encoded, _selection),
    _record(set_service.SetRequestFirstBlock, _octet, _attribute, _block, _selection),
    _record(set_service.SetRequestBlock, _octet, _block),
    _with_values(set_service.SetRequestWithList, st.tuples(_attribute, _selection)),
    _record(set_service.SetRequestWithListFirstBlock, _octet, _selected, _block),
    _record(set_service.SetResponse, _octet, _refusal),
    _record(set_service.SetResponseBlock, _octet, _long),
    _record(set_service.SetResponseLastBlock, _octet, _refusal, _long),
    _record(set_service.SetResponseLastBlockWithList, _octet, _refusals, _long),
    _record(set_service.SetResponseWithList, _octet, _refusals),
    _record(action.ActionRequest, _octet, _method, st.none() | encoded),
    _record(action.ActionRequestNextBlock, _octet, _long),
    _with_values(action.ActionRequestWithList, _method),
    _record(action.ActionRequestFirstBlock, _octet, _method, _block),
    _record(action.ActionRequestWithListFirstBlock, _octet, _methods, _block),
    _record(action.ActionRequestBlock, _octet, _block),
    _record(action.ActionResponse, _octet, _outcome),
    _record(action.ActionResponseBlock, _octet, _block),
    _record(action.ActionResponseWithList, _octet, st.lists(_outcome, max_size=4).map(tuple)),
    _record(action.ActionResponseNextBlock, _octet, _long),
    _record(short.ReadRequest, _variables),
    _record(short.ReadRequestNext, _word),
    _record(short.ReadResponse, st.lists(encoded | _refusal, max_size=4).map(tuple)),
    _record(short.ReadResponseBlock, st.booleans(), _word, _raw),
    st.lists(st.tuples(_variable, encoded), max_size=4).map(_write_request),
    _record(short.WriteResponse, _refusals),
    _record(GeneralBlock, st.booleans(), st.booleans(), st.integers(0, 63), _word, _word, _raw),
    _record(DataNotification, _long, st.just(b"") | _date_time, encoded),
    _record(DataNotification, _long, _date_time, encoded, st.just(True)),
    _record(EventNotification, st.none() | _date_time, _attribute, encoded),
    _record(ExceptionResponse, _octet.map(StateError), st.integers(0, 5).map(ServiceError)),
    _record(ExceptionResponse, _octet.map(StateError), st.just(ServiceError(6)), st.none() | _long),
    _record(ConfirmedServiceError, _octet, _octet, _octet),
    _record(InitiateRequest, _conformance, _word, st.none() | _octets(16), st.booleans(), _quality, _octet),
    _record(InitiateResponse, _conformance, _word, _word, _quality, _octet),
    _record(Ciphered, st.sampled_from(sorted(PLAIN_TAG)), st.binary(min_size=5, max_size=200)),
    _record(
        Ciphered,
        st.sampled_from((GENERAL_GLO, GENERAL_DED)),
        st.binary(min_size=5, max_size=200),
        st.binary(max_size=9),
    ),
)
encoded_apdus = apdus.map(methodcaller("encode"))
