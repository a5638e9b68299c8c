"""Which certificates are believed, which are refused, and by which error; OpenSSL's command line agrees."""

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from smgw.trust import errors
from smgw.trust.certificate import TRIPLE, Certificate, Purpose
from smgw.trust.chain import Authorities, Expected, Moment, check
from smgw.trust.crl import RevocationList
from smgw.trust.folder import AuthoritiesFolder
from smgw.trust.names import Role
from trial_pki import DAY, EMT, GATEWAY, NOW, TrialPki, openssl

GATEWAYS = Expected(Purpose.TLS, frozenset({Role.SMGW}))
P256 = GATEWAYS._replace(curve="secp256r1")


@pytest.fixture(scope="module")
def pki() -> TrialPki:
    return TrialPki()


def _refused(certificate, pki, expected=GATEWAYS, now=None, authorities=None):
    with pytest.raises(errors.TrustError) as caught:
        check(certificate, expected, authorities or pki.authorities(), now or Moment(NOW))
    return caught


@pytest.mark.parametrize("curve", ["brainpool", "p256"])
def test_a_right_certificate_is_believed(curve):
    pki = TrialPki(curve)
    one = pki.issue().certificate
    check(
        one, (GATEWAYS if curve == "brainpool" else P256)._replace(owner=GATEWAY.owner), pki.authorities(), Moment(NOW)
    )


@pytest.mark.parametrize("purpose", TRIPLE)
def test_openssl_verifies_each_certificate_of_a_triple_with_its_revocation_lists(pki, purpose, tmp_path):
    folder = pki.write(tmp_path / "authorities")
    one, _ = pki.write_holder(tmp_path, pki.issue(EMT, purpose))
    answer = _openssl(folder, one)
    assert answer.returncode == 0, answer.stderr


def test_openssl_finds_the_same_certificate_revoked_as_we_do(pki, tmp_path):
    holder = pki.issue()
    folder = pki.write(tmp_path / "authorities", [holder.certificate])
    one, _ = pki.write_holder(tmp_path, holder)
    assert "certificate revoked" in _openssl(folder, one).stderr
    assert (
        _refused(holder.certificate, pki, authorities=AuthoritiesFolder(folder).current()).type is errors.RevokedError
    )


def _openssl(folder: Path, certificate: Path) -> subprocess.CompletedProcess[str]:
    options = ["-crl_check_all", "-x509_strict", "-CAfile", folder / "root.crt", "-untrusted", folder / "sub.crt"]
    lists = [option for one in ("root.crl", "sub.crl") for option in ("-CRLfile", folder / one)]
    command = [openssl(), "verify", *options, *lists, certificate]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_revoked_certificate_is_refused(pki):
    one = pki.issue().certificate
    assert _refused(one, pki, authorities=pki.authorities([one])).type is errors.RevokedError


def test_a_revoked_sub_ca_takes_its_certificates_with_it(pki):
    lists = [pki.revocations([pki.sub_ca.certificate], by=pki.root), pki.revocations()]
    authorities = Authorities([pki.root.certificate, pki.sub_ca.certificate], lists)
    assert _refused(pki.issue().certificate, pki, authorities=authorities).type is errors.RevokedError


def test_the_newest_revocation_list_counts(pki):
    one = pki.issue().certificate
    lists = [pki.revocations(by=pki.root), pki.revocations([one], number=2), pki.revocations(number=1)]
    authorities = Authorities([pki.root.certificate, pki.sub_ca.certificate], lists)
    assert _refused(one, pki, authorities=authorities).type is errors.RevokedError


@pytest.mark.parametrize(
    ("moment", "error"),
    [
        (Moment(NOW + 800 * DAY), errors.ExpiredError),
        (Moment(NOW - DAY), errors.NotYetValidError),
        (Moment(NOW - DAY, trusted=False), errors.ClockNotTrustedError),
        (Moment(NOW, trusted=False), errors.ClockNotTrustedError),
        (Moment(NOW + 91 * DAY), errors.CrlOutdatedError),
    ],
)
def test_the_time_is_judged(pki, moment, error):
    assert _refused(pki.issue().certificate, pki, now=moment).type is error


def test_an_untrusted_clock_is_told_last_so_all_else_is_right_then(pki):
    emt = pki.issue(EMT).certificate
    assert _refused(emt, pki, now=Moment(NOW, trusted=False)).type is errors.WrongRoleError


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"roles": frozenset({Role.EMT, Role.GWA})}, errors.WrongRoleError),
        ({"purpose": Purpose.SIGNATURE}, errors.WrongPurposeError),
        ({"curve": "secp256r1"}, errors.WrongCurveError),
        ({"owner": "EXXX0012345679"}, errors.WrongIdentityError),
        ({"pins": frozenset({"00" * 32})}, errors.WrongPinError),
    ],
)
def test_a_certificate_for_something_else_is_refused(pki, changed, error):
    assert _refused(pki.issue().certificate, pki, GATEWAYS._replace(**changed)).type is error


