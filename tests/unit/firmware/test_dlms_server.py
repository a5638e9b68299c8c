"""What our DLMS server answers to clients that are not admitted, ask out of turn, or send what nobody can read."""

from collections.abc import Callable

import pytest
from dlms_pair import CLIENT, ECHO, ENERGY, MISSING, NAME, PROFILE, SCALER_UNIT, TEXT, Model, Pair, plain_pair
from hypothesis import given
from hypothesis import strategies as st
from smgw.cosem import MethodName
from smgw.cosem.data import octet_string
from smgw.dlms.apdus.acse import Aare, Aarq, Mechanism, Release
from smgw.dlms.apdus.action import (
    ActionRequest,
    ActionRequestBlock,
    ActionRequestNextBlock,
    ActionRequestWithList,
    ActionRequestWithListFirstBlock,
    ActionResponse,
    ActionResponseNextBlock,
    ActionResponseWithList,
    Outcome,
)
from smgw.dlms.apdus.apdu import Apdu, decode_apdu
from smgw.dlms.apdus.conformance import CLIENT as ASKED
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.descriptors import Block, Selection
from smgw.dlms.apdus.exception import ExceptionResponse
from smgw.dlms.apdus.get import GetRequest, GetRequestNext, GetResponse, GetResponseBlock
from smgw.dlms.apdus.initiate import InitiateRequest
from smgw.dlms.apdus.results import ActionResult, DataAccessResult, ServiceError, StateError
from smgw.dlms.apdus.set import (
    SetRequest,
    SetRequestBlock,
    SetRequestFirstBlock,
    SetRequestWithList,
    SetRequestWithListFirstBlock,
    SetResponseBlock,
    SetResponseLastBlock,
    SetResponseLastBlockWithList,
    SetResponseWithList,
    encode_values,
)
from smgw.dlms.data import encode
from smgw.dlms.errors import AuthenticationError, SecurityError, ServiceExceptionError, ServiceRefusedError
from smgw.dlms.meter.access import SERVER, Admission
from smgw.dlms.meter.server import Server
from smgw.dlms.security.ciphering import Ciphering, Received, Setting
from smgw.dlms.security.hls import Hashed
from smgw.dlms.security.secret import Secret
from smgw.dlms.security.suites import Keys, Suite
from smgw.dlms.session.association import REPLY_TO_HLS, State
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Associated, Failed, Got, Released, Send

KEYS = Keys.of(Suite.AES_GCM_128, b"encryption key !", b"authenticates it")
SECRET = Secret(b"12345678")
INITIATE = InitiateRequest(ASKED, 0)
NOT_NOW = ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.OPERATION_NOT_POSSIBLE)
NOT_SUPPORTED = ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.SERVICE_NOT_SUPPORTED)
LONG_TEXT = encode(octet_string(b"long " * 100))


def counter(first: int) -> Callable[[], int]:
    return iter(range(first, 1 << 32)).__next__


def ready(model: Model | None = None, **admission: object) -> Server:
    """Associated with a client that has no password."""
    wired = plain_pair(model, Admission(**admission))  # type: ignore[arg-type]
    wired.one(wired.client.associate(), Associated)
    return wired.server


def sent(server: Server, request: Apdu) -> Apdu:
    """The one answer to a request."""
    (event,) = [event for event in server.receive(request.encode()) if isinstance(event, Send)]
    return decode_apdu(event.apdu)


def ciphered_pair(received: Received, first: int) -> Pair:
    setting = Setting(KEYS, b"UTBMTR01", counter(1))
    server = Server(Model(), CLIENT, Admission(None, lambda: Ciphering(setting, received=received)))
    return Pair(Client(None, Ciphering(Setting(KEYS, b"UTBCLI01", counter(first)))), server)


# Association


def test_a_service_before_the_association_is_refused() -> None:
    assert sent(Server(Model(), CLIENT, Admission()), GetRequest(0xC1, ENERGY)) == NOT_NOW


