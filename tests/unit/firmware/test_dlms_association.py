"""ACSE: the octets of associations as meters send them, whole, incomplete and damaged; the states."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smgw.dlms.apdus.acse import (
    AARE_TAG,
    RLRE_TAG,
    RLRQ_TAG,
    Aare,
    Aarq,
    AcseError,
    ApplicationContext,
    Diagnostic,
    Mechanism,
    ProviderDiagnostic,
    Release,
    named,
)
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.errors import AssociationRejectedError
from smgw.dlms.session.association import Agreement, Association, State, Step
from smgw.errors import LocalProtocolError

INITIATE = bytes.fromhex("01000000065f1f0400007e1f04b0")
# Green Book 11.4 and what public readers and meters send; none of it is ours.
PLAIN_AARQ = "601DA109060760857405080101BE10040E01000000065F1F0400007E1F04B0"
LOW_AARQ = (
    "6036A1090607608574050801018A0207808B0760857405080201AC0A80083132333435363738BE10040E01000000065F1F0400007E1F04B0"
)
HIGH_AARQ = (
    "6036A1090607608574050801018A0207808B0760857405080205AC0A80084B35366956616759BE10040E01000000065F1F0400007E1F04B0"
)
PLAIN_AARE = "6129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F0400007C1F04000007"
HIGH_AARE = (
    "6142A109060760857405080101A203020100A305A10302010E88020780890760857405080205AA0A8008503677524A323146"
    "BE10040E0800065F1F0400007C1F04000007"
)


def test_a_request_without_password_is_that_of_the_green_book() -> None:
    aarq = Aarq(ApplicationContext.LOGICAL_NAMES, INITIATE)
    assert aarq.encode().hex().upper() == PLAIN_AARQ
    assert Aarq.decode(bytes.fromhex(PLAIN_AARQ)) == aarq


def test_a_request_with_a_password_is_that_of_the_green_book() -> None:
    aarq = Aarq(ApplicationContext.LOGICAL_NAMES, INITIATE, Mechanism.LOW, b"12345678")
    assert aarq.encode().hex().upper() == LOW_AARQ
    assert Aarq.decode(bytes.fromhex(LOW_AARQ)) == aarq


def test_a_request_with_a_challenge_is_that_of_the_green_book() -> None:
    aarq = Aarq(ApplicationContext.LOGICAL_NAMES, INITIATE, Mechanism.HIGH_GMAC, b"K56iVagY")
    assert aarq.encode().hex().upper() == HIGH_AARQ


@pytest.mark.parametrize("octets", [PLAIN_AARE, HIGH_AARE])
def test_an_answer_is_that_of_the_green_book(octets: str) -> None:
    aare = Aare.decode(bytes.fromhex(octets))
    assert aare.encode().hex().upper() == octets
    assert aare.user_information.hex() == "0800065f1f0400007c1f04000007"
    assert aare.diagnostic == (Diagnostic.AUTHENTICATION_REQUIRED if octets == HIGH_AARE else 0)


def test_a_rejection_without_user_information_or_title_is_read() -> None:
    """R9."""
    aare = Aare.decode(bytes.fromhex("6117A109060760857405080101A203020101A305A10302010D"))
    assert (aare.result, aare.diagnostic, aare.user_information) == (1, 13, b"")


def test_a_rejection_by_the_provider_is_told_from_one_by_the_user() -> None:
    aare = Aare.decode(bytes.fromhex("6117A109060760857405080101A203020102A305A203020102"))
    assert aare.by_provider
    assert aare.diagnostic == ProviderDiagnostic.NO_COMMON_ACSE_VERSION


def test_an_answer_with_nothing_but_a_result_is_read() -> None:
    """R9."""
    assert Aare.decode(bytes.fromhex("6105A203020101")).result == 1


def test_a_release_with_and_without_contents() -> None:
    assert Release().encode(RLRQ_TAG).hex() == "6203800100"
    assert Release.decode(bytes.fromhex("6300"), RLRE_TAG) == Release(b"", None)
    assert Release.decode(Release(INITIATE).encode(RLRE_TAG), RLRE_TAG) == Release(INITIATE)


@given(
    st.sampled_from(list(ApplicationContext)),
    st.binary(max_size=300),
    st.sampled_from(list(Mechanism)[1:]),
    st.binary(min_size=1, max_size=64),
    st.binary(max_size=8),
)
def test_requests_are_read_as_they_were_written(
    context: ApplicationContext, information: bytes, mechanism: Mechanism, value: bytes, title: bytes
) -> None:
    aarq = Aarq(context, information, mechanism, value, title)
    assert Aarq.decode(aarq.encode()) == aarq


@given(
    st.integers(0, 2),
    st.integers(0, 14),
    st.binary(max_size=300),
    st.sampled_from(list(Mechanism)[1:]),
    st.binary(min_size=1, max_size=64),
    st.binary(max_size=8),
    st.booleans(),
)
def test_answers_are_read_as_they_were_written(
    result: int,
    diagnostic: int,
    information: bytes,
    mechanism: Mechanism,
    value: bytes,
    title: bytes,
    by_provider: bool,
) -> None:
    aare = Aare(result, diagnostic, information, 1, mechanism, value, title, by_provider)
    assert Aare.decode(aare.encode()) == aare


@given(st.binary(max_size=80), st.sampled_from([b"", b"\x60\x40", b"\x61\x40", b"\x61\x1d\xa1\x09"]))
def test_no_octets_raise_anything_but_an_acse_error(octets: bytes, head: bytes) -> None:
    for read in (Aarq.decode, Aare.decode, lambda given: Release.decode(given, RLRE_TAG)):
        with contextlib.suppress(AcseError):
            assert read(head + octets)


@pytest.mark.parametrize("octets", [PLAIN_AARE, HIGH_AARE])
def test_an_answer_cut_anywhere_is_refused(octets: str) -> None:
    whole = bytes.fromhex(octets)
    for end in range(len(whole)):
        with pytest.raises(AcseError):
            Aare.decode(whole[:end])


def test_another_apdu_is_no_answer() -> None:
    with pytest.raises(AcseError, match=f"{AARE_TAG:02X}"):
        Aare.decode(bytes.fromhex("c401c10006000000ff"))


def test_a_password_does_not_show() -> None:
    """R27."""
    aarq = Aarq(ApplicationContext.LOGICAL_NAMES, INITIATE, Mechanism.LOW, b"12345678")
    assert "12345678" not in repr(aarq)
    assert "31323334" not in f"{aarq}"


def test_codes_have_words_and_unknown_ones_stay_numbers() -> None:
    assert named(Diagnostic, 13) == "authentication failure (13)"
    assert named(Diagnostic, 99) == "code 99"


@pytest.mark.parametrize(
    ("diagnostic", "by_provider", "words"),
    [
        (13, False, "authentication failure (13); the password or the keys are not the meter's"),
        (2, True, "no common acse version (2)"),
        (77, False, "code 77"),
    ],
)
def test_a_rejection_says_what_is_right(diagnostic: int, by_provider: bool, words: str) -> None:
    assert str(AssociationRejectedError(1, diagnostic, by_provider=by_provider)).endswith(words)


@pytest.mark.parametrize("state", State)
def test_a_step_out_of_turn_is_refused_and_changes_nothing(state: State) -> None:
    allowed = {
        State.IDLE: {Step.REQUESTED},
        State.ASSOCIATING: {Step.ACCEPTED, Step.CHALLENGED, Step.REJECTED},
        State.PROVING: {Step.PROVED, Step.REJECTED},
        State.ASSOCIATED: {Step.RELEASE},
        State.RELEASING: {Step.RELEASED},
    }[state]
    for step in set(Step) - allowed:
        association = Association()
        association.state = state
        with pytest.raises(LocalProtocolError, match=f"while {state.value}"):
            association.step(step)
        assert association.state is state


def test_an_agreement_allows_what_both_can() -> None:
    agreement = Agreement(Conformance.GET | Conformance.BLOCK_GET, 100)
    assert agreement.allows(Conformance.GET | Conformance.BLOCK_GET)
    assert not agreement.allows(Conformance.GET | Conformance.SET)
