"""Meters that mean ill, or are broken: what they say costs a poll at most, never a thread or the readings of others."""

import contextlib
import threading
import time
from pathlib import Path

import pytest
from dlms_line_meter import DlmsMeter
from line_meter import Clock, Inbox, driver, running, until, watch
from smgw.cosem import (
    AttributeName,
    Capture,
    CaptureObject,
    Data,
    DataError,
    DataType,
    DeviceId,
    Obis,
    Reading,
    octet_string,
)
from smgw.dlms.apdus.block import GeneralBlock
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.get import RESPONSE, GetResponse, GetResponseBlock
from smgw.dlms.apdus.notify import DataNotification
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.carriers.wrapper import encode_wrapper
from smgw.dlms.data import AxdrError, decode_all, encode
from smgw.dlms.errors import TransferError
from smgw.dlms.meter.access import Admission
from smgw.dlms.push.lists import PushListError, read_push
from smgw.dlms.session.events import Pushed
from smgw.dlms.session.general_block import GeneralBlocks
from smgw.dlms.session.transfer import MAX_WHOLE, Incoming
from smgw.errors import SmgwError
from smgw.iec62056 import sign_on
from smgw.lmn.contract import Surroundings
from smgw.lmn.dlms import session as dlms_session
from smgw.lmn.dlms.poll import DlmsPoll
from smgw.lmn.dlms.security import Security
from smgw.lmn.dlms.session import DlmsSession
from smgw.metering.registrar import Registrar
from smgw.profiles.dlms import DlmsProfile, Framing, Quirk, Start
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.store.lmn.store import LmnStore
from smgw.store.records import Condition
from smgw.wire import Refused

ENERGY = Obis.parse("1-0:1.8.0")


def profile(dlms: DlmsProfile, port: str = "socket://127.0.0.1:1") -> MeterProfile:
    return MeterProfile(
        protocol="dlms", port=port, name="ill", interval=0.1, timeout=0.2, retries=0, options=dlms  # type: ignore[arg-type]
    )  # fmt: skip


def structure(*members: Data) -> Data:
    return Data(DataType.STRUCTURE, members)


def u64(value: int) -> Data:
    return Data(DataType.LONG64_UNSIGNED, value)


@pytest.mark.parametrize(("scaler", "unit"), [(1 << 63, 30), (0, 1 << 63), (128, 30), (0, 256)])
def test_a_push_with_a_scaler_or_unit_that_cosem_has_not_is_refused(scaler: int, unit: int) -> None:
    body = Data(DataType.ARRAY, (structure(octet_string(ENERGY), u64(1), structure(u64(scaler), u64(unit))),))
    with pytest.raises(PushListError):
        read_push(DataNotification(1, b"", encode(body)))


@pytest.mark.parametrize(
    ("class_id", "attribute", "index"), [(1 << 16, 2, 0), (3, 128, 0), (3, 2, 1 << 16), (1 << 63, 2, 0)]
)
def test_a_column_with_a_class_or_attribute_that_cosem_has_not_is_none(
    class_id: int, attribute: int, index: int
) -> None:
    with pytest.raises(DataError):
        CaptureObject.of(structure(u64(class_id), octet_string(ENERGY), u64(attribute), u64(index)))


def test_a_capture_that_no_column_holds_costs_no_other_meters(tmp_path: Path) -> None:
    """One capture of this kind would hold up the registrar, and all meters with it, until its memory is full."""
    clock = Clock()
    with LmnStore.open(tmp_path) as store:
        registrar = Registrar(store, clock, {})
        for name, scaler in (("good", 0), ("ill", 1 << 63), ("good", 0)):
            reading = Reading(ENERGY, u64(1), scaler)
            registrar.capture(Capture(name, DeviceId(b"x"), clock.stamp(), None, (reading,)))
        registrar.run_once(0.1)
        counts = store.counts()
        rows = store._read("SELECT count(*) FROM capture")
    assert rows == [(2,)]
    assert counts["lost_unstorable"] == 1


class Babbling:
    """A port on which octets come without end, and into which all goes."""

    url = "/dev/ttyUSB0"
    paced = False

    def wait(self, _: float) -> bool:
        return True

    def gather(self, _: float = 0.0) -> None:
        time.sleep(0.001)

    def read(self) -> bytes:
        return b"\x55\xaa"

    def write(self, _: bytes) -> None:
        pass

    def change_baud(self, _: int) -> None:
        pass


