"""Live values: one small file a device, replaced as a whole, and read without trust."""

import errno
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from captures_made import BOOT, DEVICE, ENERGY, MIDNIGHT, POWER, capture, energy
from hypothesis import given
from hypothesis import strategies as some
from smgw.cosem import (
    Capture,
    ClockState,
    Data,
    DataType,
    DeviceId,
    GatewayStatus,
    MeterTime,
    MeterTimeKind,
    Obis,
    Reading,
    Stamp,
)
from smgw.cosem.data import RANGE
from smgw.store import live as live_module
from smgw.store import live_reader
from smgw.store.live import LiveWriter
from smgw.store.live_reader import Live, read_live
from smgw.store.records import DEVICES_PER_METER

PORTS = {"house": "/dev/ttyUSB0", "roof-2": "socket://10.0.0.7:4059"}
FOREIGN = DeviceId(b"\x09\x01LOG\x00\xff")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "run" / "live"


@pytest.fixture
def writer(directory: Path) -> LiveWriter:
    return LiveWriter(directory, PORTS)


def file_of(directory: Path, meter: str = "house", device: DeviceId = DEVICE) -> Path:
    return directory / f"{meter}.{device.hex()}.json"


def test_the_newest_capture_of_each_device_is_there(writer: LiveWriter, directory: Path) -> None:
    first, second = capture(MIDNIGHT), capture(MIDNIGHT + 1)
    other = capture(MIDNIGHT, meter="roof-2", device=FOREIGN)
    for one in (first, other, second):
        writer.capture(one)
    assert read_live(directory) == [Live(PORTS["house"], second), Live(PORTS["roof-2"], other)]


def test_values_that_are_not_validated_are_flagged(writer: LiveWriter, directory: Path) -> None:
    flagged = capture(MIDNIGHT)._replace(flags=int(GatewayStatus.NOT_VALIDATED))
    writer.capture(flagged)
    assert json.loads(file_of(directory).read_bytes())["flags"] == 2
    assert read_live(directory) == [Live(PORTS["house"], flagged)]


def test_a_file_is_as_the_format_says(writer: LiveWriter, directory: Path) -> None:
    readings = (
        Reading(ENERGY, Data(DataType.LONG64_UNSIGNED, 2**64 - 1), -1, 30, status=Data(DataType.UNSIGNED, 4)),
        Reading(POWER, Data(DataType.DOUBLE_LONG, -5), 0, 27, raw=Data(DataType.DOUBLE_LONG, 5)),
        Reading(Obis.parse("0-0:96.1.0"), Data(DataType.OCTET_STRING, b"\x0a\xff"), class_id=1),
        Reading(Obis.parse("0-0:96.13.0"), Data(DataType.VISIBLE_STRING, '"\x1b[2J\u00e4'), class_id=1),
    )
    stamp = Stamp(BOOT, 12_345, MIDNIGHT, 5000, ClockState.INVALID)
    writer.capture(Capture("house", DEVICE, stamp, MeterTime(MeterTimeKind.SEC_INDEX, b"\0\0\x12\x67"), readings))
    octets = file_of(directory).read_bytes()
    assert b"\x1b" not in octets
    assert json.loads(octets) == {
        "version": 1,
        "meter": "house",
        "device": "1EMH0011802881",
        "port": "/dev/ttyUSB0",
        "capture_time_us": MIDNIGHT,
        "time_valid": False,
        "dispersion_us": 5000,
        "boot_id": BOOT,
        "boottime_ns": 12_345,
        "meter_time": {"kind": "sec-index", "octets": "00001267"},
        "readings": [
            {
                **{"obis": "1-0:1.8.0*255", "class": 3, "attribute": 2, "scaler": -1, "unit": 30},
                **{"type": "long64-unsigned", "value": 2**64 - 1, "status": {"type": "unsigned", "value": 4}},
            },
            {
                **{"obis": "1-0:16.7.0*255", "class": 3, "attribute": 2, "scaler": 0, "unit": 27},
                **{"type": "double-long", "value": -5, "raw": {"type": "double-long", "value": 5}},
            },
            {
                **{"obis": "0-0:96.1.0*255", "class": 1, "attribute": 2, "scaler": 0, "unit": 255},
                **{"type": "octet-string", "value": "0aff"},
            },
            {
                **{"obis": "0-0:96.13.0*255", "class": 1, "attribute": 2, "scaler": 0, "unit": 255},
                **{"type": "visible-string", "value": '"\x1b[2J\u00e4'},
            },
        ],
    }


