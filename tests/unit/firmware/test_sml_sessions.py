"""Client and server wired together in memory: request and response, refusals, late answers, damage."""

import logging
import random
from collections.abc import Sequence
from typing import Any

import pytest
from smgw.cosem import ObjectName
from smgw.errors import LocalProtocolError, RemoteProtocolError
from smgw.sml import tlv
from smgw.sml.attention import AttentionCode, attention_code, attention_number, explain
from smgw.sml.client import Answers, Client, Stray, TimedOut
from smgw.sml.file import decode_messages, encode_messages
from smgw.sml.messages import (
    AttentionResponse,
    Body,
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
    ParameterValue,
    Tree,
)
from smgw.sml.parameters import (
    FIRMWARE,
    OBJECT_LIST_PATH,
    SCALER_UNIT,
    STATUS,
    VALUE,
    ObjectValue,
    object_tree,
    parameter_name,
    read_object,
    read_object_list,
)
from smgw.sml.server import Reply, Server
from smgw.sml.transport import encode_frame
from smgw.wire import Crc, Refused
from telegrams import IMPORT, POWER, SERVER, entries, frame, payload_of

PASSWORD = b"hunter2-secret"


class Meter:
    """What the server asks of a meter."""

    server_id = SERVER
    firmware = b"1.2.3"

    def sec_index(self) -> int:
        return 4242

    def entries(self) -> Sequence[ListEntry]:
        return entries()


def new_client(**options: Any) -> Client:
    return Client(b"gateway", b"\x00\x00\x00\x01", **options)


def octet_by_octet(octets: bytes) -> list[bytes]:
    return [octets[place : place + 1] for place in range(len(octets))]


def reply(server: Server, octets: bytes) -> bytes:
    (event,) = server.receive(octets)
    assert isinstance(event, Reply)
    return event.octets


def ask(client: Client, server: Server, *requests: GetListRequest | GetProcParameterRequest) -> Answers:
    (answers,) = client.receive(reply(server, client.send(requests, 0.0)))
    assert isinstance(answers, Answers)
    return answers


def codes(answers: Answers) -> list[AttentionCode | int | None]:
    return [attention_code(body.number) if isinstance(body, AttentionResponse) else None for body in answers.bodies]


def test_the_object_list_names_every_object_and_the_firmware() -> None:
    client = new_client()
    answers = ask(client, Server(Meter()), client.get_parameter(*OBJECT_LIST_PATH))
    (body,) = answers.bodies
    assert isinstance(body, GetProcParameterResponse)
    assert [(name.obis, name.class_id) for name in read_object_list(body.tree)] == [
        (IMPORT, 3), (POWER, 3), (FIRMWARE.obis, 1),
    ]  # fmt: skip


def test_every_object_of_the_list_can_be_polled_in_one_file() -> None:
    client, server = new_client(), Server(Meter())
    (body,) = ask(client, server, client.get_parameter(*OBJECT_LIST_PATH)).bodies
    assert isinstance(body, GetProcParameterResponse)
    names = read_object_list(body.tree)
    answers = ask(client, server, *[client.get_parameter(parameter_name(name)) for name in names])
    assert answers.opened is not None
    assert (answers.opened.server_id, answers.opened.reference_time.seconds) == (SERVER, 4242)  # type: ignore[union-attr]
    found = [read_object(body.tree) for body in answers.bodies if isinstance(body, GetProcParameterResponse)]
    energy, power = entries()
    assert found == [
        ObjectValue(names[0], energy.value, -1, 30, energy.status),
        ObjectValue(names[1], power.value, 0, 27, None),
        ObjectValue(FIRMWARE, tlv.octets(b"1.2.3")),
    ]


@pytest.mark.parametrize("attribute", [VALUE, SCALER_UNIT, STATUS])
def test_one_attribute_can_be_asked_alone(attribute: bytes) -> None:
    client = new_client()
    (body,) = ask(
        client, Server(Meter()), client.get_parameter(parameter_name(ObjectName(3, 0, IMPORT)), attribute)
    ).bodies
    assert isinstance(body, GetProcParameterResponse)
    assert [child.name for child in body.tree.children] == [attribute]


