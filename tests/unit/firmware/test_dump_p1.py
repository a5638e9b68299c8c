"""`smgw dump p1`."""

import json
from pathlib import Path

import pytest
from captures import OWN, TextCapture, own_text_captures
from smgw.cli import main
from smgw.dlms.apdus.envelope import GENERAL_GLO, Ciphered
from smgw.dlms.security.suites import Keys, Protection, Suite, seal
from smgw.lmn.p1.sealing import PUBLISHED_KEY

V5 = OWN / "dsmr" / "dsmr_parser" / "telegram_v5.txt"


def dumped(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["dump", "p1", *arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_people_see_each_device_with_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = dumped(capsys, str(V5))
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert ["device", "2222ABCD123456789,", "2017-01-02", "16:10:05", "+01:00"] in lines
    assert ["7-0:3.1.0*255", "0.107", "m³"] in lines
    assert ["1-0:1.8.1*255", "4426", "Wh"] in lines
    assert out.startswith("/ISk5\\2MT382-1000, version 50, check sum right\n")
    assert err == "1 telegrams seen, 1 delivered, 0 refused\n"


@pytest.mark.parametrize("capture", own_text_captures("dsmr"), ids=lambda capture: capture.name)
def test_programs_get_every_data_set(capture: TextCapture, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "capture.bin"
    file.write_bytes(capture.octets + b"\r\n")
    code, out, _ = dumped(capsys, str(file), "--json")
    assert code == 0
    assert [json.loads(line)["sets"] for line in out.splitlines()] == [sets for _, sets in capture.golden["sets"]]


def test_encrypted_telegrams_are_shown_with_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = Keys.of(Suite.AES_GCM_128, bytes(range(16)), PUBLISHED_KEY)
    sealed = Ciphered(GENERAL_GLO, seal(keys, Protection.BOTH, b"SAG\0\0\0\0\1", 1, V5.read_bytes()), b"SAG\0\0\0\0\1")
    file, key = tmp_path / "capture.bin", tmp_path / "key"
    file.write_bytes(sealed.encode())
    key.write_text(bytes(range(16)).hex())
    key.chmod(0o600)
    assert dumped(capsys, str(file))[0] == 1
    code, out, _ = dumped(capsys, str(file), "--key", str(key))
    assert code == 0
    assert "2222ABCD123456789" in out


def test_what_is_no_p1_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "capture.bin"
    file.write_bytes(bytes.fromhex("1b1b1b1b01010101") + bytes(40))
    code, _, err = dumped(capsys, str(file))
    assert code == 1
    assert "try smgw dump sml" in err
