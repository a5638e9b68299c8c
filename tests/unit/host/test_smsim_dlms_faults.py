"""What goes wrong with smsim's DLMS lines, and that our client gets through it."""

import pytest
from dlms_bus import NEW_YEAR, Reader, device, line
from hypothesis import given, settings
from hypothesis import strategies as st
from smgw.cosem import AttributeName, Obis
from smgw.cosem.data import Data
from smgw.cosem.date_time import DateTime
from smgw.dlms.apdus.results import StateError
from smgw.dlms.apdus.selection import Entries
from smgw.dlms.carriers.wrapper import Wrapper, encode_wrapper
from smgw.dlms.errors import ServiceExceptionError
from smgw.dlms.session.events import Associated, Failed
from smgw.hdlc import Address, Link, LinkParameters
from smgw.hdlc.control import Control, Kind
from smgw.hdlc.frame import encode_frame
from smsim.dlms.faults import DlmsFaults, frames

PROFILE = "1-0:99.1.0"
NAME = AttributeName(1, Obis.parse("0-0:42.0.0"), 2)


def reader_of(faults: DlmsFaults, information: int = 128, window: int = 1) -> Reader:
    faults.begin("a run that can be repeated")
    link = Link.client(Address(16), Address(1, 17), LinkParameters.of(information, window), timeout=2.0, retries=20)
    reader = Reader(line(device(history_days=30), faults=faults), link=link)
    assert isinstance(reader.associate(), Associated)
    return reader


@pytest.mark.parametrize(
    "fault", [{"lost_frame": 4}, {"wrong_crc": 4}, {"lost_frame": 6, "wrong_crc": 6, "echo": True}]
)
@pytest.mark.parametrize(("information", "window"), [(128, 1), (128, 5)])
def test_lost_and_damaged_frames_cost_time_and_never_a_row(
    fault: dict[str, int], information: int, window: int
) -> None:
    """R1, R5."""
    well = reader_of(DlmsFaults(), information, window).get(7, PROFILE, 2, Entries(1, 200).selection())
    reader = reader_of(DlmsFaults(**fault), information, window)  # type: ignore[arg-type]
    assert reader.get(7, PROFILE, 2, Entries(1, 200).selection()) == well
    assert reader.now > 0, "something had to be polled for"


def test_a_slow_meter_is_polled_until_its_answer_is_ready() -> None:
    """R4."""
    reader = reader_of(DlmsFaults(slow_answer=7.0))
    before = reader.now
    assert isinstance(reader.get(3, "1.8.0", 2), Data)
    assert 7.0 <= reader.now - before < 9.0
    assert not reader.lost


def test_a_meter_slower_than_our_patience_is_given_up() -> None:
    link = Link.client(Address(16), Address(1, 17), timeout=2.0, retries=1)
    reader = Reader(line(faults=DlmsFaults(slow_answer=60.0)), link=link)
    assert isinstance(reader.associate(), Failed)
    assert "no answer from 1/17" in reader.lost[0]


def test_a_meter_that_forgets_the_link_says_so_and_is_read_again_after_a_new_one() -> None:
    """R6, R7."""
    reader = reader_of(DlmsFaults(drop_after=3))
    assert isinstance(reader.get(3, "1.8.0", 2), Data)
    answer = reader.ask(reader.client.get(NAME))
    assert isinstance(answer, Failed)
    assert "DM" in reader.lost[-1]
    reader.lost.clear()
    assert isinstance(reader.associate(), Associated)
    assert isinstance(reader.get(3, "1.8.0", 2), Data)


def test_over_the_wrapper_a_forgotten_association_is_answered_by_an_exception() -> None:
    faults = DlmsFaults(drop_after=2)
    reader = Reader(line(wrapper=True, faults=faults), link=Wrapper.client(16, 1))
    assert isinstance(reader.associate(), Associated)
    refused = reader.ask(reader.client.get(NAME))
    assert isinstance(refused, Failed)
    assert isinstance(refused.error, ServiceExceptionError)
    assert refused.error.state is StateError.SERVICE_NOT_ALLOWED
    reader.client.lost()
    assert isinstance(reader.associate(), Associated)


def test_a_clock_with_the_wrong_sign_is_two_hours_off_unless_one_knows() -> None:
    """R13."""
    reader = reader_of(DlmsFaults(wrong_deviation=True))
    shown = reader.get(8, "0-0:1.0.0", 2)
    assert isinstance(shown, Data)
    assert isinstance(shown.value, bytes)
    moment = DateTime.read(shown.value)
    assert moment.utc_us() == (NEW_YEAR + 7_200) * 1_000_000
    assert moment.utc_us(opposite_sign=True) == NEW_YEAR * 1_000_000


def test_faults_are_switched_on_and_off_while_it_runs() -> None:
    faults = DlmsFaults()
    reader = reader_of(faults)
    faults.slow_answer = 3.0
    assert faults.names() == ["slow-answer"]
    before = reader.now
    reader.get(3, "1.8.0", 2)
    assert reader.now - before >= 3.0
    faults.slow_answer = 0.0
    before = reader.now
    reader.get(3, "1.8.0", 2)
    assert reader.now == before
    assert faults.names() == []


def test_frames_are_cut_by_their_lengths_and_other_octets_left_whole() -> None:
    one, two = bytes.fromhex("7ea00721039352ea7e"), bytes.fromhex("7ea00a7e7e7e7e7e7e7e7e7e")
    assert list(frames(one + two)) == [one, two]
    assert list(frames(b"\x00\x01\x00\x10")) == [b"\x00\x01\x00\x10"]


APDUS = [
    bytes.fromhex(text)
    for text in (
        "601da109060760857405080101be10040e01000000065f1f040000181dffff",
        "c001c1000100002a0000ff0200",
        "c001c100070100630100ff020102020406000000010600000003120001120000",
        "c002c100000001",
        "c003c1020001 00002a0000ff0200 0001 00002a0000ff0200",
        "c101c100080000010000ff0200090c07e9031e07003b3a19000000",
        "c301c1000f0000280000ff0100",
        "6203800100",
        "e0c00001000003c001c1",
        "0f0000000000",
    )
]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(APDUS), st.integers(0, 40), st.binary(max_size=3)), max_size=8), st.booleans()
)
def test_no_apdu_ends_a_meter(damaged: list[tuple[bytes, int, bytes]], wrapper: bool) -> None:
    bus = line(wrapper=wrapper)
    bus.receive(b"" if wrapper else encode_frame(Address(1, 17), Address(16), 0x93), 0.0)
    apdus = [APDUS[0], *(apdu[:place] + piece + apdu[place + len(piece) :] for apdu, place, piece in damaged)]
    for number, apdu in enumerate(apdus):
        if wrapper:
            octets = encode_wrapper(16, 1, apdu)
        else:
            control = Control(Kind.I, True, number & 7, number & 7).encode()
            octets = encode_frame(Address(1, 17), Address(16), control, b"\xe6\xe6\x00" + apdu)
        bus.receive(octets, 0.0)
