"""No escape sequence of a meter, a line or an EMP reaches a terminal, whichever command prints it."""

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from captures_made import BOOT, DEVICE, ENERGY, MIDNIGHT, capture
from dlms_pushes import in_hdlc
from gateway_state import gateway_state
from line_meter import telegram
from smgw.cli import _COMMANDS, main
from smgw.cli.profile_rows import FORMATS, Table
from smgw.cli.terminal import controlled, harmless_output
from smgw.cosem import ClockState, Data, DataType, Reading, Stamp
from smgw.cosem.printable import printable, without_control
from smgw.dlms.apdus.notify import DataNotification
from smgw.dlms.data import encode
from smgw.errors import SmgwError
from smgw.sml.messages import ListEntry
from smgw.store import paths
from smgw.store.file.log_book import Level
from smgw.store.records import MeterState, ProfileRow, Record
from smgw.store.wan.records import ChannelKind, ChannelState
from smgw.store.wan.store import WanStore

#: Clears the screen, sets a title, in C0 and C1, turns the direction of the text, writes over the line.
EVIL = "\x1b[2J\x1b]0;x\x07\x9b31m\x90q\u202e\x7f\r!"
TEXT = Data(DataType.UTF8_STRING, EVIL)


def is_harmless(text: str) -> bool:
    return without_control(text) == text


def test_a_line_keeps_its_tabs_and_ends_and_json_stays_json() -> None:
    assert without_control("a\tb\nä€😀") == "a\tb\nä€😀"
    assert json.loads(without_control(json.dumps(EVIL, ensure_ascii=False))) == EVIL
    assert is_harmless(printable(EVIL))
    assert is_harmless(without_control(EVIL))


@pytest.mark.parametrize("command", _COMMANDS)
def test_whatever_a_command_prints_is_harmless(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(_arguments: argparse.Namespace) -> int:
        print(f"of a meter: {EVIL}")
        sys.stdout.writelines([EVIL])
        print(EVIL, file=sys.stderr)
        raise SmgwError(f"answers {EVIL}")

    made = ModuleType("made")
    made.add_arguments = lambda parser: None  # type: ignore[attr-defined]
    made.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, f"smgw.cli.{command.replace('-', '_')}", made)
    monkeypatch.setattr("smgw.board.journal.goes_to_journal", lambda: False)
    assert main([command]) == 2
    told = capsys.readouterr()
    assert "of a meter" in told.out
    assert "answers" in told.err
    assert is_harmless(told.out + told.err)


def test_a_command_that_moves_the_cursor_has_the_stream_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with harmless_output(), harmless_output():
        print("\x1b[H", end="", file=controlled(sys.stdout))
        print("\x1b[H", end="")
    assert capsys.readouterr().out == "\x1b[H\\u001b[H"


@pytest.mark.parametrize(
    "command", ["status", "status --json", "watch --once", "watch --once --json", "log", "log --json"]
)
def test_a_gateway_full_of_escape_sequences_is_shown_without_them(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gateway_state(tmp_path) as gateway:
        evil = capture(MIDNIGHT, Reading(ENERGY, TEXT))
        with gateway.file.open("a") as file:
            file.write('[[emp]]\nname = "demo"\nurl = "http://192.0.2.1"\ninsecure = true\n')
        gateway.live.capture(evil)
        gateway.store.append([Record(evil)])
        gateway.store.note_meter(MeterState("house", DEVICE, EVIL, MIDNIGHT, good=1, note=EVIL, remark=EVIL))
        gateway.store.log("made", Level.INFO, EVIL, Stamp(BOOT, 1, MIDNIGHT, 0, ClockState.SYNCHRONISED))
        gateway.store.flush(now=True)
        with WanStore.open(paths.wan_directory(tmp_path / "state")) as wan:
            wan.note_channel(ChannelState("demo", ChannelKind.BACKING_OFF, MIDNIGHT, EVIL, MIDNIGHT, MIDNIGHT))
        main([*command.split(), *gateway.arguments])
        told = capsys.readouterr()
        assert "x1b" in told.out + told.err or "u001b" in told.out + told.err
        assert is_harmless(told.out + told.err)


@pytest.mark.parametrize("form", ["", "--json"])
@pytest.mark.parametrize("kind", ["sml", "dlms"])
def test_a_telegram_of_escape_sequences_is_dumped_without_them(
    kind: str, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    octets = EVIL.encode()
    push = encode(Data(DataType.STRUCTURE, (TEXT, Data(DataType.OCTET_STRING, octets))))
    pushes = in_hdlc(DataNotification(1, b"", push).encode())
    sml = telegram(listed=(ListEntry(bytes(ENERGY), value_signature=octets),), server_id=octets[:9])
    (tmp_path / "file").write_bytes(octets + (pushes if kind == "dlms" else sml) + octets)
    main(["dump", kind, *form.split(), str(tmp_path / "file")])
    told = capsys.readouterr()
    assert told.out
    assert is_harmless(told.out + told.err)


@pytest.mark.parametrize("form", FORMATS)
def test_a_load_profile_of_escape_sequences_is_printed_without_them(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with harmless_output():
        Table(FORMATS[form]).take(ProfileRow(MIDNIGHT, None, (Reading(ENERGY, TEXT),)))
    told = capsys.readouterr().out
    assert "[2J" in told
    assert is_harmless(told)


def test_a_remark_of_a_scanned_meter_stays_in_its_comment() -> None:
    scan = import_module("smgw.cli.scan")
    meter = import_module("smgw.profiles.meter").MeterProfile(name="m", protocol="sml-push", port="/dev/null")
    found = import_module("smgw.lmn.scan").Found(meter, device=f"x\n{EVIL}", remark='y\nport = "/dev/evil"')
    lines = scan.profile_text(found).splitlines()
    assert [line for line in lines if line.startswith("port")] == ['port = "/dev/null"']
    assert is_harmless("\n".join(lines))
