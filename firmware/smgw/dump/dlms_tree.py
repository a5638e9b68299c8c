"""APDUs of DLMS as lines of text and as values for JSON. Values written to a meter are never shown."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from smgw.cosem import AttributeName, Data, DataError, DataType, MeterTime, MethodName, Obis, plain
from smgw.cosem.date_time import SIZE as DATE_TIME_SIZE
from smgw.cosem.date_time import DateTime
from smgw.cosem.exact import exact
from smgw.cosem.units import symbol
from smgw.dlms.apdus import acse
from smgw.dlms.apdus.acse import (
    Aare,
    Aarq,
    ApplicationContext,
    AssociationResult,
    Diagnostic,
    ProviderDiagnostic,
    Release,
)
from smgw.dlms.apdus.action import ActionRequest, ActionResponse, ActionResponseWithList
from smgw.dlms.apdus.apdu import Apdu
from smgw.dlms.apdus.block import GeneralBlock
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.descriptors import INVOKE_ID, Selection
from smgw.dlms.apdus.envelope import Ciphered
from smgw.dlms.apdus.exception import ConfirmedServiceError, ExceptionResponse
from smgw.dlms.apdus.get import (
    GetRequest,
    GetRequestWithList,
    GetResponse,
    GetResponseBlock,
    GetResponseWithList,
    Result,
)
from smgw.dlms.apdus.initiate import InitiateRequest, InitiateResponse
from smgw.dlms.apdus.notify import DataNotification, EventNotification
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.apdus.set import SetRequest, SetResponse, SetResponseLastBlock
from smgw.dlms.apdus.short import (
    ReadRequest,
    ReadRequestNext,
    ReadResponse,
    ReadResponseBlock,
    Variable,
    WriteRequest,
    WriteResponse,
)
from smgw.dlms.data import decode
from smgw.dlms.push.columns import entry
from smgw.dlms.push.lists import PushedList, PushedValue, PushListError, read_push
from smgw.dlms.push.value import is_clock

Message = Apdu | Aarq | Aare | Release
_HIDDEN = "what it hands over is not shown, since it may be a secret"
_INEXACT = (DataType.FLOATING_POINT, DataType.FLOAT32, DataType.FLOAT64, DataType.BCD)
_PUSHES = (DataNotification, EventNotification)


def title(apdu: Message) -> str:
    """The first line of an APDU."""
    name = type(apdu).__name__
    for kind, words in _TITLES.items():
        if isinstance(apdu, kind):
            return f"{name}{words(apdu)}"
    invoke = getattr(apdu, "invoke", None)
    return name if invoke is None else f"{name}{_invoke(apdu)}"


def _invoke(apdu: Any) -> str:
    return f"  {apdu.invoke & INVOKE_ID}"


def _of(name: AttributeName | MethodName, selection: Selection | None = None) -> str:
    chosen = "" if selection is None else f", selector {selection.selector}"
    class_id, obis, number = name
    return f"class {class_id}  {obis}  {number}{chosen}"


def _conformance(conformance: Conformance) -> str:
    return " ".join(flag.name.lower().replace("_", "-") for flag in conformance if flag.name)


def _aare(apdu: Aare) -> str:
    source = ProviderDiagnostic if apdu.by_provider else Diagnostic
    title = f", title {apdu.responding_title.hex()}" if apdu.responding_title else ""
    return f"  {acse.named(AssociationResult, apdu.result)}, {acse.named(source, apdu.diagnostic)}{title}"


def _aarq(apdu: Aarq) -> str:
    title = f", title {apdu.calling_title.hex()}" if apdu.calling_title else ""
    mechanism = apdu.mechanism.name.lower().replace("_", "-")
    return f"  {acse.named(ApplicationContext, apdu.context)}, mechanism {mechanism}{title}"


def _ciphered(apdu: Ciphered) -> str:
    sender = "" if apdu.system_title is None else f"  by {apdu.system_title.hex()}"
    return f" {apdu.tag:02x}{sender}  security {apdu.security_control:02x}, counter {apdu.invocation_counter}"


def _exception(apdu: ExceptionResponse) -> str:
    counter = "" if apdu.invocation_counter is None else f", the meter expects {apdu.invocation_counter}"
    return f"  {apdu.state_error.words}: {apdu.service_error.words}{counter}"


def _general_block(apdu: GeneralBlock) -> str:
    return f"  {apdu.number}{', the last' if apdu.last else ''}, {len(apdu.piece)} octets"


def _short_names(variables: Sequence[Variable]) -> str:
    """Parameters are not shown: a method's may be a secret."""
    return "  " + ", ".join(f"{one.name:04x}{'' if one.selection is None else ' with parameters'}" for one in variables)


