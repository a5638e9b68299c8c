"""`smgw-pki export` and `smgw keys install`: whole trust folders, kept in step with the PKI."""

import os
import pwd
import shutil
import stat
from pathlib import Path

import pytest
from cryptography import x509
from pki.cli import main
from smgw.cli import main as smgw
from smgw.store import paths
from smgw.store.wan.records import OrderKind
from smgw.store.wan.store import WanStore
from smgw.trust import files, owners
from smgw.trust.certificate import TRIPLE, Purpose
from smgw.trust.chain import Expected, Moment, check
from smgw.trust.folder import AuthoritiesFolder
from smgw.trust.keys import key_name
from smgw.trust.keys.pem import PemFile, PemKeys
from smgw.trust.names import Role
from smgw.trust.own import active_triple, own_triples
from smgw.trust.peers import PeersFolder
from trial_pki import NOW

ID, OTHER = "EXXX0012345678", "EXXX0012345679"
LATER = Moment(NOW + 86400)  # certificates of the command begin when it runs, perhaps long after NOW


class Trial:
    """A PKI with two gateways, two EMPs and an administrator."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pki("init")
        for gateway in (ID, OTHER):
            self.pki("gateway", gateway, "--request", self.requests(gateway))
        for words in (("emp", "Stadtwerke"), ("emp", "Netze"), ("gwa", "Admin")):
            self.pki(*words)

    def pki(self, *arguments: object, code: int = 0) -> None:
        assert main(["--pki", str(self.folder / "pki"), *map(str, arguments)]) == code

    def keys(self, *arguments: object, gateway: str = ID) -> int:
        return smgw(["keys", *map(str, arguments), "--state", str(self.state(gateway))])

    def state(self, gateway: str = ID) -> Path:
        return self.folder / gateway

    def trust(self, gateway: str = ID) -> Path:
        return self.state(gateway) / "trust"

    def requests(self, gateway: str = ID) -> Path:
        out = self.folder / f"requests-{gateway}"
        assert self.keys("request", "--id", gateway, "--out", out, gateway=gateway) == 0
        return out

    def export(self, name: str) -> Path:
        out = self.folder / f"exported-{name}"
        self.pki("export", name, out)
        return out

    def install(self, gateway: str = ID) -> int:
        return self.keys("install", self.export(gateway), gateway=gateway)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return Trial(tmp_path_factory.mktemp("trial")).folder


@pytest.fixture
def trial(made, tmp_path) -> Trial:
    """A copy of `made`, since the tests change it."""
    copy = Trial.__new__(Trial)
    copy.folder = tmp_path / "trial"
    shutil.copytree(made, copy.folder)
    return copy


def _names(folder: Path) -> set[str]:
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}


# Export


def test_an_emp_gets_its_keys_and_all_gateways(trial):
    folder = trial.export("Stadtwerke")
    triple = active_triple(folder, LATER)
    assert all(triple.key_file(purpose).exists() for purpose in TRIPLE)
    assert {one.subject.common_name for one in PeersFolder(folder / "peers").every()} == {f"{ID}.SMGW", f"{OTHER}.SMGW"}


def test_a_gateway_gets_no_key_and_all_emps_and_administrators(trial):
    folder = trial.export(ID)
    assert not [name for name in _names(folder) if name.endswith(".key")]
    known = {one.subject.common_name for one in PeersFolder(folder / "peers").every()}
    assert known == {"Stadtwerke.EMT", "Netze.EMT", "Admin.GWA"}


@pytest.mark.parametrize("name", ["Stadtwerke", "Admin"])
def test_private_keys_are_only_the_participants_own_and_private(trial, name):
    folder = trial.export(name)
    keys = list(folder.rglob("*.key"))
    assert {one.parent.parent for one in keys} == {folder / "own"}
    assert {stat.S_IMODE(one.stat().st_mode) for one in keys} == {0o600}


def test_all_in_an_exported_folder_is_believed(trial):
    folder = trial.export("Stadtwerke")
    authorities = AuthoritiesFolder(folder / "authorities").current()
    for one in PeersFolder(folder / "peers").every():
        check(one, Expected(one.purpose, frozenset({Role.SMGW})), authorities, LATER)
    for purpose in TRIPLE:
        own = active_triple(folder, LATER).certificate(purpose)
        check(own, Expected(purpose, frozenset({Role.EMT})), authorities, LATER)


def test_an_export_without_a_change_writes_nothing(trial, capsys):
    trial.export("Stadtwerke")
    capsys.readouterr()
    trial.export("Stadtwerke")
    assert "0 files written, 0 removed" in capsys.readouterr().out


def test_a_renewal_is_added_and_the_old_triple_stays(trial):
    trial.export("Stadtwerke")
    trial.pki("renew", "Stadtwerke")
    folder = trial.export("Stadtwerke")
    assert [one.number for one in own_triples(folder)] == [1, 2]
    assert len(PeersFolder(trial.export(ID) / "peers").of("Stadtwerke", Role.EMT, Purpose.TLS)) == 2


def test_what_was_revoked_vanishes_from_every_folder(trial):
    for name in (ID, "Stadtwerke"):
        trial.export(name)
    trial.pki("renew", "Stadtwerke")
    trial.pki("revoke", "Stadtwerke", "--generation", 1)
    trial.pki("revoke", OTHER)
    gateway, emp = trial.export(ID), trial.export("Stadtwerke")
    assert [one.number for one in own_triples(emp)] == [2]
    assert not (emp / "own/1").exists()
    assert not (emp / f"peers/{OTHER}.SMGW").exists()
    assert not (gateway / "peers/Stadtwerke.EMT/1").exists()
    assert (gateway / "peers/Stadtwerke.EMT/2/tls.crt").exists()


def test_a_key_that_the_pki_does_not_have_is_never_removed(trial):
    folder = trial.export("Stadtwerke")
    strange = folder / "own/7/tls.key"
    strange.parent.mkdir()
    strange.write_bytes(b"a key of somebody else")
    trial.export("Stadtwerke")
    assert strange.exists()


def test_a_folder_of_another_participant_is_left_alone(trial, capsys):
    folder = trial.export("Stadtwerke")
    before = _names(folder)
    trial.pki("export", "Netze", folder, code=1)
    assert "belongs to Stadtwerke.EMT" in capsys.readouterr().err
    assert _names(folder) == before


@pytest.mark.parametrize("inside", ["", "authorities", "participants/new"])
def test_the_folder_of_the_pki_is_no_target(trial, inside, capsys):
    before = _names(trial.folder / "pki")
    trial.pki("export", "Netze", trial.folder / "pki" / inside, code=1)
    assert "outside" in capsys.readouterr().err
    assert _names(trial.folder / "pki") == before


def test_an_authority_has_no_trust_folder(trial, capsys):
    trial.pki("export", "Trial.CA", trial.folder / "out", code=1)
    assert "an authority has no trust folder" in capsys.readouterr().err


def test_a_missing_private_key_is_named(trial, capsys):
    (trial.folder / "pki/participants/Stadtwerke.EMT/1/enc.key").unlink()
    trial.pki("export", "Stadtwerke", trial.folder / "out", code=1)
    assert "enc.key" in capsys.readouterr().err


def test_after_a_renewal_of_the_root_old_and_new_certificates_are_believed(trial):
    trial.pki("renew", "root")
    trial.pki("renew", "Stadtwerke")
    folder = trial.export(ID)
    authorities = AuthoritiesFolder(folder / "authorities").current()
    old, new = PeersFolder(folder / "peers").of("Stadtwerke", Role.EMT, Purpose.TLS)
    for one in (old, new):
        check(one, Expected(Purpose.TLS, frozenset({Role.EMT})), authorities, LATER)
    assert {str(authorities.chain(one)[-1].subject) for one in (old, new)} == {"SM-Test-Root.CA", "SM-Test-Root.CA (2)"}


def test_a_gateway_whose_keys_have_another_number_gets_its_certificates(trial):
    trial.requests()  # a second triple that never gets certificates from the PKI
    trial.pki("renew", ID, "--request", trial.requests())
    assert trial.install() == 0
    assert [one.number for one in own_triples(trial.trust())] == [1, 3]


def test_a_renewal_that_begins_later_leaves_time_to_tell_the_others(trial, capsys):
    trial.pki("renew", "Stadtwerke", "--begin-days", 7)
    folder = trial.export("Stadtwerke")
    assert active_triple(folder, LATER).number == 1
    assert active_triple(folder, Moment(NOW + 8 * 86400)).number == 2
    assert len(PeersFolder(trial.export(ID) / "peers").of("Stadtwerke", Role.EMT, Purpose.TLS)) == 2
    capsys.readouterr()
    trial.pki("list")
    assert [row for row in capsys.readouterr().out.splitlines() if "Stadtwerke" in row and " from 20" in row]


def test_a_renewal_must_begin_before_the_authority_ends(trial, capsys):
    trial.pki("renew", "ca", "--sub-ca-days", 100)
    trial.pki("renew", "Stadtwerke", "--begin-days", 200, code=1)
    assert "the sub-CA is expired at" in capsys.readouterr().err


def test_a_renewal_keeps_the_names_of_hosts(trial):
    for words in (("emp", "Fern", "--host", "a.example.org", "--host", "b.example.org"), ("renew", "Fern")):
        trial.pki(*words)
    for triple in own_triples(trial.export("Fern")):
        names = triple.tls.x509.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == ["a.example.org", "b.example.org"]


def test_all_folders_are_exported_at_once(trial, capsys):
    trial.pki("revoke", OTHER)
    out = trial.folder / "all"
    trial.pki("export", "--all", out)
    assert {one.name for one in out.iterdir()} == {f"{ID}.SMGW", "Stadtwerke.EMT", "Netze.EMT", "Admin.GWA"}
    for folder in out.iterdir():
        assert active_triple(folder, LATER).subject.common_name == folder.name
    assert trial.keys("install", out / f"{ID}.SMGW") == 0


@pytest.mark.parametrize("words", [("--all", "Netze"), ()], ids=["both", "none"])
def test_whose_folder_is_exported_must_be_said(trial, words, capsys):
    trial.pki("export", *words, trial.folder / "out", code=1)
    assert "--all" in capsys.readouterr().err


def test_keys_with_a_passphrase_are_encrypted_from_the_beginning(trial, capsys):
    secret = trial.folder / "secret"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    trial.pki("renew", "Stadtwerke", "--key-passphrase", secret)
    folder = trial.export("Stadtwerke")
    triple = active_triple(folder, LATER)
    assert triple.number == 2
    for purpose in TRIPLE:
        assert b"ENCRYPTED" in triple.key_file(purpose).read_bytes()
        assert key_name(triple.certificate(purpose).public_key) in PemKeys.read(
            [PemFile(triple.key_file(purpose), secret)]
        )


# Install


def test_an_installed_folder_is_complete(trial):
    assert trial.install() == 0
    triple = active_triple(trial.trust(), LATER)
    assert triple.subject.owner == ID
    assert all(triple.key_file(purpose).exists() for purpose in TRIPLE)
    assert len(PeersFolder(trial.trust() / "peers").every()) == 9
    authorities = AuthoritiesFolder(trial.trust() / "authorities").current()
    check(triple.tls, Expected(Purpose.TLS, frozenset({Role.SMGW}), owner=ID), authorities, LATER)


def test_installing_again_takes_what_is_new_and_removes_what_is_gone(trial):
    assert trial.install() == 0
    trial.pki("revoke", "Netze")
    trial.pki("renew", ID, "--request", trial.requests())
    trial.pki("revoke", ID, "--generation", 1)
    assert trial.install() == 0
    assert PeersFolder(trial.trust() / "peers").of("Netze", Role.EMT, Purpose.TLS) == ()
    assert [one.number for one in own_triples(trial.trust())] == [2]
    assert (trial.trust() / "own/1/tls.key").exists()


def test_a_folder_without_own_triples_leaves_the_own_ones(trial):
    assert trial.install() == 0
    folder = trial.export(ID)
    shutil.rmtree(folder / "own")
    assert trial.keys("install", folder) == 0
    assert own_triples(trial.trust())


def test_an_installation_orders_that_held_channels_are_tried_again(trial):
    with WanStore.open(paths.wan_directory(trial.state())) as store:
        assert trial.install() == 0
        assert store.take_orders("lab") == [OrderKind.DELIVER]
        assert trial.install() == 0  # nothing changed
        assert store.take_orders("lab") == []


def _no_sub_ca(folder: Path) -> None:
    (folder / "authorities/Trial.CA.crt").unlink()


def _cut(folder: Path) -> None:
    file = folder / "peers/Netze.EMT/1/sig.crt"
    file.write_bytes(file.read_bytes()[:200])


def _no_list(folder: Path) -> None:
    (folder / "authorities/Trial.CA.crl").unlink()


def _damaged_list(folder: Path) -> None:
    (folder / "authorities/Trial.CA.crl").write_bytes(b"damaged")


def _exchanged(folder: Path) -> None:
    shutil.copy(folder / "own/1/enc.crt", folder / "own/1/sig.crt")


def _no_root(folder: Path) -> None:
    shutil.rmtree(folder / "authorities")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_no_sub_ca, "Trial.CA"),
        (_cut, "sig.crt"),
        (_no_list, "no revocation list"),
        (_damaged_list, "Trial.CA.crl"),
        (_exchanged, "sig.crt"),
        (_no_root, "authorities"),
    ],
)
def test_nothing_is_written_if_something_is_wrong(trial, spoil, said, capsys):
    before = _names(trial.trust())
    folder = trial.export(ID)
    spoil(folder)
    assert trial.keys("install", folder) == 2
    assert said in capsys.readouterr().err
    assert _names(trial.trust()) == before


def test_the_folder_of_an_emp_is_not_for_a_gateway(trial, capsys):
    assert trial.keys("install", trial.export("Stadtwerke")) == 2
    assert "not to a gateway" in capsys.readouterr().err
    assert not list(trial.trust().rglob("*.crt"))


def test_the_folder_of_another_gateway_is_refused(trial, capsys):
    assert trial.keys("install", trial.export(OTHER)) == 2
    assert f"certificate TLS of {OTHER}" in capsys.readouterr().err


def test_an_end_by_the_systems_clock_is_told_and_does_not_hinder(trial, capsys, monkeypatch):
    folder = trial.export(ID)
    monkeypatch.setattr("time.time", lambda: NOW + 4000 * 86400)
    assert trial.keys("install", folder) == 0
    assert "note: " in capsys.readouterr().out


# Owners


class _Users:
    """Records who gets which file, as if root ran this and the users existed."""

    def __init__(self, monkeypatch) -> None:
        self.given: dict[str, int] = {}
        numbers = {"smgw-wan": 4711, "smgw-keys": 4712}
        monkeypatch.setattr(owners.os, "geteuid", lambda: 0)
        monkeypatch.setattr(owners.pwd, "getpwnam", lambda name: _user(name, numbers))
        monkeypatch.setattr(files.os, "fchown", self._fchown)
        monkeypatch.setattr(owners.os, "chown", self._chown)

    def _fchown(self, descriptor, user, group) -> None:
        self.given[Path(f"/proc/self/fd/{descriptor}").readlink().name] = user

    def _chown(self, file, user, group, *, follow_symlinks) -> None:
        assert not follow_symlinks
        self.given[Path(file).name] = user


def _user(name: str, numbers: dict[str, int]) -> pwd.struct_passwd:
    return pwd.struct_passwd((name, "x", numbers[name], numbers[name], "", "/", "/bin/false"))


def test_as_root_each_key_is_made_for_the_process_that_uses_it(tmp_path, monkeypatch):
    users = _Users(monkeypatch)
    assert smgw(["keys", "request", "--id", ID, "--state", str(tmp_path)]) == 0
    assert users.given == {".tls.key.new": 4711, ".sig.key.new": 4712, ".enc.key.new": 4712}


def test_as_root_an_installation_gives_older_keys_to_their_users(trial, monkeypatch):
    folder = trial.export(ID)
    users = _Users(monkeypatch)
    assert trial.keys("install", folder) == 0
    assert users.given == {"tls.key": 4711, "sig.key": 4712, "enc.key": 4712}


def test_without_the_packages_users_keys_stay_with_root(tmp_path, monkeypatch):
    users = _Users(monkeypatch)
    monkeypatch.setattr(owners.pwd, "getpwnam", lambda name: _user(name, {}))
    assert smgw(["keys", "request", "--id", ID, "--state", str(tmp_path)]) == 0
    assert users.given == {}


@pytest.mark.parametrize("mask", [0o077, 0o000])
def test_folders_and_files_have_their_modes_whatever_the_umask_is(trial, mask):
    before = os.umask(mask)
    try:
        assert trial.install() == 0
    finally:
        os.umask(before)
    trust = trial.trust()
    public = [one for one in trust.rglob("*") if one.suffix in (".crt", ".crl")]
    assert {stat.S_IMODE(one.stat().st_mode) for one in public} == {0o644}
    assert {stat.S_IMODE(one.stat().st_mode) for one in [trust, *trust.rglob("*")] if one.is_dir()} == {0o755}
