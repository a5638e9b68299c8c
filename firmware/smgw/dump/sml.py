"""SML telegrams as text: a tree with names and units for people, one JSON object a list of values for programs."""

import json
import string
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from smgw.cosem import DeviceId, Obis, ScalerUnit, plain
from smgw.cosem.units import symbol
from smgw.dump.printer import Options, look_alike
from smgw.errors import RemoteProtocolError
from smgw.sml.attention import explain
from smgw.sml.file import find_messages
from smgw.sml.habits import corrected_power
from smgw.sml.list_values import TimestampedValue, read_list_value
from smgw.sml.messages import (
    AttentionResponse,
    Body,
    CloseRequest,
    CloseResponse,
    GetListResponse,
    GetProcParameterRequest,
    GetProcParameterResponse,
    GetProfileListRequest,
    GetProfileListResponse,
    GetProfilePackRequest,
    GetProfilePackResponse,
    ListEntry,
    Message,
    OpenRequest,
    OpenResponse,
    OtherBody,
    SetProcParameterRequest,
    Time,
    Tree,
)
from smgw.sml.parameters import read_parameter_name
from smgw.sml.pin import PinNotes
from smgw.sml.profiles import LoadProfile, from_list, from_pack
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.sml.tlv import Kind, Value
from smgw.sml.transport import START, START_V2
from smgw.wire import Crc, Refused
from smgw.wire.unread import SAMPLE

_FRAMING = (OpenRequest, OpenResponse, CloseRequest, CloseResponse)
_BARE = ListEntry(b"")  # neither unit nor scaler
_TIME_NAMES = {1: "s of operation", 2: "s since 1970 UTC", 3: "s since 1970, local"}


class Printer:
    """Prints telegrams to stdout and refused octets to stderr, and counts both."""

    def __init__(self, *, as_json: bool, most: int = 0) -> None:
        self._as_json = as_json
        self._most = most
        self.delivered = 0
        self.refused = 0
        self.empty = 0  # intact, but nothing in them (for JSON: no list of values)
        self._notes = _Notes()

    @property
    def enough(self) -> bool:
        """True once as many as were asked for have been printed."""
        return bool(self._most) and self.delivered >= self._most

    def take(self, events: Iterable[Telegram | Refused]) -> None:
        """Print telegrams, note refusals."""
        for event in events:
            if self.enough:
                return
            if isinstance(event, Refused):
                self.refused += 1
                print(f"refused: {event.octets} octets: {event.reason}", file=sys.stderr)
                continue
            lines = _json_lines(event) if self._as_json else _tree(event, self._notes)
            if lines and not all(isinstance(message.body, _FRAMING) for message in event.messages):
                self.delivered += 1  # before it is printed: who has seen it and interrupts is told so
            else:
                self.empty += 1
            if lines:
                print("\n".join(lines), flush=True)

    def summary(self) -> None:
        """Frames seen, delivered, refused."""
        seen = self.delivered + self.refused + self.empty
        empty = f", {self.empty} without values" if self.empty else ""
        print(f"{seen} frames seen, {self.delivered} delivered, {self.refused} refused{empty}", file=sys.stderr)


def _json_lines(telegram: Telegram) -> list[str]:
    lines = []
    for message in telegram.messages:
        if isinstance(message.body, GetListResponse):
            lines.append(json.dumps(_object(message.body, telegram)))
        elif isinstance(message.body, GetProfilePackResponse | GetProfileListResponse):
            lines.append(json.dumps(_profile_object(message.body, telegram)))
    return lines


def _object(values: GetListResponse, telegram: Telegram) -> dict[str, Any]:
    corrections = corrected_power(values.server_id, values.entries)
    entries = []
    for place, entry in enumerate(values.entries):
        found = {
            "obis": _obis(entry.obj_name),
            "status": _json_value(entry.status),
            "unit": entry.unit,
            "scaler": entry.scaler,
            "value": _json_value(entry.value),
        }
        if place in corrections:
            found["value_corrected"] = _json_value(corrections[place])
        entries.append(found | _signed(entry.value_signature))
    return {
        "server_id": values.server_id.hex(),
        "time": _json_time(values.sensor_time),
        "crc": telegram.crc.value,
        "entries": entries,
    } | _signed(values.list_signature)


