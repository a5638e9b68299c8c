"""The reader of polled meters, against smgw's own SML server on a TCP socket and on a pty."""

import logging
import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import ANY

import pytest
from captures_made import DEVICE, ENERGY, POWER
from line_meter import Head, Inbox, Model, PolledMeter, driver, running, telegram, until, watch
from smgw.cosem import DeviceId, MeterTime, MeterTimeKind, Obis, ObjectName
from smgw.lmn import driver as driver_module
from smgw.lmn.driver import Driver
from smgw.lmn.sml import poll as sml_poll
from smgw.ports import open_port, tcp
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.sml.messages import ListEntry
from smgw.sml.parameters import FIRMWARE, parameter_name
from smgw.sml.tlv import unsigned
from smgw.store.records import CacheKind, Condition

ASKED_ENERGY, ASKED_POWER = (parameter_name(ObjectName(3, 0, obis)).hex() for obis in (ENERGY, POWER))
ASKED_FIRMWARE = parameter_name(FIRMWARE).hex()
OTHER = DeviceId.parse("1ISK0071234567")


@pytest.fixture(autouse=True)
def info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.fixture
def meter() -> Iterator[PolledMeter]:
    with PolledMeter() as made:
        yield made


def reader(url: str, inbox: Inbox, *, password: bytes | None = None, cached: bool = True, **changes: object) -> Driver:
    settings = {"interval": 0.1, "timeout": 0.4, "retries": 2, **changes}
    profile = MeterProfile(name="house", protocol="sml-poll", port=url, **settings)  # type: ignore[arg-type]
    return driver(profile, inbox=inbox, secrets=Secrets(password=password), cached=cached)


def said(caplog: pytest.LogCaptureFixture, text: str) -> int:
    return sum(text in record.getMessage() for record in caplog.records)


def test_a_poll_becomes_a_capture(meter: PolledMeter) -> None:
    inbox = Inbox()
    with running(reader(meter.url, inbox)):
        until(lambda: len(inbox.captures) >= 2)
    capture = inbox.captures[0]
    assert (capture.meter, capture.device) == ("house", DEVICE)
    assert capture.meter_time == MeterTime(MeterTimeKind.SEC_INDEX, (4711).to_bytes(4, "big"))
    assert [(one.obis, one.value.value, one.scaler, one.unit) for one in capture.readings] == [
        (ENERGY, ANY, -1, 30),
        (POWER, 1234, 0, 27),
    ]
    assert inbox.states[-1].state == Condition.READING


def test_a_poll_over_a_serial_line_becomes_a_capture(tmp_path: Path) -> None:
    inbox, head = Inbox(), Head(tmp_path / "head")
    with PolledMeter(master=head.master), running(reader(str(head.link), inbox)):
        until(lambda: len(inbox.captures) >= 3)
    head.unplug()


def test_the_object_list_is_asked_once_and_then_only_what_is_in_it(meter: PolledMeter) -> None:
    inbox = Inbox()
    with running(reader(meter.url, inbox)):
        until(lambda: len(inbox.captures) >= 5)
    assert meter.files[0] == [ASKED_FIRMWARE]
    assert meter.files[1] == ["objects"]
    assert all(file == [ASKED_ENERGY, ASKED_POWER] for file in meter.files[2:])
    assert meter.requests.count("objects") == 1
    assert [(device, firmware) for device, firmware, _ in inbox.lists] == [(DEVICE, b"1.0")]


