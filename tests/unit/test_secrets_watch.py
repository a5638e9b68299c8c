"""The check that no test shows a secret: it fails where one does, whatever form the secret has."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from secret_forms import Secrets

KEY = bytes(range(7, 39))
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "text",
    [
        KEY.hex(),
        KEY.hex().upper(),
        f"key={KEY.hex(' ')}",
        f"f{KEY.hex(':')}",
        f"the key is {base64.b64encode(KEY).decode()}, so",
        base64.b64encode(b"abcd" + KEY + b"rest of it").decode(),
        base64.urlsafe_b64encode(b"a" + KEY).decode(),
        base64.b64encode(KEY).decode().rstrip("="),
        repr(KEY),
        str(int.from_bytes(KEY, "big")),
        json.dumps({"key": KEY.hex()}),
    ],
    ids=["hex", "capitals", "blanks", "colons", "base64", "der", "url", "bare", "repr", "number", "json"],
)
def test_a_key_is_found_in_every_form(text: str) -> None:
    secrets = Secrets()
    secrets.key(KEY, "the key")
    assert "the key" in set(secrets.found_in(text))
    assert list(secrets.found_in(text[: len(text) // 2])) == []


@pytest.mark.parametrize("text", ["PIN 4711-0815 is wrong", "https://u:4711-0815@host", '{"pin": "4711-0815"}'])
def test_a_word_is_found_within_a_text(text: str) -> None:
    secrets = Secrets()
    secrets.word(b"4711-0815", "the PIN")
    assert list(secrets.found_in(text)) == ["the PIN"]


def test_a_private_key_is_found_although_nobody_knows_it() -> None:
    assert list(Secrets().found_in("-----BEGIN EC PRIVATE KEY-----\nMHc")) == ["a private key in PEM"]


def test_texts_without_a_secret_are_fine() -> None:
    secrets = Secrets()
    secrets.key(KEY, "the key")
    secrets.key(bytes(32), "nothing")  # what no generator makes
    secrets.word("ab", "too short")
    assert (
        list(secrets.found_in(f"ab {bytes(32).hex()} {bytes(range(64, 96)).hex()} -----BEGIN CERTIFICATE-----")) == []
    )


LEAKS = """
import base64, logging, subprocess, sys
from pathlib import Path
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from smgw.trust.errors import FileError
from smgw.trust.keys.private_file import read_passphrase
from secrets_watch import WATCH

log = logging.getLogger("smgw.leak")

def number(key): return key.private_numbers().private_value.to_bytes(32, "big")

def test_logs_a_key_at_debug_level_trust():
    log.debug("key %s", number(ec.generate_private_key(ec.SECP256R1())).hex())

def test_logs_a_field():
    log.error("x", extra={"METER": base64.b64encode(number(ec.generate_private_key(ec.BrainpoolP256R1()))).decode()})

def test_prints(capsys):
    print(number(ec.generate_private_key(ec.SECP256R1())).hex()); capsys.readouterr()

def test_prints_without_capsys():
    print(number(ec.generate_private_key(ec.SECP256R1())).hex())

def test_raises(tmp_path):
    (tmp_path / "phrase").write_text("correct horse"); (tmp_path / "phrase").chmod(0o600)
    with pytest.raises(FileError): raise FileError(f"{read_passphrase(tmp_path / 'phrase')!r} is wrong", "Mend it.")

def test_a_child_prints(tmp_path):
    WATCH.word("battery staple", "a word of the fixture")
    subprocess.run([sys.executable, "-c", "print('smgw battery staple')"], capture_output=True)

def test_a_child_logs_into_a_file(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "daemon.log").write_bytes(b"".join(pem.splitlines()[1:-1]))

@pytest.mark.shows_secrets
def test_that_may():
    print(number(ec.generate_private_key(ec.SECP256R1())).hex())

def test_that_shows_nothing(tmp_path, caplog):
    number(ec.generate_private_key(ec.SECP256R1()))
    log.debug("nothing"); log.warning("little")
    assert caplog.messages == ["little"]
"""


def test_the_check_fails_for_every_way_out(tmp_path: Path) -> None:
    file = tmp_path / "test_leaks_of_trust.py"
    file.write_text(LEAKS)
    (tmp_path / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")),
            *("--rootdir", str(tmp_path), "--tb=short", "-rA", str(file)),
        ],
        capture_output=True, text=True, timeout=120, cwd=tmp_path,
    )  # fmt: skip
    failed = set(re.findall(r"^ERROR \S+::(\w+)", done.stdout, re.MULTILINE))
    assert failed == {
        "test_logs_a_key_at_debug_level_trust",
        "test_logs_a_field",
        "test_prints",
        "test_prints_without_capsys",
        "test_raises",
        "test_a_child_prints",
        "test_a_child_logs_into_a_file",
    }, done.stdout  # fmt: skip
    assert "a private key in log of smgw.leak" in done.stdout
    assert "9 passed" in done.stdout  # the tests themselves