def _profile_object(body: GetProfilePackResponse | GetProfileListResponse, telegram: Telegram) -> dict[str, Any]:
    """A pack, or the one row of a message; a signature of the meter is shown in hex."""
    found: dict[str, Any] = {
        "server_id": body.server_id.hex(),
        "time": _json_time(body.act_time),
        "crc": telegram.crc.value,
        "profile": [_obis(name) for name in body.path],
        "period": body.reg_period,
    }
    try:
        profile: LoadProfile = from_pack(body) if isinstance(body, GetProfilePackResponse) else from_list([body])[0]
    except RemoteProtocolError as error:
        return found | {"rows": None, "reason": str(error)}
    found["rows"] = [
        {
            "time": _json_time(row.time),
            "status": row.status,
            "entries": [
                {
                    "obis": str(column.obis),
                    "unit": column.unit,
                    "scaler": column.scaler,
                    "value": _json_value(value),
                }
                | _signed(signature)
                for column, value, signature in zip(
                    profile.columns, row.values, row.value_signatures or (None,) * len(row.values), strict=True
                )
            ],
        }
        | _signed(row.signature)
        for row in profile.rows
    ]
    return found | _signed(profile.signature)


def _signed(signature: bytes | None) -> dict[str, str]:
    return {} if signature is None else {"signature": signature.hex()}


def _json_time(time: Time | None) -> list[int] | None:
    return [time.choice, time.seconds] if time else None


def _json_value(value: Value | None) -> Any:
    """As on the wire: integers unscaled, octet strings as hex, lists as lists."""
    if value is None:
        return None
    if isinstance(value.value, bytes):
        return value.value.hex()
    if isinstance(value.value, tuple):
        return [_json_value(element) for element in value.value]
    return value.value


def _obis(name: bytes) -> str:
    return str(Obis(name)) if len(name) == 6 else name.hex()


class _Notes:
    """Notes on what meters hide, each once per device."""

    def __init__(self) -> None:
        self._pin = PinNotes()
        self._printed: set[tuple[bytes, str]] = set()

    def of(self, values: GetListResponse) -> Iterator[str]:
        """The lines for a list; none if there is nothing new."""
        for note in filter(None, self._pin.of(values.server_id, values.entries)):
            if (values.server_id, note) not in self._printed:
                self._printed.add((values.server_id, note))
                yield f"  note: {note}"


def _tree(telegram: Telegram, notes: _Notes) -> list[str]:
    lines = [f"telegram, {len(telegram.messages)} messages, check sums {telegram.crc.value}"]
    for message in telegram.messages:
        lines += (f"  {line}" for line in _message(message, notes))
    return lines


def _message(message: Message, notes: _Notes) -> Iterator[str]:
    body = message.body
    head = f"{type(body).__name__}  transaction {message.transaction_id.hex()}  group {message.group}"
    if isinstance(body, GetListResponse):
        yield f"{head}  {_device(body.server_id)}{_time(', time', body.sensor_time)}"
        corrections = corrected_power(body.server_id, body.entries)
        for place, entry in enumerate(body.entries):
            yield f"  {_entry(entry, corrections.get(place))}"
        yield from notes.of(body)
        yield from _signature("  list signature", body.list_signature)
    elif isinstance(body, OpenResponse):
        yield f"{head}  {_device(body.server_id)}{_time(', time', body.reference_time)}"
    elif isinstance(body, OpenRequest):
        yield f"{head}  client {_octets(body.client_id)}"
    elif isinstance(body, AttentionResponse):
        yield f"{head}  {explain(body.number)}"
        if body.details is not None:
            yield from (f"  {line}" for line in _parameters(body.details))
    elif isinstance(body, CloseRequest | CloseResponse):
        yield head
        yield from _signature("  global signature", body.signature)
    elif isinstance(body, OtherBody):
        yield f"message {body.tag:04X}  transaction {message.transaction_id.hex()}  not read: {body.reason}"
        if body.tag & 0xFF:
            yield from (f"  {line}" for line in _raw(body.content))
        else:
            yield "  a request: not shown, since it may hold a password"
    else:
        yield from _profile_or_tree(head, body)


