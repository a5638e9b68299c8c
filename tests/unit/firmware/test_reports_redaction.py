"""Secrets are left out of every text, ids where it is asked."""

import pytest
from smgw.cosem import DeviceId
from smgw.reports.redaction import GONE, Redaction

METER = DeviceId.parse("1EMH0005347109")
FOREIGN = DeviceId(bytes.fromhex("090149534b0003944c8c"))


@pytest.mark.parametrize("form", ["open sesame", b"open sesame".hex(), b"open sesame".hex(" "), "OPEN SESAME"])
def test_a_secret_is_left_out_in_every_form(form: str) -> None:
    assert Redaction([b"open sesame"], []).of(f"before {form} after") == f"before {GONE} after"


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ('password = "x"', f"password = {GONE}"),
        ('  # Password="x" # mine', f"  # Password={GONE}"),
        ("dlms.encryption_key = 00", f"dlms.encryption_key = {GONE}"),
        ("pin = 1234", f"pin = {GONE}"),
        ('password_file = "house.password"', 'password_file = "house.password"'),
        ('encryption_key_file = "k"', 'encryption_key_file = "k"'),
        ('pinned = "no secret"', 'pinned = "no secret"'),
        ('url = "http://me:mine@192.0.2.1/x"', f'url = "http://{GONE}@192.0.2.1/x"'),
    ],
)
def test_a_line_of_the_configuration_with_a_secret_keeps_its_key_only(line: str, left: str) -> None:
    assert Redaction([], []).of(f"[meter]\n{line}\n[emp]") == f"[meter]\n{left}\n[emp]"


@pytest.mark.parametrize("device", [METER, FOREIGN])
def test_an_id_is_the_same_pseudonym_in_every_form(device: DeviceId) -> None:
    text = f"{device} {bytes(device).hex()} {bytes(device).hex().upper()} {device.uri} {bytes(device).hex(' ')}"
    assert Redaction([], [device]).of(text) == " ".join(["device-1"] * 5)


def test_ids_are_told_apart() -> None:
    assert Redaction([], [METER, FOREIGN, METER]).of(f"{FOREIGN} {METER}") == "device-2 device-1"


def test_without_anything_to_leave_out_a_text_stays() -> None:
    assert Redaction([], []).of("nothing (.*) in here") == "nothing (.*) in here"


def test_a_secret_of_less_than_four_octets_tears_no_text_apart() -> None:
    assert Redaction([b"a"], []).of("a banana") == "a banana"
