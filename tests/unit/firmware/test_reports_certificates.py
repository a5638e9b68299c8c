"""What `smgw check` finds about keys and certificates before the start: each with file, subject and remedy."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from smgw.cli import main
from smgw.profiles.toml_importer import load
from smgw.reports import certificates
from smgw.reports.certificates import Findings, examine_certificates
from smgw.trust import errors
from smgw.trust.certificate import TRIPLE, Purpose
from smgw.trust.chain import Moment
from smgw.trust.names import Role, Subject
from trial_pki import DAY, EMT, GATEWAY, GWA, NOW, OTHER_GATEWAY, session_pki

CONFIGURATION = """
[gateway]
device_id = "EXXX0012345678"
{more}
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/ttyS0"

[[emp]]
name = "utility"
participant = "Stadtwerke"
url = "https://127.0.0.1:1"
"""
OK = Moment(NOW)
PASSPHRASE = b"correct horse"


class Gateway:
    """A configuration with an EMP over TLS, and a trust folder that is right."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "state"
        self.trust = session_pki().write_gateway(self.state / "trust")
        self.configure()

    @property
    def file(self) -> Path:
        return self.folder / "gateway.toml"

    def configure(self, more: str = "", keys: str = "") -> None:
        self.file.write_text(CONFIGURATION.format(more=more) + keys)

    def examine(self, now: Moment = OK) -> Findings:
        return examine_certificates(load(self.file), self.state, now)


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """Keys belong to whoever runs the tests, also where the package is installed and has users for them."""
    monkeypatch.setattr(certificates, "owner", lambda _: None)
    return Gateway(tmp_path)


def test_a_right_folder_has_no_fault(gateway):
    found = gateway.examine()
    assert (found.faults, found.notes) == ([], [])
    assert found.triple is not None
    assert found.triple.subject == GATEWAY


def _no_key(gateway: Gateway) -> None:
    (gateway.trust / "own/1/sig.key").unlink()


def _open_key(gateway: Gateway) -> None:
    (gateway.trust / "own/1/tls.key").chmod(0o644)


def _wrong_key(gateway: Gateway) -> None:
    shutil.copy(gateway.trust / "own/1/sig.key", gateway.trust / "own/1/enc.key")


def _damaged_key(gateway: Gateway) -> None:
    (gateway.trust / "own/1/tls.key").write_bytes(b"no key")


def _encrypted_key(gateway: Gateway) -> None:
    session_pki().write_triple(gateway.trust, passphrase=PASSPHRASE)


def _wrong_passphrase(gateway: Gateway) -> None:
    _encrypted_key(gateway)
    secret = gateway.folder / "secret"
    secret.write_bytes(b"wrong horse")
    secret.chmod(0o600)
    gateway.configure(keys=f'[keys]\npassphrase_file = "{secret}"\n')


def _no_own(gateway: Gateway) -> None:
    (gateway.trust / "own/1/enc.crt").unlink()


def _damaged_certificate(gateway: Gateway) -> None:
    (gateway.trust / "own/1/sig.crt").write_bytes(b"damaged")


def _of_another_gateway(gateway: Gateway) -> None:
    session_pki().write_triple(gateway.trust, OTHER_GATEWAY)


def _own_of_an_emp(gateway: Gateway) -> None:
    session_pki().write_triple(gateway.trust, EMT)


def _own_revoked(gateway: Gateway) -> None:
    session_pki().revoke(gateway.trust, session_pki().triple(GATEWAY))


def _peer_revoked(gateway: Gateway) -> None:
    session_pki().revoke(gateway.trust, session_pki().triple(EMT))


def _own_untrusted(gateway: Gateway) -> None:
    session_pki().write_triple(gateway.trust, by=session_pki().stranger)


def _peer_untrusted(gateway: Gateway) -> None:
    session_pki().write_peer(gateway.trust, EMT, by=session_pki().stranger)


