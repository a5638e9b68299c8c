"""A load profile fetched in pieces: breaks, damage, late answers, the night the clocks change, meters with limits."""

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profile_meter import COLUMNS, DST_NIGHT, QUARTER, ProfileMeter, row
from smgw.cosem import Obis
from smgw.errors import LocalProtocolError, RemoteProtocolError
from smgw.sml.attention import AttentionCode, Denied, attention_number
from smgw.sml.client import Answers, Client, Stray, TimedOut
from smgw.sml.fetch import (
    Form,
    ProfileAccessRefused,
    ProfileBusy,
    ProfileError,
    ProfileFetch,
    ProfileIncomplete,
    ProfileRefused,
    ProfileUnknown,
    ProfileUnsupported,
    Progress,
)
from smgw.sml.messages import AttentionResponse, CloseResponse, OtherBody, Time
from smgw.sml.profiles import LOAD_PROFILE, Column, LoadProfile, Row
from smgw.sml.server import Reply, Server
from smgw.wire import Refused
from telegrams import SERVER

PATH = (bytes(LOAD_PROFILE),)
DAY = 86_400
START = 1_792_800_000


def client(seed: int = 1) -> Client:
    return Client(b"gateway", seed.to_bytes(4, "big"))


def fetch_of(begin: int, end: int, **options: object) -> ProfileFetch:
    return ProfileFetch(PATH, Time(2, begin), Time(2, end), **options)  # type: ignore[arg-type]


def step(fetch: ProfileFetch, meter: Server, session: Client) -> list[LoadProfile]:
    """One piece without a fault."""
    request = fetch.request(session)
    assert request is not None
    (reply,) = meter.receive(session.send([request], 0.0))
    assert isinstance(reply, Reply)
    (answers,) = session.receive(reply.octets)
    assert isinstance(answers, Answers)
    return fetch.take(answers)


def all_parts(fetch: ProfileFetch, meter: Server) -> list[LoadProfile]:
    session, parts = client(), []
    for _ in range(10_000):
        if fetch.done:
            return parts
        parts += step(fetch, meter, session)
    raise AssertionError("never ends")


def rows_of(parts: Sequence[LoadProfile]) -> list[Row]:
    return [found for part in parts for found in part.rows]


def quarters(begin: int, end: int) -> list[Row]:
    return [row(seconds) for seconds in range(begin, end + 1, QUARTER)]


@pytest.mark.parametrize("form", Form)
def test_three_days_come_whole_and_once(form: Form) -> None:
    model = ProfileMeter(quarters(START - DAY, START + 9 * DAY))
    fetch = fetch_of(START, START + 3 * DAY, form=form)
    assert fetch.progress == Progress(0, None)
    assert rows_of(all_parts(fetch, Server(model))) == quarters(START, START + 3 * DAY)
    assert fetch.progress == Progress(3 * 96 + 1, Time(2, START + 3 * DAY))
    assert fetch.request(client()) is None


@pytest.mark.parametrize("form", Form)
def test_no_piece_has_more_rows_or_hours_than_it_may(form: Form) -> None:
    model = ProfileMeter(quarters(START, START + DAY))
    all_parts(fetch_of(START, START + DAY, form=form, hours=6, rows=10), Server(model))
    first, *others = model.asked
    assert first[1] - first[0] < 6 * 3600  # the period is not known yet
    assert all(end - begin < 10 * QUARTER for begin, end in others)


@settings(max_examples=40, deadline=None)
@given(
    present=st.sets(st.integers(0, 300), max_size=60),
    hours=st.integers(1, 30),
    most=st.integers(1, 40),
    form=st.sampled_from(Form),
    newest_first=st.booleans(),
    choice=st.sampled_from((1, 2, 3)),
)
def test_whatever_gaps_a_profile_has_every_row_comes_once(
    present: set[int], hours: int, most: int, form: Form, newest_first: bool, choice: int
) -> None:
    rows = [row(START + place * QUARTER, choice) for place in sorted(present)]
    meter = Server(ProfileMeter(rows, newest_first=newest_first, choice=choice))
    kind = 1 if choice == 1 else 2
    fetch = ProfileFetch(PATH, Time(kind, START), Time(kind, START + 300 * QUARTER), form=form, hours=hours, rows=most)
    assert rows_of(all_parts(fetch, meter)) == rows