def _profile_or_tree(head: str, body: Body) -> Iterator[str]:
    if isinstance(body, GetProfilePackRequest | GetProfileListRequest):
        yield f"{head}  {_path(body.path)}{_time(', from', body.begin_time)}{_time(', to', body.end_time)}"
        yield from (f"  column {_obis(name)}" for name in body.object_list or ())
    elif isinstance(body, GetProfilePackResponse | GetProfileListResponse):
        yield f"{head}  {_device(body.server_id)}  {_path(body.path)}, every {body.reg_period} s"
        yield from (f"  {line}" for line in _profile(body))
    elif isinstance(body, GetProcParameterRequest):
        yield f"{head}  {_path(body.path)}"
    elif isinstance(body, SetProcParameterRequest):
        yield f"{head}  {_path(body.path)}"
        yield from (f"  {line}" for line in _parameters(body.tree, secret=True))
    elif isinstance(body, GetProcParameterResponse):
        yield f"{head}  {_device(body.server_id)}  {_path(body.path)}"
        yield from (f"  {line}" for line in _parameters(body.tree))
    else:
        yield head


def _entry(entry: ListEntry, correction: Value | None) -> str:
    line = f"{_obis(entry.obj_name):<20} {_shown(entry.value, entry)}"
    if correction is not None:
        line += f"  (corrected: {_shown(correction, entry)})"
    if entry.status is not None and isinstance(entry.status.value, int):
        line += f"  status {entry.status.value:#x}"
    line += _time("  at", entry.val_time)
    return line + "".join(_signature("  signature", entry.value_signature))


def _shown(value: Value | None, entry: ListEntry) -> str:
    if value is None:
        return "no value"
    if value.kind in (Kind.SIGNED, Kind.UNSIGNED) and isinstance(value.value, int):
        return f"{plain(value.value, entry.scaler)} {symbol(entry.unit)}".rstrip()
    if isinstance(value.value, bytes):
        return _octets(value.value)
    meant = read_list_value(value)
    if isinstance(meant, Time):
        return _time("time", meant)
    if isinstance(meant, ScalerUnit):
        return f"scaler {meant.scaler}, unit {symbol(meant.unit) or meant.unit}"
    if isinstance(meant, TimestampedValue):
        return f"{_shown(meant.value, entry)}{_time('  at', meant.time)}"
    return json.dumps(_json_value(value))


def _profile(body: GetProfilePackResponse | GetProfileListResponse) -> Iterator[str]:
    try:
        profile: LoadProfile = from_pack(body) if isinstance(body, GetProfilePackResponse) else from_list([body])[0]
    except RemoteProtocolError as error:
        yield f"not read: {error}"
        return
    for row in profile.rows:
        yield f"row{_time('', row.time)}  status {row.status:#x}"
        signatures = row.value_signatures or (None,) * len(row.values)
        for column, value, signature in zip(profile.columns, row.values, signatures, strict=True):
            entry = ListEntry(column.obis, None, None, column.unit, column.scaler, value, signature)
            yield f"  {_entry(entry, None)}"
        yield from _signature("  period signature", row.signature)
    yield from _signature("profile signature", profile.signature)


def _path(path: Iterable[bytes]) -> str:
    return "/".join(map(_parameter, path)) or "no path"


def _parameter(name: bytes) -> str:
    """A name by its OBIS code, with its class where it has one."""
    found = read_parameter_name(name)
    return f"{found.obis} class {found.class_id} version {found.version}" if found else _obis(name)