def values(kind: DataType) -> some.SearchStrategy[Any]:
    if kind in RANGE:
        return some.integers(*RANGE[kind])
    if kind in (DataType.VISIBLE_STRING, DataType.UTF8_STRING):
        return some.text(max_size=20)
    if kind is DataType.BIT_STRING:
        return some.text("01", max_size=20)
    if kind in (DataType.NULL_DATA, DataType.DONT_CARE):
        return some.none()
    return some.binary(max_size=20)


FLAT = some.sampled_from(
    [kind for kind in DataType if kind not in (DataType.ARRAY, DataType.STRUCTURE, DataType.COMPACT_ARRAY)]
).flatmap(lambda kind: values(kind).map(lambda value: Data(kind, value)))
DATA = some.recursive(
    FLAT, lambda inner: some.lists(inner, max_size=3).map(lambda items: Data(DataType.STRUCTURE, tuple(items)))
)
READINGS = some.builds(
    Reading,
    obis=some.binary(min_size=6, max_size=6).map(Obis),
    value=DATA,
    scaler=some.integers(-128, 127),
    unit=some.integers(0, 255),
    raw=some.none() | FLAT,
    status=some.none() | FLAT,
    class_id=some.integers(0, 65_535),
    attribute=some.integers(-128, 127),
)


@given(some.lists(READINGS, max_size=5), some.binary(min_size=1, max_size=64), some.sampled_from(list(MeterTimeKind)))
def test_every_capture_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, readings: list[Reading], device: bytes, kind: MeterTimeKind
) -> None:
    directory = tmp_path_factory.mktemp("live")
    made = capture(MIDNIGHT, device=DeviceId(device))._replace(
        readings=tuple(readings), meter_time=MeterTime(kind, bytes(live_reader._TIME_OCTETS[kind]))
    )
    LiveWriter(directory, PORTS).capture(made)
    assert read_live(directory) == [Live(PORTS["house"], made)]


def test_the_group_reads_and_strangers_do_not_whatever_the_umask(directory: Path) -> None:
    for mask in (0o000, 0o077):
        before = os.umask(mask)
        try:
            LiveWriter(directory, PORTS).capture(capture(MIDNIGHT))
        finally:
            os.umask(before)
        assert stat.S_IMODE(file_of(directory).stat().st_mode) == 0o640


def test_what_an_earlier_run_left_goes_at_the_start(writer: LiveWriter, directory: Path) -> None:
    writer.capture(capture(MIDNIGHT))
    (directory / ".house.json.new").write_text("half")
    (directory / "notes").write_text("not ours")
    LiveWriter(directory, PORTS)
    assert [file.name for file in directory.iterdir()] == ["notes"]


def test_a_link_in_place_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "house.json").write_text("precious")
    (tmp_path / "live").symlink_to(tmp_path / "precious")
    LiveWriter(tmp_path / "live", PORTS)
    assert (tmp_path / "precious" / "house.json").read_text() == "precious"


def test_a_pipe_in_place_of_a_file_in_the_making_holds_nobody_up(writer: LiveWriter, directory: Path) -> None:
    os.mkfifo(directory / f".house.{DEVICE.hex()}.json.new")
    writer.capture(capture(MIDNIGHT))
    assert read_live(directory) == []
    writer.capture(capture(MIDNIGHT + 1))
    assert [live.capture for live in read_live(directory)] == [capture(MIDNIGHT + 1)]


def test_of_a_meter_that_is_read_anew_only_devices_that_come_again_have_a_file(
    writer: LiveWriter, directory: Path
) -> None:
    writer.capture(capture(MIDNIGHT))
    writer.capture(capture(MIDNIGHT)._replace(device=FOREIGN))
    writer.configure(PORTS, {"house"})
    writer.capture(capture(MIDNIGHT + 1))
    assert [live.capture for live in read_live(directory)] == [capture(MIDNIGHT + 1)]


