"""Password files: private, or refused; never repeated in a message."""

import os
from pathlib import Path

import pytest
from smgw.profiles.password import PasswordFileError, read_password

SECRET = "geheim"


def written(path: Path, mode: int, text: str = SECRET + "\n") -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.mark.parametrize("mode", [0o600, 0o400])
@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\nmore\n"])
def test_the_first_line_of_a_private_file_is_the_password(tmp_path: Path, mode: int, ending: str) -> None:
    assert read_password(written(tmp_path / "p", mode, SECRET + ending), Path("/nowhere")) == SECRET.encode()


def test_a_relative_path_starts_at_the_configuration(tmp_path: Path) -> None:
    written(tmp_path / "p", 0o600)
    assert read_password(Path("p"), tmp_path) == SECRET.encode()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o601])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "p", mode)
    with pytest.raises(PasswordFileError, match=f"has mode {mode:04o}.*chmod 600") as raised:
        read_password(path, tmp_path)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("given", ["name", "path"])
def test_a_credential_of_systemd_may_have_any_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    path = written(credentials / "p", 0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert read_password(Path("p") if given == "name" else path, tmp_path) == SECRET.encode()


def test_a_way_out_of_the_credentials_is_not_guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    written(tmp_path / "p", 0o644)
    (credentials / "link").symlink_to(tmp_path / "p")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    for path in (Path("../p"), Path("link")):
        with pytest.raises(PasswordFileError, match="0644"):
            read_password(path, tmp_path)


@pytest.mark.parametrize(("text", "said"), [("", "empty"), ("\nx", "empty"), ("x" * 2000, "longer than 1024")])
def test_a_file_that_holds_no_password_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PasswordFileError, match=said):
        read_password(written(tmp_path / "p", 0o600, text), tmp_path)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name, said in (("fifo", "is no file"), ("absent", "No such file"), (".", "is no file")):
        with pytest.raises(PasswordFileError, match=said):
            read_password(Path(name), tmp_path)