def _parameters(tree: Tree, *, secret: bool = False) -> Iterator[str]:
    """With `secret` only the names, since a written value may be a password."""
    value = ""
    if tree.value is not None:
        value = "  not shown, it may be a password" if secret else f"  {_shown(tree.value.content, _BARE)}"
    yield f"{_parameter(tree.name)}{value}"
    for child in tree.children:
        yield from (f"  {line}" for line in _parameters(child, secret=secret))


def _signature(label: str, octets: bytes | None) -> Iterator[str]:
    if octets is not None:
        yield f"{label} {octets.hex()}"


def _octets(octets: bytes) -> str:
    text = octets.decode("ascii", "replace")
    printable = text and all(
        character in string.ascii_letters + string.digits + string.punctuation + " " for character in text
    )
    return f'"{text}"' if printable else octets.hex()


def _device(server_id: bytes) -> str:
    device = DeviceId(server_id)  # its length was checked when the message was read
    return f"device {device}" if device.is_din else f"device {_octets(server_id)}"


def _time(label: str, time: Time | None) -> str:
    return f"{label} {time.seconds} {_TIME_NAMES.get(time.choice, '')}" if time else ""


def _raw(value: Value | None) -> Iterator[str]:
    if value is None:
        yield "-"
    elif isinstance(value.value, tuple):
        yield f"list of {len(value.value)}"
        for element in value.value:
            yield from (f"  {line}" for line in _raw(element))
    else:
        yield f"{value.kind.name.lower()} {_octets(value.value) if isinstance(value.value, bytes) else value.value}"


class TelegramPrinter(Printer):
    """SML: telegrams, or bare messages where no octets begin a telegram. A file may also hold either as hex digits."""

    def __init__(self, options: Options) -> None:
        super().__init__(as_json=options.as_json, most=options.most)
        self._reader = TelegramReader()
        self._held = bytearray()  # of a file, from the first octet until a start is seen
        self._started = self._live = options.live
        self._unread = b""  # the newest octets, until a telegram is delivered

    def receive(self, data: bytes) -> bool:
        """Print what these octets complete; True if there was anything."""
        if not self.delivered:
            self._unread = (self._unread + data)[-SAMPLE:]
        if not self._started:
            searched = max(0, len(self._held) - len(START))
            self._held += data
            if self._held.find(START, searched) < 0 and self._held.find(START_V2, searched) < 0:
                return False
            self._started, data = True, bytes(self._held)
            self._held.clear()
        events = self._reader.receive(data)
        self.take(events)
        return bool(events)

    def finish(self) -> None:
        """No more octets come."""
        held = _from_hex(bytes(self._held))
        if not self._started:
            self._unread = held[-SAMPLE:]
        if START in held:
            self._started = True
            self.take(self._reader.receive(held))
        if self._started:
            self.take(self._reader.finish())
        else:
            for telegram in _without_transport(find_messages(held)):
                self.take([telegram])

    def summary(self) -> None:
        """Print the numbers of frames, telegrams and refused octets; without any, a description of the octets."""
        if not self.delivered and not self._live and (found := look_alike("sml", self._unread)):
            print(f"hint: {found}", file=sys.stderr)
        super().summary()


def _from_hex(octets: bytes) -> bytes:
    """The octets of a text of hex digits, without its comments after `#`; other octets unchanged."""
    try:
        return bytes.fromhex(" ".join(line.partition("#")[0] for line in octets.decode("ascii").splitlines()))
    except ValueError:
        return octets


def _without_transport(found: Iterable[tuple[Message, Crc]]) -> Iterator[Telegram]:
    """Telegrams out of bare messages: each open begins another, and so does another check sum."""
    messages: list[Message] = []
    family = Crc.X25
    for message, crc in found:
        if messages and (isinstance(message.body, OpenResponse) or crc is not family):
            yield Telegram(messages, family)
            messages = []
        family = crc
        messages.append(message)
    if messages:
        yield Telegram(messages, family)


def make(options: Options) -> TelegramPrinter:
    """For `smgw dump sml`."""
    return TelegramPrinter(options)
