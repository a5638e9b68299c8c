"""`smgw dump mbus`."""

import json
from pathlib import Path

import pytest
from captures import OWN
from mbus_captures import MBusCapture, mbus_captures
from smgw.cli import main

FRAMES = OWN / "mbus" / "libmbus" / "test-frames"


def dumped(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["dump", "mbus", *arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_people_see_who_it_is_and_each_record_with_its_unit(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = dumped(capsys, str(FRAMES / "kamstrup_382_005.hex"))
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert out.startswith("address 120, 1KAM0114839120, electricity, access 4\n")
    assert ["1-0:1.8.0*255", "0", "Wh", "energy"] in lines
    assert ["1-1:1.8.2*255", "0", "Wh", "energy,", "tariff", "2,", "subunit", "1"] in lines
    assert ["9", "h", "on", "time"] in lines
    assert err == "1 telegrams seen, 1 delivered, 0 refused\n"


@pytest.mark.parametrize("capture", mbus_captures("test-frames"), ids=lambda one: one.name)
def test_programs_get_every_record(capture: MBusCapture, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "capture.bin"
    file.write_bytes(capture.octets * 2)
    code, out, _ = dumped(capsys, str(file), "--json")
    assert code == 0
    first, second = map(json.loads, out.splitlines())
    assert first == second
    assert len(first["records"]) in (len(capture.records), len(capture.records) - 1)


def test_a_value_that_is_none_is_shown_with_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = dumped(capsys, str(FRAMES / "siemens_wfh21.hex"))
    assert "0000 (no date)" in out
    assert '"WFH21"' in out
    assert "maker's own data: 37fd17" in out


def test_an_error_of_a_meter_is_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = dumped(capsys, str(OWN / "mbus" / "libmbus" / "error-frames" / "application_busy.hex"))
    assert code == 1
    assert "address 1: the meter refuses: it is busy" in err


@pytest.mark.parametrize(("shown", "other"), [("dlms", "mbus"), ("sml", "mbus")])
def test_records_that_another_format_cannot_show_are_recognised(
    shown: str, other: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "capture"
    file.write_bytes(bytes.fromhex((FRAMES / "kamstrup_382_005.hex").read_text()))
    assert main(["dump", shown, str(file)]) == 1
    assert f"these are M-Bus frames with records; try smgw dump {other}" in capsys.readouterr().err
