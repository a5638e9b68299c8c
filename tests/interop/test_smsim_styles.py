"""Readers that others wrote (SmlLib, pysml, Wireshark's tshark) read the telegrams of every style, a day of each."""

import json
import os
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from captures import sml_capture
from smgw.cosem import DeviceId, Obis, decimal
from smgw.cosem.units import SYMBOLS
from smgw.sml import tlv
from smgw.sml.client import Client
from smgw.sml.habits import corrected_power
from smgw.sml.messages import ListEntry
from smgw.sml.profiles import LOAD_PROFILE
from smgw.sml.server import Reply, Server
from smgw.sml.tlv import Kind
from smgw.wire import Crc
from smsim.load.registers import Drive
from smsim.load.timelapse import TimeLapse
from smsim.sml import style
from smsim.sml.meter import Meter, MeterSpec
from smsim.sml.style import Holds
from tshark import dissect

REPOSITORY = Path(__file__).parents[2]
PEERS = Path(os.environ.get("SMGW_PEERS_PYTHON", REPOSITORY / ".venv-peers/bin/python"))
SCRIPTS = Path(__file__).with_name("peers")
JUNE = 1_780_264_800  # 2026-06-01 00:00 legal time
#: tshark gives up where a time beside a value lacks its choice, on the real meter's telegram too.
BARE_TIMES = ("holley-dtz541", "holley-dtz541-two-tariffs")
#: pysml refuses a type-length field that repeats its type. SmlLib, jSML and tshark read it.
REPEAT_TYPES = tuple(name for name in style.names() if style.load(name).repeats_type)


class Sent(NamedTuple):
    """A telegram and what is in it."""

    octets: bytes
    seconds: int
    entries: list[ListEntry]
    server_id: DeviceId


def a_day(name: str, crc: Crc = Crc.X25) -> list[Sent]:
    """A telegram an hour on a day in June; at noon power flows out.

    It begins at one o'clock: of a DZG meter whose register stands at zero pysml does not look at the status.
    """
    elapsed = [0]
    made = style.load(name)
    assert made.device is not None
    spec = MeterSpec("m", made.device, (), 3500, 8000, 7, crc, made)
    meter = Meter(spec, TimeLapse(JUNE), lambda: elapsed[0])
    sent = []
    for hour in range(24):
        elapsed[0] = (hour + 1) * 16_000
        sent.append(Sent(meter.telegram(), meter.sec_index(), meter.entries(), meter.device))
    return sent


