"""The fast path: a meter sends the same telegram every second, with other numbers in it.

The full decoder reads the first telegram of a shape, which is stored. When a second one has its length, the first is
cut into slots and the octets between them:

    76 05 .. .. .. .. 62 00 62 00 72 .. 77 07 01 00 01 08 00 ff 65 .. .. .. .. 01 62 1e 52 ff 59 .. .. ..  63 .. ..
          slot        between                                      slot                          slot         slot
          transaction id                                           status                        value        check sum

Slots are the contents of values, status words, times, signatures, ids of a message and check sums. All other octets are
between slots: type-length fields, names, units, scalers, the server id and unknown fields.

One `struct` cuts a later telegram in the same way. If the octets between slots are equal, the structure is equal, and
the messages are the first telegram's with other slots. They are tuples of tuples, which the shape holds in a flat list:

    rows     Message     transaction id  body  group  abort        the slots are written over the old contents,
             body        ..  entries  ..                           then each row becomes a tuple, the innermost first,
             entries     entry  entry  ..                          which is written over the old one
             ListEntry   name  status  time  unit  scaler  value  signature
             Value       kind  size  number

Every octet is compared, or is in a slot that accepts any octets. So the objects equal those of the full decoder. If
other octets differ or a check sum is wrong, the full decoder reads the telegram and reports the fault.
"""

import struct
from collections.abc import Sequence
from typing import Any

from smgw.sml.file import decode_messages
from smgw.sml.messages import GetListResponse, ListEntry, Message, OpenResponse, Time
from smgw.sml.tlv import Kind, Places, Value, head, places
from smgw.wire import Crc

#: Most shapes of one reader. A meter has one or two; several meters on a line, or cropped numbers, need more.
MOST_SHAPES = 8
#: Longer telegrams are load profiles and trees of parameters, not the list of every second; they are not learnt.
LONGEST = 2048

_OCTETS, _SIGNED, _UNSIGNED = Kind.OCTETS, Kind.SIGNED, Kind.UNSIGNED
_U32 = range(0x62, 0x66)  # the type-length fields of an unsigned number of 1 to 4 octets
_U24 = 0x64
#: How `struct` reads an unsigned number (a signed one: small letter). It has no code for 3, 5, 6 and 7 octets.
_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
_LONGEST_RECORD = 7  # elements of a list entry, and of a GetList response
_new = tuple.__new__  # makes a NamedTuple in half the time that its constructor takes


class Shapes:
    """The shapes of one reader, the last used first."""

    def __init__(self, most: int = MOST_SHAPES) -> None:
        self._most = most
        self._shapes: list[Shape] = []
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._shapes)

    def decode(self, payload: bytes, crc: Crc) -> list[Message]:
        """The same as `file.decode_messages`, which it calls if no shape fits. Raises FileError like it."""
        for place, shape in enumerate(self._shapes):
            messages = shape.read(payload, crc)
            if messages is not None:
                if place:
                    self._shapes.insert(0, self._shapes.pop(place))
                self.hits += 1
                return messages
        self.misses += 1
        messages = decode_messages(payload, crc)
        if len(payload) <= LONGEST:
            self._shapes.insert(0, Shape(payload, messages))
            del self._shapes[self._most :]
        return messages