def test_a_service_before_the_proof_is_refused() -> None:
    server = Server(Model(), CLIENT, Admission(Hashed(Mechanism.HIGH_MD5, SECRET)))
    server.receive(Aarq(1, INITIATE.encode(), Mechanism.HIGH_MD5, b"challenge").encode())
    assert server.state is State.PROVING
    assert sent(server, GetRequest(0xC1, ENERGY)) == NOT_NOW


@pytest.mark.parametrize("parameter", [None, b"\x00", encode(octet_string(b"guessed"))])
def test_a_wrong_proof_closes_the_association(parameter: bytes | None) -> None:
    server = Server(Model(), CLIENT, Admission(Hashed(Mechanism.HIGH_MD5, SECRET)))
    server.receive(Aarq(1, INITIATE.encode(), Mechanism.HIGH_MD5, b"challenge").encode())
    reply, failed = server.receive(ActionRequest(0xC1, REPLY_TO_HLS, parameter).encode())
    assert reply == Send(ActionResponse(0xC1, Outcome(ActionResult.OTHER_REASON)).encode())
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, AuthenticationError)
    assert server.state is State.IDLE


def test_a_second_association_is_refused_while_the_first_one_lives() -> None:
    """What R6 meets on real meters."""
    server = ready()
    assert server.receive(Aarq(1, INITIATE.encode()).encode()) == [Send(NOT_NOW.encode())]
    assert sent(server, GetRequest(0xC1, NAME)) == GetResponse(0xC1, encode(octet_string(b"UTB0000000000001")))


@pytest.mark.parametrize("length", [0, 7, 65])
def test_a_challenge_of_another_length_than_8_to_64_is_a_rejection(length: int) -> None:
    server = Server(Model(), CLIENT, Admission(Hashed(Mechanism.HIGH_MD5, SECRET)))
    reply, _ = server.receive(Aarq(1, INITIATE.encode(), Mechanism.HIGH_MD5, bytes(length)).encode())
    assert isinstance(reply, Send)
    assert Aare.decode(reply.apdu).diagnostic == 13
    assert server.state is State.IDLE


@pytest.mark.parametrize(
    ("initiate", "words"),
    [
        (INITIATE._replace(version=5), "dlms-version-too-low"),
        (INITIATE._replace(conformance=Conformance.READ), "incompatible-conformance"),
        (INITIATE._replace(max_pdu_size=11), "pdu-size-too-short"),
    ],
)
def test_what_cannot_be_agreed_on_is_named(initiate: InitiateRequest, words: str) -> None:
    server = Server(Model(), CLIENT, Admission())
    client = Client(conformance=initiate.conformance, max_pdu_size=initiate.max_pdu_size)
    client.associate()
    (reply, _) = server.receive(Aarq(1, initiate.encode()).encode())
    assert isinstance(reply, Send)
    (failed,) = client.receive(reply.apdu)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, ServiceRefusedError)
    assert failed.error.answer.words.endswith(words)
    assert server.state is State.IDLE


def test_the_wrong_context_is_a_rejection() -> None:
    server = Server(Model(), CLIENT, Admission())
    reply, _ = server.receive(Aarq(3, INITIATE.encode()).encode())
    assert isinstance(reply, Send)
    assert (Aare.decode(reply.apdu).result, Aare.decode(reply.apdu).diagnostic) == (1, 2)


def test_an_initiation_in_the_clear_is_a_rejection_where_all_is_ciphered() -> None:
    server = ciphered_pair(Received(), 1).server
    reply, _ = server.receive(Aarq(3, INITIATE.encode(), calling_title=b"UTBCLI01").encode())
    assert isinstance(reply, Send)
    assert Aare.decode(reply.apdu).result == 1
    assert server.state is State.IDLE


def test_an_old_counter_is_refused_with_the_one_that_is_right_across_associations() -> None:
    """R10."""
    received = Received()
    first = ciphered_pair(received, 100)
    first.one(first.client.associate(), Associated)
    first.one(first.client.get(ENERGY), Got)
    again = ciphered_pair(received, 100)
    error = again.failure(again.client.associate(), ServiceExceptionError)
    assert error.counter == 102
    assert again.server.state is State.IDLE
    right = ciphered_pair(received, error.counter)
    right.one(right.client.associate(), Associated)


