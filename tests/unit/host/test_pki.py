"""`smgw-pki` and `smgw keys`: the whole way of a trial, renewal and revocation, kills and wrong input."""

import stat
import subprocess
from pathlib import Path

import pytest
from pki.cli import _EXAMPLES, _parser, main
from smgw.cli import main as smgw
from smgw.trust import errors
from smgw.trust.certificate import TRIPLE, Certificate, Purpose
from smgw.trust.chain import Expected, Moment, check
from smgw.trust.folder import AuthoritiesFolder
from smgw.trust.names import Role
from trial_pki import NOW

ID = "EXXX0012345678"


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "pki"


@pytest.fixture
def pki(folder):
    """Runs smgw-pki in the folder, which has a root and a sub-CA."""

    def run(*arguments: object) -> int:
        return main(["--pki", str(folder), *map(str, arguments)])

    assert run("init") == 0
    return run


def _request(tmp_path, name="requests", owner=ID, state="state", *options) -> Path:
    out = tmp_path / name
    assert smgw(["keys", "request", "--id", owner, "--state", str(tmp_path / state), "--out", str(out), *options]) == 0
    return out


def _install(tmp_path, pki_folder, name=ID) -> int:
    """Export and install; the exit code of the second."""
    out = tmp_path / "exported"
    assert main(["--pki", str(pki_folder), "export", name, str(out)]) == 0
    return smgw(["keys", "install", "--state", str(tmp_path / "state"), str(out)])


def _believed(folder: Path, file: Path, role=Role.SMGW, purpose=Purpose.TLS, curve="brainpoolP256r1"):
    authorities = AuthoritiesFolder(folder / "authorities").current()
    check(Certificate.from_file(file), Expected(purpose, frozenset({role}), curve), authorities, Moment(NOW + 86400))


@pytest.mark.parametrize(("curve", "name"), [("brainpool", "brainpoolP256r1"), ("p256", "secp256r1")])
def test_the_whole_way_of_a_gateway_and_an_emp(folder, tmp_path, curve, name):
    assert main(["--pki", str(folder), "init", "--curve", curve]) == 0
    requests = _request(tmp_path, "requests", ID, "state", "--curve", curve)
    assert main(["--pki", str(folder), "gateway", ID, "--request", str(requests)]) == 0
    assert main(["--pki", str(folder), "emp", "Stadtwerke"]) == 0
    assert _install(tmp_path, folder) == 0
    for purpose in TRIPLE:
        _believed(folder, tmp_path / "state/trust/own/1" / f"{purpose.value}.crt", purpose=purpose, curve=name)
        emp = folder / "participants/Stadtwerke.EMT/1" / f"{purpose.value}.crt"
        _believed(folder, emp, role=Role.EMT, purpose=purpose, curve=name)


def test_no_private_key_leaves_its_place_and_others_cannot_read_it(pki, folder, tmp_path):
    requests = _request(tmp_path)
    assert sorted(one.name for one in requests.iterdir()) == ["enc.csr", "sig.csr", "tls.csr"]
    assert pki("gateway", ID, "--request", requests) == 0
    assert pki("emp", "Stadtwerke") == 0
    keys = [*folder.rglob("*.key"), *(tmp_path / "state").rglob("*.key"), folder / "index.json"]
    assert len(keys) == 2 + 3 + 3 + 1
    assert {stat.S_IMODE(one.stat().st_mode) for one in keys} == {0o600}
    assert not list((folder / "participants" / f"{ID}.SMGW").rglob("*.key"))


def test_openssl_believes_requests_certificates_and_lists(pki, folder, tmp_path):
    requests = _request(tmp_path)
    for one in requests.iterdir():
        answer = _openssl("req", "-verify", "-noout", "-in", one)
        assert "verify OK" in answer.stderr
    assert pki("gateway", ID, "--request", requests) == 0
    made = folder / "participants" / f"{ID}.SMGW" / "1" / "tls.crt"
    assert "OK" in _verified(folder, made).stdout
    assert pki("revoke", ID) == 0
    assert "certificate revoked" in _verified(folder, made).stderr


