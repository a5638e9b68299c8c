"""`smgw scan`, against meters of every protocol on sockets and ptys."""

import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from captures import OWN
from dlms_line_meter import NAME, DlmsMeter, Model
from line_meter import DEVICE, Head, PolledMeter, telegram
from rfc2217_bridge import Rfc2217Bridge
from smgw.cli import main, scan
from smgw.cosem import Obis, ObjectName
from smgw.dlms.apdus.short_names import ShortNames
from smgw.dlms.meter.access import Admission
from smgw.dlms.security.hls import Password
from smgw.dlms.security.secret import Secret
from smgw.hdlc import Address
from smgw.hdlc.link import Link
from smgw.iec62056.seven_bit import with_parity
from smgw.lmn import scan as lmn_scan
from smgw.lmn.d0 import scan as scan_d0
from smgw.lmn.dlms import scan as scan_dlms
from smgw.lmn.mbus import scan as scan_mbus
from smgw.lmn.p1 import scan as scan_p1
from smgw.lmn.scan import LISTEN_S, Scan
from smgw.lmn.sml import scan as scan_sml
from smgw.profiles import protocols
from smgw.profiles.dlms import DlmsProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.toml_importer import parse
from smgw.wire import Transmit
from uart import received


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
    monkeypatch.setattr(scan_mbus, "_SPEEDS", (2400,))
    monkeypatch.setattr(scan_d0, "_WAYS", ((2400, ""),))
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


def test_a_meter_with_a_p1_port_is_heard_with_its_gas_meter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    octets = (OWN / "dsmr" / "dsmr_parser" / "telegram_v5.txt").read_bytes()
    head = Head(tmp_path / "head")
    with pushing(head, octets):
        code, out, _ = scanned(str(head.link), capsys)
    head.unplug()
    assert code == 0
    assert tomllib.loads(out)["meter"][0]["protocol"] == "dsmr-p1"
    assert "K8EG004046395507" in out
    assert "2222ABCD123456789" in out
    loads(out)


@pytest.mark.parametrize("place", ["esy5q3da1004", "v2_2"])
def test_telegrams_without_check_sum_are_p1_or_d0_by_their_codes(place: str) -> None:
    octets = next((OWN / "dsmr").glob(f"*/telegram_{place}*.txt")).read_bytes()
    found = scan_p1.PUSH.ear(MeterProfile("meter", "dsmr-p1", "/dev/null")).hear(octets)
    assert (found is not None) == (place == "v2_2")


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
    assert "nothing answered. Is the head over the right diode" in err
    assert err.count("listening") == 1, "no octet at one speed is none at any"
    assert "4800 8N1: SML" in err
    assert "mode E" in err


def test_all_goes_on_after_the_first(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(scan_dlms, "_SIGNED_ON", 0)
    with DlmsMeter({-1: Model(), 17: Model(name=b"UTB0000000000017")}) as meter:
        code, out, _ = scanned(meter.url, capsys, "--all")
    assert code == 0
    assert [one["name"] for one in tomllib.loads(out)["meter"]] == ["meter-1", "meter-2"]
    assert "UTB0000000000017" in out


def test_the_second_meter_of_a_bus_is_found_and_the_first_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scan_dlms, "_ADDRESSES", (DlmsProfile(), DlmsProfile(physical=17), DlmsProfile(physical=0x7E)))
    monkeypatch.setattr(scan_dlms, "_SPEEDS", (9600, 19_200, 300))
    head = Head(tmp_path / "head")
    meters = {17: Model(), 0x7E: Model(), 21: Model(name=b"UTB0000000000021")}
    with DlmsMeter(meters, master=head.master):
        code, out, err = scanned(str(head.link), capsys, "--all", "--addresses", "16-22")
    head.unplug()
    assert code == 0
    assert [one["dlms"]["physical"] for one in tomllib.loads(out)["meter"]] == [17, 21]
    assert err.count("found dlms") == 2
    assert "19200" not in err
    loads(out)


