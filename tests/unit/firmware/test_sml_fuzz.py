"""Whatever comes over the line: what was sent, or our own errors and nothing else, and work linear in the octets."""

import contextlib
import random
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profile_meter import DST_NIGHT, ProfileMeter, row
from smgw.cosem import DeviceId, Reading
from smgw.errors import SmgwError
from smgw.sml import tlv
from smgw.sml.client import Answers, Client, Request, Stray
from smgw.sml.fetch import Form, ProfileFetch
from smgw.sml.file import FileError, decode_messages, encode_messages, find_messages
from smgw.sml.layouts import LAYOUTS
from smgw.sml.messages import (
    GetListRequest,
    GetListResponse,
    GetProcParameterResponse,
    ListEntry,
    Message,
    OpenRequest,
    OtherBody,
    Time,
)
from smgw.sml.parameters import read_object, read_object_list
from smgw.sml.pin import PinNotes
from smgw.sml.profiles import LOAD_PROFILE
from smgw.sml.readings import readings
from smgw.sml.server import Reply, Server
from smgw.sml.shape import LONGEST
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.sml.transport import encode_frame
from smgw.wire import Crc, Refused
from sml_strategies import any_body, bodies, entries, messages
from telegrams import SERVER, file_messages, sealed, unsealed

SEEDS = st.integers(0, 2**32)


def damaged(parts: list[bytes], generator: random.Random) -> list[bytes]:
    """Messages, each up to its check sum, with a few octets changed, lost or added."""
    parts = list(parts)
    for _ in range(generator.choice((0, 1, 2, 8))):
        index = generator.randrange(len(parts))
        octets, place = parts[index], generator.randint(1, len(parts[index]))
        behind = octets[place + generator.choice((0, 0, 1, 3)) :]
        parts[index] = octets[:place] + generator.randbytes(generator.choice((0, 1, 1, 3))) + behind
    return parts


def on_the_wire(file: list[Message], generator: random.Random) -> bytes:
    """A frame with right check sums whose messages may say anything."""
    parts = damaged(unsealed(encode_messages(file)), generator)
    return encode_frame(b"".join(sealed(part, Crc.X25) for part in parts))


def test_every_kind_of_message_is_among_those_that_are_tried() -> None:
    assert set(bodies) == {*LAYOUTS, OtherBody}


