"""What our DLMS client makes of pushes, of octets not protected as agreed, and of hostile octets."""

import subprocess
import sys

import pytest
from dlms_associated import KEYS, SECRET, VALUE, associated, ciphered, counter
from dlms_pair import (
    ENERGY,
    PROFILE,
    Model,
    plain_pair,
    profile_octets,
)
from hypothesis import given
from hypothesis import strategies as st
from smgw.dlms.apdus.acse import Aare
from smgw.dlms.apdus.apdu import decode_apdu
from smgw.dlms.apdus.get import GetRequest, GetResponse
from smgw.dlms.apdus.notify import DataNotification
from smgw.dlms.errors import (
    AssociationRejectedError,
    ReplayError,
    SecurityError,
    ServiceExceptionError,
)
from smgw.dlms.security.ciphering import Ciphering, Form, Setting
from smgw.dlms.security.hls import Password
from smgw.dlms.security.secret import Secret
from smgw.dlms.security.suites import Gmac, Protection
from smgw.dlms.session.association import State
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Failed, Got, Pushed, Send
from smgw.errors import RemoteProtocolError


@pytest.mark.parametrize("asked", [False, True])
def test_a_push_is_told_whenever_it_comes(asked: bool) -> None:
    """R18."""
    wired = associated()
    push = DataNotification(1, b"", VALUE)
    if asked:
        wired.client.get(ENERGY)
    assert wired.push(wired.server.notify(push)) == [Pushed(push, False)]
    assert wired.client.busy is asked


def test_a_ciphered_push_is_told_as_such() -> None:
    wired = ciphered()
    push = DataNotification(1, b"", VALUE)
    assert wired.push(wired.server.notify(push)) == [Pushed(push, True)]
    assert wired.client.receive(push.encode()) == [Pushed(push, False)]


def test_an_answer_in_the_clear_is_refused_where_all_is_ciphered() -> None:
    wired = ciphered()
    wired.client.get(ENERGY)
    (failed,) = wired.client.receive(GetResponse(0xC1, VALUE).encode())
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, SecurityError)
    assert "in the clear" in str(failed.error)


def test_an_initiation_in_the_clear_is_refused_where_all_is_ciphered() -> None:
    client = Client(None, Ciphering(Setting(KEYS, b"UTBCLI01", counter(1))))
    client.associate()
    aare = Aare(0, 0, bytes.fromhex("0800065f1f0400007c1f04000007"), 3, responding_title=b"UTBMTR01")
    (failed,) = client.receive(aare.encode())
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, SecurityError)
    assert client.state is State.IDLE


def test_a_ciphered_answer_where_nothing_is_ciphered_is_refused() -> None:
    client = associated().client
    client.get(ENERGY)
    (failed,) = client.receive(bytes.fromhex("cc063000000001ff"))
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, SecurityError)


def test_an_old_answer_again_is_refused() -> None:
    wired = ciphered()
    wired.one(wired.client.get(ENERGY), Got)
    old = wired.traffic[-1][1]
    wired.client.get(ENERGY)
    (failed,) = wired.client.receive(old)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, ReplayError)


def test_an_answer_less_protected_than_agreed_is_refused() -> None:
    wired = ciphered()
    wired.client.get(ENERGY)
    weak = Ciphering(Setting(KEYS, b"UTBMTR01", counter(99), Protection.AUTHENTICATED))
    (failed,) = wired.client.receive(weak.protect(GetResponse(0xC1, VALUE).encode()))
    assert isinstance(failed, Failed)
    assert "ENCRYPTED" in str(failed.error)


def test_an_answer_of_another_system_title_is_refused() -> None:
    wired = ciphered()
    wired.client.get(ENERGY)
    other = Ciphering(Setting(KEYS, b"ANOTHER1", counter(99), form=Form.GENERAL))
    (failed,) = wired.client.receive(other.protect(GetResponse(0xC1, VALUE).encode()))
    assert isinstance(failed, Failed)
    assert "while the peer is" in str(failed.error)


def test_any_flipped_bit_of_a_ciphered_answer_is_refused() -> None:
    wired = ciphered()
    for bit in range(8 * 30):
        events = wired.client.get(ENERGY)
        wired.tamper = lambda direction, octets, bit=bit: (  # type: ignore[misc]
            octets if direction == "request" else flipped(octets, bit)
        )
        told = wired.run(events)
        assert not any(isinstance(event, Got) for event in told), f"bit {bit}"
        wired.client.abandon()


def flipped(octets: bytes, bit: int) -> bytes:
    changed = bytearray(octets)
    changed[bit // 8 % len(octets)] ^= 1 << bit % 8
    return bytes(changed)


def test_keys_and_passwords_are_in_no_text() -> None:
    """R27."""
    gmac = Gmac(KEYS, counter(1))
    client = Client(gmac, Ciphering(Setting(KEYS, b"UTBCLI01", counter(1)), dedicated=Secret(b"dedicated secret")))
    texts = [repr(client), repr(gmac), repr(Setting(KEYS, b"UTBCLI01", counter(1))), repr(Password(SECRET))]
    for text in texts:
        for secret in ("encryption key", "authenticates", "dedicated secret", "12345678"):
            assert secret not in text


@given(
    st.binary(max_size=120), st.sampled_from(["", "c401c100", "c402c10000000001", "61", "db08", "e0", "c701c1", "0f"])
)
def test_whatever_comes_the_client_tells_it_and_does_not_break(octets: bytes, head: str) -> None:
    for wired in (plain_pair(), associated()):
        client = wired.client
        if client.state is State.IDLE:
            client.associate()
        else:
            client.get(PROFILE)
        for event in client.receive(bytes.fromhex(head) + octets):
            if isinstance(event, Failed):
                assert isinstance(event.error, RemoteProtocolError | AssociationRejectedError | ServiceExceptionError)


@given(st.integers(0, 60), st.integers(0, 10_000))
def test_one_flipped_bit_anywhere_in_a_session_never_breaks_the_client(at: int, bit: int) -> None:
    wired = plain_pair(Model(rows=100), max_pdu_size=200)
    count = 0

    def tamper(direction: str, octets: bytes) -> bytes:
        nonlocal count
        count += 1
        return flipped(octets, bit % (8 * len(octets))) if count == at else octets

    wired.tamper = tamper
    told = wired.run(wired.client.associate())
    if wired.client.state is State.ASSOCIATED:
        told += wired.run(wired.client.get(PROFILE))
    assert wired.client.state in (State.IDLE, State.ASSOCIATED, State.ASSOCIATING)
    if at == 0:
        assert told[-1] == Got((profile_octets(100),))


def test_a_meter_without_ciphering_costs_no_cryptography() -> None:
    program = "import sys, smgw.dlms.session.client; print([name for name in sys.modules if 'cryptography' in name])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_a_request_is_a_get_of_that_attribute() -> None:
    client = associated().client
    (sent,) = client.get(ENERGY)
    assert isinstance(sent, Send)
    assert decode_apdu(sent.apdu) == GetRequest(0xC1, ENERGY, None)