@settings(max_examples=40, deadline=None)
@given(
    present=st.sets(st.integers(0, 200), max_size=60),
    form=st.sampled_from(Form),
    seed=st.integers(0, 2**32),
)
def test_breaks_damage_and_new_sessions_lose_nothing_and_double_nothing(
    present: set[int], form: Form, seed: int
) -> None:
    rows = [row(START + place * QUARTER) for place in sorted(present)]
    chance = random.Random(seed)
    model = ProfileMeter(rows)
    begin, end = START, START + 200 * QUARTER
    fetch, found, session, meter = fetch_of(begin, end, form=form, hours=7), list[Row](), client(), Server(model)
    late = b""
    now = 0.0
    for _ in range(10_000):
        request = fetch.request(session)
        if request is None:
            break
        (reply,) = meter.receive(session.send([request], now))
        assert isinstance(reply, Reply)
        octets = bytearray(reply.octets)
        fault = chance.choice(["none", "none", "late", "damage", "cut", "new session", "new process"])
        if fault == "late":
            late += octets
            octets.clear()
        elif fault == "damage":
            octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
        elif fault == "cut":
            del octets[chance.randrange(len(octets)) :]
        elif fault.startswith("new"):
            session, meter, late = client(chance.getrandbits(32)), Server(model), b""
            if fault == "new process":
                until = fetch.progress.until
                fetch = fetch_of(begin, end, form=form, hours=7, after=found[-1].time if found else None)
                assert until is None or not found or until.seconds >= found[-1].time.seconds
            continue
        elif late and chance.random() < 0.5:
            octets, late = bytearray(late) + octets, b""
        for event in session.receive(bytes(octets)):
            assert isinstance(event, Answers | Refused | Stray)
            if isinstance(event, Answers):
                try:
                    found += rows_of(fetch.take(event))
                except ProfileIncomplete:
                    assert fault != "none" or event.damaged
        now += 100.0
        session.expire(now)
    assert found == rows


def test_a_late_answer_is_no_answer_to_the_piece_asked_next() -> None:
    meter, session = Server(ProfileMeter(quarters(START, START + DAY))), client()
    fetch = fetch_of(START, START + DAY, hours=1)
    first = fetch.request(session)
    assert first is not None
    (late,) = meter.receive(session.send([first], 0.0))
    assert isinstance(late, Reply)
    assert isinstance(session.expire(5.0), TimedOut)
    assert fetch.request(session) == first  # the same piece
    session.send([first], 6.0)
    assert [type(event) for event in session.receive(late.octets)] == [Stray]
    assert fetch.progress == Progress(0, None)


def test_the_doubled_hour_in_october_has_all_its_rows() -> None:
    rows = [row(seconds, 3) for seconds in DST_NIGHT]
    local = [
        found.time.seconds + 60 * ((found.time.local_offset or 0) + (found.time.season_offset or 0)) for found in rows
    ]
    assert len(set(local)) == len(rows) - 4  # on the clock four quarter hours come twice
    fetch = fetch_of(DST_NIGHT[0], DST_NIGHT[-1], hours=1)
    assert rows_of(all_parts(fetch, Server(ProfileMeter(rows)))) == rows
    fetch = fetch_of(DST_NIGHT[0], DST_NIGHT[-1], after=rows[10].time)
    assert rows_of(all_parts(fetch, Server(ProfileMeter(rows)))) == rows[11:]


@pytest.mark.parametrize("form", Form)
def test_an_empty_range_ends_without_rows(form: Form) -> None:
    model = ProfileMeter(quarters(START, START + DAY))
    fetch = fetch_of(START - 9 * DAY, START - DAY, form=form)
    assert all_parts(fetch, Server(model)) == []
    assert fetch.progress == Progress(0, Time(2, START - DAY))