class Shape:
    """The common part of telegrams of one shape, learnt from the first one and its decoded messages.

    It is learnt on first need, so a telegram that comes once costs only its full decoding.
    """

    def __init__(self, payload: bytes, messages: Sequence[Message]) -> None:
        self._payload = payload
        self._length = len(payload)
        self._unpack = struct.Struct("").unpack
        self._between: tuple[Any, ...] = ()  # empty until it is learnt
        self._codes = [">"]
        self._behind = 0  # the last slot
        self._flat: list[Any] = list(messages)
        self._count = len(messages)
        self._rows: list[tuple[type[Any], slice, int]] = []  # make this of these, write it here
        # A slot is known by its place in what `struct` cuts.
        self._holes: list[tuple[int, int]] = []  # write there this slot
        self._odd: list[tuple[int, int, bool]] = []  # the same for one of 3, 5, 6 or 7 octets, and whether it is signed
        self._values: list[tuple[int, Kind, int, int]] = []  # write there the value of this kind, size and slot
        self._checks: list[tuple[slice, int]] = []  # octets, slot of the check sum over them

    def read(self, payload: bytes, crc: Crc) -> list[Message] | None:
        """The messages of a payload; None if it has another shape, or if a check sum in it is wrong."""
        if len(payload) != self._length:
            return None
        if not self._between:
            self._learn()
        cut = self._unpack(payload)
        if cut[::2] != self._between:
            return None
        check_sum = crc.wire
        for covered, slot in self._checks:
            if check_sum(payload[covered]) != cut[slot]:
                return None
        flat, new = self._flat.copy(), _new
        for hole, slot in self._holes:
            flat[hole] = cut[slot]
        for hole, slot, signed in self._odd:
            flat[hole] = int.from_bytes(cut[slot], "big", signed=signed)
        for hole, kind, size, slot in self._values:
            flat[hole] = new(Value, (kind, size, cut[slot]))
        for row, parts, hole in self._rows:
            flat[hole] = new(row, flat[parts])
        return flat[: self._count]

    def _learn(self) -> None:
        position = 0
        for hole, message in enumerate(self._flat[: self._count]):
            position = self._message(position, hole, message)
        self._rows.reverse()  # the innermost first
        self._codes.append(f"{self._length - self._behind}s")
        self._unpack = struct.Struct("".join(self._codes)).unpack
        self._between = self._unpack(self._payload)[::2]

    def _message(self, position: int, hole: int, message: Message) -> int:
        """Learn the message at `position`; the position behind it."""
        transaction_id, end = places(self._payload, position + 1)
        _, end = places(self._payload, end)
        _, end = places(self._payload, end)
        choice, covered = places(self._payload, end)
        check, end = places(self._payload, covered)
        begin = self._row(message, hole)
        self._octets(transaction_id, begin, message.transaction_id)
        assert isinstance(choice, list)  # the full decoder has read it
        self._body(choice[1], begin + 1, message.body)
        self._checks.append((slice(position, covered), self._slot(check)))
        return end + 1

    def _body(self, place: Places, hole: int, body: Any) -> None:
        if isinstance(body, OpenResponse):
            _, _, file_id, _, reference_time, *_ = _elements(place)
            begin = self._row(body, hole)
            self._octets(file_id, begin, body.request_file_id)
            self._time(reference_time, begin + 3, body.reference_time)
        elif isinstance(body, GetListResponse):
            _, _, _, sensor_time, entries, signature, gateway_time, *_ = _elements(place)
            begin = self._row(body, hole)
            self._time(sensor_time, begin + 4, body.sensor_time)
            inside = self._row(body.entries, begin + 1)
            for index, entry in enumerate(body.entries):
                self._entry(entries[index], inside + index, entry)
            self._octets(signature, begin + 5, body.list_signature)
            self._time(gateway_time, begin + 6, body.gateway_time)

    def _entry(self, place: Places, hole: int, entry: ListEntry) -> None:
        elements = _elements(place)
        begin = self._row(entry, hole)
        if entry.status is not None:
            self._value(elements[1], begin + 1, entry.status)
        if entry.val_time is not None:
            self._time(elements[2], begin + 2, entry.val_time)
        if entry.value is not None:
            self._value(elements[5], begin + 5, entry.value)
        if entry.value_signature:
            self._octets(elements[6], begin + 6, entry.value_signature)

    def _value(self, place: Places, hole: int, value: Value) -> None:
        kind, size, _ = value
        if kind is not _OCTETS and kind is not _SIGNED and kind is not _UNSIGNED:
            return
        slot = self._slot(place)
        if kind is _OCTETS or size in _CODES:
            self._values.append((hole, kind, size, slot))
        else:
            self._odd.append((self._row(value, hole) + 2, slot, kind is _SIGNED))

    def _time(self, place: Places, hole: int, time: Time | None) -> None:
        while isinstance(place, list):  # {choice, seconds}, {choice, {seconds, offset, offset}}, or bare seconds
            place = place[1] if len(place) == 2 else place[0]
        # Signed seconds, or more than 4 octets, might be refused for what they say; so might absent ones, which are 0.
        if time is not None and self._payload[place] in _U32:
            begin, slot = self._row(time, hole), self._slot(place)
            if self._payload[place] != _U24:
                self._holes.append((begin + 1, slot))
            else:
                self._odd.append((begin + 1, slot, False))

    def _octets(self, place: Places, hole: int, octets: bytes | None) -> None:
        if octets:
            self._holes.append((hole, self._slot(place)))

    def _row(self, row: tuple[Any, ...], hole: int) -> int:
        """Lay a tuple out, to be made anew and written to `hole`; where it begins."""
        begin = len(self._flat)
        self._flat += row
        self._rows.append((type(row), slice(begin, len(self._flat)), hole))
        return begin

    def _slot(self, place: Places) -> int:
        """Let the content of the value at a place vary; the slot. Called in the order of the wire."""
        assert isinstance(place, int)  # the full decoder has read it as no list
        kind, begin, size = head(self._payload, place)
        code = None if kind is _OCTETS else _CODES.get(size)
        if code is None:
            code = f"{size}s"
        elif kind is _SIGNED:
            code = code.lower()
        self._codes.append(f"{begin - self._behind}s{code}")
        self._behind = begin + size
        return 2 * len(self._codes) - 3  # ">" is no code, and between two slots stands one of what is between


def _elements(place: Places) -> list[Any]:
    """The places of a record's elements; the list on the wire may be shorter than the record (0 for what it lacks)."""
    assert isinstance(place, list)  # the full decoder has read it
    return place if len(place) >= _LONGEST_RECORD else [*place, *(0,) * _LONGEST_RECORD]