@pytest.mark.parametrize("dlms", [DlmsProfile(start=start) for start in Start] + [DlmsProfile(framing=Framing.WRAPPER)])
def test_a_line_that_is_never_silent_ends_a_poll_all_the_same(
    dlms: DlmsProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R3."""
    monkeypatch.setattr(sign_on, "REACTION_S", 0.05)
    monkeypatch.setattr(sign_on, "_OCTET_BITS", 0)
    told = profile(dlms)
    session = DlmsSession(told, Security(told, Secrets(), None), Surroundings(Clock()))
    ended = threading.Event()

    def ask() -> None:
        with contextlib.suppress(SmgwError):
            session.open(Babbling())  # type: ignore[arg-type]
        ended.set()

    threading.Thread(target=ask, daemon=True).start()
    assert ended.wait(10)


def test_a_meter_that_says_other_things_without_end_is_not_listened_to_for_ever() -> None:
    stray = encode_wrapper(1, 16, GetResponse(0, DataAccessResult.SUCCESS).encode())
    inbox = Inbox()
    with DlmsMeter(wrapper=True) as meter:
        meter.spoil = lambda _: [stray, 0.1] * 600
        told = profile(DlmsProfile(framing=Framing.WRAPPER), meter.url)
        with running(driver(told, inbox=inbox)):
            until(lambda: inbox.states[-1].refused)


class Endless:
    """Instead of the answer to a GET, one octet at a time of a value that never ends."""

    def __init__(self) -> None:
        self._number = 0

    def __call__(self, octets: bytes) -> list[bytes | float | None]:
        apdu = octets[8:]
        if apdu[0] != RESPONSE:
            self._number = 0  # a new association
            return [octets]
        self._number += 1
        return [0.02, encode_wrapper(1, 16, GetResponseBlock(apdu[2], False, self._number, b"\x01").encode())]


def test_an_answer_that_comes_in_blocks_without_end_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """R3: other meters want the bus, too."""
    monkeypatch.setattr(dlms_session, "_LONGEST_ASK", 0.3)
    with DlmsMeter(wrapper=True) as meter:
        meter.spoil = Endless()
        told = profile(DlmsProfile(framing=Framing.WRAPPER), meter.url)
        with running(driver(told, inbox=Inbox())) as made:
            until(lambda: "not come to its end" in watch(made).last_refusal)


def test_a_meter_whose_answer_does_not_end_is_not_shown_as_one_that_is_read() -> None:
    with DlmsMeter(wrapper=True) as meter:
        told = profile(DlmsProfile(framing=Framing.WRAPPER), meter.url)._replace(silence=1)
        with running(driver(told, inbox=Inbox())) as made:
            until(lambda: watch(made).condition == Condition.READING)
            meter.spoil = Endless()
            until(lambda: watch(made).condition == Condition.SILENT)


def test_a_connection_on_which_an_answer_is_missing_is_given_up() -> None:
    """Its second half would be taken for the head of the next wrapper."""
    missing = [True]

    def spoil(octets: bytes) -> list[bytes | float | None]:
        if octets[8] != RESPONSE or not missing:
            return [octets]
        missing.clear()
        return [octets[:9]]

    inbox = Inbox()
    with DlmsMeter(wrapper=True) as meter:
        meter.spoil = spoil
        told = profile(DlmsProfile(framing=Framing.WRAPPER), meter.url)
        with running(driver(told, inbox=inbox)):
            until(lambda: len(inbox.captures) > 1)
    assert inbox.states[-1].refused == 1
    assert meter.accepted == 2


def test_a_meter_whose_connection_is_made_anew_for_each_poll_is_told_to_be_silent_all_the_same() -> None:
    with DlmsMeter(wrapper=True) as meter:
        meter.spoil = lambda _: []
        told = profile(DlmsProfile(framing=Framing.WRAPPER), meter.url)._replace(silence=1)
        with running(driver(told, inbox=Inbox())) as made:
            until(lambda: watch(made).condition == Condition.SILENT)
    assert meter.accepted > 1


def test_blocks_that_lead_nowhere_end_before_their_numbers_do() -> None:
    blocks = GeneralBlocks()
    astray = GeneralBlock(False, False, 1, 500, 0, b"x")
    for _ in range(0xFFFF):
        (acknowledgement,), _ = blocks.receive(astray)
        assert acknowledgement.encode()
    with pytest.raises(TransferError):
        blocks.receive(astray)


def test_a_push_in_the_clear_of_a_meter_that_ciphers_is_no_reading() -> None:
    """Anybody on the line can send one between two answers."""
    told = profile(DlmsProfile(encryption_key_file=Path("e")))
    made = DlmsPoll(told, Secrets(), Surroundings(Clock()))
    made._device._known = (DeviceId(b"x"), b"")
    body = encode(Data(DataType.ARRAY, (structure(octet_string(ENERGY), u64(1)),)))
    for protected in (False, True):
        made._take_push(Pushed(DataNotification(1, b"", body), protected))
    refused, values = made._take_pushed()
    assert isinstance(refused, Refused)
    assert "in the clear" in refused.reason
    assert not isinstance(values, Refused)


def test_a_scaler_that_the_meter_cannot_tell_now_is_asked_again_and_the_value_left_out_until_then() -> None:
    """A register whose scaler was not to be had once must not be kept without it, and wrong, for ever."""
    inbox = Inbox()
    with DlmsMeter() as meter:
        meter.model.extra[AttributeName(3, ENERGY, 3)] = DataAccessResult.TEMPORARY_FAILURE
        with running(driver(profile(DlmsProfile(), meter.url), inbox=inbox)):
            until(lambda: len(inbox.captures) >= 2)
            assert all(one.obis != ENERGY for one in inbox.captures[1].readings)
            meter.model.extra.clear()
            until(lambda: inbox.captures[-1].readings[0].obis == ENERGY)
    assert inbox.captures[-1].readings[0].scaler == -1


@pytest.mark.parametrize("refusal", [DataAccessResult.TEMPORARY_FAILURE, DataAccessResult.OTHER_REASON])
def test_a_value_that_the_meter_cannot_tell_now_is_asked_with_the_next_poll(refusal: DataAccessResult) -> None:
    """A target time may pass until then, but no hour of them."""
    inbox = Inbox()
    with DlmsMeter() as meter:
        meter.model.extra[AttributeName(3, ENERGY, 2)] = refusal
        with running(driver(profile(DlmsProfile(), meter.url), inbox=inbox)):
            until(lambda: len(inbox.captures) >= 2)
            meter.model.extra.clear()
            until(lambda: inbox.captures[-1].readings[0].obis == ENERGY)


def test_a_value_with_octets_behind_it_costs_no_other() -> None:
    inbox = Inbox()
    with DlmsMeter() as meter:
        meter.model.extra[AttributeName(3, ENERGY, 2)] = encode(u64(1)) + b"\x00"
        dlms = DlmsProfile(quirks=(Quirk.NO_LIST,))
        with running(driver(profile(dlms, meter.url), inbox=inbox)):
            until(lambda: inbox.captures)
    assert ENERGY not in [one.obis for one in inbox.captures[0].readings]


def test_a_meter_that_takes_hardly_any_octets_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox()
    tiny = Admission(conformance=Conformance.GET, max_pdu_size=5)
    with (
        DlmsMeter(admissions={16: tiny}) as meter,
        running(driver(profile(DlmsProfile(), meter.url), inbox=inbox)) as made,
    ):
        until(lambda: watch(made).last_refusal)
    assert "the meter takes 5" in watch(made).last_refusal


def test_a_value_that_would_fill_the_memory_is_refused() -> None:
    """R28. As data, an octet may take eighty, and the reading process has a few dozen megabytes."""
    with pytest.raises(TransferError):
        Incoming().add(1, bytes(MAX_WHOLE + 1))
    nulls = bytes((DataType.COMPACT_ARRAY, DataType.STRUCTURE, 3)) + bytes(2) + bytes((DataType.UNSIGNED,))
    with pytest.raises(AxdrError, match="more values"):
        decode_all(nulls + b"\x82\x03\xe8" + bytes(1000))