@pytest.mark.parametrize("crc", Crc)
def test_get_list_answers_all_values_in_the_clients_family(crc: Crc) -> None:
    client = new_client(crc=crc)
    answers = ask(client, Server(Meter(), crc=crc), client.get_list())
    (body,) = answers.bodies
    assert isinstance(body, GetListResponse)
    assert (body.entries, body.client_id) == (entries(), b"gateway")


@pytest.mark.parametrize("crc", Crc)
def test_both_ways_octet_by_octet_give_one_answer(crc: Crc) -> None:
    client, server = new_client(crc=crc), Server(Meter(), crc=crc)
    replies = [
        event for octet in octet_by_octet(client.send([client.get_list()], 0.0)) for event in server.receive(octet)
    ]
    assert len(replies) == 1
    assert isinstance(replies[0], Reply)
    answers = [event for octet in octet_by_octet(replies[0].octets) for event in client.receive(octet)]
    assert len(answers) == 1
    assert isinstance(answers[0], Answers)


def test_a_meter_without_object_list_says_so_and_answers_get_list() -> None:
    client, server = new_client(), Server(Meter(), object_list=False)
    assert codes(ask(client, server, client.get_parameter(*OBJECT_LIST_PATH))) == [AttentionCode.UNEXPECTED_MESSAGE]
    assert isinstance(ask(client, server, client.get_list()).bodies[0], GetListResponse)


def test_an_unknown_object_is_refused_alone_and_the_others_are_answered() -> None:
    client = new_client()
    unknown = client.get_parameter(parameter_name(ObjectName(4, 0, IMPORT)))
    answers = ask(client, Server(Meter()), unknown, client.get_parameter(parameter_name(FIRMWARE)))
    assert codes(answers) == [AttentionCode.UNKNOWN_OBJECT, None]
    assert answers.refusal() is None


@pytest.mark.parametrize("path", [(), (b"",), (b"x",), (parameter_name(FIRMWARE), b"\x00\x09")])
def test_a_path_that_leads_nowhere_is_refused(path: tuple[bytes, ...]) -> None:
    client = new_client()
    (code,) = codes(ask(client, Server(Meter()), GetProcParameterRequest(path)))
    assert code in (AttentionCode.UNKNOWN_OBJECT, AttentionCode.UNKNOWN_DESIGNATOR, AttentionCode.UNEXPECTED_MESSAGE)


def test_an_unknown_list_name_is_refused() -> None:
    client = new_client()
    assert codes(ask(client, Server(Meter()), GetListRequest(b"gateway", list_name=b"\x01"))) == [
        AttentionCode.UNKNOWN_DESIGNATOR
    ]


@pytest.mark.parametrize(
    ("username", "password"),
    [(None, None), ("operator", b"wrong"), ("other", PASSWORD), ("operator", None), (None, PASSWORD)],
)
def test_wrong_credentials_are_refused_as_a_whole_in_words(username: str | None, password: bytes | None) -> None:
    client = new_client(username=username, password=password)
    answers = ask(client, Server(Meter(), b"operator", PASSWORD), client.get_list())
    assert answers.opened is None
    assert answers.attention is not None
    assert attention_code(answers.attention.number) is AttentionCode.USER_OR_PASSWORD
    assert "password" in (answers.refusal() or "")
    assert not any(isinstance(body, GetListResponse) for body in answers.bodies)


def test_right_credentials_are_accepted() -> None:
    client = new_client(username="operator", password=PASSWORD)
    answers = ask(client, Server(Meter(), b"operator", PASSWORD), client.get_list())
    assert isinstance(answers.bodies[0], GetListResponse)


def test_credentials_reach_no_repr_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = new_client(username="operator", password=PASSWORD)
    server = Server(Meter(), b"operator", b"other")
    requests = [client.get_list(), client.get_parameter(b"p")]
    answers = ask(client, server, *requests)
    octets = client.send(requests, 0.0)
    sent = decode_messages(payload_of(octets), Crc.X25)
    with pytest.raises(LocalProtocolError) as error:
        client.send(requests, 0.0)
    shown = f"{client!r} {client} {server!r} {requests!r} {answers!r} {sent!r} {error.value} {caplog.text}"
    assert "secret" not in shown
    assert PASSWORD.hex() not in shown
    assert PASSWORD in octets  # it is sent, after all


