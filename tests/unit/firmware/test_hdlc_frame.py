"""HDLC frames: every cut, noise, damage, shared flags, echo; and the captures of real meters."""

from collections.abc import Iterable

import pytest
from dlms_captures import dlms_capture
from dlms_pushes import ISKRA_AM550, made_pushes
from hypothesis import given, settings
from hypothesis import strategies as st
from smgw.errors import LocalProtocolError
from smgw.hdlc import Address, Listener, Pushed
from smgw.hdlc.control import CONTROLS, Control, Kind
from smgw.hdlc.frame import Frame, FrameDecoder, encode_frame
from smgw.hdlc.llc import split
from smgw.hdlc.parameters import LinkParameters, decode_parameters
from smgw.wire import Refused
from work import is_linear

CLIENT = Address(16)
METER = Address(1, 17)

# Not `st.builds`, which would invent the field that is computed.
addresses = st.one_of(
    st.tuples(st.integers(0, 0x7F)),
    st.tuples(st.integers(0, 0x7F), st.integers(0, 0x7F), st.just(2)),
    st.tuples(st.integers(0, 0x3FFF), st.integers(0, 0x3FFF), st.just(4)),
).map(lambda parts: Address(*parts))
#: Octets rich in flags and in what looks like headers.
rich = st.lists(st.sampled_from([b"\x7e", b"\x7e\xa0", b"\xa0\x07", b"\x7e\xa7\xff", b"\x21"]) | st.binary(max_size=9))
information = st.binary(max_size=300) | rich.map(b"".join)
frames = st.builds(Frame, addresses, addresses, st.sampled_from([0x10, 0x30, 0x13, 0x7E]), st.booleans(), information)


def wire(frame: Frame) -> bytes:
    return encode_frame(*frame[:3], frame.information, segmented=frame.segmented)


def decode(pieces: Iterable[bytes], own: Address | None = None) -> list[Frame | Refused]:
    decoder = FrameDecoder(own)
    return [event for piece in pieces for event in decoder.receive(piece)] + decoder.finish()


def octet_by_octet(octets: bytes) -> list[bytes]:
    return [octets[place : place + 1] for place in range(len(octets))]


@given(st.lists(frames, min_size=1, max_size=5), st.booleans())
def test_frames_of_any_octets_are_decoded_to_the_same_frames(sent: list[Frame], shared: bool) -> None:
    """R1: whole and octet by octet, each with flags of its own or sharing one with the next."""
    stream = b"".join(map(wire, sent))
    if shared:
        stream = b"".join(wire(frame)[:-1] for frame in sent) + b"\x7e"
    assert decode([stream]) == sent
    assert decode(octet_by_octet(stream)) == sent


def test_a_frame_whose_crc_ends_in_a_flag_octet_is_still_one_frame() -> None:
    """R1: this one hung a peer that searches for flags."""
    octets = bytes.fromhex("7ea01c2103523e73e6e700c403c102000600bc614e0006000010e16d7e7e")
    (frame,) = decode(octet_by_octet(octets))
    assert isinstance(frame, Frame)
    assert (frame.destination, frame.source, frame.control) == (CLIENT, Address(1), 0x52)
    assert frame.information.startswith(bytes.fromhex("e6e700c403c1"))


@given(rich.map(b"".join), frames)
@settings(max_examples=200)
def test_a_frame_is_found_whatever_stands_before_it(noise: bytes, frame: Frame) -> None:
    """R1: resynchronised octet by octet."""
    assert frame in decode([noise + wire(frame)])


@given(st.lists(rich.map(b"".join) | frames.map(wire), max_size=5).map(b"".join), st.data())
@settings(max_examples=200)
def test_the_cut_changes_nothing_and_every_octet_is_accounted_for(stream: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(stream)))
    events = decode([stream])
    assert decode([stream[:place], stream[place:]]) == events
    assert decode(octet_by_octet(stream)) == events
    taken = sum(event.octets if isinstance(event, Refused) else len(wire(event)) for event in events)
    frames_in = sum(isinstance(event, Frame) for event in events)
    assert len(stream) - stream.count(b"\x7e") - frames_in <= taken <= len(stream) + frames_in