def test_an_empty_profile_is_asked_once() -> None:
    session, fetch = client(), fetch_of(START, START + 99 * DAY)
    request = fetch.request(session)
    assert request is not None
    session.send([request], 0.0)
    assert fetch.take(refused_by(AttentionCode.NO_PROFILE_ENTRY)) == []
    assert fetch.done


def refused_by(code: AttentionCode) -> Answers:
    return Answers(None, (AttentionResponse(SERVER, attention_number(code)),), None)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (AttentionCode.UNEXPECTED_MESSAGE, ProfileUnsupported),
        (AttentionCode.UNKNOWN_DESIGNATOR, ProfileUnknown),
        (AttentionCode.UNKNOWN_OBJECT, ProfileUnknown),
        (AttentionCode.USER_OR_PASSWORD, ProfileAccessRefused),
        (AttentionCode.NOT_READABLE, ProfileAccessRefused),
        (AttentionCode.BUSY, ProfileBusy),
        (AttentionCode.END_BEFORE_BEGIN, ProfileRefused),
        (AttentionCode.UNDEFINED, ProfileRefused),
    ],
)
@pytest.mark.parametrize("whole_file", [False, True])
def test_a_refusal_is_an_error_of_its_kind_and_takes_nothing(
    code: AttentionCode, kind: type[ProfileRefused], whole_file: bool
) -> None:
    session, fetch = client(), fetch_of(START, START + DAY)
    request = fetch.request(session)
    answers = refused_by(code)
    if whole_file:
        answers = Answers(None, (None,), AttentionResponse(SERVER, attention_number(code)))
    with pytest.raises(ProfileRefused) as error:
        fetch.take(answers)
    assert type(error.value) is kind
    assert error.value.code is code
    assert f"{code:04X}" in str(error.value)
    assert fetch.request(session) == request


def test_an_old_meter_that_knows_no_profiles_is_told_by_its_attention() -> None:
    with pytest.raises(ProfileUnsupported):
        step(fetch_of(START, START + DAY), Server(ProfileMeter([]), object_list=False), client())


def test_a_meter_that_refuses_a_large_range_is_asked_for_smaller_ones() -> None:
    class Small(ProfileMeter):
        def profile(self, path: tuple[bytes, ...], begin: Time | None, end: Time | None) -> LoadProfile | None:
            found = super().profile(path, begin, end)
            if found is not None and len(found.rows) > 5:
                raise Denied(AttentionCode.RANGE)
            return found

    rows = quarters(START, START + DAY)
    assert rows_of(all_parts(fetch_of(START, START + DAY), Server(Small(rows)))) == rows


def test_a_meter_that_refuses_every_range_is_not_asked_for_ever() -> None:
    session, fetch = client(), fetch_of(START, START + DAY)
    for _ in range(7):  # from a day to under a quarter of an hour
        fetch.request(session)
        assert fetch.take(refused_by(AttentionCode.RANGE)) == []
    fetch.request(session)
    with pytest.raises(ProfileRefused):
        fetch.take(refused_by(AttentionCode.RANGE))


@pytest.mark.parametrize("most", [1, 3])
def test_a_meter_that_gives_fewer_rows_than_asked_for_is_asked_for_the_rest(most: int) -> None:
    rows = quarters(START, START + DAY)
    assert rows_of(all_parts(fetch_of(START, START + DAY), Server(ProfileMeter(rows, most=most)))) == rows


def edited(answer: Callable[[LoadProfile], LoadProfile]) -> Server:
    class Odd(ProfileMeter):
        def profile(self, path: tuple[bytes, ...], begin: Time | None, end: Time | None) -> LoadProfile | None:
            found = super().profile(path, begin, end)
            return answer(found) if found is not None else None

    return Server(Odd(quarters(START, START + DAY)))


def test_a_meter_that_always_answers_everything_gives_each_row_once() -> None:
    meter = edited(lambda profile: profile._replace(rows=tuple(quarters(START - DAY, START + 2 * DAY))))
    assert rows_of(all_parts(fetch_of(START, START + DAY, hours=5), meter)) == quarters(START, START + DAY)


