"""`smgw dump d0`: read-outs for people and for programs."""

import json
from pathlib import Path

import pytest
from d0_made import EASYMETER, framed
from smgw.cli import main
from smgw.iec62056.seven_bit import with_parity


def test_a_read_out_is_shown_with_names_and_units(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "octets"
    file.write_bytes(framed())
    assert main(["dump", "d0", str(file)]) == 0
    told = capsys.readouterr().out
    assert "/LGZ4ZMF100AC.M26, check value right" in told
    assert "1-0:1.8.0*255      61561289 Wh" in told
    assert "1-0:1.8.0*1        60000000 Wh" in told, "history is shown too"


def test_json_holds_the_sets_and_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "octets"
    file.write_bytes(EASYMETER + with_parity(EASYMETER))
    assert main(["dump", "d0", str(file), "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["check"], second["check"]) == ("none", "parity")
    assert first["sets"][1] == ["1-0:1.8.0*255", ["00000504.9023619*kWh"]]
    assert {"obis": "1-0:1.8.0*255", "value": 5049023619, "scaler": -4, "unit": 30} in first["entries"]
