"""`smgw scan`, against meters of every protocol on sockets and ptys."""

import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dlms_line_meter import NAME, DlmsMeter, Model
from line_meter import DEVICE, Head, PolledMeter, telegram
from smgw.cli import main, scan
from smgw.dlms.meter.access import Admission
from smgw.dlms.security.hls import Password
from smgw.dlms.security.secret import Secret
from smgw.hdlc import Address
from smgw.hdlc.link import Link
from smgw.lmn.dlms import scan as scan_dlms
from smgw.lmn.scan import Scan
from smgw.lmn.sml import scan as scan_sml
from smgw.profiles.dlms import DlmsProfile
from smgw.profiles.toml_importer import parse
from smgw.wire import Transmit


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Scan

    def fast(port: str, say: object, **_: object) -> Scan:
        return real(port, say, listen_s=0.3, timeout_s=0.1)  # type: ignore[arg-type]

    monkeypatch.setattr(scan, "Scan", fast)
    monkeypatch.setattr(scan_sml, "PUSH", scan_sml.PUSH._replace(lines=((9600, "N"),)))
    monkeypatch.setattr(scan_dlms, "PUSH", scan_dlms.PUSH._replace(lines=((9600, "N"), (2400, "E"))))
    monkeypatch.setattr(scan_sml, "_SPEEDS", (9600, 4800))
    monkeypatch.setattr(scan_dlms, "_SPEEDS", (9600,))
    monkeypatch.setattr(scan_dlms, "_SIGNED_ON", 1)
    monkeypatch.setattr(scan_dlms, "_ADDRESSES", (DlmsProfile(), DlmsProfile(physical=17)))


@contextmanager
def pushing(head: Head, octets: bytes) -> Iterator[None]:
    """Sent again and again, as a meter does."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.05):
            head.send(octets)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(3)


def scanned(port: str, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str, str]:
    code = main(["scan", port, *more])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def loads(text: str) -> None:
    """The profile is one that the gateway takes."""
    parse('[gateway]\ndevice_id = "ESMG0000000001"\n' + text, "scan.toml")


def test_a_meter_that_pushes_sml_is_heard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = Head(tmp_path / "head")
    with pushing(head, telegram()):
        code, out, err = scanned(str(head.link), capsys)
    head.unplug()
    assert code == 0
    assert tomllib.loads(out)["meter"][0] == {"name": "meter-1", "protocol": "sml-push", "port": str(head.link)}
    assert str(DEVICE) in out
    assert "9600 8N1: listening" in err
    loads(out)


def test_a_meter_that_pushes_dlms_is_heard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = Head(tmp_path / "head")
    body = bytes.fromhex("020209060100010700ff0600000123")
    sent = Link.server(Address(1, 17), client=Address(16)).send_unnumbered(b"\x0f\0\0\0\0\0" + body, 0.0)
    with pushing(head, b"".join(event.octets for event in sent if isinstance(event, Transmit))):
        code, out, _ = scanned(str(head.link), capsys)
    head.unplug()
    assert code == 0
    assert tomllib.loads(out)["meter"][0]["protocol"] == "dlms-push"
    loads(out)


def test_a_meter_that_answers_sml_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    with PolledMeter() as meter:
        code, out, _ = scanned(meter.url, capsys)
    assert code == 0
    assert tomllib.loads(out)["meter"][0] == {"name": "meter-1", "protocol": "sml-poll", "port": meter.url}
    loads(out)


@pytest.mark.parametrize("wrapper", [False, True])
def test_a_dlms_meter_is_found_over_tcp(wrapper: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with DlmsMeter(wrapper=wrapper) as meter:
        code, out, _ = scanned(meter.url, capsys)
    assert code == 0
    assert NAME.decode() in out
    assert tomllib.loads(out)["meter"][0].get("dlms", {}) == ({"framing": "wrapper"} if wrapper else {})
    loads(out)


def test_a_dlms_meter_with_a_physical_address_is_found_on_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = Head(tmp_path / "head")
    with DlmsMeter({17: Model()}, master=head.master):
        code, out, _ = scanned(str(head.link), capsys)
    head.unplug()
    assert code == 0
    assert tomllib.loads(out)["meter"][0]["dlms"] == {"physical": 17}
    loads(out)


def test_a_meter_that_wants_a_password_is_found_and_that_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with DlmsMeter(admissions={1: Admission(Password(Secret(b"12345678")))}) as meter:
        code, out, err = scanned(meter.url, capsys)
    assert code == 0
    assert tomllib.loads(out)["meter"][0]["dlms"] == {"client": 1}
    assert "rejects the association" in out
    assert "rejects the association" in err


def test_nothing_that_answers_is_told_with_what_to_look_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = Head(tmp_path / "head")
    code, out, err = scanned(str(head.link), capsys)
    head.unplug()
    assert (code, out) == (1, "")
    assert "nothing answered; is the head over the right diode" in err
    assert "4800 8N1: SML" in err
    assert "mode E" in err


def test_all_goes_on_after_the_first(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(scan_dlms, "_SIGNED_ON", 0)
    with DlmsMeter({-1: Model(), 17: Model(name=b"UTB0000000000017")}) as meter:
        code, out, _ = scanned(meter.url, capsys, "--all")
    assert code == 0
    assert [one["name"] for one in tomllib.loads(out)["meter"]] == ["meter-1", "meter-2"]
    assert "UTB0000000000017" in out


@pytest.mark.parametrize(
    ("port", "told"), [("ttyUSB0", "no path from the root"), ("/dev/does-not-exist", "there is no such device")]
)
def test_a_port_that_is_none_is_told(port: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = scanned(port, capsys)
    assert code == 2
    assert told in err
