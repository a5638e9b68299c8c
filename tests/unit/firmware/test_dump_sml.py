"""`smgw dump sml` as a user would start it."""

import json
import os
import pty
import random
import re
import signal
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from captures import OWN, SmlCapture, all_sml_captures, sml_capture
from smgw.cosem import Obis, ObjectName
from smgw.sml import tlv
from smgw.sml.file import encode_messages
from smgw.sml.list_values import write_list_value
from smgw.sml.messages import (
    AttentionResponse,
    Body,
    CloseResponse,
    GetListResponse,
    GetProcParameterResponse,
    GetProfilePackRequest,
    ListEntry,
    Message,
    OtherBody,
    PackPeriod,
    ParameterValue,
    SetProcParameterRequest,
    Time,
    Tree,
    ValueEntry,
)
from smgw.sml.parameters import ObjectValue, object_tree, parameter_name
from smgw.sml.profiles import Column, LoadProfile, Row, to_list, to_pack
from smgw.sml.transport import START_V2, encode_frame
from sml_made import MadeTelegram, a_day
from soon import LIMIT
from telegrams import SERVER, frame, payload_of

FIRMWARE = Path(__file__).parents[3] / "firmware"
COMMAND = [sys.executable, "-m", "smgw", "dump", "sml"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(FIRMWARE)}
ENTRY_KEYS = ["obis", "status", "unit", "scaler", "value"]
FREE = sorted((OWN / "sml").glob("*/*"))


def dump(*arguments: object, octets: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], input=octets or b"", capture_output=True, env=ENVIRONMENT, timeout=60
    )


