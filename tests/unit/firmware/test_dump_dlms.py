"""`smgw dump dlms` as a user would start it, and its tree in this process."""

import json
import os
import pty
import subprocess
import threading
import tty
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from captures import OWN, field_case
from dlms_captures import SAMPLE_KEY
from dlms_dump import AMSHAN, CLIENT, CLIENT_TITLE, COMMAND, ENVIRONMENT, METER, METER_TITLE, Printed, dump, wrapped
from dlms_meter_process import KEYS as SESSION_KEYS
from dlms_meter_process import PUBLIC, SECURE, Meter, Model, make_link, profile
from dlms_pair import ENERGY
from dlms_strategies import apdus
from hypothesis import given, settings
from hypothesis import strategies as st
from smgw.cosem import Data, DataType, MethodName, octet_string
from smgw.dlms import data as axdr
from smgw.dlms.apdus.acse import RLRQ_TAG, Aare, Aarq, Mechanism, Release
from smgw.dlms.apdus.action import ActionRequest
from smgw.dlms.apdus.apdu import Apdu
from smgw.dlms.apdus.block import GeneralBlock
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.exception import ExceptionResponse
from smgw.dlms.apdus.get import GetRequest, GetRequestWithList, GetResponse, GetResponseBlock, GetResponseWithList
from smgw.dlms.apdus.initiate import InitiateRequest, InitiateResponse
from smgw.dlms.apdus.notify import DataNotification
from smgw.dlms.apdus.results import DataAccessResult, ServiceError, StateError
from smgw.dlms.apdus.set import SetRequest
from smgw.dlms.carriers.wrapper import Wrapper as WrapperLink
from smgw.dlms.security.ciphering import Ciphering, Setting
from smgw.dlms.security.suites import Gmac
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Send
from smgw.dump.dlms import Printer
from smgw.dump.dlms_stream import Item, Stream
from smgw.dump.keys import Keys
from smgw.hdlc.address import Address
from smgw.hdlc.control import Control, Kind
from smgw.hdlc.events import ApduReceived
from smgw.hdlc.frame import encode_frame
from smgw.hdlc.link import Link
from smgw.hdlc.llc import RESPONSE
from smgw.hdlc.parameters import LinkParameters
from smgw.wire import Transmit


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    return Printed(capsys)


def test_the_tree_shows_names_values_and_units(tmp_path: Path) -> None:
    done = dump(AMSHAN / "kaifa_no_list_3_llc.bin")
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "DataNotification  0  2020-01-25 14:00:10" in text
    assert "places, list 'KFM_001', meter '6970631402614476'" in text
    assert "1-0:31.7.0*255       14.571 A" in text
    assert "1-0:1.8.0*255        79591144 Wh" in text
    assert done.stderr.decode() == "1 frames seen, 1 APDUs delivered, 0 refused\n"


def test_json_has_exactly_the_keys_programs_rely_on() -> None:
    done = dump(AMSHAN / "aidon_no_list_3_llc.bin", "--json")
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert list(found) == ["apdu", "device", "time", "version", "values"]
    assert found["device"] == b"7359992892587665".hex()
    assert found["values"][9] == {
        "obis": "1-0:32.7.0*255", "class_id": 3, "attribute": 2, "unit": 35, "scaler": -1, "value": 2276,
    }  # fmt: skip


def test_a_stuffed_frame_is_refused_and_stderr_says_why() -> None:
    done = dump(AMSHAN / "hdlc_stuffed_frame_short_info.bin")
    assert (done.returncode, done.stdout) == (1, b"")
    reason, summary = done.stderr.decode().splitlines()
    assert "octets are stuffed" in reason
    assert summary == "0 frames seen, 0 APDUs delivered, 1 refused"


