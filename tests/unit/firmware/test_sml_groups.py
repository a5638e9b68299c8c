"""Groups and abortOnError: what a meter does with the rest of a file, and what the client can ask of it."""

import pytest
from profile_meter import ProfileMeter
from smgw.errors import LocalProtocolError
from smgw.sml.attention import AttentionCode, attention_code
from smgw.sml.client import Answers, Client
from smgw.sml.file import decode_messages, encode_messages
from smgw.sml.messages import (
    AbortOnError,
    AttentionResponse,
    Body,
    CloseRequest,
    CloseResponse,
    GetListRequest,
    GetListResponse,
    Message,
    OpenRequest,
    OpenResponse,
    SetProcParameterRequest,
    Tree,
)
from smgw.sml.server import Reply, Server
from smgw.sml.transport import encode_frame
from smgw.wire import Crc
from telegrams import payload_of

GOOD = GetListRequest(b"c")
BAD = GetListRequest(b"c", list_name=b"no such list")


def answered(file: list[Message]) -> list[Message]:
    (reply,) = Server(ProfileMeter([])).receive(encode_frame(encode_messages(file)))
    assert isinstance(reply, Reply)
    messages = decode_messages(payload_of(reply.octets), Crc.X25)
    assert reply.requests == len(messages)
    return messages


def in_groups(abort: int, *groups: str) -> list[str]:
    """Each group is a text of + (a good request) and - (a bad one); the answers in the same way."""
    file = [Message(b"open", OpenRequest(b"c", b"f"))]
    for number, group in enumerate(groups, 1):
        for place, kind in enumerate(group):
            file.append(Message(bytes((number, place)), GOOD if kind == "+" else BAD, number, abort))
    file.append(Message(b"close", CloseRequest(), 250, abort))
    first, *middle, last = answered(file)
    assert isinstance(first.body, OpenResponse)
    assert isinstance(last.body, CloseResponse)
    found = [""] * len(groups)
    for message in middle:
        assert message.group == message.transaction_id[0]
        found[message.group - 1] += "+" if isinstance(message.body, GetListResponse) else "-"
    return found


@pytest.mark.parametrize(
    ("abort", "expected"),
    [
        (AbortOnError.CONTINUE, ["++", "+-+", "+", "-+"]),
        (AbortOnError.NEXT_GROUP, ["++", "+-", "+", "-"]),
        (AbortOnError.FINISH_GROUP, ["++", "+-+", "", ""]),
        (AbortOnError.STOP, ["++", "+-", "", ""]),
        (0x77, ["++", "+-", "", ""]),
    ],
)
def test_a_failed_request_decides_about_the_rest(abort: int, expected: list[str]) -> None:
    assert in_groups(abort, "++", "+-+", "+", "-+") == expected


@pytest.mark.parametrize("abort", AbortOnError)
def test_a_file_without_a_failure_is_carried_out_whole(abort: AbortOnError) -> None:
    assert in_groups(abort, "+", "++", "+++") == ["+", "++", "+++"]


def test_only_the_failed_requests_own_abort_counts() -> None:
    file = [
        Message(b"0", OpenRequest(b"c", b"f"), 0, AbortOnError.STOP),
        Message(b"1", BAD, 1, AbortOnError.CONTINUE),
        Message(b"2", GOOD, 2, AbortOnError.STOP),
        Message(b"3", CloseRequest(), 3, AbortOnError.STOP),
    ]
    assert [message.transaction_id for message in answered(file)] == [b"0", b"1", b"2", b"3"]


def test_a_message_that_comes_back_to_a_group_that_was_left_is_refused() -> None:
    file = [
        Message(b"0", OpenRequest(b"c", b"f")),
        *(Message(bytes((65 + place,)), GOOD, group) for place, group in enumerate((1, 2, 1, 1, 3))),
        Message(b"9", CloseRequest(), 0),
    ]
    codes = [
        attention_code(message.body.number) if isinstance(message.body, AttentionResponse) else None
        for message in answered(file)
    ]
    refused = AttentionCode.UNEXPECTED_MESSAGE
    assert codes == [None, None, None, refused, refused, None, None]