@pytest.mark.parametrize("request_of", [GetListRequest, None])
def test_a_request_that_names_another_meter_is_refused(request_of: type[GetListRequest] | None) -> None:
    client = new_client()
    named = (
        GetListRequest(b"gateway", server_id=b"another")
        if request_of
        else GetProcParameterRequest((parameter_name(FIRMWARE),), server_id=b"another")
    )
    assert codes(ask(client, Server(Meter()), named)) == [AttentionCode.SERVER_ID]
    assert codes(ask(client, Server(Meter()), GetListRequest(b"gateway", server_id=SERVER))) == [None]


def test_a_file_without_open_is_refused_message_by_message() -> None:
    octets = encode_frame(encode_messages([Message(b"1", GetListRequest(b"c")), Message(b"2", CloseRequest())]))
    answered = decode_messages(payload_of(reply(Server(Meter()), octets)), Crc.X25)
    assert all(isinstance(message.body, AttentionResponse) for message in answered)
    assert [message.transaction_id for message in answered] == [b"1", b"2"]


def test_a_telegram_that_is_no_request_is_answered_by_attentions_only() -> None:
    answered = decode_messages(payload_of(reply(Server(Meter()), frame())), Crc.X25)
    assert {type(message.body) for message in answered} == {AttentionResponse}


def test_two_files_at_once_get_two_answers_in_their_order() -> None:
    one, two, server = new_client(), Client(b"gateway", b"\x00\x00\x09\x01"), Server(Meter())
    octets = one.send([one.get_list()], 0.0) + two.send([two.get_list()], 0.0)
    replies = [event.octets for event in server.receive(octets) if isinstance(event, Reply)]
    assert len(replies) == 2
    assert isinstance(one.receive(replies[0])[0], Answers)
    assert isinstance(two.receive(replies[1])[0], Answers)


@pytest.mark.parametrize("seed", range(20))
def test_a_server_fed_garbage_and_half_files_still_answers_a_whole_one(seed: int) -> None:
    generator = random.Random(seed)
    client, server = new_client(), Server(Meter())
    octets = client.send([client.get_list()], 0.0)
    garbage = generator.randbytes(300) + octets[: generator.randrange(len(octets))] + generator.randbytes(3)
    replies = [event for event in server.receive(garbage) + server.receive(octets) if isinstance(event, Reply)]
    assert len(replies) == 1
    assert isinstance(client.receive(replies[0].octets)[0], Answers)


def test_a_request_with_a_flipped_bit_is_not_answered() -> None:
    client = new_client()
    octets = bytearray(client.send([client.get_list()], 0.0))
    octets[30] ^= 4
    (event,) = Server(Meter()).receive(bytes(octets))
    assert isinstance(event, Refused)


def test_the_echo_of_a_request_is_no_answer_and_the_answer_behind_it_is_read() -> None:
    client, server = new_client(), Server(Meter())
    request = client.send([client.get_list()], 0.0)
    events = client.receive(request + reply(server, request))
    assert [type(event) for event in events] == [Answers]


def test_a_late_answer_is_a_stray_and_not_the_answer_of_the_next_request() -> None:
    client, server = new_client(timeout=5.0), Server(Meter())
    late = reply(server, client.send([client.get_list()], 100.0))
    assert client.expire(104.9) is None
    assert client.expire(105.0) == TimedOut(5.0)
    assert client.expire(106.0) is None
    second = reply(server, client.send([client.get_list()], 106.0))
    events = client.receive(late + second)
    assert [type(event) for event in events] == [Stray, Answers]


def test_an_answer_without_a_question_is_a_stray() -> None:
    client = new_client()
    (event,) = client.receive(frame())
    assert isinstance(event, Stray)
    assert "late" in event.reason


def test_two_sessions_with_different_seeds_do_not_take_each_others_answers() -> None:
    one, two = Client(b"g", b"\x00\x00\x00\x01"), Client(b"g", b"\x70\x00\x00\x01")
    answer = reply(Server(Meter()), one.send([one.get_list()], 0.0))
    two.send([two.get_list()], 0.0)
    assert [type(event) for event in two.receive(answer)] == [Stray]


