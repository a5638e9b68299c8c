"""`smgw read` with several meters."""

import contextlib
import json
import socket
import threading
from pathlib import Path
from typing import Self

import pytest
from dlms_line_meter import DlmsMeter, Model
from pushing_meter import framed
from smgw.cli import main
from smgw.cosem import Data, DataType, octet_string
from smgw.dlms import data as axdr
from smgw.dlms.apdus.envelope import GENERAL_GLO, Ciphered
from smgw.dlms.apdus.notify import DataNotification
from smgw.dlms.meter.access import Admission
from smgw.dlms.security.hls import Password
from smgw.dlms.security.secret import Secret
from smgw.dlms.security.suites import Keys, Protection, Suite, seal

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


class Pushing:
    """A bridge on TCP that pushes the same octets to whoever connects, until it is closed."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._server = socket.create_server(("127.0.0.1", 0))
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.url = f"socket://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._server.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            peer, _ = self._server.accept()
            with peer:
                while not self._closed.wait(0.05):
                    peer.sendall(self._octets)


PUSHING = METER.replace('"dlms"', '"dlms-push"').replace("timeout = 2\n", "")


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


BARE = DataNotification(
    1, b"", axdr.encode(Data(DataType.STRUCTURE, (octet_string(b"4711"), Data(DataType.LONG_UNSIGNED, 5))))
).encode()


def test_an_unknown_list_of_bare_values_is_shown_with_its_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Pushing(framed(BARE)) as meter:
        assert read(tmp_path, PUSHING.format(name="flat", port=meter.url, more=""), "--seconds", "2") == 1
    shown = capsys.readouterr().err
    assert "a push of 2 values without names: 1 '4711', 2 5" in shown
    assert "columns = [" in shown


def test_columns_and_corrections_hold_for_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = """factors = { "1-0:1.8.0" = 40 }
dlms = { columns = ["device-id", { obis = "1-0:1.8.0", scaler = 1 }] }"""
    with Pushing(framed(BARE)) as meter:
        assert read(tmp_path, PUSHING.format(name="flat", port=meter.url, more=more), "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["readings"]
    assert (found["value"], found["scaler"], found["unit"], found["raw"]) == (200, 1, 30, 5)


def test_a_push_without_its_authentication_key_is_read_on_demand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_text(bytes(range(16)).hex())
    (tmp_path / "key").chmod(0o600)
    plain = DataNotification(1, b"", bytes.fromhex("0201020209060100010800ff0600000064")).encode()
    keys, title = Keys.of(Suite.AES_GCM_128, bytes(range(16)), bytes(16)), b"HLZ\0\0\0\0\1"
    sealed = Ciphered(GENERAL_GLO, seal(keys, Protection.BOTH, title, 1, plain), title).encode()
    more = 'dlms = { encryption_key_file = "key" }'
    with Pushing(framed(sealed)) as meter:
        assert read(tmp_path, PUSHING.format(name="flat", port=meter.url, more=more), "--seconds", "2") == 1
    assert "write authentication_key_file" in capsys.readouterr().err
    with Pushing(framed(sealed)) as meter:
        assert read(tmp_path, PUSHING.format(name="flat", port=meter.url, more=more), "--unauthenticated") == 0
    shown = capsys.readouterr().out
    assert "100" in shown
    assert "note: read without its authentication key" in shown
