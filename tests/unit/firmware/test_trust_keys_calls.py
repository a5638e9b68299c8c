"""The grammar of the agent's socket: whatever arrives is a call, an answer, or refused in one way."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from smgw.errors import LocalProtocolError, RemoteProtocolError
from smgw.trust import errors
from smgw.trust.errors import KeyMismatchError, KeysUnavailableError, TrustError
from smgw.trust.keys.calls import AGREE, ANSWER_MAX, RANDOM, SIGN, Call, checked, failure, result_of, success
from smgw.trust.keys.pkcs11 import LostError

NAME = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    "call",
    [
        Call(SIGN, NAME, bytes(32)),
        Call(SIGN, NAME, bytes(48)),
        Call(SIGN, NAME, bytes(64)),
        Call(AGREE, NAME, b"\x04" + bytes(64)),
        Call(AGREE, NAME, b"\x04" + bytes(96)),
        Call(AGREE, NAME, b"\x04" + bytes(128)),
        Call(RANDOM, "", b"\x00\x01"),
        Call(RANDOM, "", b"\x04\x00"),
    ],
    ids=lambda call: f"{call.operation.decode()}-{len(call.data)}",
)
def test_a_call_is_read_as_it_was_written(call: Call) -> None:
    assert Call.read(call.octets) == call
    assert checked(call) == call


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"S",
        b"X" + NAME.encode() + bytes(32),
        b"S" + NAME.encode() + bytes(31),
        b"S" + NAME.upper().encode() + bytes(32),
        b"S" + NAME.encode()[:-1] + b"\n" + bytes(32),
        b"A" + NAME.encode() + bytes(32),
        b"R\x00\x00",
        b"R\x04\x01",
        b"R\x00",
        b"R\x00\x01\x00",
    ],
    ids=["empty", "bare", "other", "short", "capitals", "line", "digest-as-point", "none", "many", "half", "long"],
)
def test_what_breaks_the_grammar_is_refused(octets: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Call.read(octets)


@given(st.binary(max_size=300))
@example(b"S" + NAME.encode() + bytes(32))
def test_any_octets_are_a_call_or_refused(octets: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        assert Call.read(octets).octets == octets


def test_a_client_that_breaks_the_grammar_is_told_so_before_it_asks() -> None:
    with pytest.raises(LocalProtocolError):
        checked(Call(SIGN, NAME, b"no digest"))


def every_error() -> Iterator[type[TrustError]]:
    for one in vars(errors).values():
        if isinstance(one, type) and issubclass(one, TrustError):
            yield one


@pytest.mark.parametrize("kind", list(every_error()), ids=lambda kind: kind.__name__)
def test_every_error_arrives_as_it_was_raised(kind: type[TrustError]) -> None:
    with pytest.raises(kind) as raised:
        result_of(failure(kind("a fault", "A remedy.", subject="token x", file=Path("/var/lib/x.key"))))
    assert type(raised.value) is kind
    assert str(raised.value) == "/var/lib/x.key: token x: a fault. A remedy."


def test_a_long_error_is_cut_and_still_an_answer() -> None:
    answer = failure(KeyMismatchError("ä\n" * 9000, "ß" * 9000, file="/" + "x" * 9000))
    assert len(answer) < ANSWER_MAX
    with pytest.raises(KeyMismatchError):
        result_of(answer)


def test_an_error_of_a_holder_alone_arrives_as_the_one_behind_it() -> None:
    with pytest.raises(KeysUnavailableError) as raised:
        result_of(failure(LostError("a fault", "A remedy.")))
    assert type(raised.value) is KeysUnavailableError


def test_a_result_may_hold_any_octets() -> None:
    assert result_of(success(b"-\n+")) == b"-\n+"


@given(st.binary(max_size=100))
@example(b"-Path\n\n\n")
@example(b"-SmgwError\n\n\n")
def test_any_other_octets_are_no_answer(octets: bytes) -> None:
    if octets[:1] != b"+":
        with pytest.raises(TrustError) as raised:
            result_of(octets)
        assert type(raised.value) is KeysUnavailableError or octets[:1] == b"-"
