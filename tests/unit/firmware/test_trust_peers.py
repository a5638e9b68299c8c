"""The certificates of the others: found by what stands in them, and read again when a file changed."""

from pathlib import Path

import pytest
from smgw.trust import peers
from smgw.trust.certificate import TRIPLE, Purpose
from smgw.trust.errors import FileError
from smgw.trust.names import Role, gateway
from smgw.trust.peers import PeersFolder
from trial_pki import DAY, EMT, GATEWAY, GWA, NOW, session_pki


@pytest.fixture
def folder(tmp_path: Path) -> PeersFolder:
    session_pki().write_peer(tmp_path / "trust", EMT)
    session_pki().write_peer(tmp_path / "trust", GWA)
    return PeersFolder(tmp_path / "trust/peers")


@pytest.mark.parametrize("purpose", TRIPLE)
def test_a_certificate_is_found_by_owner_role_and_purpose(folder, purpose):
    (found,) = folder.of(EMT.owner, Role.EMT, purpose)
    assert (found.subject, found.purpose) == (EMT, purpose)


def test_nobody_is_found_by_a_wrong_owner_or_role(folder):
    assert folder.of("Nobody", Role.EMT, Purpose.TLS) == folder.of(EMT.owner, Role.GWA, Purpose.TLS) == ()


def test_all_certificates_of_participants_are_listed_and_none_of_authorities(folder):
    assert sorted(one.subject.common_name for one in folder.every()) == [GWA.common_name] * 3 + [EMT.common_name] * 3


def test_the_newest_certificate_is_first(folder):
    session_pki().write_peer(folder.folder.parent, EMT, 2, begins=NOW + DAY)
    old, new = folder.of(EMT.owner, Role.EMT, Purpose.TLS)[::-1]
    assert old.not_before_s < new.not_before_s


def test_a_file_may_have_any_name_and_depth(folder):
    place = folder.folder / "a/b/c"
    place.mkdir(parents=True)
    one = session_pki().issue(gateway("EXXX0012345679")).certificate
    (place / "any.crt").write_bytes(one.pem)
    assert folder.of("EXXX0012345679", Role.SMGW, Purpose.TLS) == (one,)


def test_a_removed_and_a_changed_file_are_noticed(folder):
    assert folder.of(EMT.owner, Role.EMT, Purpose.TLS)
    file = folder.folder / EMT.file_name / "1/tls.crt"
    other = session_pki().issue(EMT).certificate
    file.write_bytes(other.pem + b"\n")
    assert folder.of(EMT.owner, Role.EMT, Purpose.TLS) == (other,)
    file.unlink()
    assert folder.of(EMT.owner, Role.EMT, Purpose.TLS) == ()


def test_the_same_certificate_in_two_files_counts_once(folder):
    file = folder.folder / EMT.file_name / "1/tls.crt"
    (folder.folder / "copy.crt").write_bytes(file.read_bytes())
    assert len(folder.of(EMT.owner, Role.EMT, Purpose.TLS)) == 1


def test_a_damaged_file_is_named_and_hides_no_other(folder):
    damaged = folder.folder / "damaged.crt"
    damaged.write_bytes(b"no certificate")
    assert len(folder.every()) == 6
    assert [one.file for one in folder.faults] == [damaged]
    damaged.unlink()
    assert folder.faults == ()


def test_without_a_folder_nobody_is_known(tmp_path):
    assert PeersFolder(tmp_path / "absent").of(EMT.owner, Role.EMT, Purpose.TLS) == ()


def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "peers").write_text("a file")
    with pytest.raises(FileError) as caught:
        PeersFolder(tmp_path / "peers").every()
    assert caught.value.file == tmp_path / "peers"


def test_a_folder_with_many_files_is_not_looked_at_for_each_question(folder, monkeypatch):
    monkeypatch.setattr(peers, "_MANY", 5)
    monkeypatch.setattr(peers, "_PAUSE_S", 3600.0)
    assert len(folder.every()) == 6
    (folder.folder / "new.crt").write_bytes(session_pki().issue(GATEWAY).certificate.pem)
    assert len(folder.every()) == 6