def test_a_text_of_hex_digits_is_read_like_the_octets(tmp_path: Path) -> None:
    name = AMSHAN / "hdlc_frame_with_escape_character_in_info.bin"
    digits = name.read_bytes().hex(" ", 1)
    text = tmp_path / "push.hex"
    text.write_text(f"# a push of an Aidon\n{digits[:60]}\n{digits[60:]}   # its end\n\n")
    assert dump(text).stdout == dump(name).stdout
    assert dump("-", octets=text.read_bytes()).stdout == dump(name).stdout


def test_lines_of_hex_without_frames_are_an_apdu_each(printed: Printed) -> None:
    text = "\n".join(
        (GetRequest(0xC1, ENERGY).encode().hex(), GetResponse(0xC1, b"\x06\x00\x00\x12\xab").encode().hex())
    )
    out, err = printed.of(text.encode())
    assert out.splitlines() == [
        "APDU without a frame",
        "  GetRequest  1  class 3  1-0:1.8.0*255  2",
        "APDU without a frame",
        "  GetResponse  1",
        "    double-long-unsigned 4779",
    ]
    assert err == "2 frames seen, 2 APDUs delivered, 0 refused\n"


@pytest.mark.parametrize("width", [1, 16, 20, 64])
def test_an_apdu_in_lines_of_hex_is_read_as_in_one_line(printed: Printed, width: int) -> None:
    """As logs print it."""
    apdu = (AMSHAN / "aidon_no_list_3_llc.bin").read_bytes()[3:]
    lines = [apdu[begin : begin + width].hex(" ") for begin in range(0, len(apdu), width)]
    out, err = printed.of("\n".join(lines).encode())
    assert (out, err) == printed.of(apdu.hex().encode())
    assert "1-0:1.8.0*255        22721380 Wh" in out


def test_several_apdus_in_lines_of_hex_are_told_apart(printed: Printed) -> None:
    apdu = (AMSHAN / "aidon_no_list_3_llc.bin").read_bytes()[3:]
    lines = [apdu[begin : begin + 32].hex(" ") for begin in range(0, len(apdu), 32)]
    _, err = printed.of("\n".join([*lines, "", "# the next one", *lines]).encode())
    assert err == "2 frames seen, 2 APDUs delivered, 0 refused\n"


def test_the_apdu_of_a_log_is_read(printed: Printed) -> None:
    octets = field_case("dlms/apdu_hex_in_lines")
    lines = [octets[begin : begin + 16].hex(" ") for begin in range(0, len(octets), 16)]
    out, _ = printed.of("\n".join(lines).encode())
    assert "1-0:1.8.0*255        100 Wh" in out
    assert "1-0:2.8.0*255        200 Wh" in out


def test_an_unknown_list_of_bare_values_is_shown_by_place_with_the_key_that_describes_it(printed: Printed) -> None:
    members = (octet_string(b"4711"), Data(DataType.LONG_UNSIGNED, 5), Data(DataType.NULL_DATA, None))
    apdu = DataNotification(1, b"", axdr.encode(Data(DataType.STRUCTURE, members))).encode()
    out, _ = printed.of(apdu)
    assert out.splitlines()[2:] == [
        "    3 values without names; push_list or columns in the section dlms says what they are:",
        "        1  octet-string 34373131  '4711'",
        "        2  long-unsigned 5",
        "        3  null-data",
        '    columns = ["device-id" or "skip", { obis = "1-0:1.8.0", scaler = 0, unit = "Wh" }, "skip"]',
    ]


def test_a_float_is_shown_as_the_number_that_it_is(printed: Printed) -> None:
    out, _ = printed.of(field_case("dlms/float_in_push"))
    assert "1-0:32.7.0*255       230.5 V" in out
    out, _ = printed.of(field_case("dlms/float_in_push"), as_json=True)
    found = json.loads(out)["values"][0]
    assert (found["value"], found["scaler"], found["unit"]) == (2305, -1, 35)
    out, _ = printed.of(GetResponse(0xC1, b"\x17\x7f\xc0\0\0").encode())
    assert "float32 7fc00000  the float is not a number (NaN)" in out


