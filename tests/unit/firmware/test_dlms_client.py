"""What our DLMS client makes of meters that refuse, lie, answer late, in the clear, or nothing that it can read."""

import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest
from dlms_pair import (
    CLIENT,
    DENIED,
    ECHO,
    ENERGY,
    MISSING,
    NAME,
    PROFILE,
    SCALER_UNIT,
    TEXT,
    Model,
    Pair,
    plain_pair,
    profile_octets,
)
from hypothesis import given
from hypothesis import strategies as st
from smgw.cosem import AttributeName, MethodName, Obis
from smgw.cosem.data import octet_string
from smgw.dlms.apdus.acse import RLRE_TAG, Aare, Diagnostic, Mechanism, Release
from smgw.dlms.apdus.action import ActionResponseBlock
from smgw.dlms.apdus.apdu import decode_apdu
from smgw.dlms.apdus.block import GeneralBlock
from smgw.dlms.apdus.conformance import CLIENT as ASKED
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.descriptors import Block
from smgw.dlms.apdus.exception import ConfirmedServiceError, ExceptionResponse
from smgw.dlms.apdus.get import GetRequest, GetResponse, GetResponseBlock, GetResponseWithList
from smgw.dlms.apdus.notify import DataNotification
from smgw.dlms.apdus.results import DataAccessResult, ServiceError, StateError
from smgw.dlms.apdus.set import SetResponseBlock
from smgw.dlms.data import encode
from smgw.dlms.errors import (
    AssociationRejectedError,
    AuthenticationError,
    ReplayError,
    SecurityError,
    ServiceExceptionError,
    ServiceRefusedError,
    TransferError,
    UnexpectedApduError,
)
from smgw.dlms.meter.access import SERVER, Admission
from smgw.dlms.meter.server import Server
from smgw.dlms.security.ciphering import Ciphering, Form, Setting
from smgw.dlms.security.hls import Hashed, Password
from smgw.dlms.security.secret import Secret
from smgw.dlms.security.suites import Gmac, Keys, Protection, Suite
from smgw.dlms.session.association import Agreement, State
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Associated, Event, Failed, Got, Pushed, Released, Send, Stray
from smgw.errors import LocalProtocolError, RemoteProtocolError

KEYS = Keys.of(Suite.AES_GCM_128, b"encryption key !", b"authenticates it")
SECRET = Secret(b"12345678")
NOT_POSSIBLE = ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.OPERATION_NOT_POSSIBLE)
VALUE = bytes.fromhex("060012d687")


def counter(first: int) -> Callable[[], int]:
    return iter(range(first, 1 << 32)).__next__


def associated(**options: object) -> Pair:
    wired = plain_pair(**options)  # type: ignore[arg-type]
    wired.one(wired.client.associate(), Associated)
    return wired


def ciphered() -> Pair:
    """Associated with suite 0."""
    setting = Setting(KEYS, b"UTBMTR01", counter(1))
    server = Server(Model(), CLIENT, Admission(None, lambda: Ciphering(setting)))
    wired = Pair(Client(None, Ciphering(Setting(KEYS, b"UTBCLI01", counter(1)))), server)
    wired.one(wired.client.associate(), Associated)
    return wired


def invoke_of(events: Sequence[Event]) -> int:
    """Of the request that is to be sent."""
    (sent,) = events
    assert isinstance(sent, Send)
    request = decode_apdu(sent.apdu)
    return request.invoke  # type: ignore[union-attr]


# Association


def test_a_service_without_an_association_is_our_own_fault() -> None:
    with pytest.raises(LocalProtocolError, match="a service while not associated"):
        Client().get(ENERGY)


def test_an_empty_block_that_is_not_the_last_ends_a_get() -> None:
    """The numbers of blocks alone end after 2^32 of them."""
    client = associated().client
    answer = GetResponseBlock(invoke_of(client.get(ENERGY)), False, 1, b"").encode()
    (failed,) = client.receive(answer)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, TransferError)
    assert "block 1 is empty and not the last" in str(failed.error)


def test_an_empty_block_that_is_not_the_last_ends_an_action() -> None:
    client = associated().client
    answer = ActionResponseBlock(invoke_of(client.action(ECHO, VALUE)), Block(False, 1, b"")).encode()
    (failed,) = client.receive(answer)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, TransferError)


