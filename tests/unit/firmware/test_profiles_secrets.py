"""The secrets of a meter: which files they are read from, and what those must hold."""

from pathlib import Path

import pytest
from smgw.profiles.dlms import Authentication, DlmsProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.password import PasswordFileError
from smgw.profiles.secrets import Secrets, read_secrets


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    (folder / name).chmod(0o600)
    return Path(name)


def profile(password: Path | None = None, **dlms: object) -> MeterProfile:
    options = DlmsProfile(**dlms)  # type: ignore[arg-type]
    return MeterProfile(name="flat", protocol="dlms", port="/dev/null", password_file=password, options=options)


@pytest.mark.parametrize(("suite", "digits"), [(0, 32), (1, 32), (2, 64)])
def test_a_key_has_the_length_of_its_suite(tmp_path: Path, suite: int, digits: int) -> None:
    made = profile(encryption_key_file=written(tmp_path, "e", "ab" * (digits // 2)), security_suite=suite)
    assert read_secrets(made, tmp_path) == Secrets(encryption_key=b"\xab" * (digits // 2))
    written(tmp_path, "e", "ab")
    with pytest.raises(PasswordFileError, match=f"write {digits} hex digits"):
        read_secrets(made, tmp_path)


def test_the_secret_of_hls_aes_is_a_text_of_16_octets_at_most_or_a_key(tmp_path: Path) -> None:
    aes = Authentication.HIGH_AES
    password = written(tmp_path, "p", "0123456789abcdef\n")
    assert read_secrets(profile(password, authentication=aes), tmp_path) == Secrets(password=b"0123456789abcdef")
    key = profile(authentication=aes, challenge_key_file=written(tmp_path, "k", "00" * 16))
    assert read_secrets(key, tmp_path) == Secrets(challenge_key=bytes(16))
    long = written(tmp_path, "long", "0123456789abcdefg\n")
    with pytest.raises(PasswordFileError, match="its first line has 17 octets; this authentication takes 16"):
        read_secrets(profile(long, authentication=aes), tmp_path)


def test_another_password_may_be_longer(tmp_path: Path) -> None:
    made = profile(written(tmp_path, "p", "x" * 40), authentication=Authentication.HIGH_SHA256)
    assert read_secrets(made, tmp_path) == Secrets(password=b"x" * 40)


def test_no_secret_shows() -> None:
    assert repr(Secrets(password=b"hunter2", meter_key=None)) == "Secrets(password)"


def test_a_fingerprint_changes_with_whatever_proves_who_asks() -> None:
    made = profile()
    marks = {
        Secrets(password=b"a").fingerprint(made),
        Secrets(password=b"b").fingerprint(made),
        Secrets(password=b"a", encryption_key=b"k").fingerprint(made),
        Secrets(password=b"a").fingerprint(profile(client=1)),
        Secrets(password=b"a").fingerprint(made._replace(username="other")),
        Secrets(password=b"a").fingerprint(made._replace(port="/dev/ttyUSB1")),
    }
    assert len(marks) == 6
    assert Secrets(password=b"a").fingerprint(made._replace(interval=7)) in marks
