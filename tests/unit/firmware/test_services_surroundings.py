"""What the WAN process lends to its outlets."""

from pathlib import Path

import pytest
from line_meter import Clock
from smgw.cosem import ClockState
from smgw.profiles.keys import KeysProfile
from smgw.services.surroundings import surroundings
from smgw.trust.errors import FileError


def test_the_time_of_the_gateway_s_clock_says_whether_it_is_trusted(tmp_path: Path) -> None:
    stamp = Clock().stamp()
    for state in ClockState:
        lent = surroundings(tmp_path, KeysProfile(), tmp_path, lambda state=state: stamp._replace(state=state))  # type: ignore[misc]
        assert lent.now() == (stamp.utc_us // 1_000_000, state is ClockState.SYNCHRONISED)


def test_the_passphrase_is_a_credential_or_stands_beside_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lent = surroundings(tmp_path, KeysProfile(passphrase_file=Path("keys_passphrase")), tmp_path, Clock().stamp)
    with pytest.raises(FileError, match="keys_passphrase: cannot be read"):
        lent.passphrase()
    file = tmp_path / "keys_passphrase"
    file.write_text("beside\n")
    file.chmod(0o600)
    assert lent.passphrase() == b"beside"
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "keys_passphrase").write_text("credential\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert lent.passphrase() == b"credential"


def test_without_a_passphrase_file_there_is_none(tmp_path: Path) -> None:
    assert surroundings(tmp_path, KeysProfile(), tmp_path, Clock().stamp).passphrase() == b""
