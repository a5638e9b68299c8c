"""The reader of DLMS meters, against smgw's own server on TCP sockets and ptys."""

import logging
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from captures_made import BOOT
from dlms_line_meter import ENERGY, EXPORT, NAME, POWER, DlmsMeter, Model
from line_meter import Head, Inbox, driver, running, until, watch
from smgw.cosem import (
    AttributeName,
    Capture,
    ClockState,
    Data,
    DataType,
    DeviceId,
    MeterTimeKind,
    Obis,
    Stamp,
    octet_string,
)
from smgw.dlms.apdus.acse import Mechanism
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.data import encode
from smgw.dlms.meter.access import Admission
from smgw.dlms.security.hls import Encrypted, Hashed, Password
from smgw.dlms.security.secret import Secret
from smgw.hdlc import LinkParameters
from smgw.lmn.dlms.poll import DlmsPoll
from smgw.lmn.dlms.session import DlmsSession
from smgw.lmn.driver import Driver
from smgw.lmn.polling import PollingDriver
from smgw.profiles.dlms import Authentication, DlmsProfile, Framing, Quirk
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.store.records import Condition

DEVICE = DeviceId(NAME)
OBJECT_LIST = AttributeName(15, Obis.parse("0-0:40.0.0*255"), 2)


class Now:
    """The system's time as UTC."""

    def stamp(self) -> Stamp:
        return Stamp(BOOT, time.monotonic_ns(), time.time_ns() // 1000, 5000, ClockState.SYNCHRONISED)


@pytest.fixture(autouse=True)
def info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.fixture
def meter() -> Iterator[DlmsMeter]:
    with DlmsMeter() as made:
        yield made


def reader(
    url: str, inbox: Inbox, *, secrets: Secrets | None = None, options: DlmsProfile | None = None, **changes: object
) -> Driver:
    settings = {"interval": 0.1, "timeout": 0.5, "retries": 1, "name": "flat", **changes}
    profile = MeterProfile(protocol="dlms", port=url, options=options or DlmsProfile(), **settings)  # type: ignore[arg-type]
    return driver(profile, inbox=inbox, secrets=secrets, clock=Now())


def profile_of(url: str, name: str, physical: int) -> MeterProfile:
    return MeterProfile(
        name=name, protocol="dlms", port=url, interval=0.1, timeout=0.5, retries=1,  # type: ignore[arg-type]
        options=DlmsProfile(physical=physical),
    )  # fmt: skip


def captures(inbox: Inbox, meter: str) -> list[Capture]:
    return [capture for capture in inbox.captures if capture.meter == meter]


def session_of(made: Driver) -> DlmsSession:
    assert isinstance(made, PollingDriver)
    (member,) = made._members
    assert isinstance(member.meter, DlmsPoll)
    return member.meter._session


def test_a_poll_becomes_a_capture(meter: DlmsMeter) -> None:
    inbox = Inbox()
    with running(reader(meter.url, inbox)):
        until(lambda: len(inbox.captures) >= 2)
    capture = inbox.captures[0]
    assert (capture.meter, capture.device) == ("flat", DEVICE)
    assert capture.meter_time is not None
    assert capture.meter_time.kind is MeterTimeKind.DLMS_DATE_TIME
    found = [(one.obis, one.value.value, one.scaler, one.unit, one.class_id) for one in capture.readings]
    assert found == [(ENERGY, 1001, -1, 30, 3), (EXPORT, 7, -1, 30, 3), (POWER, -1234, 0, 27, 3)]
    assert (inbox.states[-1].state, inbox.states[-1].note) == (Condition.READING, f"device {DEVICE}")


@pytest.mark.parametrize(
    ("device_name", "serial", "device"),
    [(NAME + b"\0\0", b"4711", NAME), (b"\0", b"4711\0", b"4711"), (b"", b"", b"flat")],
)
def test_a_meter_without_a_device_name_is_known_by_its_serial_number(
    meter: DlmsMeter, device_name: bytes, serial: bytes, device: bytes
) -> None:
    """GuruxDLMS.c ends its names with NUL."""
    model = meter.model
    model.name = device_name
    model.extra[AttributeName(1, Obis.parse("0-0:96.1.0"), 2)] = encode(octet_string(serial))
    inbox = Inbox()
    with running(reader(meter.url, inbox)):
        until(lambda: inbox.captures)
    assert inbox.captures[0].device == DeviceId(device)


def test_a_float_is_an_exact_integer_with_the_scalers_of_both(meter: DlmsMeter) -> None:
    sent = Data(DataType.FLOAT32, struct.pack(">f", 230.5))
    meter.model.extra[AttributeName(3, ENERGY, 2)] = encode(sent)
    inbox = Inbox()
    with running(reader(meter.url, inbox)):
        until(lambda: inbox.captures)
    first = inbox.captures[0].readings[0]
    assert (first.obis, first.value.value, first.scaler, first.unit, first.raw) == (ENERGY, 2305, -2, 30, sent)


def test_a_float_without_a_value_is_told_once_and_asked_again_at_the_next_poll(
    meter: DlmsMeter, caplog: pytest.LogCaptureFixture
) -> None:
    nan = AttributeName(3, ENERGY, 2)
    meter.model.extra[nan] = encode(Data(DataType.FLOAT64, struct.pack(">d", float("nan"))))
    inbox = Inbox()
    with running(reader(meter.url, inbox)):
        until(lambda: len(inbox.captures) >= 3)
        del meter.model.extra[nan]
        until(lambda: ENERGY in {one.obis for one in inbox.captures[-1].readings})
    assert ENERGY not in {one.obis for one in inbox.captures[0].readings}
    assert sum("not a number (NaN)" in record.getMessage() for record in caplog.records) == 1


def test_a_scaler_that_only_the_profile_knows_is_enough(meter: DlmsMeter) -> None:
    meter.model.extra[AttributeName(3, ENERGY, 3)] = DataAccessResult.TEMPORARY_FAILURE
    inbox = Inbox()
    with running(reader(meter.url, inbox, scalers=((ENERGY, 2),), units=((ENERGY, 30),))):
        until(lambda: inbox.captures)
    (energy,) = [one for one in inbox.captures[0].readings if one.obis == ENERGY]
    assert (energy.scaler, energy.unit) == (2, 30)


@pytest.mark.parametrize("way", ["wrapper", "pty", "pty with echo", "short frames"])
def test_every_way_to_the_meter_gives_the_same(way: str, tmp_path: Path) -> None:
    """R2 for the echo, which a pty's other end makes here."""
    inbox, head = Inbox(), Head(tmp_path / "head")
    on_pty = way.startswith("pty")
    dlms = DlmsProfile(framing=Framing.WRAPPER if way == "wrapper" else Framing.HDLC)
    with (
        DlmsMeter(
            wrapper=way == "wrapper",
            master=head.master if on_pty else None,
            echo=way.endswith("echo"),
            parameters=LinkParameters.of(32, 1) if way == "short frames" else None,
        ) as meter,
        running(reader(str(head.link) if on_pty else meter.url, inbox, options=dlms)),
    ):
        until(lambda: len(inbox.captures) >= 3)
    head.unplug()
    assert [one.obis for one in inbox.captures[0].readings] == [ENERGY, EXPORT, POWER]


def test_on_a_slow_line_short_frames_are_offered(tmp_path: Path) -> None:
    inbox, head = Inbox(), Head(tmp_path / "head")
    with DlmsMeter(master=head.master), running(reader(str(head.link), inbox, baudrate=300, timeout=5)) as made:
        until(lambda: inbox.captures)
        parameters = session_of(made)._link.parameters  # type: ignore[union-attr]
    head.unplug()
    assert (parameters.information_receive, parameters.window_receive) == (128, 7)


def test_the_object_list_and_the_scalers_are_asked_once_and_then_only_what_is_wanted(meter: DlmsMeter) -> None:
    """R16."""
    inbox = Inbox()
    for _ in range(2):
        count = len(inbox.captures)
        with running(reader(meter.url, inbox, objects=(POWER,))):
            until(lambda count=count: len(inbox.captures) >= count + 3)  # type: ignore[misc]
    asked = meter.model.asked
    assert asked.count(OBJECT_LIST) == 1
    assert asked.count(AttributeName(3, POWER, 3)) == 1
    assert AttributeName(3, ENERGY, 2) not in asked
    assert {one.obis for capture in inbox.captures for one in capture.readings} == {POWER}


def test_a_scaler_that_the_profile_names_goes_before_the_meters(meter: DlmsMeter) -> None:
    """R16."""
    inbox = Inbox()
    with running(reader(meter.url, inbox, options=DlmsProfile(scalers=((ENERGY, 2),)))):
        until(lambda: inbox.captures)
    found = {one.obis: (one.value.value, one.scaler, one.unit) for one in inbox.captures[0].readings}
    assert found[ENERGY] == (1001, 2, 30)
    assert found[EXPORT] == (7, -1, 30)


def test_a_demand_register_tells_its_scaler_in_another_attribute(meter: DlmsMeter) -> None:
    """R16."""
    inbox, demand = Inbox(), Obis.parse("1-0:1.4.0")
    rights = Data(DataType.STRUCTURE, (Data(DataType.ARRAY, ()), Data(DataType.ARRAY, ())))
    listed = (
        Data(DataType.LONG_UNSIGNED, 5),
        Data(DataType.UNSIGNED, 0),
        octet_string(bytes(demand)),
        rights,
    )
    scaler_unit = (Data(DataType.INTEGER, -2), Data(DataType.ENUM, 27))
    meter.model.extra = {
        OBJECT_LIST: encode(Data(DataType.ARRAY, (Data(DataType.STRUCTURE, listed),))),
        AttributeName(5, demand, 2): encode(Data(DataType.DOUBLE_LONG_UNSIGNED, 4711)),
        AttributeName(5, demand, 4): encode(Data(DataType.STRUCTURE, scaler_unit)),
    }
    with running(reader(meter.url, inbox)):
        until(lambda: inbox.captures)
    (found,) = inbox.captures[0].readings
    assert (found.obis, found.value.value, found.scaler, found.unit) == (demand, 4711, -2, 27)


def test_a_new_firmware_has_its_list_asked(meter: DlmsMeter) -> None:
    inbox = Inbox()
    for firmware in (b"1.0", b"2.0"):
        meter.model.firmware = firmware
        count = len(inbox.captures)
        with running(reader(meter.url, inbox)):
            until(lambda count=count: len(inbox.captures) > count)  # type: ignore[misc]
    assert meter.model.asked.count(OBJECT_LIST) == 2


def test_the_association_is_kept_between_polls_and_ended_on_the_way_out(meter: DlmsMeter) -> None:
    """R6: a meter whose association is left open takes no new one for minutes."""
    inbox = Inbox()
    with running(reader(meter.url, inbox)):
        until(lambda: len(inbox.captures) >= 4)
    assert meter.links == 1
    until(lambda: meter.ended == 1)


def test_where_polls_are_far_apart_the_port_is_given_back_in_between(
    meter: DlmsMeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A meter drops a link on which nothing is said, and closes its connection: that is no absence."""
    monkeypatch.setattr(DlmsPoll, "idle_s", 0.1)
    inbox = Inbox()
    with running(reader(meter.url, inbox, interval=0.3)):
        until(lambda: meter.accepted >= 3 and meter.ended >= 2 and len(inbox.captures) >= 3)
    assert all(state.state in (Condition.WAITING, Condition.READING) for state in inbox.states)


def test_several_meters_on_one_bus_are_told_apart_by_their_addresses(tmp_path: Path) -> None:
    """R12, R23: a pty refuses every control of a line's direction, and none is wanted."""
    head = Head(tmp_path / "bus")
    models = {physical: Model(name=b"UTB%013d" % physical) for physical in (17, 18, 19)}
    inbox = Inbox()
    with DlmsMeter(models, master=head.master):
        line = [profile_of(str(head.link), f"m{physical}", physical) for physical in models]
        with running(driver(*line, inbox=inbox, clock=Now())):
            until(lambda: all(len(captures(inbox, profile.name)) >= 3 for profile in line), 20)
    head.unplug()
    for physical, model in models.items():
        assert {capture.device for capture in captures(inbox, f"m{physical}")} == {DeviceId(model.name)}
    assert not any(state.refused for state in inbox.states)


def test_a_meter_that_is_silent_holds_up_its_bus_no_longer_than_its_timeout(tmp_path: Path) -> None:
    """R3, R4, R5."""
    head, inbox = Head(tmp_path / "bus"), Inbox()
    with DlmsMeter({17: Model()}, master=head.master):
        dead = profile_of(str(head.link), "dead", 40)._replace(timeout=0.2, retries=0)  # type: ignore[arg-type]
        line = driver(dead, profile_of(str(head.link), "alive", 17), inbox=inbox, clock=Now())
        with running(line):
            until(lambda: len(captures(inbox, "alive")) >= 3 and line.watches["dead"].last_refusal)
    head.unplug()
    assert not captures(inbox, "dead")
    assert "no answer" in line.watches["dead"].last_refusal


SECRET = b"12345678"
MECHANISMS = {
    Authentication.LOW: Password(Secret(SECRET)),
    Authentication.HIGH_AES: Encrypted(Secret(SECRET)),
    Authentication.HIGH_MD5: Hashed(Mechanism.HIGH_MD5, Secret(SECRET)),
    Authentication.HIGH_SHA1: Hashed(Mechanism.HIGH_SHA1, Secret(SECRET)),
    Authentication.HIGH_SHA256: Hashed(Mechanism.HIGH_SHA256, Secret(SECRET)),
}


@pytest.mark.parametrize("authentication", MECHANISMS)
def test_a_meter_that_wants_a_secret_gets_it(authentication: Authentication) -> None:
    inbox = Inbox()
    admission = Admission(MECHANISMS[authentication], title=b"UTBMTR01")
    dlms = DlmsProfile(client=1, authentication=authentication)
    with (
        DlmsMeter(admissions={1: admission}) as meter,
        running(reader(meter.url, inbox, options=dlms, secrets=Secrets(password=SECRET))),
    ):
        until(lambda: len(inbox.captures) >= 2)


def test_the_secret_of_hls_aes_may_be_a_key_in_hex() -> None:
    key = bytes(range(0xF0, 0x100))
    dlms = DlmsProfile(client=1, authentication=Authentication.HIGH_AES, challenge_key_file=Path("k"))
    inbox = Inbox()
    with (
        DlmsMeter(admissions={1: Admission(Encrypted(Secret(key)), title=b"UTBMTR01")}) as meter,
        running(reader(meter.url, inbox, options=dlms, secrets=Secrets(challenge_key=key))),
    ):
        until(lambda: bool(inbox.captures))


@pytest.mark.parametrize("authentication", [Authentication.LOW, Authentication.HIGH_SHA256])
def test_a_wrong_secret_is_told_without_it_and_holds_the_meter(
    authentication: Authentication, caplog: pytest.LogCaptureFixture
) -> None:
    """R5, R27."""
    inbox = Inbox()
    admission = Admission(MECHANISMS[authentication], title=b"UTBMTR01")
    dlms = DlmsProfile(client=1, authentication=authentication)
    with DlmsMeter(admissions={1: admission}) as meter:
        with running(reader(meter.url, inbox, options=dlms, secrets=Secrets(password=b"hunter22"))) as made:
            until(lambda: inbox.states[-1].state is Condition.HELD)
        links = meter.links
    assert "the meter rejects the association" in watch(made).last_refusal or "proof" in watch(made).last_refusal
    assert "password_file or the key files" in watch(made).last_refusal
    assert "hunter22" not in caplog.text
    assert links == 1


def test_a_public_client_without_lists_and_blocks_is_asked_one_by_one() -> None:
    """R19."""
    inbox = Inbox()
    admission = Admission(conformance=Conformance.GET)
    with DlmsMeter(admissions={16: admission}) as meter, running(reader(meter.url, inbox)):
        until(lambda: len(inbox.captures) >= 2)
    assert len(inbox.captures[0].readings) == 3


def test_a_meter_that_answers_lists_badly_can_be_asked_one_by_one(meter: DlmsMeter) -> None:
    """R8, R19."""
    inbox = Inbox()
    with running(reader(meter.url, inbox, options=DlmsProfile(quirks=(Quirk.NO_LIST, Quirk.NO_RELEASE)))):
        until(lambda: len(inbox.captures) >= 2)


@pytest.mark.parametrize(
    "result",
    [DataAccessResult.OBJECT_UNDEFINED, DataAccessResult.READ_WRITE_DENIED, DataAccessResult.OBJECT_UNAVAILABLE],
)
def test_an_attribute_without_a_value_costs_the_others_nothing_and_is_not_asked_again_at_once(
    result: DataAccessResult, meter: DlmsMeter
) -> None:
    """R30."""
    inbox = Inbox()
    gone = AttributeName(3, EXPORT, 2)
    meter.model.extra[gone] = result
    with running(reader(meter.url, inbox)):
        until(lambda: len(inbox.captures) >= 4)
    assert {one.obis for capture in inbox.captures for one in capture.readings} == {ENERGY, POWER}
    assert meter.model.asked.count(gone) == 1


def test_without_an_object_list_the_wanted_registers_are_asked(meter: DlmsMeter) -> None:
    inbox = Inbox()
    meter.model.list_denied = True
    with running(reader(meter.url, inbox, objects=(ENERGY,))):
        until(lambda: len(inbox.captures) >= 2)
    with running(reader(meter.url, Inbox())) as made:
        until(lambda: watch(made).last_refusal)
    assert "name them in objects of its profile" in watch(made).last_refusal


@pytest.mark.parametrize(
    ("ahead", "status", "told"),
    [(480, 0, "its clock is 480 s ahead"), (-90, 0, "its clock is 90 s behind"), (0, 1, "its clock is invalid"),
     (0, 2, "its clock is doubtful")],
)  # fmt: skip
def test_a_clock_that_is_wrong_is_a_remark_and_no_fault(
    ahead: int, status: int, told: str, meter: DlmsMeter, caplog: pytest.LogCaptureFixture
) -> None:
    """R14."""
    inbox = Inbox()
    meter.model.ahead_s, meter.model.status = ahead, status
    with running(reader(meter.url, inbox)):
        until(lambda: len(inbox.captures) >= 3)
    note = inbox.states[-1].remark
    assert inbox.states[-1].state == Condition.READING
    assert told in note
    warnings = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert [told in one for one in warnings] == [True]


def test_a_deviation_with_the_opposite_sign_is_no_drift_where_it_is_known(meter: DlmsMeter) -> None:
    """R13."""
    inbox = Inbox()
    meter.model.opposite = True
    with running(reader(meter.url, inbox, options=DlmsProfile(quirks=(Quirk.OPPOSITE_DEVIATION,)))):
        until(lambda: inbox.captures)
    assert inbox.states[-1].remark == ""
    with running(reader(meter.url, inbox)):
        until(lambda: "behind" in inbox.states[-1].remark or "ahead" in inbox.states[-1].remark)
    assert "7200 s" in inbox.states[-1].remark


def test_a_lost_answer_is_polled_for(meter: DlmsMeter) -> None:
    """R5."""
    inbox = Inbox()
    count = [0]

    def lossy(octets: bytes) -> list[bytes | float | None]:
        count[0] += 1
        return [] if count[0] % 5 == 0 else [octets]

    meter.spoil = lossy
    with running(reader(meter.url, inbox, timeout=0.1, retries=3)):
        until(lambda: len(inbox.captures) >= 10, 20)
    assert count[0] > 15
    assert inbox.states[-1].refused == 0


def test_a_connection_that_breaks_is_made_again(meter: DlmsMeter) -> None:
    """R5."""
    inbox = Inbox()
    hung = [False]

    def hangs_up(octets: bytes) -> list[bytes | float | None]:
        if len(inbox.captures) >= 2 and not hung[0]:
            hung[0] = True
            return [None]
        return [octets]

    meter.spoil = hangs_up
    with running(reader(meter.url, inbox)):
        until(lambda: hung[0] and len(inbox.captures) >= 6)
    assert meter.accepted == 2
    assert any(state.state == Condition.ABSENT for state in inbox.states)


def test_a_meter_that_is_not_there_is_told(tmp_path: Path) -> None:
    inbox, head = Inbox(), Head(tmp_path / "head")
    with running(reader(str(head.link), inbox, timeout=0.1, retries=0)) as made:
        until(lambda: watch(made).last_refusal)
    head.unplug()
    assert "no answer from 1" in watch(made).last_refusal


def test_another_meter_on_the_line_has_its_own_list(meter: DlmsMeter) -> None:
    inbox = Inbox()
    with running(reader(meter.url, inbox)):
        until(lambda: len(inbox.captures) >= 2)
    meter.model.name = b"UTB0000000000002"
    with running(reader(meter.url, inbox)):
        until(lambda: inbox.captures[-1].device == DeviceId(b"UTB0000000000002"))
    assert meter.model.asked.count(OBJECT_LIST) == 2