def test_the_deadline_is_there_while_something_is_asked() -> None:
    client, server = new_client(timeout=5.0), Server(Meter())
    assert client.deadline(0.0) is None
    answer = reply(server, client.send([client.get_list()], 10.0))
    assert client.deadline(11.0) == 15.0
    assert client.deadline(20.0) == 20.0
    client.receive(answer)
    assert client.deadline(11.0) is None


def test_one_file_at_a_time_may_be_asked() -> None:
    client = new_client()
    client.send([client.get_list()], 0.0)
    with pytest.raises(LocalProtocolError, match="under way"):
        client.send([client.get_list()], 0.0)


def split(octets: bytes, sizes: list[int]) -> list[bytes]:
    """The messages of one answer in several frames."""
    messages = decode_messages(payload_of(octets), Crc.X25)
    frames = []
    for size in sizes:
        frames.append(encode_frame(encode_messages(messages[:size])))
        messages = messages[size:]
    assert not messages
    return frames


@pytest.mark.parametrize("sizes", [[1, 1, 1, 1], [1, 3], [2, 2], [3, 1]])
def test_an_answer_in_several_frames_is_one_answer(sizes: list[int]) -> None:
    client = new_client()
    requests = [client.get_list(), client.get_parameter(parameter_name(FIRMWARE))]
    octets = reply(Server(Meter()), client.send(requests, 0.0))
    events = [event for octets in split(octets, sizes) for event in client.receive(octets)]
    assert [type(event) for event in events] == [Answers]
    assert isinstance(events[0], Answers)
    assert [type(body) for body in events[0].bodies] == [GetListResponse, GetProcParameterResponse]


def test_an_answer_that_lacks_a_body_leaves_its_place_empty() -> None:
    client = new_client()
    octets = reply(Server(Meter()), client.send([client.get_list(), client.get_list()], 0.0))
    messages = decode_messages(payload_of(octets), Crc.X25)
    (event,) = client.receive(encode_frame(encode_messages([messages[0], messages[2], messages[3]])))
    assert isinstance(event, Answers)
    assert event.bodies[0] is None
    assert isinstance(event.bodies[1], GetListResponse)


def test_answers_in_another_order_find_their_requests() -> None:
    client = new_client()
    requests = [client.get_list(), client.get_parameter(parameter_name(FIRMWARE))]
    messages = decode_messages(payload_of(reply(Server(Meter()), client.send(requests, 0.0))), Crc.X25)
    (event,) = client.receive(encode_frame(encode_messages([messages[0], messages[2], messages[1], messages[3]])))
    assert isinstance(event, Answers)
    assert [type(body) for body in event.bodies] == [GetListResponse, GetProcParameterResponse]


def test_a_damaged_answer_is_refused_and_the_request_stays_open() -> None:
    client = new_client()
    octets = bytearray(reply(Server(Meter()), client.send([client.get_list()], 0.0)))
    octets[40] ^= 1
    (event,) = client.receive(bytes(octets))
    assert isinstance(event, Refused)
    assert client.deadline(0.0) is not None


def test_more_requests_than_groups_are_all_answered() -> None:
    client = new_client()
    answers = ask(client, Server(Meter()), *[client.get_parameter(parameter_name(FIRMWARE))] * 300)
    assert len(answers.bodies) == 300
    assert all(isinstance(body, GetProcParameterResponse) for body in answers.bodies)


def test_the_file_number_starts_again_after_its_largest() -> None:
    client = Client(b"g", b"\xff\xff\xff\xff")
    assert isinstance(ask(client, Server(Meter()), client.get_list()).bodies[0], GetListResponse)


def test_an_open_request_carries_a_new_file_id_each_time() -> None:
    client, server = new_client(), Server(Meter())
    ids = set()
    for _ in range(3):
        opened = ask(client, server, client.get_list()).opened
        assert isinstance(opened, OpenResponse)
        ids.add(opened.request_file_id)
    assert len(ids) == 3


