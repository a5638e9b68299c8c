"""What a person writes on the card is taken over, or refused in words."""

import base64
import importlib.util
import os
import stat
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
KEY = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(32))).decode() + " me@pc"
GOOD = (
    '[gateway]\ndevice_id = "ESMG0000000001"\n[[meter]]\nname = "house"\nprotocol = "sml-push"\nport = "/dev/ttyUSB0"\n'
)


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("takeover", ROOT / "hw/image/files/usr/lib/smgw-image/takeover.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


takeover = _load()


class Card(takeover.Card):
    """With the command `smgw` of this tree."""

    def __init__(self, top: Path) -> None:
        super().__init__(top)
        for folder in (self.folder, self.kept, self.state, self.run, self.leds / "ACT"):
            folder.mkdir(parents=True)
        (self.leds / "ACT" / "trigger").write_text("mmc0")
        self.example = ROOT / "config" / "gateway.debian.toml"

    def write(self, name: str, content: str | bytes) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    @property
    def said(self) -> str:
        file = self.folder / "ERROR.txt"
        return file.read_text() if file.exists() else ""


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Card:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    command = bin_folder / "smgw"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT / "firmware"} exec {sys.executable} -m smgw "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}:{os.environ['PATH']}")
    return Card(tmp_path / "board")


def test_a_right_configuration_is_taken_over(card):
    card.write("gateway.toml", GOOD)
    assert card.take_over() == 0, card.said
    assert card.configuration.read_text() == GOOD
    assert card.said == ""


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_what_an_editor_on_windows_makes_of_a_file_does_not_matter(card, encoding):
    card.write("gateway.toml", GOOD.replace("\n", "\r\n").encode(encoding))
    assert card.take_over() == 0, card.said
    assert card.configuration.read_text() == GOOD


def test_a_wrong_configuration_leaves_the_one_before_and_says_where_it_is_wrong(card):
    card.write("gateway.toml", GOOD)
    card.take_over()
    card.write("gateway.toml", GOOD.replace("sml-push", "sml-pull"))
    assert card.take_over() == 1
    assert card.configuration.read_text() == GOOD
    assert "smgw/gateway.toml:5" in card.said
    assert "sml-push" in card.said, "what would be right"


def test_the_boards_led_blinks_when_something_is_wrong(card):
    card.write("gateway.toml", "[gateway")
    card.take_over()
    assert (card.leds / "ACT" / "trigger").read_text() == "timer"


def test_a_mended_file_removes_the_error(card):
    card.write("gateway.toml", "[gateway")
    card.take_over()
    assert card.said
    card.write("gateway.toml", GOOD)
    assert card.take_over() == 0
    assert card.said == ""


def test_a_wrong_file_does_not_keep_the_others_from_being_used(card):
    card.write("gateway.toml", "[gateway")
    card.write("authorized_keys", KEY + "\n")
    assert card.take_over() == 1
    assert (card.kept / "authorized_keys").read_text() == KEY + "\n"


def test_without_a_configuration_the_gateway_gets_one_with_an_id_of_its_own(card):
    assert card.take_over() == 0, card.said
    text = card.configuration.read_text()
    assert "ESMG00" in text
    assert "ESMG0000000001" not in text


def test_what_was_changed_on_the_gateway_stays_while_the_card_is_unchanged(card):
    card.write("gateway.toml", GOOD)
    card.take_over()
    card.configuration.write_text("# by hand\n" + GOOD)
    assert card.take_over() == 0
    assert card.configuration.read_text().startswith("# by hand")


def test_a_name_with_a_hidden_extension_is_pointed_out(card):
    card.write("gateway.toml.txt", GOOD)
    assert card.take_over() == 1
    assert "the name must be gateway.toml" in card.said


def test_wifi_is_taken_over_without_its_password(card):
    card.write("wifi.toml", 'ssid = "Müller\'s \\"net\\""\npassword = "correct horse"\ncountry = "DE"\n')
    assert card.take_over() == 0, card.said
    file = card.kept / "wpa_supplicant.conf"
    assert "correct horse" not in file.read_text()
    assert "ssid=" + 'Müller\'s "net"'.encode().hex() in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_key_of_a_wifi_is_the_one_of_the_standard():
    # IEEE 802.11-2012, annex M.4: passphrase "password", SSID "IEEE".
    lines = "".join(takeover.wpa_lines({"ssid": "IEEE", "password": "password", "country": "DE"}))
    assert "psk=f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e" in lines


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('ssid = "net"\npassword = "short"\ncountry = "DE"\n', "8 to 63"),
        ('ssid = ""\npassword = "longenough"\ncountry = "DE"\n', "ssid"),
        ('ssid = "net"\npassword = "longenough"\n', "country"),
        ('ssid = "net"\npasswort = "longenough"\ncountry = "DE"\n', "passwort"),
        ("ssid = net\n", "wifi.toml"),
    ],
    ids=["password", "ssid", "country", "key", "quotes"],
)
def test_a_wrong_wifi_is_refused_in_words(card, text, told):
    card.write("wifi.toml", text)
    assert card.take_over() == 1
    assert told in card.said
    assert not (card.kept / "wpa_supplicant.conf").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "private key"),
        (KEY[:40] + "\n" + KEY[40:] + "\n", "line 1"),
        ("hello\n", "no SSH public key"),
    ],
    ids=["private", "broken", "text"],
)
def test_a_wrong_ssh_key_is_refused_in_words(card, text, told):
    card.write("authorized_keys", text)
    assert card.take_over() == 1
    assert told in card.said
    assert not (card.kept / "authorized_keys").exists()


def test_a_folder_of_certificates_that_is_none_is_refused(card):
    card.write("gateway.toml", GOOD)
    card.write("trust/letter.txt", "hello")
    assert card.take_over() == 1
    assert "smgw/trust" in card.said


def test_a_gateway_that_needs_certificates_writes_its_requests_on_the_card(card):
    card.write("gateway.toml", GOOD + '[[emp]]\nname = "utility"\nurl = "https://emp.example.org:8443"\n')
    assert card.take_over() == 0, card.said
    assert list((card.folder / "requests").iterdir())
    assert not list((card.folder / "requests").rglob("*.key")), "private keys stay in the gateway"


def test_a_data_partition_that_cannot_be_used_is_told(card):
    (card.run / "data-failed").write_text("The data partition /dev/mmcblk0p4 cannot be used.")
    card.write("gateway.toml", GOOD)
    assert card.take_over() == 1
    assert "data partition" in card.said
