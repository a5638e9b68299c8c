"""`smgw dump dlms` with keys: what they open, and where they may come from."""

from pathlib import Path

import pytest
from captures import field_case
from dlms_captures import SAMPLE_KEY, dlms_capture
from dlms_dump import CLIENT_TITLE, METER_TITLE, Printed, dump, wrapped
from dlms_pair import ENERGY
from dlms_pushes import KAIFA_MBUS, LANDIS_E570_CIPHERED
from smgw.dlms.apdus.acse import Aare, Aarq, Mechanism
from smgw.dlms.apdus.envelope import Ciphered
from smgw.dlms.apdus.get import GetRequest, GetResponse
from smgw.dlms.security import suites
from smgw.dump.keys import Keys


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    return Printed(capsys)


def keys_for(printed_with: bytes = SAMPLE_KEY, authentication: bytes | None = None) -> Keys:
    return Keys((printed_with,), (authentication,) if authentication else ())


def test_a_ciphered_session_is_opened_with_the_titles_of_its_association(printed: Printed) -> None:
    keys = suites.Keys.of(suites.Suite(0), SAMPLE_KEY, SAMPLE_KEY)
    both = suites.Protection.BOTH
    request = suites.seal(keys, both, CLIENT_TITLE, 1, GetRequest(0xC1, ENERGY).encode())
    answer = suites.seal(keys, both, METER_TITLE, 1, GetResponse(0xC1, b"\x11\x05").encode())
    sealed = wrapped(Ciphered(0xC8, request).encode(), Ciphered(0xCC, answer).encode())
    association = wrapped(
        Aarq(3, b"", Mechanism.HIGH_GMAC, b"challenge", CLIENT_TITLE).encode(),
        Aare(0, 14, b"", responding_title=METER_TITLE).encode(),
    )
    out, err = printed.of(association + sealed, keys_for(SAMPLE_KEY, SAMPLE_KEY))
    assert "    GetRequest  1  class 3  1-0:1.8.0*255  2\n" in out
    assert "      unsigned 5\n" in out
    _, err = printed.of(sealed, keys_for(SAMPLE_KEY, SAMPLE_KEY))
    assert "ciphered in an association whose beginning, with the system titles, is not here" in err
    _, err = printed.of(association + sealed, keys_for())
    assert "--authentication-key names the file of its key" in err
    _, err = printed.of(association + sealed, keys_for(bytes(16), SAMPLE_KEY))
    assert "not opened by any of the keys" in err
    _, err = printed.of(association + sealed, keys_for(bytes(32), SAMPLE_KEY))
    assert "none of the keys is one of security suite 0" in err


@pytest.mark.parametrize("as_json", [False, True])
def test_without_the_authentication_key_a_tag_is_left_unchecked_on_demand(printed: Printed, as_json: bool) -> None:
    keys = suites.Keys.of(suites.Suite(0), SAMPLE_KEY, bytes(16))
    answer = suites.seal(keys, suites.Protection.BOTH, METER_TITLE, 1, GetResponse(0xC1, b"\x11\x05").encode())
    sealed = wrapped(Ciphered(0xDB, answer, METER_TITLE).encode())
    _, err = printed.of(sealed, keys_for(), as_json=as_json)
    assert "or none to read it unauthenticated" in err
    out, err = printed.of(sealed, Keys((SAMPLE_KEY,), verify=False), as_json=as_json)
    assert "0 refused" in err
    assert ('"authenticated": false' if as_json else "NOT AUTHENTICATED") in out


def test_the_word_none_stands_for_no_authentication_key(tmp_path: Path) -> None:
    octets = tmp_path / "push.bin"
    octets.write_bytes(field_case("dlms/tag_without_authentication_key"))
    key = key_file(tmp_path, bytes(range(16)).hex())
    assert dump(octets, "--key", key).returncode == 1
    done = dump(octets, "--key", key, "--authentication-key", "none")
    assert "1-0:1.8.0*255        100 Wh" in done.stdout.decode()
    assert "NOT AUTHENTICATED" in done.stdout.decode()


def key_file(directory: Path, text: str, mode: int = 0o600) -> Path:
    path = directory / "meter.key"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("operator-docs/tinetz_kaifa_mbus_dlms.bin", "1-0:1.8.0*255        9108 Wh"),
        ("smartmeter-datacollector/lg_e570_encrypted_valid_data.bin", "1-1:1.8.0*255        862055 Wh"),
        (KAIFA_MBUS, "1-0:1.8.0*255        9108 Wh"),
        (LANDIS_E570_CIPHERED, "1-1:1.8.0*255        25149420 Wh"),
    ],
)
def test_a_ciphered_push_is_opened_by_a_key_from_a_private_file(tmp_path: Path, name: str, value: str) -> None:
    octets = dlms_capture(name)
    done = dump("-", "--key", key_file(tmp_path, SAMPLE_KEY.hex() + "\n"), octets=octets)
    assert value in done.stdout.decode()
    assert done.returncode == 0
    without = dump("-", octets=octets)
    assert without.returncode == 1
    assert "ciphered; --key names the file of a key" in without.stderr.decode()


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        (SAMPLE_KEY.hex(), 0o644, "has mode 0644, so others can use it; make it private: chmod 600"),
        ("no key", 0o600, "its first line must be a key of 32 or 64 hex digits"),
        (SAMPLE_KEY.hex()[:-1], 0o600, "its first line must be a key of 32 or 64 hex digits"),
    ],
)
def test_a_key_file_that_is_not_private_or_holds_no_key_is_refused_unread(
    tmp_path: Path, text: str, mode: int, reason: str
) -> None:
    done = dump("-", "--key", key_file(tmp_path, text, mode))
    assert done.returncode == 2
    assert reason in done.stderr.decode()
    assert SAMPLE_KEY.hex()[:8] not in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_keys_do_not_show() -> None:
    assert SAMPLE_KEY.hex() not in repr(Keys((SAMPLE_KEY,)))
    assert repr(SAMPLE_KEY) not in repr(Keys((SAMPLE_KEY,)))
