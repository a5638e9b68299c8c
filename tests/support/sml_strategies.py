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
    ListEntry,
    Message,
    OpenRequest,
    OpenResponse,
    OtherBody,
    ParameterValue,
    Time,
    Tree,
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
    AttentionResponse: _record(AttentionResponse, _SERVER, _OCTETS, _MAYBE, st.none() | trees),
    OtherBody: _record(
        lambda tag, content: OtherBody(tag, content, f"message type {tag:04X} has no layout here"),
        st.sampled_from((0x0300, 0x0401, 0x0600, 0x0800, 0x0A01, 0x1234, 0x10701)),
        st.none() | values,
    ),
}  # fmt: skip
any_body = st.one_of(*bodies.values())
messages = _record(Message, _OCTETS, any_body, st.integers(0, 255), st.integers(0, 255))
