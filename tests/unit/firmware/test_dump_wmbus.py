"""`smgw dump wmbus`."""

import json
from pathlib import Path

import pytest
from radio_captures import RadioCapture, radio_capture, radio_captures
from smgw.cli import main
from smgw.mbus.radio import sending


def dumped(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["dump", "wmbus", *arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def lines(tmp_path: Path, *names: str) -> str:
    file = tmp_path / "telegrams.hex"
    file.write_text("# telegrams\n" + "\n".join(radio_capture(name).hex for name in names) + "\n")
    return str(file)


def key(tmp_path: Path, octets: bytes, name: str = "meter.key") -> str:
    file = tmp_path / name
    file.write_text(octets.hex() + "\n")
    file.chmod(0o600)
    return str(file)


def test_people_see_who_it_is_how_it_was_sealed_and_each_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = radio_capture("oms-profile-b-adapter")
    assert capture.key
    code, out, err = dumped(capsys, lines(tmp_path, capture.name), "--key", key(tmp_path, capture.key))
    assert code == 0
    first, second, *records = out.splitlines()
    assert first == "by 11223344 RAD 0337, 12345678 ELS 3303, 7ELS3312345678, gas, access 117"
    assert second == "  decrypted: mode 7, counter 2739"
    assert ["7-0:3.0.0*255", "28504.27", "m³", "volume"] in [line.split() for line in records]
    assert err == "1 telegrams seen, 1 delivered, 0 refused\n"


@pytest.mark.parametrize("capture", [one for one in radio_captures() if not one.after], ids=lambda one: one.name)
def test_programs_get_every_value(capture: RadioCapture, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = ("--key", key(tmp_path, capture.key)) if capture.key else ()
    code, out, _ = dumped(capsys, lines(tmp_path, capture.name), "--json", *keys)
    assert code == 0
    found = json.loads(out)
    assert capture.values.keys() <= {one["obis"] for one in found["records"]}
    assert found["telegram"] == capture.octets.hex()


def test_one_key_of_several_opens_each_telegram(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("oms-profile-a", "oms-profile-b", "kamstrup-ctr")
    keys = [
        argument
        for number, name in enumerate(names)
        for argument in ("--key", key(tmp_path, radio_capture(name).key or b"", f"{number}.key"))
    ]
    code, out, _ = dumped(capsys, lines(tmp_path, *names), *keys)
    assert code == 0
    assert out.count("decrypted: ") == 3


def test_without_a_key_the_meter_is_shown_and_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = dumped(capsys, lines(tmp_path, "oms-profile-a"))
    assert code == 0
    assert out == "12345678 ELS 3303, gas\n  encrypted (mode 5); give its key by --key FILE\n"


def test_with_a_key_of_another_meter_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = dumped(capsys, lines(tmp_path, "oms-profile-b"), "--key", key(tmp_path, bytes(16)))
    assert "none of the keys fits" in out


def test_a_compact_telegram_behind_a_whole_one_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, err = dumped(capsys, lines(tmp_path, "kamstrup-compact", "kamstrup-whole", "kamstrup-compact"))
    assert out.count("25879000") == 2
    assert "before the first whole one" in err


@pytest.mark.parametrize("made", [sending.by_imst, sending.by_amber, sending.by_cul])
def test_the_octets_of_each_stick_are_shown_with_the_signal(
    made: "type[object]", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    telegram = radio_capture("lse-warm-water").octets
    file = tmp_path / "stick.bin"
    file.write_bytes(made(telegram, 100) * 3)  # type: ignore[call-arg, operator]
    code, out, _ = dumped(capsys, str(file))
    assert code == 0
    assert out.count(" dBm, 58511882 LSE 2c06") == 3


def test_a_damaged_telegram_is_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "damaged.hex"
    file.write_text(radio_capture("oms-profile-a").hex.replace("2559", "2558", 1) + "\n")
    code, _, err = dumped(capsys, str(file))
    assert code == 1
    assert "a check sum of the link layer is wrong" in err