def test_the_files_of_a_meter_go_with_it(writer: LiveWriter, directory: Path) -> None:
    writer.capture(capture(MIDNIGHT))
    writer.capture(capture(MIDNIGHT, meter="roof-2"))
    writer.configure({"house": "/dev/ttyUSB1"})
    assert [live.capture.meter for live in read_live(directory)] == ["house"]
    writer.capture(capture(MIDNIGHT, meter="roof-2"))
    writer.capture(capture(MIDNIGHT + 1))
    assert read_live(directory) == [Live("/dev/ttyUSB1", capture(MIDNIGHT + 1))]


def test_at_the_end_all_files_go_also_those_of_devices_that_fell_silent(writer: LiveWriter, directory: Path) -> None:
    writer.capture(capture(MIDNIGHT))
    writer.configure({**PORTS, "house": "/dev/ttyUSB1"})
    writer.capture(capture(MIDNIGHT, meter="roof-2"))
    writer.close()
    writer.capture(capture(MIDNIGHT))
    assert list(directory.iterdir()) == []


def test_the_file_of_a_device_that_left_goes_and_comes_back_with_it(writer: LiveWriter, directory: Path) -> None:
    writer.capture(capture(MIDNIGHT))
    writer.left("house", DEVICE)
    writer.left("house", FOREIGN)
    assert read_live(directory) == []
    writer.capture(capture(MIDNIGHT))
    assert len(read_live(directory)) == 1