def test_one_request_at_a_time() -> None:
    client = associated().client
    client.get(ENERGY)
    assert client.busy
    for verb in (lambda: client.get(ENERGY), client.release):
        with pytest.raises(LocalProtocolError, match="a request is under way"):
            verb()


def test_a_wrong_password_is_a_rejection_with_its_diagnostic_and_may_be_tried_again() -> None:
    admission = Admission(Password(SECRET))
    wired = Pair(Client(Password(Secret(b"wrong"))), Server(Model(), CLIENT, admission))
    for _ in range(2):
        error = wired.failure(wired.client.associate(), AssociationRejectedError)
        assert (error.result, error.diagnostic) == (1, Diagnostic.AUTHENTICATION_FAILURE)
        assert "not the meter's" in str(error)
        assert wired.client.state is State.IDLE


@pytest.mark.parametrize(
    ("client", "server", "diagnostic"),
    [
        (None, Password(SECRET), Diagnostic.AUTHENTICATION_MECHANISM_NAME_REQUIRED),
        (Password(SECRET), None, Diagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED),
        (
            Password(SECRET),
            Hashed(Mechanism.HIGH_MD5, SECRET),
            Diagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED,
        ),
    ],
)
def test_another_mechanism_than_the_meter_s_is_a_rejection(
    client: Password | None, server: Password | Hashed | None, diagnostic: Diagnostic
) -> None:
    wired = Pair(Client(client), Server(Model(), CLIENT, Admission(server)))
    assert wired.failure(wired.client.associate(), AssociationRejectedError).diagnostic == diagnostic


def test_a_meter_that_does_not_know_the_secret_is_not_taken_for_ours() -> None:
    server = Server(Model(), CLIENT, Admission(Hashed(Mechanism.HIGH_SHA256, SECRET)))
    wired = Pair(Client(Hashed(Mechanism.HIGH_SHA256, Secret(b"another"))), server)
    error = wired.failure(wired.client.associate(), AuthenticationError)
    assert "does not accept our proof" in str(error)
    assert wired.client.state is server.state is State.IDLE


def test_a_meter_that_accepts_any_proof_must_still_give_its_own() -> None:
    server = Server(Model(), CLIENT, Admission(Hashed(Mechanism.HIGH_SHA256, SECRET)))
    wired = Pair(Client(Hashed(Mechanism.HIGH_SHA256, SECRET)), server)
    wired.tamper = lambda direction, octets: octets[:-1] + b"!" if octets[0] == 0xC7 else octets
    error = wired.failure(wired.client.associate(), AuthenticationError)
    assert "does not prove" in str(error)
    assert wired.client.state is State.IDLE


def test_the_proof_goes_to_the_association_object_that_the_caller_names() -> None:
    """R11: some meters take it at another one than 0-0:40.0.0."""
    place = MethodName(15, Obis.parse("0-0:40.0.3*255"), 1)
    hashed = Hashed(Mechanism.HIGH_SHA256, SECRET)
    wired = Pair(Client(hashed, reply_to_hls=place), Server(Model(), CLIENT, Admission(hashed, title=b"UTBMTR01")))
    wired.one(wired.client.associate(), Associated)
    requests = [decode_apdu(apdu) for direction, apdu in wired.traffic if direction == "request" and apdu[0] == 0xC3]
    assert [request.method for request in requests] == [place]  # type: ignore[union-attr]


def test_a_meter_that_asks_for_no_proof_is_refused_where_one_is_due() -> None:
    client = Client(Hashed(Mechanism.HIGH_SHA256, SECRET))
    client.associate()
    (failed,) = client.receive(Aare(0, 0, bytes.fromhex("0800065f1f0400007c1f04000007")).encode())
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, AuthenticationError)


def test_our_own_challenge_sent_back_is_refused() -> None:
    """Else anyone could let us answer it ourselves."""
    client = Client(Hashed(Mechanism.HIGH_SHA256, SECRET), random=bytes)
    client.associate()
    information = bytes.fromhex("0800065f1f0400007c1f04000007")
    aare = Aare(0, Diagnostic.AUTHENTICATION_REQUIRED, information, 1, Mechanism.HIGH_SHA256, bytes(16))
    (failed,) = client.receive(aare.encode())
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, AuthenticationError)


def test_an_acceptance_that_says_nothing_else_means_what_we_asked_for() -> None:
    """R9."""
    client = Client()
    client.associate()
    (told,) = client.receive(Aare(0, 0).encode())
    assert told == Associated(Agreement(ASKED, 0))


