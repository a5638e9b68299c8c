"""Load profiles: what a meter answers in both forms, and what is read of it."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profile_meter import COLUMNS, DST_NIGHT, QUARTER, ProfileMeter, row
from smgw.cosem import Obis
from smgw.errors import RemoteProtocolError
from smgw.sml import tlv
from smgw.sml.attention import AttentionCode, attention_code
from smgw.sml.client import Answers, Client, Request
from smgw.sml.messages import (
    AttentionResponse,
    GetProfileListResponse,
    GetProfilePackRequest,
    GetProfilePackResponse,
    HeaderEntry,
    ListEntry,
    Time,
    Tree,
)
from smgw.sml.profiles import (
    LOAD_PROFILE,
    Column,
    LoadProfile,
    Row,
    from_list,
    from_pack,
    to_list,
    to_pack,
)
from smgw.sml.server import Reply, Server
from smgw.sml.transport import FrameDecoder
from sml_strategies import times, unsigned
from telegrams import SERVER, entries, resent

ROWS = [row(seconds) for seconds in DST_NIGHT]
PATH = (bytes(LOAD_PROFILE),)
_signature = st.none() | st.binary(min_size=1, max_size=48)


@st.composite
def profiles(draw: st.DrawFn) -> LoadProfile:
    codes = st.binary(min_size=6, max_size=6).map(Obis)
    columns = draw(
        st.lists(st.builds(Column, codes, st.integers(0, 255), st.integers(-128, 127)), min_size=1, max_size=3)
    )

    def rows() -> st.SearchStrategy[Row]:
        size = len(columns)
        signatures = st.lists(_signature, min_size=size, max_size=size).map(
            lambda found: tuple(found) if any(found) else ()
        )
        values = st.lists(st.none() | unsigned(), min_size=size, max_size=size).map(tuple)
        return st.builds(Row, times, st.integers(0, 2**64 - 1), values, _signature, signatures)

    found = draw(st.lists(rows(), min_size=1, max_size=4))
    return LoadProfile(draw(times), draw(st.integers(0, 2**32 - 1)), tuple(columns), tuple(found))


@given(profiles(), _signature)
def test_a_profile_is_the_same_after_one_message(profile: LoadProfile, signature: bytes | None) -> None:
    profile = profile._replace(signature=signature)
    body = resent(to_pack(SERVER, PATH, profile))
    assert isinstance(body, GetProfilePackResponse)
    assert from_pack(body) == profile


@given(profiles())
def test_a_profile_is_the_same_after_a_message_a_row(profile: LoadProfile) -> None:
    messages = [resent(body) for body in to_list(SERVER, PATH, profile)]
    assert from_list(body for body in messages if isinstance(body, GetProfileListResponse)) == [profile]


def test_a_scaler_that_changes_between_rows_begins_a_new_part() -> None:
    one = LoadProfile(
        Time(2, 9), QUARTER, (Column(COLUMNS[0].obis, 30, -1),), (Row(Time(2, 1), 0, (tlv.unsigned(1, 1),)),)
    )
    other = one._replace(columns=(Column(COLUMNS[0].obis, 30, 0),))
    messages = [body for part in (one, one, other) for body in to_list(SERVER, PATH, part)]
    assert from_list(messages) == [one._replace(rows=one.rows * 2), other]


def test_a_row_with_too_few_values_is_refused() -> None:
    pack = to_pack(SERVER, PATH, LoadProfile(Time(2, 9), QUARTER, COLUMNS, (ROWS[0],)))
    short = pack._replace(period_list=(pack.period_list[0]._replace(value_list=()),))
    with pytest.raises(RemoteProtocolError, match="0 values in 2 columns"):
        from_pack(short)


def test_a_column_that_is_no_obis_code_is_refused() -> None:
    pack = to_pack(SERVER, PATH, LoadProfile(Time(2, 9), QUARTER, (), ()))
    with pytest.raises(RemoteProtocolError, match="no OBIS code"):
        from_pack(pack._replace(header_list=(HeaderEntry(b"x"),)))


def test_a_meter_that_leaves_out_unit_and_scaler_still_has_rows() -> None:
    pack = to_pack(SERVER, PATH, LoadProfile(Time(2, 9), QUARTER, (), ()))
    assert from_pack(pack._replace(header_list=(HeaderEntry(COLUMNS[0].obis),))).columns == (Column(COLUMNS[0].obis),)


def ask(server: Server, *requests: Request, client: Client | None = None) -> Answers:
    client = client or Client(b"gateway", b"\0\0\0\1")
    (reply,) = server.receive(client.send(requests, 0.0))
    assert isinstance(reply, Reply)
    (answers,) = client.receive(reply.octets)
    assert isinstance(answers, Answers)
    return answers


CLIENT = Client(b"gateway", b"\0\0\0\1")
BEGIN, END = Time(2, DST_NIGHT[0]), Time(2, DST_NIGHT[-1])


def test_get_profile_pack_answers_one_message() -> None:
    answers = ask(Server(ProfileMeter(ROWS)), CLIENT.get_profile(PATH, BEGIN, END))
    (body,) = answers.messages(0)
    assert isinstance(body, GetProfilePackResponse)
    assert from_pack(body) == LoadProfile(END, QUARTER, COLUMNS, tuple(ROWS))


def test_get_profile_list_answers_a_message_a_row() -> None:
    answers = ask(Server(ProfileMeter(ROWS)), CLIENT.get_profile_list(PATH, BEGIN, END), CLIENT.get_list())
    messages = answers.messages(0)
    assert len(messages) == len(ROWS) == 21
    listed = [body for body in messages if isinstance(body, GetProfileListResponse)]
    assert from_list(listed) == [LoadProfile(END, QUARTER, COLUMNS, tuple(ROWS))]
    assert len(answers.messages(1)) == 1


def test_a_long_list_comes_in_several_frames_and_is_one_answer() -> None:
    rows = [row(seconds) for seconds in range(0, 900_000, 900)]
    client = Client(b"gateway", b"\0\0\0\1")
    (reply,) = Server(ProfileMeter(rows)).receive(client.send([client.get_profile_list(PATH)], 0.0))
    assert isinstance(reply, Reply)
    assert len(FrameDecoder().receive(reply.octets)) > 1
    (answers,) = client.receive(reply.octets)
    assert isinstance(answers, Answers)
    assert len(answers.messages(0)) == 1000


def test_rows_of_a_list_are_waited_for_until_the_close() -> None:
    rows = [row(seconds) for seconds in range(0, 900_000, 900)]
    client = Client(b"gateway", b"\0\0\0\1")
    (reply,) = Server(ProfileMeter(rows)).receive(client.send([client.get_profile_list(PATH)], 0.0))
    assert isinstance(reply, Reply)
    half = len(reply.octets) // 2
    assert client.receive(reply.octets[:half]) == []
    assert client.deadline(0.0) is not None
    assert len(client.receive(reply.octets[half:])) == 1


def test_a_damaged_frame_among_the_rows_is_told() -> None:
    rows = [row(seconds) for seconds in range(0, 900_000, 900)]
    client = Client(b"gateway", b"\0\0\0\1")
    (reply,) = Server(ProfileMeter(rows)).receive(client.send([client.get_profile_list(PATH)], 0.0))
    assert isinstance(reply, Reply)
    octets = bytearray(reply.octets)
    octets[100] ^= 1
    answers = client.receive(bytes(octets))[-1]
    assert isinstance(answers, Answers)
    assert answers.damaged
    assert len(answers.messages(0)) < 1000


def test_only_the_columns_that_were_asked_for_come() -> None:
    wanted = COLUMNS[1].obis
    answers = ask(Server(ProfileMeter(ROWS)), CLIENT.get_profile(PATH, BEGIN, END, [wanted]))
    (body,) = answers.bodies
    assert isinstance(body, GetProfilePackResponse)
    profile = from_pack(body)
    assert profile.columns == COLUMNS[1:]
    assert [found.values for found in profile.rows] == [sent.values[1:] for sent in ROWS]


class OldMeter:
    """Knows no profiles."""

    server_id = SERVER
    firmware = b""

    def sec_index(self) -> int:
        return 1

    def entries(self) -> Sequence[ListEntry]:
        return entries()


MANY = [row(seconds) for seconds in range(0, 9_000_000, 900)]


@pytest.mark.parametrize(
    ("server", "request_", "code"),
    [
        (Server(ProfileMeter(ROWS)), CLIENT.get_profile(PATH, END, BEGIN), AttentionCode.END_BEFORE_BEGIN),
        (Server(ProfileMeter(ROWS)), CLIENT.get_profile(PATH, Time(2, 1), Time(2, 2)), AttentionCode.NO_ENTRY_IN_RANGE),
        (Server(ProfileMeter([])), CLIENT.get_profile(PATH), AttentionCode.NO_PROFILE_ENTRY),
        (Server(ProfileMeter(ROWS)), CLIENT.get_profile((b"x",)), AttentionCode.UNKNOWN_DESIGNATOR),
        (Server(ProfileMeter(ROWS)), CLIENT.get_profile(PATH, objects=[b"x"]), AttentionCode.UNKNOWN_OBJECT),
        (Server(ProfileMeter(ROWS)), CLIENT.get_profile(PATH, Time(1, 1), Time(2, 2)), AttentionCode.RANGE),
        (Server(ProfileMeter(MANY)), CLIENT.get_profile(PATH), AttentionCode.RANGE),
        (
            Server(ProfileMeter(ROWS)),
            GetProfilePackRequest(PATH, das_details=Tree(b"x")),
            AttentionCode.OPTIONAL_ELEMENT,
        ),
        (Server(ProfileMeter(ROWS)), GetProfilePackRequest(PATH, server_id=b"other"), AttentionCode.SERVER_ID),
        (Server(ProfileMeter(ROWS), object_list=False), CLIENT.get_profile(PATH), AttentionCode.UNEXPECTED_MESSAGE),
        (Server(OldMeter()), CLIENT.get_profile(PATH), AttentionCode.UNEXPECTED_MESSAGE),
        (Server(OldMeter()), CLIENT.get_profile_list(PATH), AttentionCode.UNEXPECTED_MESSAGE),
    ],
)
def test_what_cannot_be_answered_is_an_attention(server: Server, request_: Request, code: AttentionCode) -> None:
    (body,) = ask(server, request_).bodies
    assert isinstance(body, AttentionResponse)
    assert attention_code(body.number) is code


@pytest.mark.parametrize("build", [Client.get_profile, Client.get_profile_list])
def test_a_request_carries_the_sessions_credentials_and_shows_none(build: object) -> None:
    client = Client(b"gateway", b"\0\0\0\1", username="operator", password=b"hunter2")
    assert callable(build)
    request = build(client, PATH, BEGIN, END)
    answers = ask(Server(ProfileMeter(ROWS), b"operator", b"hunter2"), request, client=client)
    assert not isinstance(answers.bodies[0], AttentionResponse)
    assert "hunter2" not in repr(request)
    assert "operator" not in repr(request)