def test_a_release_in_the_clear_is_refused_where_all_is_ciphered() -> None:
    """Else anyone on the line could end an association."""
    wired = ciphered_pair(Received(), 1)
    wired.one(wired.client.associate(), Associated)
    failed, _ = wired.server.receive(Release().encode(0x62))
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, SecurityError)
    assert wired.server.state is State.ASSOCIATED
    wired.one(wired.client.release(), Released)


def test_a_request_in_the_clear_is_refused_where_all_is_ciphered() -> None:
    wired = ciphered_pair(Received(), 1)
    wired.one(wired.client.associate(), Associated)
    answer = sent(wired.server, GetRequest(0xC1, ENERGY))
    assert answer == ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.DECIPHERING_ERROR)


# Services


@pytest.mark.parametrize(
    "request_",
    [SetRequest(0xC1, TEXT, LONG_TEXT), ActionRequest(0xC1, ECHO, None), GetRequestNext(0xC1, 1)],
    ids=lambda request: type(request).__name__,
)
def test_a_service_that_was_not_agreed_on_is_refused(request_: Apdu) -> None:
    assert sent(ready(conformance=Conformance.GET), request_) == NOT_SUPPORTED


def test_without_any_kind_of_blocks_a_long_value_is_refused_and_a_short_one_is_not() -> None:
    """R19: the public client of many a meter."""
    client = Client(max_pdu_size=100)
    wired = Pair(client, Server(Model(rows=100), CLIENT, Admission(conformance=Conformance.GET)))
    wired.one(client.associate(), Associated)
    assert wired.one(client.get(PROFILE), Got).results == (DataAccessResult.DATA_BLOCK_UNAVAILABLE,)
    assert wired.one(client.get(SCALER_UNIT), Got).results == (bytes.fromhex("02020f00161e"),)


def test_a_selection_that_was_not_agreed_on_is_refused() -> None:
    server = ready(conformance=SERVER & ~Conformance.SELECTIVE_ACCESS)
    answer = sent(server, GetRequest(0xC1, PROFILE, Selection(2, b"\x00")))
    assert answer == GetResponse(0xC1, DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)


def test_the_next_block_of_nothing_is_refused() -> None:
    answer = sent(ready(), GetRequestNext(0xC1, 1))
    assert answer == GetResponseBlock(0xC1, True, 1, DataAccessResult.NO_LONG_GET_IN_PROGRESS)


def test_the_wrong_next_block_ends_the_transfer() -> None:
    wired = plain_pair(Model(rows=100), max_pdu_size=200)
    wired.one(wired.client.associate(), Associated)
    server = wired.server
    assert isinstance(sent(server, GetRequest(0xC1, PROFILE)), GetResponseBlock)
    answer = sent(server, GetRequestNext(0xC1, 7))
    assert answer == GetResponseBlock(0xC1, True, 7, DataAccessResult.DATA_BLOCK_NUMBER_INVALID)
    assert sent(server, GetRequestNext(0xC1, 1)).result is DataAccessResult.NO_LONG_GET_IN_PROGRESS  # type: ignore[union-attr]


def test_a_request_that_wants_no_answer_gets_none() -> None:
    model = Model()
    assert ready(model).receive(SetRequest(0x81, TEXT, LONG_TEXT).encode()) == []
    assert model.values[TEXT] == LONG_TEXT


def test_lists_of_values_are_written() -> None:
    model = Model()
    attributes = ((TEXT, None), (ENERGY, None))
    answer = sent(ready(model), SetRequestWithList(0xC1, attributes, (LONG_TEXT, b"\x00")))
    assert answer == SetResponseWithList(0xC1, (DataAccessResult.SUCCESS, DataAccessResult.READ_WRITE_DENIED))
    assert model.values[TEXT] == LONG_TEXT