def run(script: str, sent: list[Sent], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """A peer is given a day."""
    if not PEERS.exists():
        pytest.fail(f"the peers' environment {PEERS} is missing; make it with: make setup")
    command = [str(PEERS), "-I", str(SCRIPTS / script), *arguments]
    return subprocess.run(command, input=b"".join(one.octets for one in sent), capture_output=True, timeout=60)


def ask(script: str, sent: list[Sent], *arguments: str) -> list[dict[str, Any]]:
    """What a peer reads of a day."""
    done = run(script, sent, *arguments)
    assert done.returncode == 0, done.stderr.decode()
    telegrams: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(telegrams) == len(sent)
    return telegrams


def number(value: tlv.Value | None) -> int | None:
    return value.value if value is not None and isinstance(value.value, int) else None


@pytest.mark.parametrize("crc", list(Crc))
@pytest.mark.parametrize("name", style.names())
def test_smllib_reads_every_entry(name: str, crc: Crc) -> None:
    made, sent = style.load(name), a_day(name, crc)
    for telegram, one in zip(ask("smllib_read.py", sent, crc.value), sent, strict=True):
        assert telegram["server"] == one.server_id.hex()
        assert telegram["sensor_time"] == (one.seconds if made.sensor_time else None)
        assert [read[:4] for read in telegram["entries"]] == [
            [str(Obis(entry.obj_name)), number(entry.status), entry.unit, entry.scaler] for entry in one.entries
        ]
        for (*_, read), entry in zip(telegram["entries"], one.entries, strict=True):
            assert entry.value is not None
            raw = entry.value.value
            # Octets come out as text where SmlLib takes them for one.
            assert read in (
                [raw.hex(), raw.decode("latin-1"), raw.decode("ascii", "ignore")] if isinstance(raw, bytes) else [raw]
            )


@pytest.mark.parametrize("name", [name for name in style.names() if name not in REPEAT_TYPES])
def test_pysml_reads_every_number_and_puts_a_dzg_meters_sign_right_as_we_do(name: str) -> None:
    sent = a_day(name)
    for telegram, one in zip(ask("pysml_read.py", sent), sent, strict=True):
        ours = corrected_power(one.server_id, one.entries)
        if any(entry.register and entry.register.drive is Drive.ABSOLUTE_POWER for entry in style.load(name).entries):
            ours = {}  # pysml does not know that this power has no sign
        assert [(obis, status) for obis, status, _, _ in telegram["entries"]] == [
            (str(Obis(entry.obj_name)), number(entry.status)) for entry in one.entries
        ]
        for place, (entry, (*_, unit, read)) in enumerate(zip(one.entries, telegram["entries"], strict=True)):
            value = number(ours.get(place, entry.value))
            if value is not None:
                assert Decimal(read) == decimal(value, entry.scaler or 0)
                assert unit == (SYMBOLS[entry.unit] if entry.unit else None)


@pytest.mark.parametrize("name", REPEAT_TYPES)
def test_pysml_refuses_a_type_length_field_that_repeats_its_type(name: str) -> None:
    assert b"Unhandled TL syntax" in run("pysml_read.py", a_day(name)[:1]).stderr


def test_pysml_and_we_are_asked_about_a_sign_that_is_left_out() -> None:
    """The day above holds telegrams in which a DZG meter's power looks negative and is not."""
    day = a_day("dzg-dvs74")
    assert any(corrected_power(one.server_id, one.entries) for one in day)
    assert any(number(one.entries[-1].value) < 0 and not corrected_power(one.server_id, one.entries) for one in day)  # type: ignore[operator]


@pytest.mark.parametrize("name", [name for name in style.names() if name not in BARE_TIMES])
def test_tshark_finds_every_field_and_every_check_sum_right(name: str, tmp_path: Path) -> None:
    sent = a_day(name)
    for read, one in zip(dissect([one.octets for one in sent], tmp_path), sent, strict=True):
        assert not read.malformed
        assert (read.right, read.wrong) == (4, 0)  # three messages and the frame
        assert read.types == [0x0101, 0x0701, 0x0201]
        assert len(read.entries) == len(one.entries)
        for shown, entry in zip(read.entries, one.entries, strict=True):
            assert (shown.obj_name, shown.unit, shown.scaler) == (entry.obj_name, entry.unit, entry.scaler)
            assert entry.value is not None
            raw = entry.value.value
            if isinstance(raw, int):
                assert int.from_bytes(shown.value, "big", signed=entry.value.kind is Kind.SIGNED) == raw
            else:
                assert shown.value == raw
            assert shown.fields[1] == tlv.encode(entry.status)


@pytest.mark.parametrize("name", BARE_TIMES)
def test_tshark_gives_up_on_a_time_without_its_choice(name: str, tmp_path: Path) -> None:
    (ours,) = dissect([a_day(name)[0].octets], tmp_path)
    assert ours.malformed
    assert any(entry.holds is Holds.STATUS for entry in style.load(name).entries)


def test_tshark_gives_up_on_the_real_meter_s_time_without_its_choice(tmp_path: Path) -> None:
    (theirs,) = dissect([sml_capture("smllib-tests/frame_01.bin").octets], tmp_path)
    assert theirs.malformed


def test_tshark_sees_damage(tmp_path: Path) -> None:
    octets = bytearray(a_day("iskra-mt631")[0].octets)
    octets[60] ^= 1
    (read,) = dissect([bytes(octets)], tmp_path)
    assert read.wrong == 2  # its message's and the frame's


def test_tshark_reads_what_the_meter_answers_over_tcp(tmp_path: Path) -> None:
    made = style.load("itron-3hz")
    assert made.device is not None
    meter = Meter(MeterSpec("m", made.device, style=made), TimeLapse(JUNE), lambda: 40_000)
    server = Server(meter)
    client = Client(b"client", b"seed")
    requests = client.get_list(), client.get_profile([LOAD_PROFILE])
    answers = []
    for request in requests:
        (reply,) = server.receive(Client(b"client", b"seed").send([request], 0.0))
        assert isinstance(reply, Reply)
        answers.append(reply.octets)
    listed, profile = dissect(answers, tmp_path)
    assert not listed.malformed
    assert not profile.malformed
    assert (listed.wrong, profile.wrong) == (0, 0)
    assert listed.types == [0x0101, 0x0701, 0x0201]
    assert [entry.obj_name for entry in listed.entries] == [entry.obj_name for entry in meter.entries()]
    assert profile.types == [0x0101, 0x0301, 0x0201]