def test_a_rejection_that_names_its_cause_tells_it() -> None:
    client = Client()
    client.associate()
    cause = ConfirmedServiceError(1, 6, 3)
    (failed,) = client.receive(Aare(1, 1, cause.encode()).encode())
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, ServiceRefusedError)
    assert "pdu-size-too-short" in str(failed.error)


def test_an_exception_in_place_of_an_answer_to_the_association() -> None:
    """R6: the old association still lives."""
    client = Client()
    client.associate()
    (failed,) = client.receive(NOT_POSSIBLE.encode())
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, ServiceExceptionError)
    assert client.state is State.IDLE


def test_what_the_meter_did_not_agree_to_is_not_agreed_on() -> None:
    wired = plain_pair(admission=Admission(conformance=Conformance.GET))
    assert wired.one(wired.client.associate(), Associated).agreement.conformance == Conformance.GET


def test_general_protection_is_asked_for_where_it_is_used_and_not_of_meters_that_may_not_know_it() -> None:
    for form, asked in ((Form.SERVICE, False), (Form.GENERAL, True)):
        client = Client(None, Ciphering(Setting(KEYS, b"UTBCLI01", counter(1), form=form)))
        assert (Conformance.GENERAL_PROTECTION in client.agreement.conformance) is asked


def test_a_release_that_the_meter_does_not_know_is_no_fault() -> None:
    """R8."""
    wired = associated()
    wired.client.release()
    assert wired.client.receive(NOT_POSSIBLE.encode()) == [Released(False)]
    assert wired.client.state is State.IDLE


def test_a_push_while_releasing_is_told_and_is_not_the_answer() -> None:
    """R18."""
    wired = associated()
    wired.client.release()
    push = DataNotification(1, b"", VALUE)
    assert wired.client.receive(push.encode()) == [Pushed(push, False)]
    assert wired.client.state is State.RELEASING
    assert wired.client.receive(Release().encode(RLRE_TAG)) == [Released(True)]


def test_without_a_counter_nothing_is_opened_or_released_and_the_client_can_begin_again() -> None:
    """R10."""
    counts: list[int] = []

    def reserve() -> int:
        if not counts:
            raise LocalProtocolError("the store is full")
        return counts.pop(0)

    setting = Setting(KEYS, b"UTBMTR01", counter(1))
    server = Server(Model(), CLIENT, Admission(Gmac(KEYS, counter(1)), lambda: Ciphering(setting)))
    wired = Pair(Client(Gmac(KEYS, reserve), Ciphering(Setting(KEYS, b"UTBCLI01", reserve))), server)
    for amount in range(3):  # for the request, for the proof, for the APDU that carries it
        counts[:] = range(100 * amount, 100 * amount + amount)
        with pytest.raises(LocalProtocolError, match="the store is full"):
            wired.run(wired.client.associate())
        assert (wired.client.state, wired.client.busy) == (State.IDLE, False)
        server.lost()
    counts[:] = [500, 501, 502]
    wired.one(wired.client.associate(), Associated)
    with pytest.raises(LocalProtocolError, match="the store is full"):
        wired.client.release()
    assert wired.client.state is State.IDLE


@pytest.mark.parametrize("depth", [2, 3000])
def test_general_blocks_within_general_blocks_are_refused(depth: int) -> None:
    octets = b""
    for _ in range(depth):
        octets = GeneralBlock(True, False, 1, 1, 0, octets).encode()
    wired = associated()
    wired.client.get(ENERGY)
    (failed,) = wired.client.receive(octets)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, UnexpectedApduError)
    assert isinstance(wired.server.receive(octets)[0], Failed)


# Services


@pytest.mark.parametrize("attribute", [MISSING, DENIED])
def test_an_attribute_that_the_meter_denies_ends_nothing(attribute: AttributeName) -> None:
    """R30."""
    wired = associated()
    (result,) = wired.one(wired.client.get(attribute), Got).results
    assert isinstance(result, DataAccessResult)
    assert wired.one(wired.client.get(ENERGY), Got).results == (VALUE,)


def test_an_answer_with_another_invoke_id_is_not_ours() -> None:
    """R18."""
    client = associated().client
    invoke = invoke_of(client.get(ENERGY))
    (stray,) = client.receive(GetResponse(invoke ^ 1, VALUE).encode())
    assert isinstance(stray, Stray)
    assert client.receive(GetResponse(invoke, VALUE).encode()) == [Got((VALUE,))]


