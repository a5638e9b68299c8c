"""Sealed export archives that a person brings: readable only by their EMP, and each row once."""

import shutil
import zipfile
from pathlib import Path

import pytest
from emp.cli import main
from emp.store.sqlite_storage import SqliteView
from emp.web import password
from emp_process import GATEWAY, content, row
from emp_trust import OTHERS, OURS, Trial
from smgw.cosem.device_id import PSEUDONYM_OCTETS, DeviceId
from smgw.cosemxml import document
from smgw.cosemxml.document import Document
from smgw.trust.cms.profile import Suite
from smgw.webservice.media_type import COSEM_XML_CMS
from smgw.webservice.parcel import SLIP, ParcelWriter
from trial_pki import DAY, EMT, NOW, OTHER_EMT

PSEUDONYM = DeviceId.pseudonym(bytes(range(PSEUDONYM_OCTETS)))
FIRST, SECOND = content(row(1, 10), row(2, 11)), content(row(3, 12))


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


def packed(trial: Trial, *sealed: bytes) -> Path:
    file = trial.folder / "stick.zip"
    with ParcelWriter(file, COSEM_XML_CMS) as parcel:
        for octets in sealed:
            parcel.add(octets, 1)
    return file


def brought(trial: Trial, file: Path, *more: str) -> int:
    return main(["import", str(file), "--db", str(trial.folder / "emp.db"), *more])


def in_store(trial: Trial) -> dict[str, int]:
    """Rows by gateway."""
    view = SqliteView(trial.folder / "emp.db")
    try:
        return {str(one.gateway): one.records for one in view.keys()}  # noqa: SIM118 - not a dict
    finally:
        view.close()


def signers(trial: Trial) -> list[str]:
    view = SqliteView(trial.folder / "emp.db")
    try:
        return [one.signer.subject for gateway in view.gateways() for one in gateway.signers]
    finally:
        view.close()