def _peer_on_another_curve(gateway: Gateway) -> None:
    held = session_pki("p256").triple(EMT)
    shutil.rmtree(gateway.trust / "peers")
    (gateway.trust / "peers").mkdir()
    for purpose in TRIPLE:
        made = session_pki().issue(EMT, purpose, curve=held.tls.key.curve)
        (gateway.trust / f"peers/{purpose.value}.crt").write_bytes(made.certificate.pem)


def _peer_of_a_wrong_role(gateway: Gateway) -> None:
    shutil.rmtree(gateway.trust / "peers")
    session_pki().write_peer(gateway.trust, Subject.checked(Role.GWA, EMT.owner))


def _no_peer(gateway: Gateway) -> None:
    shutil.rmtree(gateway.trust / "peers")


def _peer_without_encryption(gateway: Gateway) -> None:
    (gateway.trust / "peers/Stadtwerke.EMT/1/enc.crt").unlink()


def _damaged_peer(gateway: Gateway) -> None:
    (gateway.trust / "peers/x.crt").write_bytes(b"damaged")


def _no_list(gateway: Gateway) -> None:
    (gateway.trust / "authorities/sub.crl").unlink()


def _damaged_list(gateway: Gateway) -> None:
    (gateway.trust / "authorities/sub.crl").write_bytes(b"damaged")


def _no_authorities(gateway: Gateway) -> None:
    shutil.rmtree(gateway.trust / "authorities")


def _no_administrator(gateway: Gateway) -> None:
    shutil.rmtree(gateway.trust / f"peers/{GWA.file_name}")
    gateway.configure("")


