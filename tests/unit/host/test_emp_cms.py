"""Sealed documents (CMS): who signed is checked and stored; what is wrong is refused without a reason on the wire."""

import logging
import shutil
import tracemalloc
import zlib

import emp_process
import pytest
from emp.cli import main
from emp.store.sqlite_storage import SqliteView
from emp.trust.opening import Opener
from emp.trust.room import Room
from emp.web.peers import Turns
from emp_process import DEVICE, GATEWAY, PATH, XML, content, row
from emp_trust import CMS, OTHERS, OURS, Trial
from forging import CONTENT, ENCRYPTED, MAC, SIGNATURE, at, edited, flipped, resigned, signed_by
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosemxml import document, writer
from smgw.cosemxml.resources import MethodRequest
from smgw.trust import errors
from smgw.trust.certificate import Purpose
from smgw.trust.cms.profile import Suite
from smgw.trust.names import Role, Subject
from trial_pki import DAY, EMT, NOW, OTHER_EMT

OTHER_GATEWAY = DeviceId.parse("ESMG0000000002")
ANY = content(row(1, 10), row(2, 11))
NOTICE = writer.encode(MethodRequest(Data(DataType.UNSIGNED, 7)))


@pytest.fixture
def trial(tmp_path):
    return Trial(tmp_path)


def put(running, octets, media_type=CMS, path=PATH, **headers):
    return running.ask("PUT", path, octets, Content_Type=media_type, **headers)


def signers(trial):
    view = SqliteView(trial.folder / "emp.db")
    try:
        return {str(one.gateway): one.signers for one in view.gateways()}
    finally:
        view.close()


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize(
    "media_type",
    [
        CMS,
        "application/vnd.de-dke-k461-ic1+xml; encap=cms-tr03109-zlib",
        'application/cms+xml; encapsulatingContent="signedData , authEnvelopedData , compressedData"',
    ],
)
def test_a_sealed_document_is_stored_once_and_its_signer_noted(trial, suite, compress, media_type):
    octets = trial.seal(ANY, suite=suite, compress=compress)
    with trial.inside(seals_required=True) as ours:
        assert put(ours, octets, media_type).status == 201
        assert put(ours, octets, media_type).status == 200  # the gateway repeats what it got no answer to
        assert put(ours, trial.seal(ANY, suite=suite, compress=compress), media_type).status == 200
        assert 'emp_rows_received_total{outcome="stored"} 2\n' in ours.ask("GET", "/metrics").text
        assert 'emp_sealed_bodies_total{outcome="opened"} 3\n' in ours.ask("GET", "/metrics").text
    (found,) = signers(trial)[str(GATEWAY)]
    certificate = trial.party().certificate
    assert (found.signer.fingerprint.hex(), found.signer.subject) == (certificate.fingerprint, "ESMG0000000001.SMGW")
    assert (found.signer.not_after_us, found.documents) == (certificate.not_after_s * 1_000_000, 3)


def test_a_document_that_was_compressed_before_it_was_sealed(trial):
    octets = trial.seal(zlib.compress(document.encode(ANY)), compress=False)
    with trial.inside() as ours:
        assert put(ours, octets, Content_Encoding="deflate").status == 201


def test_a_bare_document_is_refused_where_seals_are_required(trial):
    with trial.inside(seals_required=True) as ours:
        answer = ours.put(ANY)
        assert (answer.status, answer.headers["Accept"]) == (415, CMS)


def test_a_bare_document_is_taken_where_seals_are_accepted(trial):
    with trial.inside() as ours:
        assert ours.put(ANY).status == 201
    assert signers(trial) == {str(GATEWAY): ()}


def test_without_a_trust_folder_a_sealed_document_cannot_be_read(trial, tmp_path):
    with emp_process.inside(tmp_path / "plain.db") as plain:
        assert put(plain, trial.seal(ANY)).status == 415


def test_a_sealed_notice(trial, caplog):
    with trial.inside(seals_required=True) as ours:
        assert put(ours, trial.seal(ANY)).status == 201
        path = f"{PATH}/objects/9-0100010800ff/methods/1"
        assert ours.ask("POST", path, trial.seal(NOTICE), Content_Type=CMS).status == 200
        assert ours.ask("POST", path, NOTICE, Content_Type=XML).status == 415
        wrong = trial.seal(NOTICE, trial.party(OTHERS))
        assert ours.ask("POST", path, wrong, Content_Type=CMS).text == "not accepted\n"
        assert "a document is refused: CMS message: the key" in caplog.text


def forged(trial, change, path):
    return resigned(trial.seal(ANY), trial.party(), path, change)


