"""Telegrams made for tests: lists and frames built by hand, and captures sealed anew with other check sums."""

from collections.abc import Callable

from smgw.cosem import Obis
from smgw.sml import tlv
from smgw.sml.file import encode_messages
from smgw.sml.layouts import read_body, write_body
from smgw.sml.messages import Body, CloseResponse, GetListResponse, ListEntry, Message, OpenResponse, Time
from smgw.sml.transport import Frame, FrameDecoder, encode_frame
from smgw.wire import Crc

SERVER = bytes.fromhex("0a01454d480000519725")
IMPORT = Obis.parse("1-0:1.8.0")
POWER = Obis.parse("1-0:16.7.0")


def entries(energy: int = 123_456) -> tuple[ListEntry, ...]:
    """1.8.0 in 0.1 Wh with a status, 16.7.0 in W."""
    return (
        ListEntry(IMPORT, tlv.unsigned(0x182, 4), None, 30, -1, tlv.unsigned(energy, 8)),
        ListEntry(POWER, None, None, 27, 0, tlv.signed(-514, 4)),
    )


def file_messages(values: tuple[ListEntry, ...] | None = None, sensor_time: Time | None = None) -> list[Message]:
    """Open, one list, close, as a meter pushes them."""
    listed = entries() if values is None else values
    return [
        Message(b"\x01", OpenResponse(b"\x07", SERVER), 0),
        Message(b"\x02", GetListResponse(SERVER, listed, sensor_time=sensor_time), 0),
        Message(b"\x03", CloseResponse(), 0),
    ]


def frame(values: tuple[ListEntry, ...] | None = None, crc: Crc = Crc.X25) -> bytes:
    """The same as a frame."""
    return encode_frame(encode_messages(file_messages(values), crc), crc)


def read_content(tag: int, content: tlv.Value | None) -> Body:
    """The body that this content makes on the wire."""
    octets = tlv.encode(content)
    body, end = read_body(tag, b"before" + octets + b"behind", 6)
    assert end == 6 + len(octets)
    return body


def resent(body: Body) -> Body:
    """A body written and read."""
    return read_content(*write_body(body))


def payload_of(octets: bytes) -> bytes:
    """The messages of the one frame in these octets."""
    (event,) = FrameDecoder().receive(octets)
    assert isinstance(event, Frame)
    return event.payload


def sealed(message: bytes, crc: Crc, size: int = 2) -> bytes:
    """One message, given as 76 to the end of its body, with its check sum (in `size` octets) and its end."""
    return message + tlv.encode(tlv.unsigned(crc.wire(message), size)) + b"\x00"


def unsealed(payload: bytes) -> list[bytes]:
    """The messages of a payload, each from 76 to the end of its body, octets as the meter wrote them."""
    messages = []
    position = 0
    while position < len(payload) and payload[position]:
        end = position + 1
        for _ in range(4):
            _, end = tlv.decode(payload, end)
        messages.append(payload[position:end])
        _, end = tlv.decode(payload, end)
        position = end + 1
    return messages


def reseal(octets: bytes, messages: Crc, transport: Crc) -> bytes:
    """The one frame in these octets with other families of check sums."""
    return encode_frame(b"".join(sealed(part, messages) for part in unsealed(payload_of(octets))), transport)


def message(tag: bytes, body: bytes, transaction: bytes = b"\x02\x01") -> bytes:
    """One message up to the end of its body from the octets of its tag field and of its body."""
    return b"\x76" + transaction + b"\x62\x00\x62\x00\x72" + tag + body


def framed(*messages: bytes, crc: Crc = Crc.X25) -> bytes:
    """A frame of such messages."""
    return encode_frame(b"".join(sealed(part, crc) for part in messages), crc)


def repeating_types(octets: bytes, position: int, bits: Callable[[int], int]) -> tuple[bytes, int]:
    """The value at `position` with other bits 6..4 in the follow-up octets of its type-length fields, and its end.

    `bits` gives them from the first octet of a field.
    """
    kind, begin, size = tlv.head(octets, position)
    first = octets[position]
    field = octets[position : position + 1] + bytes(
        octet & 0x8F | bits(first) & 0x70 for octet in octets[position + 1 : begin]
    )
    if kind is not tlv.Kind.LIST:
        return field + octets[begin : begin + size], begin + size
    for _ in range(size):
        if octets[begin] == 0x01:
            element, begin = b"\x01", begin + 1
        else:
            element, begin = repeating_types(octets, begin, bits)
        field += element
    return field, begin


def with_repeated_types(part: bytes, bits: Callable[[int], int] = lambda first: first) -> bytes:
    """A message up to the end of its body, with such type-length fields (Hager)."""
    made, position = part[:1], 1
    while position < len(part):
        if part[position] == 0x01:
            made, position = made + b"\x01", position + 1
        else:
            value, position = repeating_types(part, position, bits)
            made += value
    return made