def _openssl(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)


def _verified(folder: Path, certificate: Path) -> subprocess.CompletedProcess[str]:
    place = folder / "authorities"
    lists = [part for one in sorted(place.glob("*.crl")) for part in ("-CRLfile", one)]
    trusted = ["-CAfile", place / "SM-Test-Root.CA.crt", "-untrusted", place / "Trial.CA.crt"]
    return _openssl("verify", "-x509_strict", "-crl_check_all", *trusted, *lists, certificate)


def test_old_and_new_certificates_are_believed_after_a_renewal(pki, folder, tmp_path):
    assert pki("gateway", ID, "--request", _request(tmp_path)) == 0
    assert pki("renew", ID, "--request", _request(tmp_path, "again")) == 0
    for generation in ("1", "2"):
        _believed(folder, folder / "participants" / f"{ID}.SMGW" / generation / "tls.crt")
    assert _install(tmp_path, folder) == 0


def test_a_revoked_generation_leaves_the_other_one_valid(pki, folder):
    assert pki("emp", "Stadtwerke") == pki("renew", "Stadtwerke") == pki("revoke", "Stadtwerke", "--generation", 1) == 0
    _believed(folder, folder / "participants/Stadtwerke.EMT/2/tls.crt", role=Role.EMT)
    with pytest.raises(errors.RevokedError):
        _believed(folder, folder / "participants/Stadtwerke.EMT/1/tls.crt", role=Role.EMT)


def test_a_generation_that_does_not_exist_is_not_revoked_and_those_that_do_are_named(pki, folder, capsys):
    assert pki("emp", "Stadtwerke") == pki("renew", "Stadtwerke") == 0
    assert pki("revoke", "Stadtwerke", "--generation", 3) == 1
    assert "Stadtwerke: there is no generation 3. There are: 1, 2." in capsys.readouterr().err
    _believed(folder, folder / "participants/Stadtwerke.EMT/2/tls.crt", role=Role.EMT)


def test_what_was_revoked_before_is_said_to_be(pki, capsys):
    assert pki("emp", "Stadtwerke") == pki("revoke", "Stadtwerke") == pki("revoke", "Stadtwerke") == 0
    said = capsys.readouterr().out
    assert "revoked 3 certificates. Run" in said
    assert "all of them were revoked before. Run" in said


def test_the_gateway_names_the_next_order_of_the_pki(pki, folder, tmp_path, capsys):
    assert pki("gateway", ID, "--request", _request(tmp_path)) == 0
    assert f"Next: smgw-pki gateway {ID} --request " in capsys.readouterr().out
    assert _install(tmp_path, folder) == 0
    _request(tmp_path, "again")
    assert f"Next: smgw-pki renew {ID} --request " in capsys.readouterr().out


def test_certificates_of_the_old_and_of_the_next_sub_ca_are_believed(pki, folder):
    assert pki("emp", "Stadtwerke") == pki("renew", "ca") == pki("emp", "Netze") == 0
    for name in ("Stadtwerke", "Netze"):
        _believed(folder, folder / f"participants/{name}.EMT/1/tls.crt", role=Role.EMT)


def test_a_list_has_every_certificate_and_its_days(pki, capsys):
    assert pki("emp", "Stadtwerke", "--days", 100) == pki("revoke", "Stadtwerke") == pki("gwa", "Admin") == 0
    capsys.readouterr()
    assert pki("list") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[-1] for row in rows if row[0] == "Stadtwerke.EMT"] == ["revoked"] * 3
    assert [row[1] for row in rows if row[0] == "Admin.GWA"] == ["TLS", "SIG", "ENC"]
    assert [row[0] for row in rows if row[1] == "CRL"] == ["SM-Test-Root.CA", "Trial.CA"]


def test_files_that_a_kill_left_out_are_written_by_the_next_command(pki, folder):
    assert pki("emp", "Stadtwerke") == 0
    lost = [folder / "participants/Stadtwerke.EMT/1/tls.crt", folder / "authorities/Trial.CA.crl"]
    before = [one.read_bytes() for one in lost]
    for one in lost:
        one.unlink()
    assert pki("list") == 0
    assert [one.read_bytes() for one in lost] == before


