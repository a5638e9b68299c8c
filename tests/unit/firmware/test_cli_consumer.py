"""`smgw consumer` and `smgw technician`: accounts of the HAN, beside a process that runs and without one."""

import re
from pathlib import Path

import pytest
from smgw.cli import main
from smgw.han.accounts import Accounts
from smgw.store.han.store import HanStore
from smgw.store.han.view import HanView
from smgw.trust.han_tls import own_files
from smgw.trust.self_signed import write_self_signed

CONFIGURATION = """\
[gateway]
device_id = "ESMG0000000001"
[han]
listen = "127.0.0.1:8444"
[[meter]]
name = "flat"
protocol = "sml-push"
port = "/dev/null"
[[consumer]]
name = "anna"
meters = ["flat"]
"""


@pytest.fixture(autouse=True)
def _configuration(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(CONFIGURATION)
    (tmp_path / "state").mkdir()


def smgw(folder: Path, *arguments: str) -> int:
    return main(
        [arguments[0], "--config", str(folder / "gateway.toml"), "--state", str(folder / "state"), *arguments[1:]]
    )


def _password(text: str) -> str:
    found = re.search(r"password  (\S+)", text)
    assert found is not None
    return found[1]


def _certificate(folder: Path) -> Path:
    write_self_signed(own_files(folder), "theo", "p256", 1_780_000_000)
    return folder / "tls.crt"


@pytest.mark.shows_secrets
def test_a_new_consumer_gets_a_password_that_is_stored_as_a_hash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smgw(tmp_path, "consumer", "add", "anna") == 0
    told = capsys.readouterr()
    password = _password(told.out)
    assert re.fullmatch(r"([a-z2-9]{5}-){3}[a-z2-9]{5}", password)
    assert told.err == ""
    directory = tmp_path / "state" / "han"
    with HanView.open(directory) as view:
        (account,) = view.accounts()
        assert Accounts(view, "esmg0000000001").secret("anna", "MD5") == account.md5
    assert (account.role, account.name, account.realm, len(account.sha256)) == ("con", "anna", "esmg0000000001", 64)
    assert not any(password.encode() in file.read_bytes() for file in directory.iterdir())


@pytest.mark.shows_secrets
def test_a_running_process_knows_a_change_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "state" / "han"
    with HanStore.open(directory), HanView.open(directory) as view:
        accounts = Accounts(view, "esmg0000000001")
        smgw(tmp_path, "consumer", "add", "anna")
        first = accounts.secret("anna", "SHA-256")
        smgw(tmp_path, "consumer", "reset", "anna")
        second = accounts.secret("anna", "SHA-256")
        smgw(tmp_path, "consumer", "remove", "anna")
        assert first
        assert second not in ("", first)
        assert not accounts.secret("anna", "SHA-256")
    one, two = re.findall(r"password  (\S+)", capsys.readouterr().out)
    assert one != two


@pytest.mark.shows_secrets
def test_each_change_stands_in_the_books_of_the_system_and_of_the_consumer(tmp_path: Path) -> None:
    smgw(tmp_path, "consumer", "add", "anna")
    smgw(tmp_path, "consumer", "remove", "anna")
    with HanView.open(tmp_path / "state" / "han") as view:
        for book in ("system", "consumer anna"):
            texts = [entry.subject for entry in view.log_entries(10, book)]
            assert texts == ["consumer anna was added", "consumer anna was removed"]


@pytest.mark.shows_secrets
def test_what_cannot_be_done_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    smgw(tmp_path, "consumer", "add", "anna")
    capsys.readouterr()
    cases = {
        ("consumer", "add", "anna"): "smgw consumer reset anna",
        ("consumer", "reset", "berta"): "smgw consumer add berta",
        ("consumer", "remove", "berta"): "smgw consumer list",
        ("consumer", "add"): "Write the name",
        ("consumer", "add", 'a"b'): "is no name",
        ("technician", "add", "theo"): "--certificate FILE",
    }
    for words, wanted in cases.items():
        assert smgw(tmp_path, *words) == 2
        assert wanted in capsys.readouterr().err


@pytest.mark.shows_secrets
def test_a_consumer_whom_the_configuration_does_not_know_is_added_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smgw(tmp_path, "consumer", "add", "berta") == 0
    assert "it sees no meter yet" in capsys.readouterr().err


def test_a_technician_has_a_certificate_and_no_password(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert smgw(tmp_path, "technician", "add", "theo", "--certificate", str(_certificate(tmp_path))) == 0
    told = capsys.readouterr().out
    assert "fingerprint" in told
    assert "password" not in told
    smgw(tmp_path, "technician", "list")
    assert re.match(r"theo  certificate [0-9a-f]{16}  changed ", capsys.readouterr().out)
    smgw(tmp_path, "consumer", "list")
    assert capsys.readouterr().out == ""


@pytest.mark.shows_secrets
def test_a_certificate_is_added_beside_the_password(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    smgw(tmp_path, "consumer", "add", "anna")
    assert smgw(tmp_path, "consumer", "add", "anna", "--certificate", str(_certificate(tmp_path))) == 0
    capsys.readouterr()
    smgw(tmp_path, "consumer", "list")
    assert re.match(r"anna  password, certificate [0-9a-f]{16}  changed ", capsys.readouterr().out)
