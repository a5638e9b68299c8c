"""`smgw keys lmn` and `smgw keys meter`: certificates of the gateway and of meters with TLS; what `check` finds."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from lmn_tls import DAY, NOW, Lmn, openssl, s_server
from smgw.cli import main
from smgw.trust.meter_certificate import MeterCertificate, check_pin
from smgw.trust.meter_tls import own_files, pin_file, read_pins
from smgw.trust.self_signed import write_self_signed
from smgw.trust.tls_rules import Own

CONFIGURATION = """
[gateway]
device_id = "ESMG0000000001"

[[meter]]
name = "house"
protocol = "sml-push"
port = "tls://127.0.0.1:4059"

[[meter]]
name = "flat"
protocol = "sml-push"
port = "/dev/ttyS0"
"""


class Gateway:
    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "state"
        self.trust = self.state / "trust"
        self.file = folder / "gateway.toml"
        self.file.write_text(CONFIGURATION)
        self.meter = Own(folder / "meter.crt", folder / "meter.key")
        self.certificate = write_self_signed(self.meter, "1EMH0000000001.sm", "brainpool", NOW - DAY)

    def run(self, *arguments: str) -> int:
        command = arguments[:2] if arguments[0] == "keys" else arguments[:1]
        rest = arguments[len(command) :]
        return main([*command, "--config", str(self.file), "--state", str(self.state), *rest])


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


@pytest.mark.parametrize(("word", "curve"), [("brainpool", "brainpoolP256r1"), ("p256", "secp256r1")])
def test_the_gateway_makes_its_own_certificate(gateway: Gateway, word: str, curve: str) -> None:
    assert gateway.run("keys", "lmn", "--curve", word) == 0
    own = own_files(gateway.trust)
    found = MeterCertificate.from_file(own.certificate)
    assert (found.name, found.curve) == ("ESMG0000000001.smgw", curve)
    assert stat.S_IMODE(own.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(own.key.parent.stat().st_mode) == 0o700


def test_openssl_believes_that_it_signed_itself(gateway: Gateway) -> None:
    gateway.run("keys", "lmn")
    file = str(own_files(gateway.trust).certificate)
    command = [openssl(), "verify", "-check_ss_sig", "-CAfile", file, file]
    assert subprocess.run(command, capture_output=True, text=True).stdout == f"{file}: OK\n"


def test_a_certificate_that_is_there_stays(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.run("keys", "lmn")
    before = own_files(gateway.trust).certificate.read_bytes()
    assert gateway.run("keys", "lmn") == 0
    assert own_files(gateway.trust).certificate.read_bytes() == before
    assert "--renew" in capsys.readouterr().out


def test_a_renewal_makes_a_new_pair_and_keeps_the_old(gateway: Gateway) -> None:
    gateway.run("keys", "lmn")
    own = own_files(gateway.trust)
    before = (own.certificate.read_bytes(), own.key.read_bytes())
    assert gateway.run("keys", "lmn", "--renew", "--years", "2") == 0
    folder = own.key.parent
    assert ((folder / "tls.old.crt").read_bytes(), (folder / "tls.old.key").read_bytes()) == before
    assert own.key.read_bytes() != before[1]
    assert stat.S_IMODE((folder / "tls.old.key").stat().st_mode) == 0o600
    assert MeterCertificate.from_file(own.certificate).not_after_s < NOW + 732 * DAY


@pytest.mark.parametrize(("meter", "noted"), [("flat", True), ("house", False)])
def test_a_pin_of_a_meter_without_tls_is_noted(
    meter: str, noted: bool, gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gateway.run("keys", "meter", meter, str(gateway.meter.certificate)) == 0
    assert pin_file(gateway.trust, meter).exists()
    assert ("note: meter flat is at /dev/ttyS0; a pin is used only at tls://" in capsys.readouterr().out) is noted


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_gives_key_and_folder_to_the_reading_process(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smgw.cli.keys.lmn.owner", {"smgw-lmn": (65_534, 65_534)}.get)
    assert gateway.run("keys", "lmn") == 0
    assert gateway.run("keys", "lmn", "--renew") == 0
    folder = own_files(gateway.trust).key.parent
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["tls.crt", "tls.key", "tls.old.crt", "tls.old.key"]
    assert {one.stat().st_uid for one in (folder, *files)} == {65_534}


def test_a_wrong_clock_makes_no_certificate(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("smgw.cli.keys.lmn.time.time", lambda: 1000.0)
    assert gateway.run("keys", "lmn") == 2
    assert "clock" in capsys.readouterr().err


def test_a_meter_is_pinned(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    assert gateway.run("keys", "meter", "house", str(gateway.meter.certificate)) == 0
    assert MeterCertificate.from_file(pin_file(gateway.trust, "house")) == gateway.certificate
    assert gateway.certificate.fingerprint in capsys.readouterr().out


def test_a_pin_is_removed(gateway: Gateway) -> None:
    gateway.run("keys", "meter", "house", str(gateway.meter.certificate))
    assert gateway.run("keys", "meter", "house", "--remove") == 0
    assert not pin_file(gateway.trust, "house").exists()


def test_old_and_new_are_believed_during_a_renewal(gateway: Gateway) -> None:
    new = Own(gateway.folder / "new.crt", gateway.folder / "new.key")
    write_self_signed(new, "1EMH0000000001.sm", "brainpool", NOW)
    gateway.run("keys", "lmn")
    gateway.run("keys", "meter", "house", str(gateway.meter.certificate))
    assert gateway.run("keys", "meter", "house", str(new.certificate), "--add") == 0
    assert gateway.run("keys", "meter", "house", str(new.certificate), "--add") == 0
    pins = read_pins(gateway.trust, ["house"])
    assert [pin.der for pin in pins] == [MeterCertificate.from_file(new.certificate).der, gateway.certificate.der]
    for pin in pins:
        assert check_pin(pin.der, pins) is pin
    assert gateway.run("keys", "meter", "house", str(new.certificate)) == 0
    assert len(read_pins(gateway.trust, ["house"])) == 1


def test_a_name_with_a_path_is_refused(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    assert gateway.run("keys", "meter", "../house", str(gateway.meter.certificate)) == 2
    assert "no name of a meter" in capsys.readouterr().err


def test_a_wrong_fingerprint_pins_nothing(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    assert gateway.run("keys", "meter", "house", str(gateway.meter.certificate), "--fingerprint", "ab:cd") == 2
    assert "expected is ab:cd" in capsys.readouterr().err
    assert not pin_file(gateway.trust, "house").exists()


def test_a_certificate_of_the_sm_pki_is_no_pin(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    from trial_pki import TrialPki

    file = gateway.folder / "pki.crt"
    file.write_bytes(TrialPki().issue().certificate.pem)
    assert gateway.run("keys", "meter", "house", str(file)) == 2
    assert "not signed by its own key" in capsys.readouterr().err


def test_a_meter_shows_its_certificate_and_a_person_confirms_it(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ("-cert", str(gateway.meter.certificate), "-key", str(gateway.meter.key))
    with s_server(*files, "-rev", "-named_curve", "brainpoolP256r1") as (port, _):
        url = f"tls://127.0.0.1:{port}"
        assert gateway.run("keys", "meter", "house", url) == 2
        assert gateway.certificate.fingerprint in capsys.readouterr().err
        assert not pin_file(gateway.trust, "house").exists()
        assert gateway.run("keys", "meter", "house", url, "--fingerprint", gateway.certificate.fingerprint) == 0
    assert MeterCertificate.from_file(pin_file(gateway.trust, "house")) == gateway.certificate


def test_meters_on_one_port_share_the_pin(gateway: Gateway) -> None:
    dlms = 'protocol = "dlms"\nport = "tls://127.0.0.1:4060"\ndlms = {{ framing = "wrapper", server = {} }}\n'
    first, second = (f'[[meter]]\nname = "{name}"\n{dlms.format(number)}' for name, number in (("a", 1), ("b", 2)))
    gateway.file.write_text(f"{CONFIGURATION}\n{first}\n{second}")
    assert gateway.run("check") == 0
    gateway.run("keys", "meter", "a", str(gateway.meter.certificate))
    assert pin_file(gateway.trust, "b").exists()


def test_check_names_what_is_missing_for_meters(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    assert gateway.run("check") == 0
    told = capsys.readouterr().out
    assert "smgw keys lmn" in told
    assert "meter house:" in told
    assert "house.crt" in told
    assert "flat.crt" not in told


def test_check_is_silent_about_what_is_right(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.run("keys", "lmn")
    gateway.run("keys", "meter", "house", str(gateway.meter.certificate))
    capsys.readouterr()
    assert gateway.run("check") == 0
    assert "!" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("begins", "years", "told"),
    [(NOW - 8 * 366 * DAY, 7, "it expired at"), (NOW - 350 * DAY, 1, "in 15 days")],
    ids=["expired", "soon"],
)
def test_check_tells_the_end_of_a_meters_certificate(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], begins: int, years: int, told: str
) -> None:
    gateway.run("keys", "lmn")
    write_self_signed(gateway.meter, "1EMH0000000001.sm", "brainpool", begins, years)
    gateway.run("keys", "meter", "house", str(gateway.meter.certificate))
    capsys.readouterr()
    gateway.run("check")
    assert told in capsys.readouterr().out


def test_check_names_two_curves(tmp_path: Path, gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.run("keys", "lmn")
    other = Lmn(tmp_path / "other", "p256")
    gateway.run("keys", "meter", "house", str(other.meter.certificate))
    capsys.readouterr()
    gateway.run("check")
    assert "brainpoolP256r1" in capsys.readouterr().out


def test_list_has_the_certificates_of_meters(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.run("keys", "lmn")
    gateway.run("keys", "meter", "house", str(gateway.meter.certificate))
    capsys.readouterr()
    assert gateway.run("keys", "list") == 0
    told = capsys.readouterr().out
    assert "house (1EMH0000000001.sm)" in told
    assert "ESMG0000000001.smgw" in told
