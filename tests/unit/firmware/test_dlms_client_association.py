"""How our DLMS client opens and closes associations with meters that refuse, lie, or prove nothing."""

import pytest
from dlms_associated import KEYS, NOT_POSSIBLE, SECRET, VALUE, associated, counter, invoke_of
from dlms_pair import (
    CLIENT,
    ECHO,
    ENERGY,
    Model,
    Pair,
    plain_pair,
)
from smgw.cosem import MethodName, Obis
from smgw.dlms.apdus.acse import RLRE_TAG, Aare, Diagnostic, Mechanism, Release
from smgw.dlms.apdus.action import ActionResponseBlock
from smgw.dlms.apdus.apdu import decode_apdu
from smgw.dlms.apdus.block import GeneralBlock
from smgw.dlms.apdus.conformance import CLIENT as ASKED
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.descriptors import Block
from smgw.dlms.apdus.exception import ConfirmedServiceError
from smgw.dlms.apdus.get import GetResponseBlock
from smgw.dlms.apdus.notify import DataNotification
from smgw.dlms.errors import (
    AssociationRejectedError,
    AuthenticationError,
    ServiceExceptionError,
    ServiceRefusedError,
    TransferError,
    UnexpectedApduError,
)
from smgw.dlms.meter.access import Admission
from smgw.dlms.meter.server import Server
from smgw.dlms.security.ciphering import Ciphering, Form, Setting
from smgw.dlms.security.hls import Hashed, Password
from smgw.dlms.security.secret import Secret
from smgw.dlms.security.suites import Gmac
from smgw.dlms.session.association import Agreement, State
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Associated, Failed, Pushed, Released
from smgw.errors import LocalProtocolError


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
    wired.tamper = lambda direction, octets: octets[:-1] + bytes([octets[-1] ^ 1]) if octets[0] == 0xC7 else octets
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