@pytest.mark.parametrize(
    "content",
    [
        tlv.sequence(tlv.signed(-1, 1), tlv.unsigned(30, 1)),
        tlv.sequence(tlv.unsigned(1, 1), tlv.sequence(tlv.signed(-1, 1), tlv.unsigned(30, 1))),
        tlv.sequence(
            tlv.unsigned(3, 1), tlv.sequence(tlv.unsigned(1, 1), tlv.sequence(tlv.signed(-1, 1), tlv.unsigned(30, 1)))
        ),
    ],
)
def test_a_scaler_unit_is_read_bare_or_wrapped(content: tlv.Value) -> None:
    found = read_object(object_with(content))
    assert (found.scaler, found.unit) == (-1, 30)


def object_with(scaler_unit: tlv.Value) -> Tree:
    name = ObjectName(3, 0, IMPORT)
    value = Tree(VALUE, ParameterValue(1, tlv.unsigned(1, 1)))
    return Tree(parameter_name(name), None, (value, Tree(SCALER_UNIT, ParameterValue(1, scaler_unit))))


@pytest.mark.parametrize(
    "content",
    [
        tlv.unsigned(1, 1),
        tlv.sequence(),
        tlv.sequence(None, None),
        tlv.sequence(tlv.octets(b"x"), tlv.unsigned(1, 1)),
        tlv.sequence(tlv.unsigned(1, 1), tlv.sequence()),
        tlv.sequence(tlv.signed(-129, 2), tlv.unsigned(30, 1)),
        tlv.sequence(tlv.signed(-1, 1), tlv.unsigned(256, 2)),
        tlv.sequence(tlv.unsigned(2_000_000_000, 4), tlv.unsigned(30, 1)),
    ],
)
def test_a_scaler_unit_that_is_none_is_refused(content: tlv.Value) -> None:
    with pytest.raises(RemoteProtocolError, match="scaler_unit"):
        read_object(object_with(content))


@pytest.mark.parametrize(
    "tree", [Tree(b"x"), Tree(parameter_name(FIRMWARE)), Tree(parameter_name(FIRMWARE), None, (Tree(VALUE),))]
)
def test_a_tree_without_a_value_is_refused(tree: Tree) -> None:
    with pytest.raises(RemoteProtocolError, match="without a value"):
        read_object(tree)


def test_an_object_is_read_as_it_was_written() -> None:
    found = ObjectValue(ObjectName(3, 0, IMPORT), tlv.unsigned(7, 5), -3, 30, tlv.unsigned(4, 2))
    assert read_object(object_tree(found)) == found


def test_names_in_an_object_list_that_are_no_objects_are_passed_over() -> None:
    tree = Tree(VALUE, None, (Tree(b"x"), Tree(parameter_name(FIRMWARE)), Tree(b"0123456789")))
    assert read_object_list(tree) == [FIRMWARE]


@pytest.mark.parametrize("code", AttentionCode)
def test_every_attention_has_its_number_and_words(code: AttentionCode) -> None:
    assert attention_code(attention_number(code)) is code
    assert f"{code:04X}" in explain(attention_number(code))


@pytest.mark.parametrize(
    ("number", "code"), [("8181c7c7e123", 0xE123), ("8181c7c7fe", None), ("0102030405fe", None), ("", None)]
)
def test_an_attention_beyond_the_table_is_shown_by_its_octets(number: str, code: int | None) -> None:
    octets = bytes.fromhex(number)
    assert attention_code(octets) == code
    assert explain(octets) == f"attention {number}"


def test_bodies_of_other_kinds_leave_the_client_standing() -> None:
    client = new_client()
    messages = decode_messages(payload_of(client.send([client.get_list()], 0.0)), Crc.X25)
    odd: list[Body] = [CloseResponse(), CloseResponse(), CloseResponse()]
    answered = [Message(message.transaction_id, body) for message, body in zip(messages, odd, strict=True)]
    (event,) = client.receive(encode_frame(encode_messages(answered)))
    assert isinstance(event, Answers)
    assert event.opened is None


def test_requests_are_open_requests_groups_and_close() -> None:
    client = new_client()
    messages = decode_messages(payload_of(client.send([client.get_list()], 0.0)), Crc.X25)
    assert [type(message.body) for message in messages] == [OpenRequest, GetListRequest, CloseRequest]
    assert [message.group for message in messages] == [0, 1, 2]
