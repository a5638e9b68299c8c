"""The octets of a style's telegrams, prepared once: what is the same in all of them, and slots for what varies.

A message is laid out as `smgw.sml.file` and `smgw.sml.messages` draw it, but with a maker's liberties, which the
gateway's own encoder does not take. Telegrams take a fifth of the time that building messages and encoding them takes.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from smgw.cosem import DeviceId
from smgw.sml import tlv
from smgw.sml.messages import ListEntry, Time
from smgw.sml.transport import ESCAPE, START
from smgw.wire import Crc

from smsim.sml.number import NUMBERS, Number
from smsim.sml.style import Counting, Entry, Holds, Style, ValTime

_ABSENT = b"\x01"
_END_OF_MESSAGE = b"\x00"
_SECONDS_OF_OPERATION = b"\x72\x62\x01"  # a time's list and its choice
_BARE = NUMBERS["u32"]
_FNN = 1 << 2  # set in every FNN status word, in no EDL one
_FNN_ACTIVE = 1 << 8
_FNN_EXPORT = 1 << 11  # of the sum; the next three bits are the phases'
_FNN_PHASES = 18  # the first of three bits: which phases have voltage
#: Bit 5 of an EDL meter's status: energy flows out.
EDL_EXPORT = 1 << 5

_Encode = Callable[[int], bytes]


class Contents(NamedTuple):
    """What varies. `values`: of the style's registers, in order, in 10^scaler of their units."""

    transaction: int  # id of the first message
    file: int
    seconds: int  # of operation
    status: int
    values: Sequence[int]


def status_word(style: Style, power: int) -> int:
    """What the meter's status says while so much flows in, or out (negative)."""
    base = style.status.base
    if base & _FNN:
        phases = (base >> _FNN_PHASES & 0b111) * _FNN_EXPORT << 1
        return base | (_FNN_ACTIVE if power else 0) | (_FNN_EXPORT | phases if power < 0 else 0)
    return base | (EDL_EXPORT if power < 0 else 0)


_TRANSACTION, _FILE, _SECONDS, _STATUS, _VALUES = range(5)  # places in the numbers that fill the slots


class _Slot(NamedTuple):
    source: int  # which of the numbers
    encode: _Encode


Part = bytes | _Slot


class _Message:
    """A message of a style up to its check sum; the `place`-th of a telegram."""

    def __init__(self, style: Style, place: int, tag: int, body: Sequence[Part]) -> None:
        counting, width = style.transaction, style.tag_octets
        offset = counting.offsets[min(place, len(counting.offsets) - 1)]
        parts: list[Part] = [b"\x76", _Slot(_TRANSACTION, lambda number: _id(counting, number + offset))]
        parts.append(b"\x62\x00\x62\x00\x72" + bytes((0x61 + width,)) + tag.to_bytes(width, "big"))
        self._parts: list[bytes] = [b""]
        self._slots: list[tuple[int, int, _Encode]] = []
        for part in (*parts, *body):
            if isinstance(part, bytes):
                self._parts[-1] += part
            else:
                self._slots.append((len(self._parts), *part))
                self._parts += [b"", b""]

    def fill(self, numbers: Sequence[int]) -> bytes:
        """The octets with these numbers in the slots."""
        parts = self._parts.copy()
        for place, source, encode in self._slots:
            parts[place] = encode(numbers[source])
        return b"".join(parts)