def test_a_bridge_that_inserts_cr_is_named(printed: Printed) -> None:
    """A port server or a modem in text mode sends CR LF for LF."""
    kaifa = octet_string(b"\n" * 9)
    apdu = DataNotification(1, b"", axdr.encode(Data(DataType.ARRAY, (kaifa, kaifa)))).encode()
    sent = Link.server(Address(1, 17), client=Address(16)).send_unnumbered(apdu, 0.0)
    frame = b"".join(event.octets for event in sent if isinstance(event, Transmit))
    _, err = printed.of(3 * frame.replace(b"\n", b"\r\n"))
    assert "hint: a CR (0D) stands before each LF (0A)" in err
    assert "raw mode" in err
    _, err = printed.of(3 * frame)
    assert "hint" not in err


def test_a_line_that_is_no_hex_is_named(printed: Printed) -> None:
    _, err = printed.of(b"c001c100\n" * 30_000 + b"c0 0x\n")
    assert "line 30001 is not made of pairs of hex digits" in err


def test_a_link_and_its_segments_are_shown(printed: Printed) -> None:
    answer = RESPONSE + GetResponse(0xC1, axdr.encode(octet_string(bytes(40)))).encode()
    poll = Control(Kind.SNRM, True).encode()
    octets = b"".join(
        (
            encode_frame(METER, CLIENT, poll, LinkParameters.of(2030, 7).encode()),
            encode_frame(CLIENT, METER, Control(Kind.UA, True).encode()),
            encode_frame(CLIENT, METER, Control(Kind.I, True, 0, 1).encode(), answer[:30], segmented=True),
            encode_frame(METER, CLIENT, Control(Kind.RR, True, 0, 1).encode()),
            encode_frame(CLIENT, METER, Control(Kind.I, True, 1, 1).encode(), answer[30:]),
        )
    )
    out, err = printed.of(octets)
    assert out.splitlines() == [
        "HDLC SNRM from 16 to 1/17, sends 2030 octets and 7 frames, takes 2030 and 7",
        "HDLC UA from 1/17 to 16, sends 128 octets and 1 frames, takes 128 and 1",
        "HDLC I from 1/17 to 16, number 0, awaits 1, 30 octets, a segment",
        "HDLC RR from 16 to 1/17, awaits 1",
        "HDLC I from 1/17 to 16, number 1, awaits 1, 19 octets",
        "  GetResponse  1",
        f"    octet-string {bytes(40).hex()}",
    ]
    assert err == "5 frames seen, 1 APDUs delivered, 0 refused\n"


def test_no_password_challenge_key_or_written_value_is_ever_shown(printed: Printed) -> None:
    """R27."""
    secret = b"12345678secret!!"
    request = InitiateRequest(Conformance.GET, 1024, dedicated_key=secret).encode()
    octets = wrapped(
        Aarq(1, request, Mechanism.LOW, secret, CLIENT_TITLE).encode(),
        SetRequest(0xC1, ENERGY, axdr.encode(octet_string(secret))).encode(),
        ActionRequest(0xC1, MethodName(*ENERGY), axdr.encode(octet_string(secret))).encode(),
    )
    out, err = printed.of(octets)
    assert "Aarq  logical names (1), mechanism low, title 534d475700000001" in out
    assert "InitiateRequest  takes 1024 octets; get" in out
    for text in (out, err, printed.of(octets, as_json=True)[0]):
        assert secret.decode() not in text
        assert secret.hex() not in text


def test_a_long_get_is_put_together(printed: Printed) -> None:
    value = axdr.encode(octet_string(b"a value of several blocks"))
    blocks = [value[begin : begin + 10] for begin in range(0, len(value), 10)]
    octets = wrapped(
        *[
            GetResponseBlock(0xC1, number == len(blocks), number, block).encode()
            for number, block in enumerate(blocks, 1)
        ]
    )
    out, err = printed.of(octets)
    assert out.splitlines()[-1].endswith("'a value of several blocks'")
    assert "3 frames seen, 1 APDUs delivered, 0 refused" in err
    _, err = printed.of(wrapped(GetResponseBlock(0xC1, True, 2, b"ab").encode()))
    assert "block 2 of a long GET, whose other blocks are not all here" in err