def test_the_priority_of_an_answer_does_not_matter() -> None:
    client = associated().client
    invoke = invoke_of(client.get(ENERGY))
    assert client.receive(GetResponse(invoke & 0x0F, VALUE).encode()) == [Got((VALUE,))]


def test_a_late_answer_is_not_taken_for_that_of_the_next_request() -> None:
    client = associated().client
    late = invoke_of(client.get(ENERGY))
    client.abandon()
    invoke = invoke_of(client.get(NAME))
    (stray,) = client.receive(GetResponse(late, VALUE).encode())
    assert isinstance(stray, Stray)
    assert client.receive(GetResponse(invoke, VALUE).encode()) == [Got((VALUE,))]


def test_a_lost_link_ends_the_association_and_what_was_asked() -> None:
    wired = associated()
    wired.client.get(ENERGY)
    wired.client.lost()
    wired.server.lost()
    assert (wired.client.state, wired.client.busy) == (State.IDLE, False)
    wired.one(wired.client.associate(), Associated)


def test_an_exception_tells_state_service_and_counter() -> None:
    """R10."""
    client = associated().client
    client.get(ENERGY)
    (failed,) = client.receive(bytes.fromhex("d80106000001f7"))
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, ServiceExceptionError)
    assert failed.error.counter == 503
    assert "503" in str(failed.error)
    assert not client.busy


def test_an_exception_that_answers_nothing_is_a_stray() -> None:
    (stray,) = associated().client.receive(NOT_POSSIBLE.encode())
    assert isinstance(stray, Stray)


@pytest.mark.parametrize("number", [2, 0])
def test_a_block_out_of_turn_ends_the_request(number: int) -> None:
    client = associated().client
    invoke = invoke_of(client.get(PROFILE))
    (failed,) = client.receive(GetResponseBlock(invoke, False, number, b"\x01").encode())
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, TransferError)


def test_a_meter_that_breaks_a_long_answer_off_says_why() -> None:
    client = associated().client
    invoke = invoke_of(client.get(PROFILE))
    client.receive(GetResponseBlock(invoke, False, 1, b"\x01").encode())
    aborted = GetResponseBlock(invoke, True, 2, DataAccessResult.LONG_GET_ABORTED)
    assert client.receive(aborted.encode()) == [Got((DataAccessResult.LONG_GET_ABORTED,))]


def test_a_request_that_the_meter_cannot_take_is_our_own_fault_and_leaves_the_client_ready() -> None:
    wired = associated(admission=Admission(conformance=Conformance.GET | Conformance.SET, max_pdu_size=50))
    with pytest.raises(LocalProtocolError, match="the meter takes 50 and no blocks"):
        wired.client.set(TEXT, encode(octet_string(bytes(100))))
    assert wired.one(wired.client.get(ENERGY), Got).results == (VALUE,)


def test_a_counter_that_cannot_be_kept_stops_the_request_before_it_is_sent() -> None:
    """R10."""
    counts = iter([1, 2])

    def reserve() -> int:
        try:
            return next(counts)
        except StopIteration:
            raise LocalProtocolError("the store is full") from None

    setting = Setting(KEYS, b"UTBMTR01", counter(1))
    server = Server(Model(), CLIENT, Admission(None, lambda: Ciphering(setting)))
    wired = Pair(Client(None, Ciphering(Setting(KEYS, b"UTBCLI01", reserve))), server)
    wired.one(wired.client.associate(), Associated)
    wired.one(wired.client.get(ENERGY), Got)
    with pytest.raises(LocalProtocolError, match="the store is full"):
        wired.client.get(ENERGY)
    assert not wired.client.busy


# Lists


def refuse_lists(longest: int, refusal: bytes) -> Callable[[str, bytes], bytes]:
    """A meter that takes no longer list: what stands in place of its answer."""
    long = False

    def tamper(direction: str, octets: bytes) -> bytes:
        nonlocal long
        if direction == "request":
            long = octets[:2] == b"\xc0\x03" and octets[3] > longest
            return octets
        if not long:
            return octets
        return refusal if refusal[0] == 0xD8 else refusal[:2] + octets[2:3] + refusal[3:]

    return tamper


