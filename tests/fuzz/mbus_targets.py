"""Decoders of what meters on an M-Bus send, and what their master asks."""

import contextlib

from fuzz_input import SEPARATOR, Target
from smgw.errors import RemoteProtocolError
from smgw.mbus.frame import Frame, FrameDecoder
from smgw.mbus.master import Request, Secondary, ended, judge, normalise, select
from smgw.mbus.readings import clock_of, device_of, readings
from smgw.mbus.requests import RequestDecoder, Short
from smgw.mbus.sealed import sealed
from smgw.mbus.slave import Slave
from smgw.mbus.telegram import Identity, read_telegram
from smgw.wire import Refused

WATER = 7
_LONG, _SHORT, _BARE, _FIXED, _ERROR, _HEADER = 0x72, 0x7A, 0x78, 0x73, 0x70, 12
_PUSHED, _MODE_5 = 0x5B, 5
KEY = bytes(range(16))


def mbus_line(octets: bytes) -> None:
    """Octets of the wires, whole and one by one; a meter hears them too."""
    decoder = FrameDecoder()
    for event in (*decoder.receive(octets), *decoder.finish()):
        if isinstance(event, Frame):
            _read(event)
    for place in range(min(len(octets), 500)):
        decoder.receive(octets[place : place + 1])
    slave = Slave(5, Identity("14839120", "KAM", 1, WATER), lambda _: (octets[:100],))
    for part in octets.split(SEPARATOR):
        slave.receive(part)


def mbus_records(octets: bytes) -> None:
    """Each part as the records of an answer of every form."""
    for part in octets.split(SEPARATOR):
        content = part[:246]
        head = content[:_HEADER].ljust(_HEADER, b"\x00")
        for form, data in _forms(content, head):
            _read(Frame(8, 5, form, data))


def mbus_push(octets: bytes) -> None:
    """What a meter sends that calls: octets of the wires, and encrypted records with its right key."""
    decoder = RequestDecoder()
    whole = [*decoder.receive(octets), *decoder.finish()]
    pieces = [event for place in range(len(octets)) for event in decoder.receive(octets[place : place + 1])]
    pieces += decoder.finish()
    assert [one for one in whole if not isinstance(one, Refused)] == [
        one for one in pieces if not isinstance(one, Refused)
    ]
    for request in (normalise(5), select(Secondary()), Request(Short(0x5B, 5).encode(), wants_frame=True)):
        if judge(request, octets) is None:
            ended(request, octets)
    for part in octets.split(SEPARATOR):
        text = part[_HEADER : _HEADER + 230]
        head = part[:10].ljust(10, b"\x00") + bytes(((part[10:11] or b"\0")[0] & 0xF0, _MODE_5))
        for data in (head + sealed(KEY, head, text), head + text, head[:11] + text):
            with contextlib.suppress(RemoteProtocolError):
                readings(read_telegram(Frame(0x53, 0xF0, _PUSHED, data), KEY), 2)


def _forms(content: bytes, head: bytes) -> list[tuple[int, bytes]]:
    return [
        (_LONG, head + content[_HEADER:]), (_LONG, bytes(_HEADER) + content), (_SHORT, bytes(4) + content),
        (_BARE, content), (_FIXED, content), (_ERROR, content), (content[0] if content else 0, content),
    ]  # fmt: skip


def _read(frame: Frame) -> None:
    decoded = FrameDecoder().receive(frame.encode())
    assert decoded == [frame], f"{frame} is read as {decoded}"
    with contextlib.suppress(RemoteProtocolError):
        telegram = read_telegram(frame)
        clock_of(telegram)
        if telegram.identity is not None:
            device_of(telegram.identity)
        for medium in (2, 3, WATER, 13):
            readings(telegram, medium)


MBUS_TARGETS: tuple[Target, ...] = (mbus_line, mbus_records, mbus_push)
