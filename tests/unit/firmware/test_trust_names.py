"""Names of the SM-PKI: what a distinguished name says about its owner, and what is refused."""

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from smgw.trust.errors import NameFormatError
from smgw.trust.names import ORGANIZATION, Role, Subject, gateway, root

_ORGANIZATION_ID = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,20}[A-Za-z0-9])?", fullmatch=True).filter(
    lambda word: word not in ("SM-Root", "SM-Test-Root")
)


def _name(*attributes):
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


def _common_name(value, organization="SM-Test-PKI-DE"):
    return _name((NameOID.COUNTRY_NAME, "DE"), (NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, value))


@pytest.mark.parametrize(
    ("common_name", "role", "owner", "extension"),
    [
        ("EXXX0012345678.SMGW", Role.SMGW, "EXXX0012345678", ""),
        ("Stadtwerke-Tuebingen.EMT", Role.EMT, "Stadtwerke-Tuebingen", ""),
        ("Stadtwerke.EMT.Strom", Role.EMT, "Stadtwerke", "Strom"),
        ("Admin.GWA", Role.GWA, "Admin", ""),
        ("Maker.GWH.2", Role.GWH, "Maker", "2"),
        ("Trial.CA", Role.CA, "Trial", ""),
        ("SM-Test-Root.CA", Role.ROOT, "SM-Test-Root", ""),
    ],
)
def test_a_common_name_says_role_and_id(common_name, role, owner, extension):
    subject = Subject.from_name(_common_name(common_name))
    assert (subject.role, subject.owner, subject.extension) == (role, owner, extension)
    assert subject.common_name == common_name


def test_the_roots_of_the_real_pki_and_of_a_trial_differ():
    assert Subject.from_name(_common_name("SM-Root.CA", ORGANIZATION)).role is Role.ROOT
    assert Subject.from_name(_common_name("SM-Root.CA")).role is Role.CA  # in a trial a CA like any other


def test_a_gateway_id_is_canonical_however_it_is_written():
    assert gateway("exxx 00 1234 5678") == gateway("EXXX0012345678") == gateway("exxx0012345678.sm")


@given(
    st.sampled_from([Role.EMT, Role.GWA, Role.GWH, Role.CA]),
    _ORGANIZATION_ID,
    st.one_of(st.just(""), _ORGANIZATION_ID),
    st.from_regex(r"[0-9]{0,19}", fullmatch=True),
)
def test_a_subject_returns_from_its_distinguished_name(role, owner, extension, serial):
    subject = Subject.checked(role, owner, extension, serial)
    assert Subject.from_name(subject.to_name()) == subject


def test_the_root_returns_from_its_distinguished_name():
    for organization in ("SM-PKI-DE", "SM-Test-PKI-DE"):
        assert Subject.from_name(root(organization).to_name()) == root(organization)


@pytest.mark.parametrize(
    "common_name",
    [
        "EXXX0012345678",
        "0901aa.SMGW",  # octets of a foreign id, no DIN 43863-5 id
        "EXXX0012345678.smgw",  # a certificate of the HAN or LMN (TR-03109-1), which no CA signed
        "EXXX0012345678.SMGW.2",
        "Stadtwerke.EMP",
        "Stadtwerke.Root-CA",
        "Stadt werke.EMT",
        "Stadtwerke.EMT.",
        ".EMT",
        "Stadtwerke.EMT.a.b",
        "../../etc.EMT",
        "a\x00b.EMT",
        "Städtwerke.EMT",
    ],
)
def test_another_common_name_is_refused(common_name):
    with pytest.raises(NameFormatError):
        Subject.from_name(_common_name(common_name))


def test_a_name_longer_than_a_common_name_may_be_is_refused():
    with pytest.raises(NameFormatError):
        Subject.checked(Role.EMT, "x" * 61)


@pytest.mark.parametrize(
    "name",
    [
        _name(),
        _name((NameOID.COMMON_NAME, "Stadtwerke.EMT")),
        _name((NameOID.ORGANIZATION_NAME, "SM-PKI-DE"), (NameOID.COMMON_NAME, "Stadtwerke.EMT")),
        _name(
            (NameOID.COUNTRY_NAME, "FR"),
            (NameOID.ORGANIZATION_NAME, "SM-PKI-DE"),
            (NameOID.COMMON_NAME, "Stadtwerke.EMT"),
        ),
        _common_name("Stadtwerke.EMT", "Let us encrypt"),
        _name(
            (NameOID.COUNTRY_NAME, "DE"),
            (NameOID.ORGANIZATION_NAME, "SM-PKI-DE"),
            (NameOID.COMMON_NAME, "Stadtwerke.EMT"),
            (NameOID.COMMON_NAME, "Admin.GWA"),
        ),
    ],
    ids=["empty", "only CN", "no country", "country", "organization", "two common names"],
)
def test_a_name_with_missing_or_doubtful_attributes_is_refused(name):
    with pytest.raises(NameFormatError):
        Subject.from_name(name)


def test_an_error_names_what_was_given_and_what_would_be_right():
    with pytest.raises(NameFormatError) as caught:
        gateway("UTB1429882966913")
    assert str(caught.value) == (
        "'UTB1429882966913' is no name of the SM-PKI. A gateway is named by its DIN 43863-5 id, such as EXXX0012345678."
    )
