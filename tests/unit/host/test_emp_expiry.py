"""Until when the certificates of gateways are valid, who signed, and what ends soon: page, JSON, metrics, log."""

import json
import logging

import emp_process
import pytest
from emp.trust.expiry import Validity
from emp_process import GATEWAY, PATH, content, row
from emp_trust import CMS, OTHERS, OURS, Trial
from trial_pki import DAY, EMT, NOW

ANY = content(row(1, 10))


@pytest.fixture
def trial(tmp_path):
    return Trial(tmp_path)


@pytest.mark.parametrize(
    ("days", "step"), [(61, None), (60, 60), (31, 60), (30, 30), (8, 30), (7, 7), (0, 7), (-1, 0)], ids=str
)
def test_the_steps_of_a_warning(days, step):
    assert Validity("TLS", NOW + days * DAY).warning(NOW) == step


def test_the_certificates_of_a_gateway_and_its_signer_are_shown(trial):
    with trial.inside() as ours:
        assert ours.ask("PUT", PATH, trial.seal(ANY), Content_Type=CMS).status == 201
        listed = json.loads(ours.ask("GET", "/api/gateways").body)
        (gateway,), (silent,) = listed["gateways"], listed["silent"]
        assert silent["gateway"] == OTHERS.owner
        assert {one["use"] for one in silent["certificates"]} == {"TLS", "SIG"}
        found = {one["use"]: one for one in gateway["certificates"]}
        assert set(found) == {"TLS", "SIG"}
        assert found["TLS"]["warning"] is None
        assert found["TLS"]["days_left"] in (729, 730)
        (signer,) = gateway["signers"]
        certificate = trial.party().certificate
        assert (signer["fingerprint"], signer["subject"]) == (certificate.fingerprint, "ESMG0000000001.SMGW")
        assert signer["documents"] == 1
        metrics = ours.ask("GET", "/metrics").text
        name = "emp_gateway_certificate_expiry_timestamp_seconds"
        until = trial.pki.triple(OURS).tls.certificate.not_after_s
        assert f'{name}{{gateway="{GATEWAY}",use="TLS"}} {until}\n' in metrics
        assert f'{name}{{gateway="{OTHERS.owner}",use="SIG"}} ' in metrics  # it never delivered
        page = ours.ask("GET", "/").text
        assert "Signed by ESMG0000000001.SMGW" in page
        assert certificate.fingerprint in page
        assert "valid until" in page
        assert "Security" not in page
        assert OTHERS.owner in page.partition("Gateways that have delivered nothing under their name")[2]
        german = ours.ask("GET", "/?language=de").text
        assert "Signiert von ESMG0000000001.SMGW" in german


def test_what_ends_soon_is_told_at_start_and_on_the_page(trial, caplog):
    caplog.set_level(logging.WARNING)
    trial.pki.write_triple(trial.emp, EMT, 2, days=20, begins=NOW + 0)
    for file in (trial.emp / "own/1").iterdir():
        file.unlink()
    trial.pki.write_peer(trial.emp, OURS, 2, days=5)
    for file in (trial.emp / "peers" / OURS.file_name / "1").iterdir():
        file.unlink()
    with trial.inside() as ours:
        page = ours.ask("GET", "/").text
        assert "own certificates TLS, SIG, ENC of Stadtwerke.EMT end at" in page.replace(
            "ENC, SIG, TLS", "TLS, SIG, ENC"
        )
        assert "of ESMG0000000001.SMGW end at" in page
    assert "of Stadtwerke.EMT end at" in caplog.text
    assert "of ESMG0000000001.SMGW end at" in caplog.text


def test_the_certificate_that_a_gateway_uses_counts_more_than_a_newer_one_in_the_folder(trial):
    used = trial.pki.write_triple(trial.gateway(), OURS, 2, days=20)
    trial.pki.write_peer(trial.emp, OURS, 3, days=800)
    with trial.inside() as ours:
        old = ours._replace(tls=trial.context(OURS, 2))
        assert old.put(ANY).status == 201
        (gateway,) = json.loads(ours.ask("GET", "/api/gateways").body)["gateways"]
        (tls,) = [one for one in gateway["certificates"] if one["use"] == "TLS"]
        assert tls["warning"] == 30
        assert used.tls.certificate.not_after_s == NOW + 20 * DAY
        assert "19 days left" in ours.ask("GET", "/").text


def test_the_empty_page_says_how_a_gateway_delivers(trial, tmp_path):
    with trial.inside() as ours:
        assert "https://HOST:PORT" in ours.ask("GET", "/").text
        assert "https://HOST:PORT" in ours.ask("GET", "/?language=de").text
    with emp_process.inside(tmp_path / "plain.db") as plain:
        assert "http://HOST:PORT" in plain.ask("GET", "/").text
