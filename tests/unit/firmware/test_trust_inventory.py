"""What a trust folder holds, and what of it ends soon."""

from pathlib import Path

import pytest
from smgw.cli import main
from smgw.trust.inventory import STEPS, Ending, endings, inventory
from trial_pki import DAY, EMT, GATEWAY, NOW, OTHER_EMT, session_pki

LISTS_DAYS = 90


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    """A gateway's; its triple lives 730 days, its revocation lists 90."""
    return session_pki().write_gateway(tmp_path / "trust")


def _endings(trust: Path, days: float) -> list[Ending]:
    items, faults = inventory(trust)
    assert not faults
    return endings(items, NOW + int(days * DAY))


def test_everything_of_a_folder_is_listed_once(trust):
    items, faults = inventory(trust)
    assert not faults
    assert [(one.kind, one.use) for one in items].count(("own", "TLS")) == 1
    assert {one.subject for one in items if one.kind == "pinned"} == {"Stadtwerke.EMT", "Admin.GWA"}
    assert [one.use for one in items if one.kind == "authority"] == ["CA", "CA"]
    assert [one.use for one in items if one.kind == "list"] == ["CRL", "CRL"]
    assert all(one.in_use for one in items)
    assert all(one.file.exists() for one in items)


@pytest.mark.parametrize(
    ("days_left", "step"), [(60.5, None), (60, 60), (30.5, 60), (30, 30), (7.5, 30), (7, 7), (-1, 0)]
)
def test_the_end_of_a_certificate_is_told_in_steps(trust, days_left, step):
    found = {one.step for one in _endings(trust, 730 - days_left) if one.items[0].kind == "own"}
    assert found == (set() if step is None else {step})


def test_only_the_last_week_is_urgent(trust):
    assert [_endings(trust, LISTS_DAYS - days)[0].is_urgent for days in (*STEPS, 0, -1)] == [
        False,
        False,
        True,
        True,
        True,
    ]


@pytest.mark.parametrize(("kind", "days"), [("own", 730), ("pinned", 730), ("authority", 1000), ("list", LISTS_DAYS)])
def test_each_kind_is_told_with_file_subject_and_remedy(trust, kind, days):
    found = [one for one in _endings(trust, days - 20) if one.items[0].kind == kind]
    assert found
    for one in found:
        assert str(one.items[0].file if len(one.items) == 1 else one.items[0].file.parent) in one.text
        assert one.items[0].subject in one.text
        assert "smgw-pki" in one.text


def test_a_renewed_certificate_may_end(trust):
    session_pki().write_triple(trust, GATEWAY, 2, begins=NOW + 100 * DAY)
    session_pki().write_peer(trust, EMT, 2, begins=NOW + 100 * DAY)
    (trust / "peers/Admin.GWA/1/tls.crt").unlink()
    told = {(each.kind, each.subject, each.use) for one in _endings(trust, 720) for each in one.items}
    assert not any(kind == "own" or subject == "Stadtwerke.EMT" for kind, subject, _ in told)
    assert ("pinned", "Admin.GWA", "SIG") in told


def test_an_authority_with_a_successor_may_end(trust):
    from pki import profile
    from smgw.trust.names import Role, Subject
    from trial_pki import TERMS

    assert any(one.items[0].kind == "authority" for one in _endings(trust, 980))
    subject = Subject.checked(Role.CA, "Trial", serial="2")
    made = profile.sub_ca_certificate(
        subject, session_pki().sub_ca.key.public_key(), session_pki().root, NOW + 900 * DAY, 1000, TERMS
    )
    (trust / "authorities/sub2.crt").write_bytes(made.pem)
    assert not any(one.items[0].kind == "authority" for one in _endings(trust, 980))


def test_an_old_revocation_list_beside_a_newer_one_may_end(trust):
    newer = session_pki().revocations(number=2, days=200)
    (trust / "authorities/newer.crl").write_bytes(newer.pem)
    found = [one.items[0].file.name for one in _endings(trust, LISTS_DAYS + 1) if one.items[0].kind == "list"]
    assert found == ["root.crl"]


def test_what_ends_together_is_told_together(trust):
    (own,) = [one for one in _endings(trust, 725) if one.items[0].kind == "own"]
    assert [one.use for one in own.items] == ["ENC", "SIG", "TLS"]
    assert "own certificates ENC, SIG, TLS of EXXX0012345678.SMGW end at" in own.text


def test_the_most_urgent_comes_first(trust):
    found = _endings(trust, 725)
    assert [one.items[0].until_s for one in found] == sorted(one.items[0].until_s for one in found)


def test_a_damaged_file_is_a_fault_and_hides_no_other(trust):
    before = len(inventory(trust)[0])
    for name in ("authorities/x.crt", "authorities/x.crl", "peers/x.crt"):
        (trust / name).write_bytes(b"damaged")
    items, faults = inventory(trust)
    assert len(items) == before
    assert sorted(str(one.file.relative_to(trust)) for one in faults if one.file) == [
        "authorities/x.crl",
        "authorities/x.crt",
        "peers/x.crt",
    ]


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    assert inventory(tmp_path / "absent") == ([], [])


def test_keys_list_is_a_table_with_fingerprints(trust, capsys):
    session_pki().write_peer(trust, OTHER_EMT, days=20)
    assert main(["keys", "list", "--state", str(trust.parent)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    one = session_pki().triple(OTHER_EMT, days=20).tls.certificate
    (row,) = [row for row in rows if row[-1] == one.fingerprint]
    assert row[:3] == ["pinned", "TLS", "Netze.EMT"]
    assert row[4] == "19" or row[4] == "20"
    assert [row for row in rows if row[1] == "CRL"]


def test_keys_list_names_a_damaged_file(trust, capsys):
    (trust / "peers/x.crt").write_bytes(b"damaged")
    assert main(["keys", "list", "--state", str(trust.parent)]) == 1
    assert "x.crt" in capsys.readouterr().out


def test_keys_list_says_what_to_do_where_nothing_is(tmp_path, capsys):
    assert main(["keys", "list", "--state", str(tmp_path)]) == 2
    assert "smgw keys request" in capsys.readouterr().err