@given(frames, st.data())
@settings(max_examples=300)
def test_a_frame_with_one_bit_flipped_is_refused(frame: Frame, data: st.DataObject) -> None:
    octets = bytearray(wire(frame))
    place = data.draw(st.integers(1, len(octets) - 2))
    octets[place] ^= 1 << data.draw(st.integers(0, 7))
    assert frame not in decode([bytes(octets)])


@given(st.binary(max_size=600) | rich.map(b"".join))
def test_no_octets_raise(octets: bytes) -> None:
    decode([octets])
    split(octets)
    decode_parameters(octets)


def test_a_damaged_header_does_not_swallow_the_frame_behind_it() -> None:
    """R1: the check sum of the header refuses it before its length is believed."""
    good = encode_frame(CLIENT, METER, 0x30, b"good")
    bad = bytearray(encode_frame(CLIENT, METER, 0x30, bytes(2000))[:40])
    bad[5] ^= 4
    decoder = FrameDecoder()
    assert decoder.receive(bytes(bad) + good) == [
        Refused("wrong check sum of the header", 40),
        Frame(CLIENT, METER, 0x30, False, b"good"),
    ]


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("7ea00721037300007e", "wrong check sum"),
        ("7ea0070000000021731111", "an address of other than 1, 2 or 4 octets"),
        ("7ea00821037311111111", "its length does not fit its header"),
        ("7e1b1b1b1b0101010176", "no frame of type 3 begins here"),
        ("7ea02a410883130413e6e7000f4000", "cut off before its end"),
    ],
)
def test_a_refusal_says_how_far_the_best_candidate_came(octets: str, reason: str) -> None:
    (refused,) = decode([bytes.fromhex(octets)])
    assert isinstance(refused, Refused)
    assert refused.reason == reason


LONG_FRAME = encode_frame(CLIENT, METER, 0x30, bytes(2000))


