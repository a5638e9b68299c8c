"""One's own triples: which is in use, and what is wrong with them."""

import shutil
from pathlib import Path

import pytest
from smgw.trust import errors
from smgw.trust.certificate import TRIPLE, Purpose
from smgw.trust.chain import Moment
from smgw.trust.own import active_triple, own_triples
from trial_pki import DAY, EMT, GATEWAY, NOW, session_pki

NOW_TRUSTED = Moment(NOW)


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    return tmp_path / "trust"


def test_a_triple_names_its_files_and_certificates(trust):
    session_pki().write_gateway(trust)
    triple = active_triple(trust, NOW_TRUSTED)
    assert (triple.number, triple.subject) == (1, GATEWAY)
    for purpose in TRIPLE:
        assert triple.certificate(purpose).purpose is purpose
        assert triple.certificate_file(purpose) == trust / "own/1" / f"{purpose.value}.crt"
        assert triple.key_file(purpose) == trust / "own/1" / f"{purpose.value}.key"


def test_the_newest_triple_is_in_use_and_the_old_one_stays(trust):
    for number in (9, 10):
        session_pki().write_triple(trust, GATEWAY, number)
    assert [one.number for one in own_triples(trust)] == [9, 10]
    assert active_triple(trust, NOW_TRUSTED).number == 10


def test_the_old_triple_is_in_use_until_the_new_one_has_its_three_certificates(trust):
    for number in (1, 2):
        session_pki().write_triple(trust, GATEWAY, number)
    (trust / "own/2/enc.crt").unlink()
    assert active_triple(trust, NOW_TRUSTED).number == 1


def test_the_old_triple_is_in_use_until_the_new_one_is_valid(trust):
    session_pki().write_triple(trust, GATEWAY, 1)
    session_pki().write_triple(trust, GATEWAY, 2, begins=NOW + DAY)
    assert active_triple(trust, NOW_TRUSTED).number == 1
    assert active_triple(trust, Moment(NOW + DAY)).number == 2


@pytest.mark.parametrize("utc_s", [0, NOW, NOW + 9000 * DAY], ids=["1970", "now", "later"])
def test_the_newest_triple_is_in_use_while_the_time_is_not_trusted(trust, utc_s):
    session_pki().write_triple(trust, GATEWAY, 1)
    session_pki().write_triple(trust, GATEWAY, 2, begins=NOW + DAY)
    assert active_triple(trust, Moment(utc_s, trusted=False)).number == 2


def test_without_a_triple_the_folder_and_the_remedy_are_named(trust):
    with pytest.raises(errors.FileError, match="smgw keys install") as caught:
        active_triple(trust, NOW_TRUSTED)
    assert caught.value.file == trust / "own"


def test_an_expired_triple_is_told_apart_from_one_that_is_not_valid_yet(trust):
    session_pki().write_gateway(trust, days=10)
    with pytest.raises(errors.ExpiredError, match="EXXX0012345678"):
        active_triple(trust, Moment(NOW + 11 * DAY))
    with pytest.raises(errors.NotYetValidError, match="EXXX0012345678"):
        active_triple(trust, Moment(NOW - DAY))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("exchanged", errors.WrongPurposeError),
        ("of another participant", errors.WrongIdentityError),
        ("on another curve", errors.MalformedError),
        ("cut", errors.MalformedError),
        ("a folder", errors.FileError),
    ],
)
def test_a_wrong_certificate_is_named_with_its_file(trust, change, error):
    session_pki().write_gateway(trust)
    file = trust / "own/1/sig.crt"
    if change == "exchanged":
        shutil.copy(trust / "own/1/enc.crt", file)
    elif change == "of another participant":
        file.write_bytes(session_pki().issue(EMT, Purpose.SIGNATURE).certificate.pem)
    elif change == "on another curve":
        file.write_bytes(session_pki("p256").issue(GATEWAY, Purpose.SIGNATURE).certificate.pem)
    elif change == "cut":
        file.write_bytes(file.read_bytes()[:300])
    else:
        file.unlink()
        file.mkdir()
    with pytest.raises(error) as caught:
        own_triples(trust)
    assert caught.value.file == file
    assert caught.value.remedy