def with_changed(file: Path, name: str) -> Path:
    """The same archive with another octet in one document; its check sum fits."""
    other = file.with_name("changed.zip")
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(other, "w") as target:
        for member in source.namelist():
            octets = bytearray(source.read(member))
            if member == name:
                octets[len(octets) // 2] ^= 0x01
            target.writestr(member, bytes(octets))
    return other


@pytest.mark.parametrize("suite", Suite, ids=lambda suite: suite.name)
def test_a_sealed_archive_is_imported_once_however_often_it_is_brought(
    trial: Trial, suite: Suite, capsys: pytest.CaptureFixture[str]
) -> None:
    file = packed(trial, trial.seal(FIRST, suite=suite), trial.seal(SECOND, suite=suite))
    for _ in range(2):
        assert brought(trial, file, "--trust", str(trial.emp)) == 0
        assert "3 rows in 2 documents taken" in capsys.readouterr().out
        assert in_store(trial) == {str(GATEWAY): 3}
    assert signers(trial) == ["ESMG0000000001.SMGW"]


def test_without_the_trust_folder_a_sealed_archive_is_refused(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    assert brought(trial, packed(trial, trial.seal(FIRST))) == 1
    assert capsys.readouterr().err == (
        f"emp: {trial.folder}/stick.zip: is sealed; name the trust folder of the EMP that it is for: --trust DIR\n"
    )
    assert in_store(trial) == {}


def test_with_the_trust_folder_a_bare_archive_is_refused(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    file = trial.folder / "stick.zip"
    with ParcelWriter(file) as parcel:
        parcel.add(document.encode(FIRST), 2)
    assert brought(trial, file, "--trust", str(trial.emp)) == 1
    assert capsys.readouterr().err == (
        f"emp: {file}: is not sealed, so nobody proves which gateway made it; "
        "to take it all the same leave --trust out\n"
    )
    assert in_store(trial) == {}
    assert brought(trial, file) == 0
    assert in_store(trial) == {str(GATEWAY): 2}


def test_an_archive_for_another_emp_is_refused_whole(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    file = packed(trial, trial.seal(FIRST, recipient=OTHER_EMT), trial.seal(SECOND, recipient=OTHER_EMT))
    assert brought(trial, file, "--trust", str(trial.emp)) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"emp: {file}: 0000001.p7m: CMS message: it is sealed for ")
    assert said.count("\n") == 1
    assert in_store(trial) == {}


def test_a_changed_document_is_refused_and_the_others_are_taken(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    file = with_changed(packed(trial, trial.seal(FIRST), trial.seal(SECOND)), "0000001.p7m")
    assert brought(trial, file, "--trust", str(trial.emp)) == 1
    told = capsys.readouterr()
    assert "emp import: a document is refused: CMS message: " in told.err
    assert "1 rows in 1 documents taken, those that were there already once; 1 documents refused" in told.out
    assert in_store(trial) == {str(GATEWAY): 1}


@pytest.mark.parametrize("left", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_archive_is_refused_before_anything_is_stored(
    trial: Trial, left: float, capsys: pytest.CaptureFixture[str]
) -> None:
    file = packed(trial, trial.seal(FIRST), trial.seal(SECOND))
    octets = file.read_bytes()
    file.write_bytes(octets[: int(len(octets) * left)])
    assert brought(trial, file, "--trust", str(trial.emp)) == 1
    assert "cannot be unpacked" in capsys.readouterr().err
    assert in_store(trial) == {}


def test_an_archive_of_which_a_document_was_removed_is_refused(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    file = packed(trial, trial.seal(FIRST), trial.seal(SECOND))
    other = file.with_name("less.zip")
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(other, "w") as target:
        for member in ("0000002.p7m", SLIP):
            target.writestr(member, source.read(member))
    assert brought(trial, other, "--trust", str(trial.emp)) == 1
    assert "should hold 2 documents, has 1; copy it again" in capsys.readouterr().err


def test_a_gateway_signs_for_no_other(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    file = packed(trial, *(trial.seal(one, trial.party(OTHERS)) for one in (FIRST, SECOND)))
    assert brought(trial, file, "--trust", str(trial.emp)) == 1
    assert capsys.readouterr().err == (
        "emp import: 2 documents are refused: gateway ESMG0000000002 signed it, and it names the gateway "
        "ESMG0000000001\n"
    )
    assert in_store(trial) == {}


def test_a_signer_that_nobody_knows_is_refused(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(trial.emp / "peers" / OURS.file_name)
    assert brought(trial, packed(trial, trial.seal(FIRST)), "--trust", str(trial.emp)) == 1
    assert "emp import: a document is refused: CMS message: " in capsys.readouterr().err


def test_a_revoked_signer_is_refused(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    file = packed(trial, trial.seal(FIRST))
    trial.pki.revoke(trial.emp, trial.pki.triple(OURS))
    assert brought(trial, file, "--trust", str(trial.emp)) == 1
    assert "revoked" in capsys.readouterr().err
    assert in_store(trial) == {}


def test_what_was_sealed_before_a_renewal_of_the_emp_is_still_read(trial: Trial) -> None:
    file = packed(trial, trial.seal(FIRST))
    trial.pki.write_triple(trial.emp, EMT, 2, begins=NOW - DAY)
    assert brought(trial, file, "--trust", str(trial.emp)) == 0


def under_pseudonym(*rows: object) -> Document:
    return content(*rows)._replace(gateway=PSEUDONYM, device=PSEUDONYM)  # type: ignore[arg-type]


def test_rows_under_a_pseudonym_are_imported_and_who_signed_is_forgotten(trial: Trial) -> None:
    file = packed(trial, trial.seal(under_pseudonym(row(1, 10), row(2, 11))))
    for _ in range(2):
        assert brought(trial, file, "--trust", str(trial.emp)) == 0
    assert in_store(trial) == {str(PSEUDONYM): 2}
    assert signers(trial) == []


def test_another_gateway_cannot_use_a_pseudonym(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    brought(trial, packed(trial, trial.seal(under_pseudonym(row(1, 10)))), "--trust", str(trial.emp))
    foreign = trial.seal(under_pseudonym(row(2, 11)), trial.party(OTHERS))
    assert brought(trial, packed(trial, foreign), "--trust", str(trial.emp)) == 1
    assert "belongs to" in capsys.readouterr().err
    assert in_store(trial) == {str(PSEUDONYM): 1}


def test_a_pseudonym_stands_for_device_and_gateway_alike(trial: Trial) -> None:
    file = packed(trial, trial.seal(FIRST._replace(device=PSEUDONYM)), trial.seal(FIRST._replace(gateway=PSEUDONYM)))
    assert brought(trial, file, "--trust", str(trial.emp)) == 1
    assert in_store(trial) == {}


def test_a_running_head_end_takes_sealed_documents_of_a_user(trial: Trial) -> None:
    file = packed(trial, trial.seal(FIRST), trial.seal(SECOND), trial.seal(under_pseudonym(row(1, 5))))
    with trial.inside(seals_required=True) as ours:
        url = f"http://127.0.0.1:{ours.people}"
        for _ in range(2):
            assert main(["import", str(file), "--url", url, "--trust", str(trial.emp)]) == 0
        assert in_store(trial) == {str(GATEWAY): 3, str(PSEUDONYM): 1}


def test_a_running_head_end_wants_the_password(
    trial: Trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = packed(trial, trial.seal(FIRST))
    secret, hashed = tmp_path / "secret", tmp_path / "hashed"
    secret.write_text("correct horse\n")
    password.write(hashed, "correct horse")
    with trial.inside(password=password.read(hashed)) as ours:
        order = ["import", str(file), "--url", f"http://127.0.0.1:{ours.people}", "--trust", str(trial.emp)]
        assert main(order) == 1
        assert "answers 401" in capsys.readouterr().err
        assert main([*order, "--password", str(secret)]) == 0
        assert "correct horse" not in "".join(capsys.readouterr())