@pytest.mark.parametrize("unit", [b"\x7e\xa7\xff", LONG_FRAME[:10], LONG_FRAME[:-3] + b"\x00", b"\x7e", b"\xa7"])
def test_hostile_octets_cost_linear_work(unit: bytes) -> None:
    def receive(size: int) -> None:
        decoder = FrameDecoder()
        stream = (unit * (size // len(unit) + 1))[:size]
        for place in range(0, size, 97):
            decoder.receive(stream[place : place + 97])

    assert is_linear(receive, 20_000)


@pytest.mark.parametrize("noise", [b"", b"\x00", b"\xff\x7e\x13"])
@pytest.mark.parametrize("kept", [200, 20, 60])
def test_our_own_octets_sent_back_are_dropped(kept: int, noise: bytes) -> None:
    """R2: full, partial, and mixed with noise."""
    sent = encode_frame(METER, CLIENT, 0x10, b"\xe6\xe6\x00" + bytes(range(100)))
    answer = Frame(CLIENT, METER, 0x30, False, b"\xe6\xe7\x00answer")
    stream = sent[:kept] + noise + wire(answer)
    decoder = FrameDecoder(CLIENT)
    events = [event for octet in octet_by_octet(stream) for event in decoder.receive(octet)]
    assert [event for event in events if isinstance(event, Frame)] == [answer]
    assert decoder.echoes == 1
    if kept == 200:
        assert sum(event.octets for event in events if isinstance(event, Refused)) <= len(noise)


@given(addresses)
def test_an_address_is_decoded_to_itself(address: Address) -> None:
    """R12: 1, 2 and 4 octets."""
    assert Address.decode(address.octets) == address
    assert len(address.octets) == address.length


@pytest.mark.parametrize(
    ("address", "octets"),
    [
        (Address(16), "21"),
        (Address(1), "03"),
        (Address(1, 17), "0223"),
        (Address(1, 0x1011), "00024023"),
        (Address(1, 17, 4), "00020023"),
    ],
)
def test_addresses_have_the_octets_of_the_standard(address: Address, octets: str) -> None:
    assert address.octets.hex() == octets


@pytest.mark.parametrize(
    "wrong", [(128, None, 0), (1, 128, 2), (1, None, 2), (1, 17, 1), (0x4000, 1, 4), (-1, None, 0)]
)
def test_an_address_that_cannot_be_is_our_own_mistake(wrong: tuple[int, int | None, int]) -> None:
    with pytest.raises(LocalProtocolError, match="right are 1 octet"):
        Address(*wrong)


@given(st.builds(LinkParameters, st.integers(1, 2030), st.integers(1, 2030), st.integers(1, 7), st.integers(1, 7)))
def test_parameters_are_decoded_to_themselves(parameters: LinkParameters) -> None:
    assert decode_parameters(parameters.encode()) == parameters


@pytest.mark.parametrize(
    ("octets", "parameters"),
    [
        ("818012050180060180070400000001080400000001", LinkParameters()),
        ("8180140502 07ee 0602 07ee 070400000007 080400000007", LinkParameters.of(2030, 7)),
        ("818008 0501ff 0701 03 0801 02", LinkParameters(255, 128, 3, 2)),
        ("", LinkParameters()),
        ("818003 050100", LinkParameters()),
        ("818004 0502ffff", LinkParameters(2030)),
    ],
)
def test_parameters_of_every_form_that_meters_send_are_read(octets: str, parameters: LinkParameters) -> None:
    assert decode_parameters(bytes.fromhex(octets)) == parameters


def test_every_control_octet_that_is_known_encodes_to_itself() -> None:
    for octet, control in enumerate(CONTROLS):
        assert control is None or control.encode() == octet
    assert CONTROLS[0x93] == Control(Kind.SNRM, True)
    assert CONTROLS[0x1F] == Control(Kind.DM, True)
    assert CONTROLS[0x52] == Control(Kind.I, True, 1, 2)
    assert CONTROLS[0x19] is None, "REJ is none of the DLMS class"


@pytest.mark.parametrize(
    ("name", "apdus"),
    [
        ("amshan/hdlc_frame_with_escape_character_in_info.bin", 1),
        ("dlms-cosem/kamstrup_norwegian_han_0.bin", 1),
        ("smartmeter-datacollector/iskra_am550_unencrypted_valid_data.bin", 1),
        ("smartmeter-datacollector/lg_e450_encrypted_data_no_pushlist.bin", 3),
        ("smartmeter-datacollector/lg_e450_unencrypted_valid_data1.bin", 3),
        ("smartmeter-datacollector/lg_e570_encrypted_valid_data.bin", 5),
        ("smartmeter-datacollector/lg_e570_unencrypted_valid_data_load_cfg2026.bin", 4),
        *((name, made.apdus) for name, made in made_pushes().items() if "mbus" not in name),
    ],
)
def test_pushes_of_real_meters_are_taken_whole_and_octet_by_octet_and_behind_noise(name: str, apdus: int) -> None:
    """R1, R17."""
    octets = dlms_capture(name)
    whole = Listener().receive(octets)
    assert len(whole) == apdus
    assert all(isinstance(event, Pushed) for event in whole)
    listener = Listener()
    assert [event for octet in octet_by_octet(octets) for event in listener.receive(octet)] == whole
    noisy = Listener().receive(b"\x00\x7e\xa0\x13" + octets)
    assert [event for event in noisy if isinstance(event, Pushed)] == whole


@pytest.mark.parametrize("name", ["smartmeter-datacollector/iskra_am550_unencrypted_valid_data.bin", ISKRA_AM550])
def test_a_push_that_lacks_its_last_segments_is_said_when_the_line_falls_silent(name: str) -> None:
    octets = dlms_capture(name)
    listener = Listener()
    listener.receive(octets[: len(octets) // 2])
    assert listener.receiving
    refused = listener.finish()
    assert all(isinstance(event, Refused) for event in refused)
    assert "lacks its last segments" in refused[-1][0]  # type: ignore[operator]
    assert not listener.receiving


def test_a_capture_with_stuffed_octets_is_refused_and_the_reason_says_so() -> None:
    octets = dlms_capture("amshan/hdlc_stuffed_frame_short_info.bin")
    for pieces in ([octets], octet_by_octet(octets)):
        (refused,) = decode(pieces)
        assert isinstance(refused, Refused)
        assert "stuffed" in refused.reason
        assert refused.octets == len(octets)
