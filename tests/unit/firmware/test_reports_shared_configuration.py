"""What of a configuration goes into a support bundle: known keys with valid values."""

import base64
import json
import os
import stat
import tarfile
from pathlib import Path
from urllib.parse import quote

import pytest
from smgw.cli import main
from smgw.profiles.problems import ConfigurationError
from smgw.profiles.toml_importer import load, parse
from smgw.reports.redaction import Redaction
from smgw.reports.shared_configuration import share
from smgw.reports.support import collect

SECRET = "hun;ter 2=ab"
GATEWAY = '[gateway]\ndevice_id = "ESMG0000000001"\n'
METER = '[[meter]]\nname = "house"\nprotocol = "sml-push"\nport = "/dev/smgw/a"\n'
POLLED = '[[meter]]\nname = "house"\nprotocol = "sml-poll"\nport = "/dev/smgw/a"\n'
DLMS = '[[meter]]\nname = "house"\nprotocol = "dlms"\nport = "/dev/smgw/a"\n'
EMP = '[[emp]]\nname = "demo"\n'
ESCAPED = "".join(f"\\u{ord(one):04x}" for one in SECRET)

#: Where and how a person may write a secret into the file.
WAYS = {
    "comment": f"{GATEWAY}{METER}# {SECRET}\n",
    "comment-behind": f'{GATEWAY}{METER}silence = 30 # password "{SECRET}"\n',
    "key": f'{GATEWAY}{METER}password = "{SECRET}"\n',
    "quoted-key": f'{GATEWAY}{METER}"password" = "{SECRET}"\n',
    "literal": f"{GATEWAY}{METER}password = '{SECRET}'\n",
    "german": f'{GATEWAY}{METER}Kennwort = "{SECRET}"\n',
    "any-name": f'{GATEWAY}{METER}zugang = "{SECRET}"\n',
    "many-lines": f'{GATEWAY}{METER}password = """\n{SECRET}\n"""\n',
    "many-literal-lines": f"{GATEWAY}{METER}password = '''\n{SECRET}\n'''\n",
    "escaped": f'{GATEWAY}{METER}password = "{ESCAPED}"\n',
    "array": f'{GATEWAY}{METER}password = [\n  "{SECRET}",\n]\n',
    "inline-table": f'{GATEWAY}{METER}login = {{ user = "me", word = "{SECRET}" }}\n',
    "dotted": f'{GATEWAY}{METER}login.word = "{SECRET}"\n',
    "own-table": f'{GATEWAY}{METER}[meter.login]\nword = "{SECRET}"\n',
    "own-section": f'{GATEWAY}{METER}[accounts]\nme = "{SECRET}"\n',
    "own-tables": f'{GATEWAY}{METER}[[accounts]]\nme = "{SECRET}"\n',
    "name-of-a-key": f'{GATEWAY}{METER}"{SECRET}" = "house"\n',
    "name-of-a-section": f'{GATEWAY}{METER}["{SECRET}"]\n',
    "in-place-of-the-file": f'{GATEWAY}{POLLED}password_file = "{SECRET}"\n',
    "key-in-place-of-the-file": f'{GATEWAY}{DLMS}dlms = {{ encryption_key_file = "{SECRET}" }}\n',
    "authentication-key": f'{GATEWAY}{DLMS}dlms = {{ authentication_key = "{SECRET}" }}\n',
    "key-of-dlms": f'{GATEWAY}{DLMS}dlms = {{ key = "{SECRET}" }}\n',
    "user-name": f'{GATEWAY}{POLLED}username = "me {SECRET}"\n',
    "wrong-type": f'{GATEWAY}{METER}silence = "{SECRET}"\n',
    "wrong-choice": f'{GATEWAY}{METER}parity = "{SECRET}"\n',
    "scheme": f"{GATEWAY}{METER.replace('/dev/smgw/a', SECRET + '://x')}",
    "user-in-url": f'{GATEWAY}{METER}{EMP}url = "http://me:{SECRET}@192.0.2.1/x"\n',
    "query-of-url": f'{GATEWAY}{METER}{EMP}url = "http://192.0.2.1/x?token={SECRET}"\n',
    "not-toml": f"{GATEWAY}{METER}password: {SECRET}\n",
    "twice": f'{GATEWAY}{METER}"{SECRET}" = 1\n"{SECRET}" = 2\n',
}


def everything(file: Path, state: Path) -> str:
    return "\n".join(collect(file, state, redact_ids=False).values())


