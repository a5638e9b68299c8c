"""An SML file: the messages of one frame, also without a frame (docs/sml.md, section 2.3).

76 { transaction id, group u8, abort on error u8, 72 { tag u16 or u32, body }, check sum u16, 00 }

The check sum covers 76 to the end of the body. Its field may have one octet (a leading zero cut off). After the last
message there are zeros at most.
"""

import re
from collections.abc import Iterator, Sequence

from smgw.errors import RemoteProtocolError
from smgw.sml import tlv
from smgw.sml.layouts import read_body, write_body
from smgw.sml.messages import Message
from smgw.wire import Crc

_MESSAGE = 0x76
_CHOICE = b"\x72"
_UNSIGNED = tlv.Kind.UNSIGNED
_BEGINNING = re.compile(rb"\x76[\x01-\x0f\x80-\x8f]")  # the first element of a message is an octet string


class FileError(RemoteProtocolError):
    """These octets are not SML messages, or a check sum is wrong."""

    def __init__(self, position: int, what: str) -> None:
        super().__init__(f"octet {position}: {what}")
        self.position = position


def decode_message(octets: bytes, position: int, crcs: Sequence[Crc]) -> tuple[Message, Crc, int]:
    """Read the message at `position`: returns it, the family (one of `crcs`) of its check sum, and the next position.

    Raises FileError for other octets. A body that does not fit its layout is no error (see `messages.OtherBody`).
    """
    if octets[position] != _MESSAGE:
        raise FileError(position, f"a message begins with 76, here stands {octets[position]:02x}")
    try:
        transaction_id, end = tlv.decode(octets, position + 1, depth=0)
        group, end = tlv.decode(octets, end, depth=0)
        abort_on_error, end = tlv.decode(octets, end, depth=0)
        if octets[end : end + 1] != _CHOICE:
            raise FileError(position, "a message body is a tag and its content")
        tag, end = tlv.decode(octets, end + 1, depth=0)
        if tag is None or tag.kind is not _UNSIGNED or not isinstance(tag.value, int):
            raise FileError(position, "a message without its tag")
        body, covered = read_body(tag.value, octets, end)
        check, end = tlv.decode(octets, covered, depth=0)
    except tlv.TlvError as error:
        raise FileError(position, f"message not readable: {error}") from error
    if check is None or check.kind is not _UNSIGNED or not isinstance(check.value, int) or check.size > 2:
        raise FileError(covered, "no check sum where a message ends")
    for crc in crcs:
        if crc.wire(octets[position:covered]) == check.value:
            break
    else:
        families = " nor ".join(family.value for family in crcs)
        raise FileError(position, f"wrong check sum of a message ({check.value:04x} is not {families})")
    if octets[end : end + 1] not in (b"\x00", b""):
        raise FileError(end, f"a message ends with 00, here stands {octets[end]:02x}")
    message = Message(_bytes(transaction_id), body, _number(group), _number(abort_on_error))
    return message, crc, end + 1


def decode_messages(octets: bytes, crc: Crc) -> list[Message]:
    """All messages of one frame's payload; every check sum must be of the frame's own family. Raises FileError."""
    messages = []
    position = 0
    while position < len(octets) and octets[position] != 0:
        message, _, position = decode_message(octets, position, (crc,))
        messages.append(message)
    if any(octets[position:]):
        raise FileError(position, "octets that are no fill follow the last message")
    if not messages:
        raise FileError(0, "no message")
    return messages


def find_messages(octets: bytes) -> Iterator[tuple[Message, Crc]]:
    """Messages without a transport, as in dumps and on some TCP links; octets between them are skipped."""
    found = _BEGINNING.search(octets)
    while found:
        position = found.start()
        try:
            message, crc, position = decode_message(octets, position, tuple(Crc))
            yield message, crc
        except FileError:
            position += 1
        found = _BEGINNING.search(octets, position)


def encode_messages(messages: Sequence[Message], crc: Crc = Crc.X25) -> bytes:
    """The payload of a frame."""
    octets = bytearray()
    for message in messages:
        tag, content = write_body(message.body)
        body = (
            b"\x76"
            + tlv.encode(tlv.octets(message.transaction_id))
            + tlv.encode(tlv.unsigned(message.group, 1))
            + tlv.encode(tlv.unsigned(message.abort_on_error, 1))
            + tlv.encode(tlv.sequence(tlv.unsigned(tag, 4), content))
        )
        octets += body + tlv.encode(tlv.unsigned(crc.wire(body), 2)) + b"\x00"
    return bytes(octets)


def _bytes(value: tlv.Value | None) -> bytes:
    return value.value if value is not None and isinstance(value.value, bytes) else b""


def _number(value: tlv.Value | None) -> int:
    """The number as one octet, so that an answer can repeat it; 0 for any other value."""
    number = value.value if value is not None else 0
    return int(number) if isinstance(number, int) and 0 <= number < 256 else 0
