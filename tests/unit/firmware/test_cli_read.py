"""`smgw read` with several meters."""

import threading
from pathlib import Path

import pytest
from dlms_line_meter import DlmsMeter, Model
from smgw.cli import main
from smgw.dlms.meter.access import Admission
from smgw.dlms.security.hls import Password
from smgw.dlms.security.secret import Secret

METER = """
[[meter]]
name = "{name}"
protocol = "dlms"
port = "{port}"
timeout = 2
{more}
"""
RIGHT = b"12345678"


def read(folder: Path, meters: str, *arguments: str) -> int:
    (folder / "gateway.toml").write_text('[gateway]\ndevice_id = "ESMG0000000001"\n' + meters)
    return main(
        [
            "read",
            "--config",
            str(folder / "gateway.toml"),
            "--state",
            str(folder / "state"),
            "--seconds",
            "20",
            *arguments,
        ]
    )


def names(out: str) -> list[str]:
    return [line.split()[1].rstrip(",") for line in out.splitlines() if line.startswith("meter ")]


def test_lines_are_read_at_the_same_time_and_printed_in_the_order_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each meter answers only when the other one is asked, too."""
    both = threading.Barrier(2)

    class Together(Model):
        met = False

        def object_list(self) -> bytes:
            if not self.met:
                both.wait(10)
                self.met = True
            return super().object_list()

    with DlmsMeter(Together()) as one, DlmsMeter(Together()) as two:
        ports = [("b", one.url), ("a", two.url)]
        assert read(tmp_path, "".join(METER.format(name=name, port=port, more="") for name, port in ports)) == 0
    assert names(capsys.readouterr().out) == ["b", "a"]


def test_a_refused_password_ends_the_reading_of_its_meter_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret").write_text("hunter22")
    (tmp_path / "secret").chmod(0o600)
    more = 'password_file = "secret"\ndlms = { client = 1, authentication = "lls" }'
    with DlmsMeter(admissions={1: Admission(Password(Secret(RIGHT)))}) as wrong, DlmsMeter() as right:
        meters = METER.format(name="wrong", port=wrong.url, more=more) + METER.format(
            name="right", port=right.url, more=""
        )
        assert read(tmp_path, meters) == 1
        assert wrong.links == 1
    shown = capsys.readouterr()
    assert names(shown.out) == ["right"]
    assert "meter wrong: the meter rejects the association" in shown.err
    assert "correct password_file" in shown.err


def test_an_absent_meter_costs_the_others_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with DlmsMeter() as there:
        meters = METER.format(name="absent", port="socket://127.0.0.1:1", more="")
        meters += METER.format(name="there", port=there.url, more="")
        assert read(tmp_path, meters) == 1
    shown = capsys.readouterr()
    assert names(shown.out) == ["there"]
    assert "meter absent: " in shown.err