_TITLES: dict[type[Any], Callable[[Any], str]] = {
    Aarq: _aarq,
    Aare: _aare,
    Ciphered: _ciphered,
    ExceptionResponse: _exception,
    ConfirmedServiceError: lambda apdu: f"  {apdu.words}",
    GeneralBlock: _general_block,
    GetRequest: lambda apdu: f"{_invoke(apdu)}  {_of(apdu.attribute, apdu.selection)}",
    SetRequest: lambda apdu: f"{_invoke(apdu)}  {_of(apdu.attribute, apdu.selection)}; {_HIDDEN}",
    SetResponse: lambda apdu: f"{_invoke(apdu)}  {apdu.result.words}",
    SetResponseLastBlock: lambda apdu: f"{_invoke(apdu)}  {apdu.result.words}",
    ActionRequest: lambda apdu: f"{_invoke(apdu)}  {_of(apdu.method)}; {_HIDDEN}",
    ActionResponse: lambda apdu: f"{_invoke(apdu)}  {apdu.outcome.result.words}",
    GetResponseBlock: lambda apdu: f"{_invoke(apdu)}  block {apdu.block_number}{', the last' if apdu.last else ''}",
    ReadRequest: lambda apdu: _short_names(apdu.variables),
    ReadRequestNext: lambda apdu: f"  behind block {apdu.block_number}",
    ReadResponseBlock: lambda apdu: f"  block {apdu.block_number}{', the last' if apdu.last else ''}",
    WriteRequest: lambda apdu: f"{_short_names(apdu.variables)}; {_HIDDEN}",
    WriteResponse: lambda apdu: f"  {', '.join(result.words for result in apdu.results)}",
    DataNotification: lambda apdu: f"  {apdu.invoke & 0xFFFFFF}{time_text(apdu.date_time)}",
    EventNotification: lambda apdu: f"  {_of(apdu.attribute)}{time_text(apdu.date_time or b'')}",
    InitiateRequest: lambda apdu: f"  takes {apdu.max_pdu_size} octets; {_conformance(apdu.conformance)}",
    InitiateResponse: lambda apdu: f"  takes {apdu.max_pdu_size} octets; {_conformance(apdu.conformance)}",
}


def time_text(octets: bytes) -> str:
    """A date-time behind other words, or nothing."""
    return f"  {DateTime.read(octets)}" if len(octets) == DATE_TIME_SIZE else ""


def lines(apdu: Message) -> Iterator[str]:
    """The lines below the first one; RemoteProtocolError if its data are malformed."""
    if isinstance(apdu, _PUSHES):
        yield from _push(apdu)
    elif isinstance(apdu, GetRequestWithList):
        yield from (_of(attribute, selection) for attribute, selection in apdu.attributes)
    elif isinstance(apdu, GetResponse):
        yield from _result(apdu.result)
    elif isinstance(apdu, GetResponseWithList | ReadResponse):
        for result in apdu.results:
            yield from _result(result)
    elif isinstance(apdu, ActionResponse | ActionResponseWithList):
        outcomes = (apdu.outcome,) if isinstance(apdu, ActionResponse) else apdu.outcomes
        for outcome in outcomes:
            if outcome.returned is not None:
                yield from _result(outcome.returned)


def _result(result: Result) -> Iterator[str]:
    if isinstance(result, DataAccessResult):
        yield result.words
    else:
        yield from data_lines(result)


def data_lines(octets: bytes) -> Iterator[str]:
    """A value as a tree, with a note about octets after it."""
    value, end = decode(octets)
    yield from _data(value)
    if end < len(octets):
        yield f"note: {len(octets) - end} octets behind the data"


def _data(data: Data) -> Iterator[str]:
    value = data.value
    name = data.type.name.lower().replace("_", "-")
    if isinstance(value, tuple):
        yield f"{name} of {len(value)}"
        for member in value:
            yield from (f"  {line}" for line in _data(member))
    else:
        yield f"{name} {shown(data)}".rstrip()


def shown(data: Data) -> str:
    """A value as a person reads it; octets also as the name, time, number or text that they are."""
    value = data.value
    if data.type in _INEXACT:
        return f"{data.value.hex() if isinstance(data.value, bytes) else ''}  {_number(data)}"
    if value is None:
        return ""
    if not isinstance(value, bytes):
        return str(value) if isinstance(value, int) else repr(value)
    if len(value) == 6 and value[5] == 0xFF:
        return f"{value.hex()}  {Obis(value)}"
    if is_clock(data):
        return f"{value.hex()}  {DateTime.read(value)}"
    if data.type is DataType.OCTET_STRING and value and value.isascii() and value.decode().isprintable():
        return f"{value.hex()}  {value.decode()!r}"
    return value.hex()