def test_answers_and_refusals_are_shown_in_words(printed: Printed) -> None:
    octets = wrapped(
        Aare(1, 13, b"", responding_title=METER_TITLE).encode(),
        Aare(0, 0, InitiateResponse(Conformance.GET, 500).encode()).encode(),
        GetRequestWithList(0xC1, ((ENERGY, None),)).encode(),
        GetResponseWithList(0xC1, (b"\x11\x05", DataAccessResult.OBJECT_UNDEFINED)).encode(),
        ExceptionResponse(StateError(1), ServiceError(6), 503).encode(),
        GetResponse(0xC1, bytes.fromhex("0101 0202 0906 0100010800ff 1105 02")).encode(),
        Release().encode(RLRQ_TAG),
    )
    out, _ = printed.of(octets)
    for line in (
        "  Aare  rejected permanent (1), authentication failure (13), title 4c5a",
        "    InitiateResponse  takes 500 octets; get",
        "    class 3  1-0:1.8.0*255  2",
        "    object-undefined",
        "  ExceptionResponse  service-not-allowed: invocation-counter-error, the meter expects 503",
        "        octet-string 0100010800ff  1-0:1.8.0*255",
        "    note: 1 octets behind the data",
        "  Release",
    ):
        assert line[:60].replace("4c5a", METER_TITLE.hex()[:4]) in out


def test_json_of_a_conversation_is_an_object_an_apdu(printed: Printed) -> None:
    octets = wrapped(
        GetRequest(0xC1, ENERGY).encode(),
        GetResponse(0xC1, bytes.fromhex("0202 0901ab 0a026869")).encode(),
        GetResponse(0xC1, DataAccessResult.OBJECT_UNDEFINED).encode(),
        GetRequestWithList(0xC1, ((ENERGY, None),)).encode(),
        GetResponseWithList(0xC1, (b"\x00",)).encode(),
        SetRequest(0xC1, ENERGY, b"\x11\x05").encode(),
        ActionRequest(0xC1, MethodName(*ENERGY), b"\x11\x05").encode(),
        ExceptionResponse(StateError(1), ServiceError(1)).encode(),
        DataNotification(1, b"", b"\x11\x05").encode(),
        DataNotification(1, b"", bytes.fromhex("0202 0906 0100010800ff 1105")).encode(),
    )
    energy = {"class_id": 3, "obis": "1-0:1.8.0*255", "attribute": 2}
    out, err = printed.of(octets, as_json=True)
    assert [json.loads(line) for line in out.splitlines()] == [
        {"apdu": "GetRequest", "object": energy},
        {"apdu": "GetResponse", "data": ["ab", "hi"]},
        {"apdu": "GetResponse", "refused": "object-undefined"},
        {"apdu": "GetRequestWithList", "objects": [energy]},
        {"apdu": "GetResponseWithList", "results": [{"data": None}]},
        {"apdu": "SetRequest", "object": energy},
        {"apdu": "ActionRequest", "object": energy},
        {"apdu": "ExceptionResponse", "text": "service-not-allowed: operation-not-possible"},
        {"apdu": "DataNotification", "time": None, "data": 5},
        {"apdu": "DataNotification", "device": None, "time": None, "version": None,
         "values": [{**energy, "unit": None, "scaler": None, "value": 5}]},
    ]  # fmt: skip
    assert "10 APDUs delivered, 0 refused" in err