def test_a_file_all_in_one_group_is_carried_out() -> None:
    file = [
        Message(b"0", OpenRequest(b"c", b"f")),
        Message(b"1", GOOD),
        Message(b"2", GOOD),
        Message(b"3", CloseRequest()),
    ]
    assert [type(message.body) for message in answered(file)] == [
        OpenResponse, GetListResponse, GetListResponse, CloseResponse,
    ]  # fmt: skip


def test_an_open_that_fails_with_stop_ends_the_file() -> None:
    file = [
        Message(b"0", OpenRequest(b"c", b"f", server_id=b"another"), 0, AbortOnError.STOP),
        Message(b"1", GOOD, 1),
        Message(b"2", CloseRequest(), 2),
    ]
    assert [message.transaction_id for message in answered(file)] == [b"0", b"2"]


def ask(client: Client, groups: list[int] | None, abort: int) -> Answers:
    octets = client.send([GOOD, BAD, GOOD], 0.0, groups=groups, abort_on_error=abort)
    (reply,) = Server(ProfileMeter([])).receive(octets)
    assert isinstance(reply, Reply)
    (answers,) = client.receive(reply.octets)
    assert isinstance(answers, Answers)
    return answers


@pytest.mark.parametrize(
    ("groups", "abort", "expected"),
    [
        (None, AbortOnError.CONTINUE, "+-+"),
        (None, AbortOnError.STOP, "+- "),
        ([1, 1, 1], AbortOnError.NEXT_GROUP, "+- "),
        ([1, 1, 2], AbortOnError.NEXT_GROUP, "+-+"),
        ([1, 1, 1], AbortOnError.FINISH_GROUP, "+-+"),
        ([1, 2, 3], AbortOnError.FINISH_GROUP, "+- "),
    ],
)
def test_the_client_sets_both_and_a_request_passed_over_leaves_its_place_empty(
    groups: list[int] | None, abort: AbortOnError, expected: str
) -> None:
    client = Client(b"gateway", b"\0\0\0\1")

    def sign(body: Body | None) -> str:
        return " " if body is None else "+" if isinstance(body, GetListResponse) else "-"

    assert "".join(map(sign, ask(client, groups, abort).bodies)) == expected
    assert client.deadline(0.0) is None  # the close said that nothing more comes


@pytest.mark.parametrize("groups", [[1], [2, 1, 3], [0, 1, 2], [1, 2, 255], [1, 2, 3, 4]])
def test_groups_that_are_none_are_our_callers_fault(groups: list[int]) -> None:
    with pytest.raises(LocalProtocolError, match="group"):
        Client(b"gateway", b"\0\0\0\1").send([GOOD, BAD, GOOD], 0.0, groups=groups)


PATH, TREE = (b"\x01\x02",), Tree(b"\x01\x02")


def write(server: Server, abort_on_error: int = AbortOnError.CONTINUE) -> list[AttentionCode | int | None]:
    client = Client(b"gateway", b"\0\0\0\1")
    (reply,) = server.receive(
        client.send([SetProcParameterRequest(PATH, TREE), GOOD], 0.0, abort_on_error=abort_on_error)
    )
    assert isinstance(reply, Reply)
    (answers,) = client.receive(reply.octets)
    assert isinstance(answers, Answers)
    return [attention_code(body.number) if isinstance(body, AttentionResponse) else None for body in answers.bodies]


def test_nothing_is_writable() -> None:
    assert write(Server(ProfileMeter([]))) == [AttentionCode.NOT_WRITABLE, None]


def test_an_older_meter_does_not_know_writing() -> None:
    assert write(Server(ProfileMeter([]), object_list=False)) == [AttentionCode.UNEXPECTED_MESSAGE, None]


def test_what_is_written_reaches_no_repr() -> None:
    request = SetProcParameterRequest(PATH, Tree(b"secret"), password=b"hunter2")
    assert "hunter2" not in repr(request)
    assert "secret" not in repr(request)