def test_lists_of_values_are_written_from_blocks() -> None:
    model = Model()
    server = ready(model)
    values = encode_values((LONG_TEXT, b"\x00"))
    attributes = ((TEXT, None), (ENERGY, None))
    first = SetRequestWithListFirstBlock(0xC1, attributes, Block(False, 1, values[:50]))
    assert sent(server, first) == SetResponseBlock(0xC1, 1)
    assert sent(server, SetRequestBlock(0xC1, Block(True, 2, values[50:]))) == SetResponseLastBlockWithList(
        0xC1, (DataAccessResult.SUCCESS, DataAccessResult.READ_WRITE_DENIED), 2
    )
    assert model.values[TEXT] == LONG_TEXT


def test_a_list_with_fewer_values_than_attributes_writes_none() -> None:
    model = Model()
    values = encode_values((LONG_TEXT,))
    attributes = ((TEXT, None), (ENERGY, None))
    answer = sent(ready(model), SetRequestWithListFirstBlock(0xC1, attributes, Block(True, 1, values)))
    assert answer == SetResponseLastBlockWithList(0xC1, (DataAccessResult.TYPE_UNMATCHED,) * 2, 1)
    assert model.values[TEXT] != LONG_TEXT


def test_a_block_of_a_value_that_was_not_begun_or_is_out_of_turn_is_refused() -> None:
    server = ready()
    block = SetRequestBlock(0xC1, Block(True, 2, b""))
    assert sent(server, block) == SetResponseLastBlock(0xC1, DataAccessResult.NO_LONG_SET_IN_PROGRESS, 2)
    sent(server, SetRequestFirstBlock(0xC1, TEXT, Block(False, 1, b"\x09")))
    skipped = SetRequestBlock(0xC1, Block(True, 3, b""))
    assert sent(server, skipped) == SetResponseLastBlock(0xC1, DataAccessResult.DATA_BLOCK_NUMBER_INVALID, 3)
    assert sent(server, block) == SetResponseLastBlock(0xC1, DataAccessResult.NO_LONG_SET_IN_PROGRESS, 2)


def test_lists_of_methods_are_carried_out_also_from_blocks() -> None:
    server = ready()
    done = ActionResponseWithList(
        0xC1, (Outcome(ActionResult.SUCCESS, b"\x00"), Outcome(ActionResult.OBJECT_UNDEFINED))
    )
    methods = (ECHO, MethodName(*MISSING))
    assert sent(server, ActionRequestWithList(0xC1, methods, (b"\x00", b"\x00"))) == done
    values = encode_values((b"\x00", b"\x00"))
    first = ActionRequestWithListFirstBlock(0xC1, methods, Block(False, 1, values[:1]))
    assert sent(server, first) == ActionResponseNextBlock(0xC1, 1)
    assert sent(server, ActionRequestBlock(0xC1, Block(True, 2, values[1:]))) == done


@pytest.mark.parametrize(
    ("request_", "result"),
    [
        (ActionRequestBlock(0xC1, Block(True, 2, b"")), ActionResult.NO_LONG_ACTION_IN_PROGRESS),
        (ActionRequestNextBlock(0xC1, 1), ActionResult.LONG_ACTION_ABORTED),
        (
            ActionRequestWithListFirstBlock(0xC1, (ECHO, ECHO), Block(True, 1, encode_values((b"\x00",)))),
            ActionResult.TYPE_UNMATCHED,
        ),
    ],
)
def test_an_action_out_of_turn_is_refused(request_: Apdu, result: ActionResult) -> None:
    assert sent(ready(), request_) == ActionResponse(0xC1, Outcome(result))


# Hostile octets


@given(st.binary(max_size=100), st.sampled_from(["", "60", "62", "c001c1", "c104c1", "c303c1", "c305c1", "c8", "e0"]))
def test_whatever_comes_the_server_answers_and_does_not_break(octets: bytes, head: str) -> None:
    for server in (Server(Model(), CLIENT, Admission()), ready(), ciphered_pair(Received(), 1).server):
        for event in server.receive(bytes.fromhex(head) + octets):
            assert not isinstance(event, Send) or event.apdu


def test_octets_that_nobody_can_read_are_answered_by_an_exception() -> None:
    failed, reply = ready().receive(b"\xc0\x09")
    assert isinstance(failed, Failed)
    assert reply == Send(ExceptionResponse(StateError.SERVICE_UNKNOWN, ServiceError.OTHER_REASON).encode())