@pytest.mark.parametrize("place", range(12))
def test_after_a_kill_at_any_write_the_same_command_succeeds(pki, folder, monkeypatch, place):
    import pki.folder
    import pki.index

    left = iter(range(place))
    real = pki.folder.replace

    def killed(file, octets, mode):
        if next(left, None) is None:
            raise KeyboardInterrupt
        real(file, octets, mode)

    for module in (pki.folder, pki.index):
        monkeypatch.setattr(module, "replace", killed)
    pki_run = main(["--pki", str(folder), "emp", "Stadtwerke"])
    monkeypatch.undo()
    again = main(
        ["--pki", str(folder), "emp" if main(["--pki", str(folder), "revoke", "Stadtwerke"]) else "renew", "Stadtwerke"]
    )
    assert (pki_run in (0, 130), again) == (True, 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gateway", "EXXX0012345679", "--request", "requests"], "not of EXXX0012345679.SMGW"),
        (["gateway", "UTB1429882966913", "--request", "requests"], "DIN 43863-5"),
        (["gateway", ID, "--request", "absent"], "tls.csr"),
        (["renew", "Nobody"], "nobody here has this name"),
        (["emp", "Stadt werke"], "letters"),
        (["init"], "there is a PKI already"),
        (["revoke", "SM-Test-Root.CA"], "cannot be revoked"),
    ],
)
def test_wrong_input_gets_a_clear_answer(pki, tmp_path, monkeypatch, capsys, arguments, said):
    _request(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert pki(*arguments) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", sorted(_EXAMPLES))
def test_the_help_of_each_command_has_examples_that_it_takes(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = capsys.readouterr().out.partition("examples:\n")[2].splitlines()
    assert [line.strip() for line in shown] == _EXAMPLES[command]
    for line in shown:
        assert _parser().parse_args(line.split()[1:]).command == command


def test_keys_on_another_curve_are_refused(pki, tmp_path, capsys):
    assert pki("gateway", ID, "--request", _request(tmp_path, "requests", ID, "state", "--curve", "p256")) == 1
    assert "secp256r1" in capsys.readouterr().err


def test_a_key_gets_no_second_certificate(pki, tmp_path, capsys):
    requests = _request(tmp_path)
    assert pki("gateway", ID, "--request", requests) == 0
    assert pki("renew", ID, "--request", requests) == 1
    assert "has a certificate already" in capsys.readouterr().err


def test_a_changed_request_is_refused(pki, tmp_path, capsys):
    requests = _request(tmp_path)
    (requests / "sig.csr").write_bytes((requests / "tls.csr").read_bytes())
    assert pki("gateway", ID, "--request", requests) == 1
    assert "sig.csr" in capsys.readouterr().err


def test_certificates_of_other_keys_are_not_installed(pki, folder, tmp_path, capsys):
    assert pki("gateway", ID, "--request", _request(tmp_path, state="other")) == 0
    _request(tmp_path)
    assert smgw(["keys", "install", "--state", str(tmp_path / "state"), str(_foreign(tmp_path, folder))]) == 2
    assert "none of the keys here" in capsys.readouterr().err
    assert not list((tmp_path / "state/trust").rglob("*.crt"))


def _foreign(tmp_path, folder) -> Path:
    """The trust folder of a gateway whose keys are not in `state`."""
    out = tmp_path / "exported"
    assert main(["--pki", str(folder), "export", ID, str(out)]) == 0
    return out


def test_a_passphrase_guards_the_authorities_keys(folder, tmp_path, capsys):
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    assert main(["--pki", str(folder), "--passphrase", str(secret), "init"]) == 0
    assert main(["--pki", str(folder), "emp", "Stadtwerke"]) == 1
    assert "does not open" in capsys.readouterr().err
    assert main(["--pki", str(folder), "--passphrase", str(secret), "emp", "Stadtwerke"]) == 0
