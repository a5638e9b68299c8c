"""What our DLMS client makes of answers that are late, of another request, broken off, or a refusal of a list."""

from collections.abc import Callable

import pytest
from dlms_associated import KEYS, NOT_POSSIBLE, VALUE, associated, counter, invoke_of
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
)
from smgw.cosem import AttributeName
from smgw.cosem.data import octet_string
from smgw.dlms.apdus.apdu import decode_apdu
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.get import GetRequest, GetResponse, GetResponseBlock, GetResponseWithList
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.apdus.set import SetResponseBlock
from smgw.dlms.data import encode
from smgw.dlms.errors import (
    ServiceExceptionError,
    TransferError,
    UnexpectedApduError,
)
from smgw.dlms.meter.access import SERVER, Admission
from smgw.dlms.meter.server import Server
from smgw.dlms.security.ciphering import Ciphering, Setting
from smgw.dlms.session.association import State
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Associated, Failed, Got, Send, Stray
from smgw.errors import LocalProtocolError


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