def test_a_push_that_lists_nothing_known_is_shown_as_data(printed: Printed) -> None:
    out, _ = printed.of(wrapped(DataNotification(1, b"", b"\x02\x01\x11\x05").encode()))
    assert out.splitlines()[1:] == ["  DataNotification  1", "    structure of 1", "      unsigned 5"]
    body = axdr.encode(Data(DataType.STRUCTURE, (octet_string(bytes(ENERGY.obis)), Data(DataType.UNSIGNED, 5))))
    out, _ = printed.of(wrapped(DataNotification(1, b"", body).encode()))
    assert "5  (scaler not said)" in out


@pytest.mark.parametrize("source", ["/nowhere/capture.bin", "/"])
def test_a_file_that_cannot_be_read_is_one_line(source: str) -> None:
    done = dump(source)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith(f"smgw dump: {source}: ")
    assert done.stderr.count(b"\n") == 1


def test_a_file_of_another_protocol_is_hinted_at() -> None:
    done = dump(OWN / "sml" / "sml-rs" / "sample_itron.bin")
    assert done.returncode == 1
    assert "hint: this is SML; try smgw dump sml\n" in done.stderr.decode()


def test_what_a_meter_sends_does_not_move_the_cursor(printed: Printed) -> None:
    text = Data(DataType.VISIBLE_STRING, "\x1b[2J")
    body = Data(DataType.STRUCTURE, (text, octet_string(bytes(ENERGY.obis)), text))
    out, _ = printed.of(wrapped(DataNotification(1, b"", axdr.encode(body)).encode()))
    assert "\x1b" not in out
    assert out.count(r"\x1b[2J") == 2


@pytest.mark.parametrize("noise", ["0001", "0001000000010000", "00010000000100027eff", "68", "6809096853ff00", "30 0d"])
def test_noise_that_looks_like_another_carrier_does_not_hide_frames(printed: Printed, noise: str) -> None:
    frame = (AMSHAN / "hdlc_frame_with_escape_character_in_info.bin").read_bytes()
    out, err = printed.of(bytes.fromhex(noise) + frame * 2)
    assert out.count("1661 W") == 2
    assert "2 APDUs delivered" in err


def test_an_empty_file_has_nothing() -> None:
    done = dump("-")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == "0 frames seen, 0 APDUs delivered, 0 refused\n"