def test_old_and_new_certificate_are_believed_while_one_is_renewed(pki):
    old, new = pki.issue().certificate, pki.issue().certificate
    pinned = GATEWAYS._replace(pins=frozenset({old.fingerprint, new.fingerprint}))
    for one in (old, new):
        check(one, pinned, pki.authorities(), Moment(NOW))


def test_another_pki_with_the_same_names_is_refused(pki):
    assert _refused(TrialPki().issue().certificate, pki).type is errors.UntrustedError


def test_an_unknown_root_is_refused(pki):
    other = TrialPki()
    authorities = Authorities([other.sub_ca.certificate], [other.revocations()])
    assert _refused(other.issue().certificate, pki, authorities=authorities).type is errors.UntrustedError


def test_a_sub_ca_makes_no_sub_ca(pki):
    from pki import profile

    key = ec.generate_private_key(ec.BrainpoolP256R1())
    subject = pki.sub_ca.certificate.subject._replace(owner="Lower")
    made = profile.sub_ca_certificate(subject, key.public_key(), pki.sub_ca, NOW, 100, profile.Terms())
    lower = profile.Issuer(made, key)
    lists = [pki.revocations(by=one) for one in (pki.root, pki.sub_ca, lower)]
    authorities = Authorities([pki.root.certificate, pki.sub_ca.certificate, lower.certificate], lists)
    caught = _refused(pki.issue(by=lower).certificate, pki, authorities=authorities)
    assert caught.type is errors.UntrustedError


def test_a_participant_makes_no_certificate(pki):
    from pki import profile

    holder = pki.issue()
    forged = pki.issue(EMT, by=profile.Issuer(holder.certificate, holder.key)).certificate
    authorities = Authorities(
        [pki.root.certificate, pki.sub_ca.certificate, holder.certificate],
        [pki.revocations(by=pki.root), pki.revocations()],
    )
    expected = GATEWAYS._replace(roles=frozenset({Role.EMT}))
    assert _refused(forged, pki, expected, authorities=authorities).type is errors.UntrustedError


def test_a_missing_revocation_list_is_named(pki):
    authorities = Authorities([pki.root.certificate, pki.sub_ca.certificate], [pki.revocations(by=pki.root)])
    caught = _refused(pki.issue().certificate, pki, authorities=authorities)
    assert caught.type is errors.CrlError
    assert "Trial.CA" in str(caught.value)


def test_a_revocation_list_of_another_key_is_refused(pki):
    forged = TrialPki().revocations()
    authorities = Authorities([pki.root.certificate, pki.sub_ca.certificate], [pki.revocations(by=pki.root), forged])
    assert _refused(pki.issue().certificate, pki, authorities=authorities).type is errors.CrlError


def test_an_unreadable_revocation_list_names_its_file(pki, tmp_path):
    folder = pki.write(tmp_path)
    (folder / "sub.crl").write_bytes(b"-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n")
    with pytest.raises(errors.CrlError, match=r"sub\.crl") as caught:
        AuthoritiesFolder(folder).current()
    assert caught.value.file == folder / "sub.crl"


def test_a_new_revocation_list_takes_effect_without_a_restart(pki, tmp_path):
    one = pki.issue().certificate
    folder = AuthoritiesFolder(pki.write(tmp_path))
    check(one, GATEWAYS, folder.current(), Moment(NOW))
    new = tmp_path / "sub.new"
    new.write_bytes(pki.revocations([one], number=2).pem)
    new.rename(tmp_path / "sub.crl")
    assert _refused(one, pki, authorities=folder.current()).type is errors.RevokedError


def test_no_flipped_bit_of_a_certificate_is_believed(pki):
    one = pki.issue().certificate
    authorities = pki.authorities()
    for place in range(0, len(one.der) * 8, 37):
        octets = bytearray(one.der)
        octets[place // 8] ^= 1 << place % 8
        with pytest.raises(errors.TrustError):
            check(Certificate(bytes(octets)), GATEWAYS, authorities, Moment(NOW))


def test_no_flipped_bit_of_a_revocation_list_is_believed(pki):
    one = pki.issue().certificate
    good = pki.revocations([one])
    for place in range(0, len(good.der) * 8, 37):
        octets = bytearray(good.der)
        octets[place // 8] ^= 1 << place % 8
        with pytest.raises(errors.TrustError):
            _check_with(pki, one, bytes(octets))


def _check_with(pki, one, crl):
    lists = [pki.revocations(by=pki.root), RevocationList(crl)]
    check(one, GATEWAYS, Authorities([pki.root.certificate, pki.sub_ca.certificate], lists), Moment(NOW))


def test_a_gateway_has_no_alternative_name_and_a_participant_has(pki):
    names = [{one.oid._name for one in pki.issue(subject).certificate.x509.extensions} for subject in (GATEWAY, EMT)]
    assert ["subjectAltName" in one for one in names] == [False, True]