@pytest.mark.parametrize("way", WAYS)
def test_a_secret_in_the_configuration_is_in_no_text_however_it_is_written(way: str, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(WAYS[way])
    told = everything(file, tmp_path)
    for form in (SECRET, ESCAPED, SECRET.encode().hex(), json.dumps(SECRET)[1:-1], "hun;ter", "ter 2"):
        assert form not in told


def test_a_token_in_the_path_of_a_url_is_left_out_of_all_texts(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(f'{GATEWAY}{METER}{EMP}url = "http://192.0.2.1:8080/0123456789abcdef"\n')
    shared = share(file)
    assert 'url = "http://192.0.2.1:8080/(left out)"' in shared.text
    told = Redaction(shared.texts, [], (), shared.replaced).of("PUT /0123456789abcdef/cosem")
    assert told == "PUT /(left out)/cosem"


@pytest.mark.parametrize(
    "form",
    [
        b"\x01\xab\xcd\xef\x99".hex(":"),
        b"\x01\xab\xcd\xef\x99".hex("-").upper(),
        "0x01, 0xab, 0xcd, 0xef, 0x99",
        "\\x01\\xab\\xcd\\xef\\x99",
        base64.b64encode(b"\x01\xab\xcd\xef\x99").decode(),
        quote(b"\x01\xab\xcd\xef\x99"),
    ],
)
def test_a_key_is_left_out_in_every_form(form: str) -> None:
    assert Redaction([b"\x01\xab\xcd\xef\x99"], []).of(f"before {form} after").startswith("before (left out)")


@pytest.mark.parametrize(
    "line",
    [
        "Environment=A=hunter2",
        "SetCredential=house.password: \\\n  hunter2",
        "http://me:a@b/hunter2@host/",
        "PWD=hunter2 x",
    ],
)
def test_data_of_a_unit_and_of_a_command_are_left_out(line: str) -> None:
    assert "hunter2" not in Redaction([], []).of(f"[Service]\n{line}\n")


def test_what_is_good_stays_and_means_the_same(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("00" * 16)
    text = (
        f'{GATEWAY}ntp = ["192.0.2.1:123"]\nretention = {{ live_days = 3 }}\n[[line]]\nname = "bus"\nport = "/dev/b"\n'
        'protocol = "dlms"\n[[meter]]\nname = "flat"\nline = "bus"\nfactors = { "1-0:1.8.0" = 40 }\n'
        'dlms = { physical = 17, quirks = ["no-list"], encryption_key_file = "k", authentication_key_file = "k" }\n'
        f'{EMP}url = "http://192.0.2.1:8080"\ninsecure = true\nforward = "immediate"\nmeters = ["flat"]\n'
    )
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    assert parse(share(file).text, str(file)) == load(file)


@pytest.mark.parametrize("number", ["20000001", "20000001556C0107"])
@pytest.mark.parametrize(("protocol", "key"), [("wmbus", "id"), ("mbus", "secondary")])
def test_the_number_of_a_meter_in_its_section_is_left_out_with_the_ids(
    protocol: str, key: str, number: str, tmp_path: Path
) -> None:
    file = tmp_path / "gateway.toml"
    meter = f'[[meter]]\nname = "house"\nprotocol = "{protocol}"\nport = "/dev/smgw/a"\n'
    file.write_text(f'{GATEWAY}{meter}{protocol} = {{ {key} = "{number}" }}\n')
    told = collect(file, tmp_path, redact_ids=True)["gateway.toml"]
    assert "20000001" not in told
    assert f'{{ {key} = "device-' in told


def test_the_faults_are_told_without_the_values(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(f'{GATEWAY}{METER}parity = "{SECRET}"\n')
    with pytest.raises(ConfigurationError) as caught:
        load(file)
    told = share(file).faults(caught.value)
    assert told.startswith(f'{file}:7: [[meter]] parity: (left out) is wrong here; write "N" or "E" or "O"')


@pytest.mark.shows_secrets  # its error, which stands on the screen of the person who wrote it
def test_the_content_of_a_secret_file_is_left_out_although_the_configuration_is_wrong(tmp_path: Path) -> None:
    secret = tmp_path / "a.password"
    secret.write_text("open sesame\n")
    secret.chmod(0o600)
    file = tmp_path / "gateway.toml"
    file.write_text(f'{GATEWAY}{POLLED}password_file = "a.password"\nnonsense = 1\nsilence = "open sesame"\n')
    assert "open sesame" not in everything(file, tmp_path)


def test_the_bundle_is_private_from_its_first_octet_and_follows_no_link(tmp_path: Path) -> None:
    file, target, bundle = tmp_path / "gateway.toml", tmp_path / "target", tmp_path / "b.tar.gz"
    file.write_text(GATEWAY + METER)
    target.write_text("mine")
    bundle.symlink_to(target)
    before = os.umask(0)
    try:
        assert main(["support-bundle", "--config", str(file), "--state", str(tmp_path), str(bundle)]) == 0
    finally:
        os.umask(before)
    assert target.read_text() == "mine"
    assert stat.S_IMODE(bundle.lstat().st_mode) == 0o600
    with tarfile.open(bundle) as archive:
        assert any(name.endswith("gateway.toml") for name in archive.getnames())
