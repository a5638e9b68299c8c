"""The table [keys]: what belongs to a security module stands there together, and nowhere else."""

from pathlib import Path

import pytest
from smgw.cli import main
from smgw.profiles.keys import KeysProfile
from smgw.profiles.password import located
from smgw.profiles.problems import ConfigurationError
from smgw.profiles.toml_importer import parse
from smgw.reports.shared_configuration import share

REST = (
    '[gateway]\ndevice_id = "ESMG0000000001"\n[[meter]]\nname = "house"\nprotocol = "sml-push"\nport = "/dev/ttyUSB0"\n'
)
TOKEN = '[keys]\nholder = "pkcs11"\nmodule = "/usr/lib/m.so"\ntoken = "smgw"\npin_file = "keys_pin"\n'


def faults(keys: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        parse(REST + keys, "g.toml")
    return str(raised.value).splitlines()


def test_without_the_table_the_keys_are_files() -> None:
    assert parse(REST, "g.toml").keys == KeysProfile(holder="files")


def test_every_key_of_the_table_reaches_the_profile() -> None:
    found = parse(REST + TOKEN + 'passphrase_file = "phrase"\n', "g.toml").keys
    assert found == KeysProfile("pkcs11", Path("/usr/lib/m.so"), "smgw", Path("keys_pin"), Path("phrase"))
    assert found.in_token


@pytest.mark.parametrize("key", ["module", "token", "pin_file"])
def test_a_security_module_needs_library_label_and_pin(key: str) -> None:
    without = "\n".join(line for line in TOKEN.splitlines() if not line.startswith(key))
    (fault,) = faults(without)
    assert f"[keys] {key}: is missing" in fault
    assert f"write {key} = " in fault


@pytest.mark.parametrize("key", ["module", "token", "pin_file"])
def test_keys_in_files_have_no_module(key: str) -> None:
    (fault,) = faults(f'[keys]\n{key} = "x"\n')
    assert fault.startswith(f"g.toml:8: [keys] {key}: only a security module uses it")


@pytest.mark.parametrize("label", ["", "x" * 33, "a\\nb"], ids=["empty", "long", "two-lines"])
def test_a_label_that_no_token_can_have_is_refused(label: str) -> None:
    assert "[keys] token:" in faults(TOKEN.replace('"smgw"', f'"{label}"'))[0]


def test_a_pin_that_stands_in_the_file_is_refused_and_not_shared(tmp_path: Path) -> None:
    file = tmp_path / "g.toml"
    file.write_text(REST + TOKEN + 'pin = "4711-0815"\n')
    assert "unknown key" in faults(TOKEN + 'pin = "4711-0815"\n')[0]
    shared = share(file)
    assert "4711-0815" not in shared.text
    assert 'token = "smgw"' in shared.text


def test_two_tables_are_refused() -> None:
    assert faults("[[keys]]\n") == [
        "g.toml:7: [keys]: there is one holder of keys; write [keys] once, in single brackets"
    ]


def test_a_relative_path_is_a_credential_or_lies_beside_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert located(Path("pin"), tmp_path) == tmp_path / "pin"
    (credentials / "pin").touch()
    assert located(Path("pin"), tmp_path) == credentials / "pin"
    assert located(Path("/etc/pin"), tmp_path) == Path("/etc/pin")


def test_the_check_names_what_it_finds_wrong_before_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "g.toml"
    file.write_text(REST + TOKEN.replace("/usr/lib/m.so", str(tmp_path / "m.so")))
    assert main(["check", "--config", str(file), "--state", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert f"private keys: token smgw, by {tmp_path / 'm.so'}" in told
    assert f"! {tmp_path / 'm.so'}: there is no such library" in told
    assert f"note: keys: {tmp_path / 'keys_pin'}: cannot be read" in told


def test_the_check_is_silent_about_keys_in_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "g.toml").write_text(REST)
    assert main(["check", "--config", str(tmp_path / "g.toml"), "--state", str(tmp_path)]) == 0
    assert "keys" not in capsys.readouterr().out