def test_the_addresses_of_a_bus_are_tried_where_its_meters_answer_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two answers on top of each other make octets and no frame."""
    monkeypatch.setattr(scan_dlms, "_ADDRESSES", (DlmsProfile(physical=0x7E),))
    head = Head(tmp_path / "head")
    with DlmsMeter({0x7E: Model(), 21: Model(name=b"UTB0000000000021")}, master=head.master) as meter:
        calling = bytes((0x02, 0xFD))  # the server address 1/126 on the wire
        meter.spoil = lambda octets: [octets[1::2] * 2] if calling in octets[:8] else [octets]
        code, out, _ = scanned(str(head.link), capsys, "--all", "--addresses", "20-22")
    head.unplug()
    assert code == 0
    assert [one["dlms"]["physical"] for one in tomllib.loads(out)["meter"]] == [21]


def test_an_echo_is_not_taken_for_meters_that_answer_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scan_dlms, "_SIGNED_ON", 0)
    head = Head(tmp_path / "head")
    with DlmsMeter({99: Model()}, master=head.master, echo=True):
        code, _, err = scanned(str(head.link), capsys, "--all", "--addresses", "20-22")
    head.unplug()
    assert code == 1
    assert "trying the addresses" not in err


def test_the_first_meter_is_told_once_whatever_the_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    head = Head(tmp_path / "head")
    with PolledMeter(master=head.master):
        code, out, err = scanned(str(head.link), capsys, "--all")
    head.unplug()
    assert code == 0
    assert len(tomllib.loads(out)["meter"]) == 1
    assert err.count("found sml-poll") == 1
    assert "DLMS" not in err, "it is known by then"


@pytest.mark.parametrize("text", ["", "x", "3-1", "1-99999", "1,,2"])
def test_addresses_that_are_none_are_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["scan", "/dev/null", "--addresses", text])
    assert "invalid list of addresses, such as 16-40,1021, value" in capsys.readouterr().err


def test_it_ends_with_a_table_of_what_it_saw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = Head(tmp_path / "head")
    with pushing(head, telegram()):
        _, out, _ = scanned(str(head.link), capsys)
    head.unplug()
    titles, row = (line for line in out.splitlines()[:2])
    assert titles.split()[:6] == ["#", "port", "settings", "protocol", "address", "device"]
    assert row.split()[1:6] == [str(head.link), "9600", "8N1", "sml-push", "-"]
    assert str(DEVICE) in row
    assert "1-0:1.8.0, 1-0:16.7.0" in row


D0 = b"/EMH5\\@01LZQJ\r\n\x021-0:1.8.0*255(000123.4*kWh)\r\n!\r\n"


@pytest.mark.parametrize(
    ("octets", "row", "words"),
    [
        (D0, "9600 8N1", 'this is text of IEC 62056-21 (D0); write protocol = "d0-push"'),
        (with_parity(D0), "9600 7E1", "this is text of IEC 62056-21 (D0), with seven data bits (7E1)"),
        (b"\xff\xfb\x01\xff\xfb\x03\xff\xfd\x00\xff\xfb\x2c", "9600 8N1", "rfc2217://host:port"),
    ],
)
def test_octets_of_another_kind_end_the_scan_and_are_told(
    octets: bytes, row: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = Head(tmp_path / "head")
    with pushing(head, octets):
        code, out, err = scanned(str(head.link), capsys)
    head.unplug()
    assert code == 1
    assert err.count("listening") == 1
    assert "asked" not in err
    assert words in out
    assert f"{head.link}  {row}" in out
    assert "octets/s and no telegram" in err
    assert tomllib.loads(out) == {}


def test_octets_at_the_wrong_speed_have_lower_speeds_tried_and_then_meters_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = Head(tmp_path / "head")
    with pushing(head, received(telegram(), 4800, 9600)):
        code, out, err = scanned(str(head.link), capsys)
    head.unplug()
    assert code == 1
    assert "each bit comes 2 times" in out
    assert "2400 8E1: listening" in err
    assert "19200 8N1: listening" not in err
    assert "SML, asked" in err


def test_a_meter_behind_rfc_2217_is_found_with_its_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = Head(tmp_path / "head")
    with Rfc2217Bridge(str(head.link)) as bridge, pushing(head, telegram()):
        code, out, _ = scanned(bridge.url, capsys)
    head.unplug()
    assert code == 0
    assert tomllib.loads(out)["meter"][0] == {"name": "meter-1", "protocol": "sml-push", "port": bridge.url}
    assert "9600 8N1" in out
    loads(out)


def test_it_listens_longer_than_meters_pause_that_send_every_10_s() -> None:
    assert LISTEN_S > 10


def test_no_general_module_names_a_protocol() -> None:
    text = Path(lmn_scan.__file__).read_text()
    assert not [name for name in protocols.names() if f'"{name}"' in text]


@pytest.mark.parametrize(
    ("port", "told"), [("ttyUSB0", "no path from the root"), ("/dev/does-not-exist", "there is no such device")]
)
def test_a_port_that_is_none_is_told(port: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = scanned(port, capsys)
    assert code == 2
    assert told in err


def test_a_meter_with_short_names_is_found_and_the_profile_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    names = ShortNames.allocate([ObjectName(1, 0, Obis.parse("0-0:42.0.0"))])
    with DlmsMeter(admissions={16: Admission(short_names=names)}) as meter:
        code, out, _ = scanned(meter.url, capsys)
    assert code == 0
    (found,) = tomllib.loads(out)["meter"]
    assert found["dlms"] == {"referencing": "short"}
    assert NAME.decode() in out