def objects(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "capture.bin"


def as_golden(found: dict[str, Any]) -> dict[str, Any]:
    """What the dump printed, as golden.json writes it."""
    rows = []
    for entry in found["entries"]:
        name = Obis.parse(entry["obis"]).hex() if "-" in entry["obis"] else entry["obis"]
        rows.append([name, entry["status"], entry["unit"], entry["scaler"], entry["value"]])
    return {"server": found["server_id"], "actSensorTime": found["time"], "crc": found["crc"], "entries": rows}


def test_json_of_all_captures_in_one_stream_is_what_the_independent_reader_found() -> None:
    framed: list[SmlCapture] = [capture for capture in all_sml_captures() if not capture.bare]
    done = dump("-", "--json", octets=b"\x00".join(capture.octets for capture in framed))
    expected = [{key: frame[key] for key in frame if key != "len"} for capture in framed for frame in capture.golden]
    assert [as_golden(found) for found in objects(done)] == expected
    assert done.returncode == 0


def test_json_has_exactly_the_keys_programs_rely_on() -> None:
    done = dump(OWN / "sml" / "jsml-tests" / "decodefile_0.bin", "--json")
    (found,) = objects(done)
    assert list(found) == ["server_id", "time", "crc", "entries"]
    assert {tuple(entry) for entry in found["entries"]} == {tuple(ENTRY_KEYS)}
    assert found["entries"][1] == {
        "obis": "1-0:1.8.0*255", "status": None, "unit": 30, "scaler": -4, "value": 86038387975,
    }  # fmt: skip
    assert done.stderr.decode() == "1 frames seen, 1 delivered, 0 refused\n"


def test_json_shows_a_corrected_value_beside_the_raw_one_only_where_it_was_corrected() -> None:
    capture = sml_capture("libsml-testing/DZG_DVS-7412.2_jmberg.bin")
    (found,) = objects(dump("-", "--json", octets=capture.octets))
    keys = {entry["obis"]: list(entry) for entry in found["entries"]}
    assert keys.pop("1-0:16.7.0*255") == [*ENTRY_KEYS, "value_corrected"]
    assert set(map(tuple, keys.values())) == {tuple(ENTRY_KEYS)}
    (power,) = [entry for entry in found["entries"] if "value_corrected" in entry]
    assert (power["value"], power["value_corrected"], power["scaler"]) == (-29912, 35624, -2)


@pytest.mark.parametrize(
    ("name", "server"),
    [
        ("smllib-tests/frame_09.bin", "090149534b0004812d55"),
        ("smllib-tests/frame_11.bin", "0a0149534b0005020de2"),
        ("jsml-tests/crctest_messages_untransported_0.bin", "06454d4801001d465c79"),
    ],
)
def test_messages_without_a_transport_are_dumped_too(name: str, server: str) -> None:
    done = dump("-", "--json", octets=sml_capture(name).octets)
    assert [found["server_id"] for found in objects(done)] == [server]
    assert done.returncode == 0


def test_made_messages_without_a_transport_are_dumped_too() -> None:
    days = {name: a_day(name)[0] for name in ("iskra-mt631", "hager-ehz363", "holley-dtz541")}
    done = dump("-", "--json", octets=b"\0".join(payload_of(made.octets) for made in days.values()))
    assert [found["server_id"] for found in objects(done)] == [made.server_id.hex() for made in days.values()]
    assert done.returncode == 0


def dzg() -> MadeTelegram:
    """A telegram of a DZG meter whose import looks negative."""
    return next(one for one in a_day("dzg-dvs74") if one.watts > 0 and one.entries[-1].value.value < 0)  # type: ignore[union-attr,operator]


def test_json_shows_the_corrected_power_of_a_made_telegram_beside_the_raw_one() -> None:
    made = dzg()
    (found,) = objects(dump("-", "--json", octets=made.octets))
    (power,) = [entry for entry in found["entries"] if "value_corrected" in entry]
    assert power["value"] < 0
    assert round(power["value_corrected"] / 100) == made.watts


def test_the_tree_shows_the_corrected_power_of_a_made_telegram_beside_the_raw_one() -> None:
    assert re.search(r" -\d+\.\d\d W  \(corrected: \d+\.\d\d W\)", dump("-", octets=dzg().octets).stdout.decode())


def test_the_tree_tells_of_a_made_meter_that_waits_for_its_pin() -> None:
    done = dump("-", octets=a_day("itron-3hz-locked")[0].octets)
    assert "waits for its PIN" in done.stdout.decode()


def test_the_tree_shows_values_with_units_and_the_device() -> None:
    done = dump(OWN / "sml" / "sml-rs" / "sample_itron.bin")
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "GetListResponse" in text
    assert "1-0:1.8.0*255" in text
    assert " Wh" in text


def test_the_tree_tells_of_a_meter_that_waits_for_its_pin() -> None:
    done = dump("-", octets=sml_capture("libsml-testing/ITRON_OpenWay-3.HZ_without_PIN.bin").octets)
    assert "PIN" in done.stdout.decode()


def test_the_tree_shows_a_correction_beside_the_raw_value() -> None:
    done = dump("-", octets=sml_capture("libsml-testing/DZG_DVS-7412.2_jmberg.bin").octets)
    assert "-299.12 W  (corrected: 356.24 W)" in done.stdout.decode()


def test_noise_frames_and_damage_in_one_file_are_told_apart(file: Path) -> None:
    generator = random.Random(7)
    good = frame()
    flipped = bytearray(good)
    flipped[60] ^= 1
    file.write_bytes(
        generator.randbytes(100) + good + bytes(flipped) + b"\x1b" * 9 + good + good[:70] + START_V2 + good + good[:90]
    )
    done = dump(file, "--json")
    assert len(objects(done)) == 3
    lines = done.stderr.decode().splitlines()
    assert lines[-1] == f"{3 + len(lines) - 1} frames seen, 3 delivered, {len(lines) - 1} refused"
    assert sum("check sum" in line for line in lines) == 1
    assert any("version 2" in line for line in lines)
    assert any("cut off" in line for line in lines)
    assert done.returncode == 0


@pytest.mark.parametrize("octets", [b"", bytes(500), frame()[:-1], START_V2 + bytes(50)])
def test_a_file_that_gives_no_telegram_is_exit_code_1(file: Path, octets: bytes) -> None:
    file.write_bytes(octets)
    for arguments in ((file,), (file, "--json")):
        done = dump(*arguments)
        assert (done.returncode, done.stdout) == (1, b"")
        assert b"0 delivered" in done.stderr


def one_line_without_traceback(done: subprocess.CompletedProcess[bytes]) -> str:
    text = done.stderr.decode()
    assert "Traceback" not in text
    assert text.count("\n") == 1
    return text


@pytest.mark.parametrize("name", ["absent.bin", "absent/capture.bin"])
def test_a_missing_file_is_one_line_and_exit_code_2(tmp_path: Path, name: str) -> None:
    done = dump(tmp_path / name)
    assert done.returncode == 2
    text = one_line_without_traceback(done)
    assert str(tmp_path / name) in text
    assert "No such file" in text


def test_a_directory_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = dump(tmp_path)
    assert done.returncode == 2
    assert "directory" in one_line_without_traceback(done)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_one_line_and_exit_code_2(file: Path) -> None:
    file.write_bytes(frame())
    file.chmod(0)
    done = dump(file)
    assert done.returncode == 2
    assert "Permission" in one_line_without_traceback(done)


@pytest.mark.parametrize("url", ["socket://127.0.0.1:1", "gopher://meter", "/dev/null"])
def test_a_port_that_cannot_be_opened_is_one_line_and_exit_code_2(url: str) -> None:
    done = dump(url)
    assert done.returncode == 2
    assert url in one_line_without_traceback(done)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a", "b"],
        ["-", "--count", "-1"],
        ["-", "--count", "many"],
        ["-", "--seconds", "nan"],
        ["-", "--seconds", "-1"],
        ["-", "--baudrate", "0"],
        ["-", "--parity", "X"],
        ["-", "--jsn"],
    ],
)
def test_wrong_arguments_are_usage_and_exit_code_2(arguments: list[str]) -> None:
    done = dump(*arguments)
    assert done.returncode == 2
    assert b"usage: smgw" in done.stderr
    assert b"Traceback" not in done.stderr