def test_a_meter_that_leaves_out_the_end_of_a_range_loses_no_row() -> None:
    class Exclusive(ProfileMeter):
        def profile(self, path: tuple[bytes, ...], begin: Time | None, end: Time | None) -> LoadProfile | None:
            return super().profile(path, begin, end and end._replace(seconds=end.seconds - 1))

    rows = [row(START + second) for second in (0, 3599, 3600, 7199, 7200, 40_000)]
    assert rows_of(all_parts(fetch_of(START, START + DAY, hours=1), Server(Exclusive(rows)))) == rows


def test_a_row_that_stands_twice_in_an_answer_comes_once_but_two_different_ones_both() -> None:
    twin = row(START)._replace(status=0)
    meter = edited(lambda profile: profile._replace(rows=(row(START), row(START), twin)))
    assert rows_of(step(fetch_of(START, START + DAY), meter, client())) == [row(START), twin]


def test_rows_on_another_clock_are_refused() -> None:
    meter = edited(lambda profile: profile._replace(rows=(row(START, 1),)))
    with pytest.raises(ProfileError, match="clock"):
        step(fetch_of(START, START + DAY), meter, client())


def test_a_changed_scaler_begins_a_new_part() -> None:
    changed = (Column(Obis(bytes(COLUMNS[0].obis)), 30, 0), COLUMNS[1])
    model = ProfileMeter(quarters(START, START + DAY))
    session, meter, fetch = client(), Server(model), fetch_of(START, START + DAY, hours=12)
    first = step(fetch, meter, session)
    model.columns = changed
    second = step(fetch, meter, session)
    assert [part.columns for part in first + second] == [COLUMNS, changed]


def test_two_fetches_of_two_profiles_share_a_file() -> None:
    model, session = ProfileMeter(quarters(START, START + DAY)), client()
    one, other = fetch_of(START, START + DAY), fetch_of(START, START + 3600, form=Form.LIST)
    requests = [fetch.request(session) for fetch in (one, other)]
    (reply,) = Server(model).receive(session.send([request for request in requests if request], 0.0))
    assert isinstance(reply, Reply)
    (answers,) = session.receive(reply.octets)
    assert isinstance(answers, Answers)
    assert len(rows_of(one.take(answers, 0))) == 96
    assert len(rows_of(other.take(answers, 1))) == 5


@pytest.mark.parametrize("body", [CloseResponse(), OtherBody(0x0301, None, "the body is absent")])
def test_an_answer_of_another_kind_is_the_meters_fault(body: CloseResponse | OtherBody) -> None:
    session, fetch = client(), fetch_of(START, START + DAY)
    fetch.request(session)
    with pytest.raises(RemoteProtocolError, match="another kind"):
        fetch.take(Answers(None, (body,), None))


def test_no_answer_is_incomplete() -> None:
    session, fetch = client(), fetch_of(START, START + DAY)
    fetch.request(session)
    with pytest.raises(ProfileIncomplete):
        fetch.take(Answers(None, (None,), None))


def test_taking_without_asking_is_our_own_fault() -> None:
    with pytest.raises(LocalProtocolError, match="asked"):
        fetch_of(START, START + DAY).take(refused_by(AttentionCode.BUSY))


@pytest.mark.parametrize(
    ("begin", "end", "options"),
    [
        (Time(2, 9), Time(2, 8), {}),
        (Time(1, 0), Time(2, 8), {}),
        (Time(2, 0), Time(2, 8), {"after": Time(1, 3)}),
        (Time(2, 0), Time(2, 8), {"hours": 0}),
        (Time(2, 0), Time(2, 8), {"rows": 0}),
    ],
)
def test_a_range_that_is_none_is_our_own_fault(begin: Time, end: Time, options: dict[str, object]) -> None:
    with pytest.raises(LocalProtocolError):
        ProfileFetch(PATH, begin, end, **options)  # type: ignore[arg-type]


def test_a_range_that_ended_before_the_last_row_is_done_at_once() -> None:
    assert fetch_of(START, START + DAY, after=Time(2, START + DAY)).done
    assert not fetch_of(START, START).done