def test_only_the_wanted_objects_are_polled(meter: PolledMeter, caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox()
    absent = Obis.parse("1-0:2.8.0*255")
    with running(reader(meter.url, inbox, objects=(POWER, absent))):
        until(lambda: len(inbox.captures) >= 3)
    assert all(file == [ASKED_POWER] for file in meter.files[2:])
    assert {one.obis for capture in inbox.captures for one in capture.readings} == {POWER}
    assert said(caplog, f"has no {absent}") == 1


def test_a_meter_with_nothing_of_what_is_wanted_says_what_it_has(meter: PolledMeter) -> None:
    inbox = Inbox()
    with running(reader(meter.url, inbox, objects=(Obis.parse("1-0:2.8.0*255"),))) as made:
        until(lambda: watch(made).last_refusal)
    assert str(ENERGY) in watch(made).last_refusal


def test_a_list_that_is_kept_is_not_asked_again_after_a_restart(meter: PolledMeter) -> None:
    inbox = Inbox()
    for _ in range(3):
        count = len(inbox.captures)
        with running(reader(meter.url, inbox)):
            until(lambda count=count: len(inbox.captures) >= count + 2)
    assert meter.requests.count("objects") == 1
    assert meter.requests.count(ASKED_FIRMWARE) == 3


def test_a_list_that_is_kept_in_damage_is_asked_again(meter: PolledMeter) -> None:
    inbox = Inbox()
    inbox.cached.append((CacheKind.OBJECT_LIST, DEVICE, b"1.0", b"\xffno list"))
    with running(reader(meter.url, inbox)):
        until(lambda: inbox.captures)
    assert meter.requests.count("objects") == 1


def test_a_new_firmware_is_noticed_with_the_next_connection_and_its_list_asked(meter: PolledMeter) -> None:
    inbox = Inbox()
    with running(reader(meter.url, inbox, cached=False)):
        until(lambda: inbox.captures)
        for firmware, lists in ((b"1.0", 1), (b"2.0", 2)):
            meter.model.firmware = firmware
            meter.hang_up.set()
            accepted, count = meter.accepted, len(inbox.captures)
            until(lambda accepted=accepted: meter.accepted > accepted)
            until(lambda count=count: len(inbox.captures) > count + 1)
            assert meter.requests.count("objects") == lists
    assert [firmware for _, firmware, _ in inbox.lists] == [b"1.0", b"2.0"]


def test_another_meter_on_the_line_is_told_and_its_list_asked(
    meter: PolledMeter, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()
    with running(reader(meter.url, inbox, silence=1)):
        until(lambda: inbox.captures)
        meter.model.server_id = OTHER
        until(lambda: said(caplog, "meter exchanged?"))
    assert meter.requests.count("objects") == 2
    assert said(caplog, "meter exchanged?") == 1
    assert inbox.captures[-1].device == OTHER
    for capture in inbox.captures:
        assert capture.device in (DEVICE, OTHER)


def test_an_object_that_went_away_has_the_list_asked_again_once() -> None:
    inbox, model = Inbox(), Model()
    with PolledMeter(model) as meter, running(reader(meter.url, inbox)):
        until(lambda: inbox.captures)
        less = model.entries()[:1]
        model.entries = lambda: less  # type: ignore[method-assign]
        until(lambda: len(inbox.captures) >= 8)
        assert meter.requests.count("objects") == 2
        assert meter.files[-1] == [ASKED_ENERGY]


def test_a_meter_that_knows_no_object_list_is_asked_for_its_values_as_a_whole() -> None:
    inbox = Inbox()
    with PolledMeter(object_list=False) as meter, running(reader(meter.url, inbox, objects=(POWER,))):
        until(lambda: len(inbox.captures) >= 3)
    assert meter.requests.count("objects") == 1
    assert set(meter.requests[2:]) == {"list"}
    assert [one.obis for one in inbox.captures[-1].readings] == [POWER]


def test_a_right_password_is_taken() -> None:
    inbox = Inbox()
    with (
        PolledMeter(username=b"gw", password=b"secret") as meter,
        running(reader(meter.url, inbox, username="gw", password=b"secret")),
    ):
        until(lambda: inbox.captures)


@pytest.mark.parametrize("password", [b"hunter2", None])
def test_a_wrong_password_is_told_once_with_what_to_do_and_holds_the_meter(
    password: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()
    with (
        PolledMeter(username=b"gw", password=b"secret") as meter,
        running(reader(meter.url, inbox, username="gw", password=password, silence=0.5)),
    ):
        until(lambda: inbox.states[-1].state == Condition.HELD)
    assert not inbox.captures
    assert said(caplog, "meter house: held: the meter refuses the user name or the password") == 1
    assert said(caplog, "correct username and password_file of this meter") == 1
    assert "secret" not in caplog.text
    assert "hunter2" not in caplog.text
    assert len(meter.asked_at) == 1


def test_a_lost_answer_is_asked_for_again(meter: PolledMeter) -> None:
    inbox = Inbox()
    with running(reader(meter.url, inbox, timeout=0.2)):
        until(lambda: inbox.captures)
        lost = iter([False, True, True])
        meter.answer = lambda octets: [] if next(lost, False) else [octets]
        count = len(inbox.captures)
        until(lambda: len(inbox.captures) >= count + 3)
    assert inbox.states[-1].refused == 0


def test_the_late_answer_of_one_poll_is_not_taken_for_the_next(meter: PolledMeter) -> None:
    """Every answer is sent when the next request has come."""
    inbox = Inbox()
    with running(reader(meter.url, inbox, retries=0, timeout=0.15)):
        until(lambda: inbox.captures)
        good = len(inbox.captures)
        held: list[bytes] = []

        def late(octets: bytes) -> list[bytes | float | None]:
            held.append(octets)
            return [held[-2]] if len(held) > 1 else []

        meter.answer = late
        until(lambda: len(held) >= 5)
        between = len(inbox.captures)
        meter.answer = lambda octets: [octets]
        until(lambda: len(inbox.captures) > between)
    assert between - good <= 1  # one may have been on its way
    assert sorted(inbox.values) == inbox.values  # type: ignore[type-var]


@pytest.mark.parametrize(
    "garbage",
    [random.Random(4).randbytes(500), b"HTTP/1.1 400 Bad Request\r\n\r\n", telegram(99)],
    ids=["noise", "http", "push"],
)
def test_an_answer_that_is_none_is_refused(meter: PolledMeter, garbage: bytes) -> None:
    inbox = Inbox()
    meter.answer = lambda _: [garbage]
    with running(reader(meter.url, inbox, timeout=0.1)) as made:
        until(lambda: watch(made).last_refusal)
        assert not inbox.captures
        meter.answer = lambda octets: [garbage, octets]
        until(lambda: inbox.captures)
    assert 99 not in inbox.values


def test_a_connection_that_is_closed_is_opened_again(meter: PolledMeter, caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox()
    with running(reader(meter.url, inbox)):
        until(lambda: inbox.captures)
        pieces: Iterator[list[bytes | float | None]] = iter([[None]])
        meter.answer = lambda octets: next(pieces, [octets])
        until(lambda: inbox.states[-1].state == Condition.ABSENT)
        count = len(inbox.captures)
        until(lambda: len(inbox.captures) > count)
    assert said(caplog, "house: absent") == 1
    assert meter.accepted == 2


@pytest.mark.parametrize(("pause", "connections"), [(0.05, 3), (600, 1)])
def test_a_server_that_closes_at_once_is_told_once_and_connected_to_again_after_a_pause(
    pause: float, connections: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "_FIRST_PAUSE", pause)
    monkeypatch.setattr(driver_module, "_LONGEST_PAUSE", pause)
    inbox = Inbox()
    with PolledMeter() as meter:
        meter.answer = lambda _: [None]
        with running(reader(meter.url, inbox)):
            until(lambda: meter.accepted >= connections)
            until(lambda: inbox.states[-1].state == Condition.ABSENT)
        assert pause < 1 or meter.accepted == connections
    assert said(caplog, "house: absent") == 1


def test_a_server_that_is_not_there_is_told_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "_FIRST_PAUSE", 0.05)
    tries = 0

    def counting(*arguments: object) -> object:
        nonlocal tries
        tries += 1
        return open_port(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(driver_module, "open_port", counting)
    inbox = Inbox()
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        with running(reader(f"socket://127.0.0.1:{bound.getsockname()[1]}", inbox)):
            until(lambda: inbox.states[-1].state == Condition.ABSENT)
            until(lambda: tries == 3)
    assert said(caplog, "cannot connect") == 1


def test_an_object_with_an_odd_answer_does_not_cost_the_others() -> None:
    inbox, model = Inbox(), Model()
    entries = model.entries

    def with_a_list_for_a_unit() -> tuple[ListEntry, ...]:
        return (*entries(), ListEntry(bytes(Obis.parse("1-0:36.7.0*255")), unit=27, scaler=0, value=unsigned(1, 1)))

    model.entries = with_a_list_for_a_unit  # type: ignore[method-assign]
    real = sml_poll.read_object

    def odd(tree: object) -> object:
        found = real(tree)  # type: ignore[arg-type]
        if found.name.obis == Obis.parse("1-0:36.7.0*255"):
            raise sml_poll.RemoteProtocolError("a scaler_unit is a scaler and a unit")
        return found

    with pytest.MonkeyPatch.context() as patch, PolledMeter(model) as meter:
        patch.setattr(sml_poll, "read_object", odd)
        with running(reader(meter.url, inbox)):
            until(lambda: inbox.captures)
    assert [one.obis for one in inbox.captures[0].readings] == [ENERGY, POWER]


def blocked(answer: Callable[[bytes], list[bytes | float | None]]) -> Callable[[PolledMeter], None]:
    def prepare(meter: PolledMeter) -> None:
        meter.answer = answer

    return prepare


@pytest.mark.parametrize(
    "prepare",
    [
        blocked(lambda octets: [octets]),
        blocked(lambda _: []),
        blocked(lambda octets: [octets[:50]]),
        blocked(lambda _: [None]),
    ],
    ids=["between polls", "waiting for an answer", "in mid-answer", "between connections"],
)
def test_a_stop_ends_every_wait_and_is_quiet(
    meter: PolledMeter,
    prepare: Callable[[PolledMeter], None],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The waits are longer than the limit of `running`."""
    monkeypatch.setattr(driver_module, "_FIRST_PAUSE", 600)
    monkeypatch.setattr(driver_module, "_LONGEST_PAUSE", 600)
    prepare(meter)
    with running(reader(meter.url, Inbox(), timeout=600, interval=600)):
        until(lambda: meter.asked_at)
    assert said(caplog, "stopping") == 0
    assert said(caplog, "telegram refused") == 0


def test_a_stop_ends_a_connection_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "CONNECT_S", 600)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # a full backlog: the next connection hangs
            filler.setblocking(False)
            filler.connect_ex(address)
        with running(reader(f"socket://127.0.0.1:{address[1]}", Inbox())):
            pass
        for filler in fillers:
            filler.close()


def test_two_readers_of_one_server_do_not_disturb_each_other() -> None:
    with PolledMeter() as one, PolledMeter() as two:
        two.model.server_id = OTHER
        inboxes = Inbox(), Inbox()
        with running(reader(one.url, inboxes[0])), running(reader(two.url, inboxes[1])):
            until(lambda: all(len(inbox.captures) >= 3 for inbox in inboxes))
    assert {capture.device for capture in inboxes[0].captures} == {DEVICE}
    assert {capture.device for capture in inboxes[1].captures} == {OTHER}
    assert threading.active_count() < 10