def _bare(octets: bytes) -> Iterator[str]:
    """A list of bare values that nobody knows, place by place, and how a profile describes it; else the data."""
    members = decode(octets)[0].value
    if not isinstance(members, tuple) or len(members) < 2 or any(isinstance(one.value, tuple) for one in members):
        yield from data_lines(octets)
        return
    yield f"{len(members)} values without names; push_list or columns in the section dlms says what they are:"
    for place, one in enumerate(members, 1):
        yield f"  {place:>3}  {one.type.name.lower().replace('_', '-')} {shown(one)}".rstrip()
    yield f"columns = [{', '.join(map(entry, members))}]"


def _number(data: Data) -> str:
    try:
        number = exact(data)
    except DataError as error:
        return str(error)
    return plain(number.value.value, number.scaler) if number and isinstance(number.value.value, int) else ""


def _push(apdu: DataNotification | EventNotification) -> Iterator[str]:
    try:
        found = read_push(apdu)
    except PushListError:
        octets = apdu.body if isinstance(apdu, DataNotification) else apdu.value
        yield from _bare(octets)
        return
    device = found.device()
    version = "" if found.version is None else f", list {found.version!r}"  # quoted: a meter may send anything
    meter = "" if device is None else f", meter {device.decode('latin-1')!r}"
    yield f"{found.way.value}{version}{meter}"
    for one in found.values:
        yield f"  {one.obis!s:<20} {_measured(one)}"


def _measured(one: PushedValue) -> str:
    try:
        number = exact(one.value)
    except DataError as error:
        return str(error)
    if number is not None and isinstance(number.value.value, int):
        text = f"{plain(number.value.value, (one.scaler or 0) + number.scaler)} {symbol(one.unit)}".rstrip()
        return text if one.scaler is not None else f"{text}  (scaler not said)"
    if isinstance(one.value.value, tuple):
        return f"{one.value.type.name.lower()} of {len(one.value.value)}"
    return shown(one.value)


def as_object(apdu: Message) -> dict[str, Any]:
    """An APDU for JSON: integers unscaled, octets as hex, lists as lists; RemoteProtocolError as `lines`."""
    found: dict[str, Any] = {"apdu": type(apdu).__name__}
    if isinstance(apdu, _PUSHES):
        found |= _push_object(apdu)
    elif isinstance(apdu, GetRequest):
        found["object"] = _name_object(apdu.attribute)
    elif isinstance(apdu, GetRequestWithList):
        found["objects"] = [_name_object(attribute) for attribute, _ in apdu.attributes]
    elif isinstance(apdu, GetResponse):
        found |= _result_object(apdu.result)
    elif isinstance(apdu, GetResponseWithList | ReadResponse):
        found["results"] = [_result_object(result) for result in apdu.results]
    elif isinstance(apdu, SetRequest):
        found["object"] = _name_object(apdu.attribute)
    elif isinstance(apdu, ActionRequest):
        found["object"] = _name_object(apdu.method)
    else:
        found["text"] = title(apdu).removeprefix(type(apdu).__name__).strip()
    return found


def _name_object(name: AttributeName | MethodName) -> dict[str, Any]:
    class_id, obis, number = name
    return {"class_id": class_id, "obis": str(obis), "attribute": number}


def _result_object(result: Result) -> dict[str, Any]:
    if isinstance(result, DataAccessResult):
        return {"refused": result.words}
    return {"data": json_value(decode(result)[0])}


def json_value(data: Data) -> Any:
    """As on the wire: integers unscaled, octets as hex, lists as lists."""
    if isinstance(data.value, tuple):
        return [json_value(member) for member in data.value]
    return data.value.hex() if isinstance(data.value, bytes) else data.value


def _push_object(apdu: DataNotification | EventNotification) -> dict[str, Any]:
    try:
        found: PushedList = read_push(apdu)
    except PushListError:
        body = apdu.body if isinstance(apdu, DataNotification) else apdu.value
        return {"time": (apdu.date_time or b"").hex() or None, "data": json_value(decode(body)[0])}
    device = found.device()
    return {
        "device": None if device is None else device.hex(),
        "time": _time_hex(found.meter_time),
        "version": found.version,
        "values": list(map(_value_object, found.values)),
    }


def _value_object(one: PushedValue) -> dict[str, Any]:
    """A float or a BCD octet as the integer that it is, with a scaler; refused ones as octets."""
    value, scaler = one.value, one.scaler
    with contextlib.suppress(DataError):
        if (number := exact(value)) is not None and number.raw is not None:
            value, scaler = number.value, (scaler or 0) + number.scaler
    return {
        "obis": str(one.obis),
        "class_id": one.class_id,
        "attribute": one.attribute,
        "unit": one.unit,
        "scaler": scaler,
        "value": json_value(value),
    }


def _time_hex(time: MeterTime | None) -> str | None:
    return None if time is None else time.octets.hex()