@pytest.mark.parametrize("kind", bodies, ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_a_message_of_every_kind_comes_out_of_its_frame_as_it_was_sent_the_first_time_and_again(
    kind: type[Any], data: st.DataObject
) -> None:
    message = Message(data.draw(st.binary(min_size=1, max_size=8)), data.draw(bodies[kind]), 7, 0xFF)
    crc = data.draw(st.sampled_from(Crc))
    reader = TelegramReader()
    payload = encode_messages([message], crc)
    for _ in range(3):
        assert reader.receive(encode_frame(payload, crc)) == [Telegram([message], crc)]
    assert reader.shapes.hits == (2 if len(payload) <= LONGEST else 0)


@settings(max_examples=150)
@given(st.lists(entries, max_size=6).map(tuple), st.none() | st.binary(min_size=1, max_size=64), SEEDS)
def test_whatever_a_list_holds_it_becomes_readings(
    listed: tuple[ListEntry, ...], server: bytes | None, seed: int
) -> None:
    body = GetListResponse(server or SERVER, listed, sensor_time=Time(1, 5))
    (event,) = TelegramReader().receive(on_the_wire([Message(b"1", body)], random.Random(seed)))
    for found in event.lists if isinstance(event, Telegram) else ():
        assert bytes(DeviceId(found.server_id)) == found.server_id
        assert all(isinstance(note, str) for note in PinNotes().of(found.server_id, found.entries))
        wanted = frozenset(entry.obj_name for entry in found.entries[::2])
        for names in (frozenset[bytes](), wanted):
            assert all(isinstance(one, Reading) for one in readings(found.server_id, found.entries, names))


@settings(max_examples=150)
@given(st.lists(any_body, min_size=1, max_size=3), SEEDS)
def test_whatever_a_meter_answers_the_client_raises_nothing_but_our_errors(answers: list[Any], seed: int) -> None:
    generator = random.Random(seed)
    client = Client(b"gateway", seed.to_bytes(5, "big")[1:])
    fetch = ProfileFetch((bytes(LOAD_PROFILE),), Time(2, 0), Time(2, 10**6), form=generator.choice(list(Form)))
    profile = fetch.request(client)
    assert profile is not None
    requests: list[Request] = [client.get_list(), client.get_parameter(b"x"), profile]
    asked = decode_messages(unframed(client.send(requests, 0.0)), Crc.X25)
    file = [Message(generator.choice(asked).transaction_id, body, generator.randrange(256)) for body in answers]
    events = client.receive(on_the_wire(file, generator))
    assert all(isinstance(event, Answers | Stray | Refused) for event in events)
    for event in events:
        if isinstance(event, Answers):
            with_errors_of_ours(lambda event=event: fetch.take(event, 2))  # type: ignore[misc]
            assert event.refusal() is None or isinstance(event.refusal(), str)
    for body in answers:
        if isinstance(body, GetProcParameterResponse):
            with_errors_of_ours(lambda body=body: read_object(body.tree))  # type: ignore[misc]
            with_errors_of_ours(lambda body=body: read_object_list(body.tree))  # type: ignore[misc]


def unframed(octets: bytes) -> bytes:
    (event,) = TelegramReader().receive(octets)
    assert isinstance(event, Telegram)
    return encode_messages(event.messages)


def with_errors_of_ours(call: Callable[[], object]) -> None:
    with contextlib.suppress(SmgwError):
        call()


@settings(max_examples=150)
@given(st.lists(messages, min_size=1, max_size=4), SEEDS)
def test_whatever_a_client_asks_the_server_answers_or_refuses(file: list[Message], seed: int) -> None:
    generator = random.Random(seed)
    opening = unsealed(unframed(Client(b"gateway", b"\0\0\0\1").send([GetListRequest(b"gateway")], 0.0)))
    octets = on_the_wire(file, generator)
    parts = opening[:1] + unsealed_or_nothing(octets)
    server = Server(ProfileMeter([row(seconds) for seconds in DST_NIGHT]))
    stream = octets + encode_frame(b"".join(sealed(part, Crc.X25) for part in parts)) + octets
    events = server.receive(stream)
    assert len(events) == 3
    for event in events:
        assert isinstance(event, Reply | Refused)
        if isinstance(event, Reply):
            assert all(isinstance(one, Telegram) for one in TelegramReader().receive(event.octets))


def unsealed_or_nothing(octets: bytes) -> list[bytes]:
    (event,) = TelegramReader().receive(octets)
    return unsealed(encode_messages(event.messages)) if isinstance(event, Telegram) else []


@pytest.mark.parametrize("group", [b"\x63\x01\x00", b"\x52\xff", b"\x69" + b"\xff" * 8, b"\x03ab", b"\x01"])
def test_a_request_whose_group_is_no_number_of_one_octet_is_answered(group: bytes) -> None:
    (opening,) = unsealed(encode_messages([Message(b"1", OpenRequest(b"gateway", b"file"))]))
    request = opening.replace(b"\x62\x00", group, 1)
    (event,) = Server(ProfileMeter([])).receive(encode_frame(sealed(request, Crc.X25)))
    assert isinstance(event, Reply)


def calls(work: Callable[[], object]) -> int:
    """How many functions were called, in Python and in C: a measure of work that no other process disturbs."""
    count = 0

    def counted(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def decoded(payload: bytes) -> None:
    try:
        decode_messages(payload, Crc.X25)
    except FileError:
        return


ENTRY = tlv.encode(
    tlv.sequence(tlv.octets(b"\1\0\1\x08\0\xff"), None, None, tlv.unsigned(30, 1), None, tlv.signed(-5, 3), None)
)


def listed(count: int, last: bytes = b"") -> bytes:
    """A list of so many entries, then these octets."""
    field = bytes(0x80 | count >> shift & 15 for shift in (16, 12, 8, 4)) + bytes((count & 15,))
    field = bytes((field[0] | 0x70,)) + field[1:]
    body = b"\x77\x01\x03ab\x01\x01" + field + ENTRY * (count - bool(last)) + last + b"\x01\x01"
    return sealed(b"\x76\x02\1\x62\0\x62\0\x72\x63\x07\x01" + body, Crc.X25)


WORK: dict[str, Callable[[int], bytes]] = {
    "a list": listed,
    "a list whose last entry has no name": lambda count: listed(count, b"\x77" + b"\1" * 7),
    "a list that is cut off": lambda count: listed(count)[:-30],
    "a body of no layout": lambda count: listed(count).replace(b"\x63\x07\x01", b"\x63\x08\x01"),
    "nested lists": lambda count: sealed(
        b"\x76\x02\1\x62\0\x62\0\x72\x63\x08\x01" + b"\x7f" + (b"\x71" * 20 + b"\x01") * 15 * (count // 100), Crc.X25
    ),
    "many messages": lambda count: encode_messages(file_messages() * (count // 4)),
    "many messages without their end": lambda count: b"\x76\x02\1\x62\0\x62\0\x72\x63\x07\x01" * count,
    "lists that promise more than there is": lambda count: b"\x76" + b"\xff\x0f" * count,
}


@pytest.mark.parametrize("made", WORK.values(), ids=WORK.keys())
@pytest.mark.parametrize(
    "work",
    [
        decoded,
        lambda octets: list(find_messages(octets)),
        lambda octets: TelegramReader().receive(encode_frame(octets)),
    ],
    ids=["payload", "bare messages", "frame"],
)
def test_twice_the_octets_are_at_most_twice_the_work(
    made: Callable[[int], bytes], work: Callable[[bytes], object]
) -> None:
    once, twice = calls(lambda: work(made(400))), calls(lambda: work(made(800)))
    assert twice <= 2.2 * once + 100


@pytest.mark.parametrize("count", [300, 600])
def test_a_telegram_whose_shape_is_learnt_is_read_with_work_linear_in_its_values(count: int) -> None:
    entries = tuple(ListEntry(b"\1\0\1\x08\0\xff", value=tlv.unsigned(number, 1)) for number in range(count // 10))
    reader = TelegramReader()
    octets = encode_frame(encode_messages(file_messages(entries)))
    first, second, third = (calls(lambda: reader.receive(octets)) for _ in range(3))
    assert (reader.shapes.hits, reader.shapes.misses) == (2, 1)
    assert third < first < 30 * count / 10 + 300
    assert second < 40 * count / 10 + 300
