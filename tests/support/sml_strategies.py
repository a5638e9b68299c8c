"""hypothesis strategies for SML values and messages."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from smgw.sml import tlv
from smgw.sml.messages import (
    AttentionResponse,
    CloseRequest,
    CloseResponse,
    GetListRequest,
    GetListResponse,
    GetProcParameterRequest,
    GetProcParameterResponse,
    GetProfileListRequest,
    GetProfileListResponse,
    GetProfilePackRequest,
    GetProfilePackResponse,
    HeaderEntry,
    ListEntry,
    Message,
    OpenRequest,
    OpenResponse,
    OtherBody,
    PackPeriod,
    ParameterValue,
    PeriodEntry,
    SetProcParameterRequest,
    Time,
    Tree,
    ValueEntry,
)


def _record(kind: Callable[..., Any], *fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """`st.builds` would invent the fields that are not given."""
    return st.tuples(*fields).map(lambda parts: kind(*parts))


_U32 = st.integers(0, 2**32 - 1)
_I16 = st.integers(-(2**15), 2**15 - 1)
_OCTETS = st.binary(min_size=1, max_size=8) | st.just(b"long" * 70)
_SERVER = st.binary(min_size=1, max_size=64)


@st.composite
def unsigned(draw: st.DrawFn) -> tlv.Value:
    size = draw(st.integers(1, 8))
    return tlv.unsigned(draw(st.integers(0, 2 ** (8 * size) - 1)), size)


@st.composite
def signed(draw: st.DrawFn) -> tlv.Value:
    size = draw(st.integers(1, 8))
    bound = 2 ** (8 * size - 1)
    return tlv.signed(draw(st.integers(-bound, bound - 1)), size)


_BOOLEANS = st.booleans().map(lambda value: tlv.Value(tlv.Kind.BOOLEAN, 1, value))
_SCALARS = unsigned() | signed() | _BOOLEANS | _OCTETS.map(tlv.octets)
#: Any value; an absent one only inside a list.
values = st.recursive(
    _SCALARS,
    lambda inner: st.lists(st.none() | inner, max_size=4).map(lambda elements: tlv.sequence(*elements)),
    max_leaves=10,
)
times = _record(Time, st.sampled_from((1, 2)), _U32) | _record(Time, st.just(3), _U32, _I16, _I16)
entries = _record(
    ListEntry,
    st.binary(min_size=6, max_size=6),
    st.none() | unsigned(),
    st.none() | times,
    st.none() | st.integers(0, 255),
    st.none() | st.integers(-128, 127),
    st.none() | values,
    st.none() | _OCTETS,
)
_parameter_values = _record(ParameterValue, st.integers(1, 5), values)
trees = st.recursive(
    _record(Tree, _OCTETS, st.none() | _parameter_values),
    lambda inner: _record(Tree, _OCTETS, st.none() | _parameter_values, st.lists(inner, max_size=3).map(tuple)),
    max_leaves=4,
)
_MAYBE = st.none() | _OCTETS
_PATH = st.lists(_OCTETS, max_size=4).map(tuple)
_COLUMN = (st.binary(min_size=6, max_size=6), st.none() | st.integers(0, 255), st.none() | st.integers(-128, 127))
_VALUE = (st.none() | values, _MAYBE)
_U64 = st.integers(0, 2**64 - 1)
_PROFILE_REQUEST = (
    _PATH, st.none() | times, st.none() | times, _MAYBE, _MAYBE, _MAYBE, st.none() | st.booleans(), st.none() | _PATH,
    st.none() | trees,
)  # fmt: skip
_PROFILE = (_SERVER, times, _U32, _PATH)
_VERSION = st.none() | st.integers(0, 255)
bodies = {
    OpenRequest: _record(OpenRequest, _OCTETS, _OCTETS, _MAYBE, _MAYBE, _MAYBE, _MAYBE, _VERSION),
    OpenResponse: _record(OpenResponse, _OCTETS, _SERVER, _MAYBE, st.none() | times, _MAYBE, _VERSION),
    CloseRequest: _record(CloseRequest, _MAYBE),
    CloseResponse: _record(CloseResponse, _MAYBE),
    GetListRequest: _record(GetListRequest, _OCTETS, _MAYBE, _MAYBE, _MAYBE, _MAYBE),
    GetListResponse: _record(
        GetListResponse, _SERVER, st.lists(entries, max_size=3).map(tuple), _MAYBE, _MAYBE, st.none() | times, _MAYBE,
        st.none() | times,
    ),
    GetProcParameterRequest: _record(GetProcParameterRequest, _PATH, _MAYBE, _MAYBE, _MAYBE, _MAYBE),
    GetProcParameterResponse: _record(GetProcParameterResponse, _SERVER, _PATH, trees),
    SetProcParameterRequest: _record(SetProcParameterRequest, _PATH, trees, _MAYBE, _MAYBE, _MAYBE),
    GetProfilePackRequest: _record(GetProfilePackRequest, *_PROFILE_REQUEST),
    GetProfilePackResponse: _record(
        GetProfilePackResponse, *_PROFILE, st.lists(_record(HeaderEntry, *_COLUMN), max_size=3).map(tuple),
        st.lists(
            _record(PackPeriod, times, _U64, st.lists(_record(ValueEntry, *_VALUE), max_size=3).map(tuple), _MAYBE),
            max_size=3,
        ).map(tuple),
        _MAYBE, _MAYBE,
    ),
    GetProfileListRequest: _record(GetProfileListRequest, *_PROFILE_REQUEST),
    GetProfileListResponse: _record(
        GetProfileListResponse, *_PROFILE, times, _U64,
        st.lists(_record(PeriodEntry, *_COLUMN, *_VALUE), max_size=3).map(tuple), _MAYBE, _MAYBE,
    ),
    AttentionResponse: _record(AttentionResponse, _SERVER, _OCTETS, _MAYBE, st.none() | trees),
    OtherBody: _record(
        lambda tag, content: OtherBody(tag, content, f"message type {tag:04X} has no layout here"),
        st.sampled_from((0x0601, 0x0800, 0x0801, 0x0900, 0x0901, 0x0A00, 0x0A01, 0x1234, 0x10701)),
        st.none() | values,
    ),
}  # fmt: skip
any_body = st.one_of(*bodies.values())
messages = _record(Message, _OCTETS, any_body, st.integers(0, 255), st.integers(0, 255))