def test_a_port_is_listened_to_until_there_is_enough() -> None:
    master, slave = pty.openpty()
    try:
        tty.setraw(slave)
        frame = (AMSHAN / "hdlc_frame_with_escape_character_in_info.bin").read_bytes()
        process = subprocess.Popen(
            [*COMMAND, os.ttyname(slave), "--count", "2"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        )
        ended = threading.Event()

        def push() -> None:
            while not ended.wait(0.1):
                os.write(master, b"\x00\xff" + frame)

        pusher = threading.Thread(target=push)
        pusher.start()
        try:
            out, err = process.communicate(timeout=60)
        finally:
            ended.set()
            pusher.join()
        assert out.decode().count("1-0:1.7.0*255        1661 W") == 2
        assert process.returncode == 0, err
    finally:
        os.close(master)
        os.close(slave)


def test_json_of_all_free_captures_in_one_stream_is_one_object_a_push() -> None:
    frame = (AMSHAN / "hdlc_frame_with_escape_character_in_info.bin").read_bytes()
    done = dump("-", "--json", octets=b"\x00noise" + frame * 50)
    objects: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(objects) == 50
    assert {found["values"][0]["value"] for found in objects} == {1661}


def test_apdus_in_apdus_without_end_are_refused(printed: Printed) -> None:
    octets = GetResponse(0xC1, b"\x11\x05").encode()
    for _ in range(20):
        octets = GeneralBlock(True, False, 0, 1, 0, octets).encode()
    _, err = printed.of(wrapped(octets))
    assert "APDUs in APDUs, too deep" in err


def pieces(octets: bytes, size: int) -> Iterator[bytes]:
    return (octets[begin : begin + size] for begin in range(0, len(octets), size))


@pytest.mark.parametrize("size", [1, 7, 100])
@pytest.mark.parametrize("carrier", ["hdlc", "wrapper", "hex"])
def test_pieces_of_any_size_give_the_same(carrier: str, size: int) -> None:
    push = DataNotification(1, b"", axdr.encode(Data(DataType.UNSIGNED, 5))).encode()
    frame = encode_frame(CLIENT, METER, Control(Kind.UI, False).encode(), RESPONSE + push)
    octets = {"hdlc": frame * 3, "wrapper": wrapped(push) * 3, "hex": b"\n".join([frame.hex().encode()] * 3)}[carrier]
    stream = Stream()
    found = [event for piece in pieces(octets, size) for event in stream.receive(piece)] + stream.finish()
    assert [event.apdus for event in found if isinstance(event, Item)] == [(push,)] * 3
    assert len(found) == 3


@settings(max_examples=50)
@given(st.lists(apdus, max_size=3), st.booleans())
def test_any_apdus_are_printed_or_refused(some: list[Apdu], as_json: bool) -> None:
    printer = Printer(Keys((SAMPLE_KEY,), (SAMPLE_KEY,)), as_json=as_json)
    printer.receive(wrapped(*[apdu.encode() for apdu in some]))
    printer.finish()
    blocks = sum(isinstance(apdu, GeneralBlock | GetResponseBlock) for apdu in some)
    assert len(some) - blocks <= printer.delivered + printer.refused


@given(st.binary(max_size=300))
def test_any_octets_are_printed_or_refused(octets: bytes) -> None:
    printer = Printer(Keys(), as_json=False)
    for piece in pieces(octets, 50):
        printer.receive(piece)
    printer.finish()
    printer.summary()


def recorded(*, hdlc: bool, secure: bool) -> bytes:
    """All octets of a session both ways: association, one register, a profile of 1000 rows, release."""
    sap = SECURE if secure else PUBLIC
    count = iter(range(1, 1000)).__next__
    client = Client()
    if secure:
        client = Client(Gmac(SESSION_KEYS, count), Ciphering(Setting(SESSION_KEYS, CLIENT_TITLE, count)))
    link = Link.client(Address(sap), Address(1)) if hdlc else WrapperLink.client(sap, 1)
    meter = Meter(make_link(hdlc), Model())
    line = bytearray()

    def carry(events: Sequence[Any]) -> None:
        for event in events:
            if isinstance(event, Transmit):
                line.extend(event.octets)
                answer = meter.carry(event.octets)
                line.extend(answer)
                carry(link.receive(answer, 0.0))
            elif isinstance(event, ApduReceived):
                carry(client.receive(event.apdu))
            elif isinstance(event, Send):
                carry(link.send(event.apdu, 0.0))

    carry(link.connect(0.0))
    for ask in (client.associate, lambda: client.get(ENERGY), lambda: client.get(profile(1000)), client.release):
        carry(ask())
    carry(link.disconnect(0.0))
    return bytes(line)


@pytest.mark.parametrize("hdlc", [True, False])
@pytest.mark.parametrize("secure", [True, False])
def test_a_session_as_it_went_over_the_line_is_shown_whole(printed: Printed, hdlc: bool, secure: bool) -> None:
    keys = Keys((bytes(SESSION_KEYS.encryption),), (bytes(SESSION_KEYS.authentication),)) if secure else Keys()
    out, err = printed.of(recorded(hdlc=hdlc, secure=secure), keys)
    lines = [line.strip() for line in out.splitlines()]
    assert "0 refused" in err
    assert any(line.startswith("Aarq") for line in lines)
    assert any(line.startswith("InitiateResponse") for line in lines)
    assert "double-long-unsigned 1234567" in lines
    assert "array of 1000" in lines
    assert lines.count("structure of 4") == 1000
    assert any(line.startswith("Release") for line in lines)
    for key in keys.encryption + keys.authentication:
        assert key.hex() not in out
