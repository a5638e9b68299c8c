"""The support bundle of a gateway with keys: no key, PIN or passphrase is in it, also where one was logged."""

import tarfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from secret_forms import Secrets
from smgw.cli import main
from smgw.reports import support
from smgw.store import paths
from trial_pki import HeldTriple, session_pki

PASSPHRASE, PIN = "correct horse battery", "4711-0815-42"
CONFIGURATION = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/ttyUSB99"
[keys]
holder = "pkcs11"
module = "/usr/lib/softhsm/libsofthsm2.so"
token = "smgw"
pin_file = "pin"
passphrase_file = "phrase"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    for name, text in (("pin", PIN), ("phrase", PASSPHRASE)):
        (tmp_path / name).write_text(f"{text}\n")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "gateway.toml").write_text(CONFIGURATION)
    return tmp_path / "gateway.toml"


def texts(file: Path, state: Path) -> str:
    bundle = file.with_name("bundle.tar.gz")
    assert main(["support-bundle", "--config", str(file), "--state", str(state), str(bundle)]) == 0
    with tarfile.open(bundle) as archive:
        streams = [archive.extractfile(member) for member in archive.getmembers()]
        return "\n".join(stream.read().decode() for stream in streams if stream is not None)


def secrets_of(triple: HeldTriple) -> Secrets:
    found = Secrets()
    for one in triple:
        found.key(one.key.private_numbers().private_value.to_bytes(32, "big"), "a private key")
    found.word(PIN, "the PIN")
    found.word(PASSPHRASE, "the passphrase")
    return found


@pytest.mark.parametrize("passphrase", [b"", PASSPHRASE.encode()], ids=["bare", "encrypted"])
def test_no_key_is_in_the_bundle(file: Path, tmp_path: Path, passphrase: bytes) -> None:
    triple = session_pki().write_triple(paths.trust_directory(tmp_path / "state"), passphrase=passphrase)
    text = texts(file, tmp_path / "state")
    assert list(secrets_of(triple).found_in(text)) == []
    assert "own/1/sig.key" in text  # its name, owner and mode help
    assert 'pin_file = "pin"' in text


@pytest.mark.shows_secrets  # the journal that is read here has them
def test_what_a_person_logged_by_mistake_is_left_out(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    triple = session_pki().write_triple(paths.trust_directory(tmp_path / "state"))
    pem = triple.signature.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    journal = tmp_path / "journal"
    journal.write_text(f"{''.join(pem.splitlines()[1:-1])}\n{pem}\nPIN {PIN}, passphrase {PASSPHRASE}\n")
    monkeypatch.setattr(support, "_COMMANDS", {"journal.txt": ["cat", str(journal)]})
    text = texts(file, tmp_path / "state")
    assert list(secrets_of(triple).found_in(text)) == []
    assert "(left out)" in text