FAULTS: dict[str, tuple[Callable[[Gateway], None], type[errors.TrustError], str]] = {
    "key missing": (_no_key, errors.FileError, "own/1/sig.key"),
    "key open to others": (_open_key, errors.OpenToOthersError, "own/1/tls.key"),
    "key of another certificate": (_wrong_key, errors.KeyMismatchError, "own/1/enc.key"),
    "key damaged": (_damaged_key, errors.FileError, "own/1/tls.key"),
    "key encrypted, no passphrase": (_encrypted_key, errors.PassphraseError, "own/1/tls.key"),
    "wrong passphrase": (_wrong_passphrase, errors.PassphraseError, "own/1/tls.key"),
    "no own certificates": (_no_own, errors.FileError, "own"),
    "own certificate damaged": (_damaged_certificate, errors.MalformedError, "own/1/sig.crt"),
    "of another gateway": (_of_another_gateway, errors.WrongIdentityError, "own/1/tls.crt"),
    "own of an EMP": (_own_of_an_emp, errors.WrongRoleError, "own/1/tls.crt"),
    "own revoked": (_own_revoked, errors.RevokedError, "own/1/tls.crt"),
    "own untrusted": (_own_untrusted, errors.UntrustedError, "own/1/tls.crt"),
    "EMP revoked": (_peer_revoked, errors.RevokedError, "peers/Stadtwerke.EMT/1/tls.crt"),
    "EMP untrusted": (_peer_untrusted, errors.UntrustedError, "peers/Stadtwerke.EMT/1/tls.crt"),
    "EMP on another curve": (_peer_on_another_curve, errors.WrongCurveError, "peers/tls.crt"),
    "EMP of a wrong role": (_peer_of_a_wrong_role, errors.WrongRoleError, "peers"),
    "EMP unknown": (_no_peer, errors.FileError, "peers"),
    "EMP without encryption": (_peer_without_encryption, errors.FileError, "peers"),
    "peer damaged": (_damaged_peer, errors.MalformedError, "peers/x.crt"),
    "list missing": (_no_list, errors.CrlError, ""),
    "list damaged": (_damaged_list, errors.CrlError, "authorities/sub.crl"),
    "authorities missing": (_no_authorities, errors.FileError, "authorities"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found_with_its_file_and_remedy(gateway, name):
    spoil, error, file = FAULTS[name]
    spoil(gateway)
    faults = gateway.examine().faults
    found = [one for one in faults if type(one) is error and (not file or one.file == gateway.trust / file)]
    assert found, faults
    assert all(one.remedy and (one.subject or one.file) for one in faults)


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_printed_and_the_configuration_stays_good(gateway, name, capsys):
    FAULTS[name][0](gateway)
    assert main(["check", "--config", str(gateway.file), "--state", str(gateway.state)]) == 0
    out = capsys.readouterr().out
    assert "  ! " in out
    assert "horse" not in out


@pytest.mark.parametrize(
    ("days", "error"),
    [(-20, errors.NotYetValidError), (731, errors.ExpiredError), (91, errors.CrlOutdatedError)],
)
def test_times_are_judged_by_a_trusted_time(gateway, days, error):
    assert error in {type(one) for one in gateway.examine(Moment(NOW + days * DAY)).faults}


@pytest.mark.parametrize("days", [-9000, 9000])
def test_times_are_not_judged_by_a_time_that_is_not_trusted(gateway, days):
    found = gateway.examine(Moment(NOW + days * DAY, trusted=False))
    assert (found.faults, found.notes) == ([], [])


def test_a_time_before_this_program_was_built_is_not_trusted(monkeypatch):
    monkeypatch.setattr(certificates, "BUILT_S", NOW)
    monkeypatch.setattr("time.time", lambda: NOW - 1)
    assert not certificates.system_moment().trusted


def test_what_ends_soon_is_a_note(gateway):
    found = gateway.examine(Moment(NOW + 70 * DAY))
    assert not found.faults
    assert [note for note in found.notes if "revocation list of" in note and "20 days" in note]


def test_an_expired_pin_beside_a_good_one_is_no_fault(gateway):
    session_pki().write_peer(gateway.trust, EMT, 2, begins=NOW - 20 * DAY, days=10)
    assert gateway.examine().faults == []


def test_an_encrypted_key_with_its_passphrase_is_right(gateway):
    _wrong_passphrase(gateway)
    (gateway.folder / "secret").write_bytes(PASSPHRASE)
    assert gateway.examine().faults == []


def test_a_time_server_over_tls_needs_an_administrator(gateway, monkeypatch):
    configuration = load(gateway.file)
    asking = configuration._replace(gateway=configuration.gateway._replace(ntp=("tls://127.0.0.1:1",)))
    assert examine_certificates(asking, gateway.state, OK).faults == []
    shutil.rmtree(gateway.trust / f"peers/{GWA.file_name}")
    (fault,) = examine_certificates(asking, gateway.state, OK).faults
    assert "administrator" in str(fault)


def test_keys_in_a_security_module_need_no_files(gateway):
    configuration = load(gateway.file)
    for purpose in (Purpose.SIGNATURE, Purpose.ENCRYPTION):
        (gateway.trust / f"own/1/{purpose.value}.key").unlink()
    in_token = configuration._replace(keys=configuration.keys._replace(holder="pkcs11"))
    assert examine_certificates(in_token, gateway.state, OK).faults == []


def test_a_key_that_this_user_may_not_read_is_a_note(gateway, monkeypatch):
    hidden = gateway.trust / "own/1/tls.key"
    real = Path.open

    def refusing(file: Path, *arguments, **named):
        if file == hidden:
            raise PermissionError(13, "Permission denied", str(file))
        return real(file, *arguments, **named)

    monkeypatch.setattr(Path, "open", refusing)
    found = gateway.examine()
    assert found.faults == []
    assert [note for note in found.notes if "tls.key" in note and "root" in note]


def test_a_configuration_without_certificates_is_not_examined(tmp_path, capsys):
    file = tmp_path / "gateway.toml"
    file.write_text(
        CONFIGURATION.format(more="").replace("https:", "http:").replace("participant", "#") + "insecure = true\n"
    )
    assert main(["check", "--config", str(file), "--state", str(tmp_path)]) == 0
    assert "!" not in capsys.readouterr().out