REFUSED = {
    "wrong MAC": (lambda trial: forged(trial, flipped, MAC), "its MAC is wrong"),
    "changed ciphertext": (lambda trial: forged(trial, flipped, (*ENCRYPTED, 2)), "its MAC is wrong"),
    "wrong signature": (lambda trial: edited(trial.seal(ANY), SIGNATURE, flipped), "its signature is wrong"),
    "wrong signer": (lambda trial: trial.seal(ANY, trial.party(OTHERS)), "and no expected signer has it"),
    "signer that nobody knows": (
        lambda trial: trial.seal(ANY, trial.party(OURS, number=7)), "and no expected signer has it",
    ),
    "signed with the key for TLS": (
        lambda trial: signed_by(trial.party(OURS, Purpose.TLS), at(trial.seal(ANY), CONTENT).content),
        "and no expected signer has it",
    ),
    "swapped recipient": (lambda trial: trial.seal(ANY, recipient=OTHER_EMT), "is sealed for"),
    "truncated": (lambda trial: trial.seal(ANY)[:-20], "CMS message"),
    "nothing sealed": (lambda trial: document.encode(ANY), "CMS message"),
    "empty": (lambda trial: b"\x30\x00", "CMS message"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused_and_only_the_log_says_why(trial, caplog, case):
    caplog.set_level(logging.WARNING)
    make, why = REFUSED[case]
    with trial.inside() as ours:
        answer = put(ours, make(trial))
        assert (answer.status, answer.text) == (403, "not accepted\n")
        assert "x-reason" not in {name.lower() for name in answer.headers}
        assert f"gateway {GATEWAY}: a document is refused: " in caplog.text
        assert why in caplog.text
        assert ours.ask("GET", PATH).status == 404
        assert 'emp_sealed_bodies_total{outcome="refused"} 1\n' in ours.ask("GET", "/metrics").text


def test_another_gateway_cannot_replay_a_message(trial, caplog):
    octets = trial.seal(ANY)
    with trial.inside() as ours:
        assert put(ours, octets).status == 201
        answer = put(trial.as_gateway(ours, OTHERS), octets)
        assert (answer.status, answer.text) == (403, "not accepted\n")


def test_another_gateway_cannot_sign_an_envelope_that_it_did_not_make(trial, caplog):
    stolen = signed_by(trial.party(OTHERS), at(trial.seal(ANY), CONTENT).content)
    with trial.inside() as ours:
        answer = put(trial.as_gateway(ours, OTHERS), stolen)
        assert answer.status == 404
        assert f"gateway {OTHER_GATEWAY}: a document is refused: it names the gateway {GATEWAY}" in caplog.text
        assert ours.ask("GET", PATH).status == 404


def test_a_signed_document_that_names_another_gateway_is_refused(trial, caplog):
    with trial.inside() as ours:
        answer = put(ours, trial.seal(ANY._replace(gateway=OTHER_GATEWAY)))
        assert (answer.status, answer.text) == (404, f"no device {DEVICE} is known here\n")
        assert f"gateway {GATEWAY}: a document is refused: it names the gateway {OTHER_GATEWAY}" in caplog.text


def test_a_revoked_signer_is_refused_without_a_restart(trial, caplog):
    with trial.inside() as ours:
        assert put(ours, trial.seal(ANY)).status == 201
        trial.pki.revoke(trial.emp, [trial.party().certificate])
        assert put(ours, trial.seal(ANY)).status == 403
        assert "certificate SIG of ESMG0000000001.SMGW" in caplog.text
        assert "its authority revoked it" in caplog.text


def test_an_expired_signer_is_refused(trial, caplog):
    trial.pki.write_peer(trial.emp, OURS, 2, days=10, begins=NOW - 20 * DAY)
    holder = trial.pki.triple(OURS, 2, days=10, begins=NOW - 20 * DAY).signature
    old = trial.party()._replace(key=holder.key, certificate=holder.certificate)
    with trial.inside() as ours:
        assert put(ours, trial.seal(ANY, old)).status == 403
        assert "it expired at" in caplog.text


def test_a_signer_under_a_strange_authority_is_refused(trial, caplog):
    trial.pki.write_peer(trial.emp, OURS, 3, by=trial.pki.stranger)
    holder = trial.pki.triple(OURS, 3, by=trial.pki.stranger).signature
    with trial.inside() as ours:
        wrong = trial.party()._replace(key=holder.key, certificate=holder.certificate)
        assert put(ours, trial.seal(ANY, wrong)).status == 403
        assert "did not sign it" in caplog.text


def test_a_market_participant_does_not_sign_for_a_gateway(trial, caplog):
    impostor = Subject.checked(Role.EMT, str(GATEWAY))
    trial.pki.write_peer(trial.emp, impostor)
    with trial.inside() as ours:
        assert put(ours, trial.seal(ANY, trial.party(impostor))).status == 403


def test_a_new_signature_certificate_is_known_without_a_restart(trial):
    with trial.inside() as ours:
        octets = trial.seal(ANY, trial.party(OURS, number=2))
        assert put(ours, octets).status == 403
        trial.pki.write_peer(trial.emp, OURS, 2)
        assert put(ours, octets).status == 201


def test_what_is_sealed_for_the_key_before_can_be_opened(trial):
    octets = trial.seal(ANY)
    trial.pki.write_triple(trial.emp, EMT, 2, days=800)
    with trial.inside() as ours:
        assert put(ours, octets).status == 201


def test_a_bomb_is_refused_with_bounded_memory(trial, caplog):
    octets = trial.seal(bytes(50_000_000))
    assert len(octets) < 100_000
    with trial.inside() as ours:
        assert put(ours, trial.seal(ANY)).status == 201
        tracemalloc.start()
        try:
            answer = put(ours, octets)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (answer.status, answer.text) == (413, "not accepted\n")
        assert peak < 20 * 1024 * 1024
        assert "its content has more than 4194304 octets" in caplog.text


def test_a_bomb_before_the_seal_is_refused(trial):
    octets = trial.seal(zlib.compress(bytes(50_000_000)), compress=False)
    with trial.inside() as ours:
        assert put(ours, octets, Content_Encoding="deflate").status == 413


def test_people_bring_sealed_documents_and_no_others(trial):
    with trial.inside() as ours:
        assert ours.ask("PUT", PATH, document.encode(ANY), port=ours.people, Content_Type=XML).status == 415
        assert ours.ask("PUT", PATH, trial.seal(ANY), port=ours.people, Content_Type=CMS).status == 201
        theirs = trial.seal(content(row(1, 7), gateway=OTHER_GATEWAY), trial.party(OTHERS))
        assert ours.ask("PUT", PATH, theirs, port=ours.people, Content_Type=CMS).status == 404  # the device is not its
    assert [one.signer.subject for one in signers(trial)[str(GATEWAY)]] == ["ESMG0000000001.SMGW"]


def test_people_still_reset_with_a_bare_parameter(trial):
    reset = writer.encode(MethodRequest(Data(DataType.INTEGER, 0)))
    with trial.inside(seals_required=True) as ours:
        assert put(ours, trial.seal(ANY)).status == 201
        path = f"{PATH}/objects/7-0100630100ff/methods/1"
        assert ours.ask("POST", path, reset, port=ours.people, Content_Type=XML).status == 200


def test_a_key_that_does_not_fit_is_told_at_start(trial):
    shutil.copy(trial.emp / "own/1/sig.key", trial.emp / "own/1/enc.key")
    with pytest.raises(
        errors.KeyMismatchError, match=r"own/1/enc\.key: this private key does not belong to .*enc\.crt"
    ):
        Opener(Room(trial.emp))


def test_keys_with_a_passphrase(tmp_path):
    trial = Trial(tmp_path)
    trial.pki.write_triple(trial.emp, EMT, passphrase=b"lorem ipsum")
    secret = tmp_path / "passphrase"
    secret.write_text("lorem ipsum\n")
    secret.chmod(0o600)
    with trial.inside(room=Room(trial.emp, secret)) as ours:
        assert put(ours, trial.seal(ANY)).status == 201
    with pytest.raises(errors.PassphraseError, match=r"enc\.key: is encrypted and no passphrase is configured"):
        Opener(Room(trial.emp))


def test_gateways_behind_one_address_take_turns_of_their_own(trial, monkeypatch):
    """A refused body delays the next one of its sender, and not that of another gateway."""
    takers = []
    decode = Turns.decode

    async def noted(self, peer, make):
        takers.append(peer)
        return await decode(self, peer, make)

    monkeypatch.setattr(Turns, "decode", noted)
    with trial.inside() as ours:
        assert put(ours, trial.seal(ANY)).status == 201
        assert put(trial.as_gateway(ours, OTHERS), trial.seal(ANY)).status == 403
    assert takers == [str(GATEWAY), str(OTHER_GATEWAY)]


def test_the_command_serves_with_a_trust_folder(trial, capsys):
    with emp_process.running(trial.folder / "emp.db", "--trust", str(trial.emp)) as running:
        ours = trial.as_gateway(running)
        assert put(ours, trial.seal(ANY)).status == 201
        assert ours.put(ANY).status == 415
        assert put(trial.as_gateway(running, OTHERS), trial.seal(ANY)).status == 403
        assert main(["status", "--db", str(trial.folder / "emp.db")]) == 0
        said = emp_process.stop(running)
    assert f"gateway {OTHER_GATEWAY}: a document is refused: CMS message: the key" in said
    shown = capsys.readouterr().out
    assert "  signed by ESMG0000000001.SMGW  1 documents  certificate valid until" in shown
    assert f"    SHA-256 {trial.party().certificate.fingerprint}\n" in shown


def test_the_command_may_take_bare_documents_too(trial):
    with emp_process.running(trial.folder / "emp.db", "--trust", str(trial.emp), "--cms", "accepted") as running:
        assert trial.as_gateway(running).put(ANY).status == 201