def test_devices_that_a_meter_makes_up_are_bounded_and_told_once(
    writer: LiveWriter, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(DEVICES_PER_METER + 20):
        writer.capture(capture(MIDNIGHT, device=DeviceId(bytes((9, number)))))
    writer.capture(capture(MIDNIGHT, meter="roof-2"))
    assert len(list(directory.iterdir())) == DEVICES_PER_METER + 1
    assert len(caplog.records) == 1
    writer.left("house", DeviceId(bytes((9, 0))))
    writer.capture(capture(MIDNIGHT, device=DEVICE))
    assert file_of(directory).exists()


def test_registers_that_a_meter_makes_up_are_not_remembered_without_end(writer: LiveWriter) -> None:
    for number in range(live_module._REMEMBERED + 20):
        writer.capture(capture(MIDNIGHT, Reading(Obis(number.to_bytes(6)), Data(DataType.UNSIGNED, 1))))
    (source,) = writer._sources.values()
    assert source is not None
    assert len(source.registers) <= live_module._REMEMBERED


def test_a_name_that_leads_out_of_the_directory_is_no_meter(directory: Path, tmp_path: Path) -> None:
    LiveWriter(directory, {"../../evil": "/dev/ttyUSB0"}).capture(capture(MIDNIGHT, meter="../../evil"))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_directory_that_takes_nothing_costs_one_warning(
    number: int, writer: LiveWriter, directory: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    writer.capture(capture(MIDNIGHT))
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        for _ in range(10):
            writer.capture(capture(MIDNIGHT + 1))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(directory) in caplog.text
    assert read_live(directory) == [], "no value is better than an old one"
    writer.capture(capture(MIDNIGHT + 2))
    assert [live.capture for live in read_live(directory)] == [capture(MIDNIGHT + 2)]


def test_half_a_file_never_takes_the_place_of_a_whole_one(
    writer: LiveWriter, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.capture(capture(MIDNIGHT))
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda _file, octets: len(octets) // 2)
        writer.capture(capture(MIDNIGHT + 1))
    assert list(directory.iterdir()) == []


def test_a_directory_that_was_removed_is_made_again(writer: LiveWriter, directory: Path) -> None:
    writer.capture(capture(MIDNIGHT))
    file_of(directory).unlink()
    directory.rmdir()
    writer.capture(capture(MIDNIGHT + 1))
    writer.capture(capture(MIDNIGHT + 2))
    assert [live.capture for live in read_live(directory)] == [capture(MIDNIGHT + 2)]


def test_a_directory_that_cannot_be_made_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    writer = LiveWriter(tmp_path / "file" / "live", PORTS)
    writer.capture(capture(MIDNIGHT))
    assert len(caplog.records) == 1
    assert read_live(tmp_path / "file" / "live") == []


def test_a_telegram_without_bound_has_no_live_value(
    writer: LiveWriter, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    huge = Reading(ENERGY, Data(DataType.OCTET_STRING, bytes(live_module.LARGEST)))
    writer.capture(capture(MIDNIGHT, huge))
    assert read_live(directory) == []
    assert len(caplog.records) == 1


def test_a_reader_never_finds_half_a_value(writer: LiveWriter, directory: Path) -> None:
    writer.capture(capture(0, energy(0)))
    ends = threading.Event()

    def write() -> None:
        number = 0
        while not ends.is_set():
            number += 1
            writer.capture(capture(number, *(energy(number) for _ in range(20))))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(300):
            (live,) = read_live(directory)
            assert {reading.value.value for reading in live.capture.readings} == {live.capture.stamp.utc_us}
    finally:
        ends.set()
        thread.join()


def changed(directory: Path, **keys: object) -> None:
    file = file_of(directory)
    file.write_text(json.dumps({**json.loads(file.read_text()), **keys}))


BAD_READINGS: list[object] = [
    {"value": 1.5}, {"value": True}, {"value": "1"}, {"value": 2**64}, {"value": -1}, {"value": [1]},
    {"type": "decimal"}, {"type": 21}, {"scaler": 128}, {"scaler": None}, {"unit": 256}, {"obis": "1.8"},
    {"obis": None}, {"class": -1}, {"attribute": 2**70}, {"raw": 7}, {"status": {"type": "unsigned"}},
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_READINGS)
def test_a_reading_that_says_nonsense_is_not_read(writer: LiveWriter, directory: Path, bad: dict[str, object]) -> None:
    writer.capture(capture(MIDNIGHT))
    (reading,) = json.loads(file_of(directory).read_text())["readings"]
    changed(directory, readings=[{**reading, **bad}])
    assert read_live(directory) == []


@pytest.mark.parametrize(
    "bad",
    [
        {"version": 2}, {"version": None}, {"meter": 7}, {"meter": "roof-2"}, {"device": "ff"}, {"device": ""},
        {"port": []}, {"capture_time_us": "now"}, {"capture_time_us": -1}, {"capture_time_us": 2**63},
        {"dispersion_us": 0.5}, {"boot_id": None}, {"meter_time": 4711}, {"meter_time": {"kind": "x", "octets": ""}},
        {"meter_time": {"kind": "dlms-date-time", "octets": "00"}}, {"readings": None}, {"readings": [None]},
        {"readings": {"obis": 1}},
    ],
)  # fmt: skip
def test_a_file_that_says_nonsense_is_not_read(writer: LiveWriter, directory: Path, bad: dict[str, object]) -> None:
    writer.capture(capture(MIDNIGHT))
    changed(directory, **bad)
    assert read_live(directory) == []


@pytest.mark.parametrize(
    "octets",
    [b"", b"{", b"null", b"[]", b"\xff", b"{}", b"[" * 100_000, b'{"version":' + b"1" * 5000 + b"}", b"\0" * 300_000],
)
def test_octets_that_are_no_live_value_are_not_read(writer: LiveWriter, directory: Path, octets: bytes) -> None:
    writer.capture(capture(MIDNIGHT, meter="roof-2"))
    file_of(directory).write_bytes(octets)
    assert [live.capture.meter for live in read_live(directory)] == ["roof-2"]


def test_what_is_no_regular_file_is_not_read_and_not_waited_for(
    writer: LiveWriter, directory: Path, tmp_path: Path
) -> None:
    writer.capture(capture(MIDNIGHT))
    elsewhere = file_of(directory).rename(tmp_path / "elsewhere")
    file_of(directory).symlink_to(elsewhere)
    os.mkfifo(file_of(directory, "roof-2"))
    file_of(directory, "shed").mkdir()
    assert read_live(directory) == []