class Template:
    """Telegrams of one meter: its style, its id, its check sums."""

    def __init__(self, style: Style, server_id: DeviceId, crc: Crc) -> None:
        self._style = style
        self._server_id = bytes(server_id)
        self._crc = crc
        self._held = [_held(entry, style, server_id) for entry in style.entries]
        self._messages = [
            _Message(style, 0, 0x0101, self._open()),
            _Message(style, 1, 0x0701, self._list()),
            _Message(style, 2, 0x0201, [b"\x71", _ABSENT]),
        ]

    def encode(self, contents: Contents) -> bytes:
        """The next telegram in its frame, as it goes over the line."""
        numbers = (contents.transaction, contents.file, contents.seconds, contents.status, *contents.values)
        wire = self._crc.wire
        payload = b""
        for message in self._messages:
            covered = message.fill(numbers)
            payload += covered + b"\x63" + wire(covered).to_bytes(2, "big") + _END_OF_MESSAGE
        if ESCAPE in payload:
            payload = payload.replace(ESCAPE, ESCAPE * 2)
        fill = -len(payload) % 4
        if not fill and self._style.whole_fill:
            fill = 4
        frame = START + payload + bytes(fill) + ESCAPE + bytes((0x1A, fill))
        return frame + wire(frame).to_bytes(2, "big")

    def entries(self, contents: Contents) -> list[ListEntry]:
        """The same list as the gateway's codec reads it: what a meter answers to a GetList request."""
        values = iter(contents.values)
        listed = []
        for entry, held in zip(self._style.entries, self._held, strict=True):
            value = tlv.octets(held) if isinstance(held, bytes) else held.value(_number(entry, values, contents))
            status = self._style.status.number.value(contents.status) if entry.with_status else None
            listed.append(ListEntry(entry.obis, status, _time(entry, contents), entry.unit, entry.scaler, value))
        return listed

    def _open(self) -> list[Part]:
        style = self._style
        file = style.file
        file_id = tlv.encode(tlv.octets(file)) if isinstance(file, bytes) else _Slot(_FILE, lambda n: _id(file, n))
        version = _ABSENT if style.sml_version is None else bytes((0x62, style.sml_version))
        reference = self._seconds() if style.reference_time else [_ABSENT]
        return [
            b"\x76",
            _ABSENT,  # code page
            _octets(style.open_client_id),
            file_id,
            _octets(self._server_id),
            *reference,
            version,
        ]

    def _list(self) -> list[Part]:
        style = self._style
        time = self._seconds() if style.sensor_time else [_ABSENT]
        parts: list[Part] = [b"\x77", _octets(style.client_id), _octets(self._server_id)]
        parts += [_octets(style.list_name), *time, _list_head(len(style.entries), style.repeats_type)]
        place = _VALUES
        for entry, held in zip(style.entries, self._held, strict=True):
            parts += [b"\x77", _octets(entry.obis)]
            parts.append(_Slot(_STATUS, style.status.number.encode) if entry.with_status else _ABSENT)
            parts += self._val_time(entry.val_time)
            parts.append(_ABSENT if entry.unit is None else bytes((0x62, entry.unit)))
            parts.append(_ABSENT if entry.scaler is None else b"\x52" + entry.scaler.to_bytes(1, "big", signed=True))
            if isinstance(held, bytes):
                parts.append(_octets(held))
            elif entry.register is None:
                parts.append(_Slot(_STATUS, held.encode))
            else:
                parts.append(_Slot(place, held.encode))
                place += 1
            parts.append(_ABSENT)  # signature
        return [*parts, _ABSENT, _ABSENT]  # signature of the list, time of the gateway

    def _seconds(self) -> list[Part]:
        return [_SECONDS_OF_OPERATION, _Slot(_SECONDS, self._style.time.encode)]

    def _val_time(self, kind: ValTime) -> list[Part]:
        if kind is ValTime.SENSOR:
            return self._seconds()
        if kind is ValTime.ZERO:
            return [_SECONDS_OF_OPERATION, self._style.time.encode(0)]
        return [_Slot(_SECONDS, _BARE.encode) if kind is ValTime.BARE else _ABSENT]


def _list_head(elements: int, repeats_type: bool) -> bytes:
    """The type-length field of a list."""
    head = tlv.encode(tlv.sequence(*[None] * elements))[:-elements]
    return head[:1] + bytes(octet | tlv.Kind.LIST << 4 for octet in head[1:]) if repeats_type else head


def _octets(value: bytes | None) -> bytes:
    return _ABSENT if value is None else tlv.encode(tlv.octets(value))


def _id(counting: Counting, number: int) -> bytes:
    mask = (1 << 8 * counting.octets) - 1
    octets = (number & mask).to_bytes(counting.octets, "little" if counting.little_endian else "big")
    return bytes((counting.octets + 1,)) + octets


def _held(entry: Entry, style: Style, device: DeviceId) -> bytes | Number:
    """What an entry holds: octets that stay, or a number that varies."""
    match entry.holds:
        case Holds.MAKER:
            return (style.maker or device.maker or "SIM").encode()
        case Holds.SERVER_ID:
            return bytes(device)
        case Holds.ID_TEXT:
            return _id_text(device)
        case Holds.SERIAL:
            return device.rjust(10, b"0")
        case Holds.PUBLIC_KEY:  # 48 octets that are nobody's key
            return hashlib.blake2b(device, digest_size=48).digest()
        case Holds.TEXT:
            return entry.text
        case Holds.STATUS:
            return style.status.number
    assert entry.number is not None  # a register has one
    return entry.number


def _id_text(device: DeviceId) -> bytes:
    """`1EMH0011261482`; an id that is not built like one of DIN 43863-5 stands in hex."""
    if device.maker is None:
        return device.hex().encode()
    return f"{device[1]:X}{device.maker}{device[5]:02X}{int.from_bytes(device[6:], 'big'):08d}".encode()


def _number(entry: Entry, values: Iterator[int], contents: Contents) -> int:
    return contents.status if entry.register is None else next(values)


def _time(entry: Entry, contents: Contents) -> Time | None:
    if entry.val_time is ValTime.ABSENT:
        return None
    return Time(1, 0 if entry.val_time is ValTime.ZERO else contents.seconds)