def test_another_protocol_is_refused_with_those_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "smgw", "dump", "m-bus", "-"], input=b"", capture_output=True, env=ENVIRONMENT
    )
    assert done.returncode == 2
    assert b"choose from" in done.stderr
    assert b"dlms" in done.stderr.partition(b"choose from")[2]


def test_after_as_many_telegrams_as_asked_for_it_ends() -> None:
    done = dump("-", "--json", "--count", 2, octets=frame() * 5)
    assert len(objects(done)) == 2
    assert done.returncode == 0


@pytest.mark.parametrize("option", [[], ["--json"]])
@pytest.mark.parametrize("reader", ["head -1", "true"])
def test_a_reader_that_goes_away_leaves_it_quiet(file: Path, option: list[str], reader: str) -> None:
    file.write_bytes(frame() * 3000)
    command = f'"$@" | {reader}; exit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", command, "bash", *COMMAND, str(file), *option], capture_output=True, env=ENVIRONMENT, timeout=60
    )
    assert done.stderr == b""
    assert done.stdout.count(b"\n") == (1 if "head" in reader else 0)
    assert done.returncode in (0, 1)


def test_an_interrupt_ends_it_with_the_sum() -> None:
    # A shell starts what it puts into the background with interrupts ignored, and these tests may be there.
    heed = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"import runpy, signal; {heed}; runpy.run_module('smgw', run_name='__main__')"
    with subprocess.Popen(
        [sys.executable, "-c", code, "dump", "sml", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(frame())
        process.stdin.flush()
        assert process.stdout.readline().startswith(b"telegram")  # shown before the input has ended
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr.read() == b"1 frames seen, 1 delivered, 0 refused\n"


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """The far end of a serial line, and the device's path."""
    far, near = pty.openpty()
    tty.setraw(near)
    yield far, os.ttyname(near)
    os.close(far)
    os.close(near)


def test_a_port_is_read_until_as_many_telegrams_as_asked_for_came(terminal: tuple[int, str]) -> None:
    far, path = terminal
    octets = b"noise" + frame()
    with subprocess.Popen(
        [*COMMAND, path, "--count", "2", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        deadline = time.monotonic() + LIMIT
        while process.poll() is None and time.monotonic() < deadline:
            for begin in range(0, len(octets), 50):
                os.write(far, octets[begin : begin + 50])
                time.sleep(0.005)
        assert process.wait(LIMIT) == 0
        assert process.stdout is not None
        assert len(process.stdout.read().splitlines()) == 2


def test_a_silent_port_ends_after_the_seconds_asked_for(terminal: tuple[int, str]) -> None:
    _, path = terminal
    done = dump(path, "--seconds", "0.3")
    assert done.returncode == 1
    assert b"0 frames seen" in done.stderr


def test_ten_megabytes_take_little_memory(file: Path) -> None:
    frames = [capture.octets for capture in all_sml_captures() if not capture.bare]
    block = b"".join(frames)
    block += random.Random(1).randbytes(len(block))
    file.write_bytes(block * (10_000_000 // len(block) + 1))
    limit = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_AS, (200 << 20,) * 2);"
    code = limit + "sys.argv[0] = 'smgw'; runpy.run_module('smgw', run_name='__main__')"
    with (file.parent / "out").open("wb") as out, (file.parent / "err").open("wb") as err:
        process = subprocess.run(
            [sys.executable, "-c", code, "dump", "sml", str(file), "--json"], stdout=out, stderr=err, env=ENVIRONMENT
        )
    assert process.returncode == 0


def test_a_megabyte_without_any_telegram_is_searched(file: Path) -> None:
    """What it costs: tests/bench/bench_hostile.py."""
    file.write_bytes(random.Random(2).randbytes(1_000_000))
    assert dump(file).returncode == 1


def test_what_is_not_understood_is_shown_raw_but_never_a_request() -> None:
    secret = tlv.sequence(tlv.octets(b"user"), tlv.octets(b"hunter2"))
    messages = [
        Message(b"1", OtherBody(0x0801, tlv.sequence(tlv.octets(b"visible"), None, tlv.unsigned(7, 1)), "")),
        Message(b"2", OtherBody(0x0800, secret, "")),
        Message(b"3", AttentionResponse(SERVER, bytes.fromhex("8181c7c7fe02"))),
    ]
    done = dump("-", octets=encode_frame(encode_messages(messages)))
    text = done.stdout.decode()
    assert "message 0801" in text
    assert '"visible"' in text
    assert "hunter2" not in text
    assert "password" in text
    assert done.returncode == 0


def shown(*bodies: Body) -> list[str]:
    messages = [Message(bytes((65 + place,)), body) for place, body in enumerate(bodies)]
    done = dump("-", octets=encode_frame(encode_messages(messages)))
    assert done.returncode == 0
    return [line.strip() for line in done.stdout.decode().splitlines()]


def test_a_profile_is_a_tree_of_rows_with_units_and_signatures() -> None:
    code = bytes.fromhex("0100630100ff")
    columns = (Column(Obis.parse("1.8.0"), 30, -1), Column(Obis.parse("2.8.0"), 30, -1))
    rows = (
        Row(Time(2, 900), 0x182, (tlv.unsigned(12345, 8), None)),
        Row(Time(2, 1800), 4, (tlv.unsigned(12346, 8), tlv.unsigned(7, 8)), b"\x01\x02", (b"\x0a", None)),
    )
    profile = LoadProfile(Time(2, 2000), 900, columns, rows, b"\xab\xcd")
    pack = shown(GetProfilePackRequest((code,), Time(2, 1), password=b"hunter2"), to_pack(SERVER, (code,), profile))
    assert any("1-0:99.1.0*255, from 1 s since 1970 UTC" in line for line in pack)
    assert any("every 900 s" in line for line in pack)
    assert "row 900 s since 1970 UTC  status 0x182" in pack
    assert "1-0:1.8.0*255        1234.5 Wh" in pack
    assert "1-0:2.8.0*255        no value" in pack
    assert "1-0:1.8.0*255        1234.6 Wh  signature 0a" in pack
    assert {"period signature 0102", "profile signature abcd"} <= set(pack)
    assert "hunter2" not in str(pack)
    listed = shown(*to_list(SERVER, (code,), profile))
    assert [line for line in listed if line.startswith("row")] == [line for line in pack if line.startswith("row")]


def as_json(*bodies: Body) -> list[dict[str, Any]]:
    messages = [Message(bytes((65 + place,)), body) for place, body in enumerate(bodies)]
    return objects(dump("-", "--json", octets=encode_frame(encode_messages(messages))))


def test_json_has_the_rows_of_a_profile_in_both_forms_with_their_signatures() -> None:
    code = bytes.fromhex("0100630100FF")
    columns = (Column(Obis.parse("1.8.0"), 30, -1), Column(Obis.parse("96.1.0")))
    values = (tlv.unsigned(12346, 4), None)
    rows = (Row(Time(2, 900), 4, values, b"\x01\x02", (b"\x0a", None)), Row(Time(2, 1800), 0, values))
    profile = LoadProfile(Time(2, 2000), 900, columns, rows, b"\xab\xcd")
    (pack,) = as_json(to_pack(SERVER, (code,), profile))
    assert (pack["profile"], pack["period"], pack["time"]) == (["1-0:99.1.0*255"], 900, [2, 2000])
    assert pack["signature"] == "abcd"
    first, second = pack["rows"]
    assert (first["time"], first["status"], first["signature"]) == ([2, 900], 4, "0102")
    energy = {"obis": "1-0:1.8.0*255", "unit": 30, "scaler": -1, "value": 12346, "signature": "0a"}
    assert first["entries"] == [energy, {"obis": "1-0:96.1.0*255", "unit": 255, "scaler": 0, "value": None}]
    assert "signature" not in second

    listed = as_json(*to_list(SERVER, (code,), profile))
    assert [one["rows"][0]["time"] for one in listed] == [[2, 900], [2, 1800]]
    assert listed[0]["rows"][0]["entries"] == first["entries"]


def test_json_of_a_list_has_its_signatures_where_there_are_any() -> None:
    signed = ListEntry(Obis.parse("1.8.0"), value=tlv.unsigned(1, 1), value_signature=b"\x01")
    (found,) = as_json(GetListResponse(SERVER, (signed, ListEntry(Obis.parse("2.8.0"))), list_signature=b"\x02"))
    assert found["signature"] == "02"
    assert [one.get("signature") for one in found["entries"]] == ["01", None]


def test_a_profile_whose_rows_do_not_fit_its_columns_says_so() -> None:
    pack = to_pack(SERVER, (), LoadProfile(Time(1, 1), 900, (), ()))._replace(
        period_list=(PackPeriod(Time(1, 1), 0, (ValueEntry(),)),)
    )
    assert any("not read: a profile row of 1 values in 0 columns" in line for line in shown(pack))


def test_a_tree_shows_names_values_and_scaler_unit() -> None:
    value = ObjectValue(ObjectName(3, 0, Obis.parse("1.8.0")), tlv.unsigned(7, 4), -1, 30)
    lines = shown(GetProcParameterResponse(SERVER, (parameter_name(value.name),), object_tree(value)))
    assert "1-0:1.8.0*255 class 3 version 0" in lines
    assert "0002  7" in lines
    assert "0003  scaler -1, unit Wh" in lines


def test_a_tree_that_is_written_shows_its_names_only() -> None:
    secret = Tree(b"\x01\x02", ParameterValue(1, tlv.octets(b"hunter2")))
    lines = shown(SetProcParameterRequest((b"\x01\x02",), secret, username=b"user", password=b"hunter2"))
    assert "0102  not shown, it may be a password" in lines
    assert "hunter2" not in str(lines)
    assert b"hunter2".hex() not in str(lines)


def test_signatures_of_lists_values_and_files_are_shown() -> None:
    entry = ListEntry(Obis.parse("1.8.0"), value=tlv.unsigned(1, 1), value_signature=b"\x01")
    lines = shown(GetListResponse(SERVER, (entry,), list_signature=b"\x02"), CloseResponse(b"\x03"))
    assert {"list signature 02", "global signature 03"} <= set(lines)
    assert any(line.endswith("signature 01") for line in lines)


def test_an_attention_shows_its_details() -> None:
    number = bytes.fromhex("8181c7c7fe09")
    details = Tree(b"\x01\x02", ParameterValue(1, write_list_value(Time(2, 42))))
    assert "0102  time 42 s since 1970 UTC" in shown(AttentionResponse(SERVER, number, details=details))


def test_octets_that_would_steer_a_terminal_are_shown_in_hex() -> None:
    steering = b"\x1b[31mred\x07"
    listed = GetListResponse(steering, (), list_name=steering)
    done = dump("-", octets=encode_frame(encode_messages([Message(steering, listed)])))
    assert b"\x1b" not in done.stdout
    assert steering.hex().encode() in done.stdout


def test_help_names_the_exit_codes_and_examples() -> None:
    done = subprocess.run([*COMMAND[:-1], "--help"], capture_output=True, env=ENVIRONMENT)
    assert done.returncode == 0
    assert b"Exit code" in done.stdout
    assert b"smgw dump sml - < capture.bin" in done.stdout


@pytest.mark.parametrize("path", FREE, ids=lambda path: path.name)
def test_every_free_capture_is_dumped_without_a_fault(path: Path) -> None:
    done = dump(path)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr


def test_a_text_of_hex_digits_is_read_as_the_octets_that_it_stands_for(tmp_path: Path) -> None:
    digits = frame().hex(" ", 4)
    text = tmp_path / "report.hex"
    text.write_text(f"# reported by a user\n{digits[:90]}\n{digits[90:]}  # the end\n")
    (read,), (plain,) = objects(dump(text, "--json")), objects(dump("-", "--json", octets=frame()))
    assert read == plain


@pytest.mark.parametrize("text", [b"", b"# nothing\n", b"no hex", b"1b1b1b1b0"])
def test_a_text_that_holds_no_telegram_is_told_by_the_exit_code(text: bytes) -> None:
    done = dump("-", octets=text)
    assert (done.returncode, done.stdout) == (1, b"")


def test_the_note_on_hidden_values_is_printed_once_a_device() -> None:
    energy = (ListEntry(Obis.parse("1.8.0"), None, None, 30, -1, tlv.unsigned(123_456, 4)),)
    done = dump("-", octets=frame(energy) * 5)
    assert done.stdout.decode().count("note: ") == 1
    assert done.stdout.decode().count("extended data set") == 1
    assert done.returncode == 0