@pytest.mark.parametrize("longest", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "refusal", [bytes.fromhex("d80104"), bytes.fromhex("d80202"), bytes.fromhex("c401c101fa")], ids=bytes.hex
)
def test_a_list_that_the_meter_refuses_is_halved_until_it_does_not(longest: int, refusal: bytes) -> None:
    """R19."""
    wired = associated()
    wired.tamper = refuse_lists(longest, refusal)
    wanted = [ENERGY, SCALER_UNIT, NAME, MISSING, ENERGY, TEXT, SCALER_UNIT]
    results = wired.one(wired.client.get_with_list(wanted), Got).results
    assert [isinstance(result, bytes) for result in results] == [True, True, True, False, True, True, True]
    refused_once = len(wired.traffic)
    wired.one(wired.client.get_with_list(wanted), Got)
    assert len(wired.traffic) - refused_once <= refused_once, "what was refused once is not tried again"


def test_a_list_longer_than_the_meter_s_apdu_is_cut() -> None:
    wired = associated(admission=Admission(max_pdu_size=64))
    results = wired.one(wired.client.get_with_list([ENERGY] * 20), Got).results
    assert results == (VALUE,) * 20
    assert all(len(octets) <= 64 for direction, octets in wired.traffic if direction == "request")


def test_the_one_object_that_upsets_a_meter_does_not_cost_the_others() -> None:
    """R30."""
    wired = associated(admission=Admission(conformance=SERVER & ~Conformance.MULTIPLE_REFERENCES))
    upset = False

    def tamper(direction: str, octets: bytes) -> bytes:
        nonlocal upset
        if direction == "request":
            upset = bytes(MISSING.obis) in octets
        return NOT_POSSIBLE.encode() if direction == "answer" and upset else octets

    wired.tamper = tamper
    results = wired.one(wired.client.get_with_list([MISSING, ENERGY, SCALER_UNIT]), Got).results
    assert results == (DataAccessResult.OTHER_REASON, VALUE, bytes.fromhex("02020f00161e"))
    assert wired.failure(wired.client.get_with_list([MISSING]), ServiceExceptionError).state == 1


def test_a_list_with_too_few_results_is_refused() -> None:
    client = associated().client
    invoke = invoke_of(client.get_with_list([ENERGY, NAME]))
    (failed,) = client.receive(GetResponseWithList(invoke, (VALUE,)).encode())
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, TransferError)


def test_a_list_that_is_refused_after_its_first_block_is_halved() -> None:
    """R19."""
    client = associated().client
    invoke = invoke_of(client.get_with_list([ENERGY, NAME]))
    client.receive(GetResponseBlock(invoke, False, 1, b"\x02\x00").encode())
    refused = GetResponseBlock(invoke, True, 2, DataAccessResult.LONG_GET_ABORTED)
    (sent,) = client.receive(refused.encode())
    assert isinstance(sent, Send)
    single = decode_apdu(sent.apdu)
    assert isinstance(single, GetRequest)
    assert single.attribute == ENERGY


def test_a_wrong_counter_in_the_middle_of_a_list_is_not_the_list_s_fault() -> None:
    """R10."""
    client = associated().client
    client.get_with_list([ENERGY, NAME])
    (failed,) = client.receive(bytes.fromhex("d80106000001f7"))
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, ServiceExceptionError)
    assert failed.error.counter == 503


def test_an_acknowledgement_of_another_block_than_was_sent_ends_the_request() -> None:
    client = associated(admission=Admission(max_pdu_size=100)).client
    invoke = invoke_of(client.set(TEXT, encode(octet_string(bytes(500)))))
    (failed,) = client.receive(SetResponseBlock(invoke, 2).encode())
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, TransferError)


@pytest.mark.parametrize("verb", ["get", "set", "action"])
def test_an_answer_to_another_service_ends_the_request(verb: str) -> None:
    client = associated().client
    events = {
        "get": lambda: client.get(ENERGY),
        "set": lambda: client.set(TEXT, VALUE),
        "action": lambda: client.action(ECHO),
    }[verb]()
    invoke = invoke_of(events)
    answer = SetResponseBlock(invoke, 1) if verb != "set" else GetResponse(invoke, VALUE)
    (failed,) = client.receive(answer.encode())
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, UnexpectedApduError)
    assert verb.upper() in str(failed.error)


# Pushes and ciphering


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


# Hostile octets


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
