"""Our DLMS client, over our link and wrapper, reads the meter simulator of pydlms-client, which others wrote."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from dlms_driver import Driver, Line
from dlms_pair import profile_octets
from smgw.cosem import AttributeName, MethodName, Obis
from smgw.cosem.data import Data, DataType, octet_string
from smgw.dlms.apdus.acse import Mechanism
from smgw.dlms.apdus.conformance import CLIENT as ASKED
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.apdus.notify import DataNotification
from smgw.dlms.apdus.results import ActionResult, DataAccessResult
from smgw.dlms.carriers.wrapper import Wrapper
from smgw.dlms.data import encode
from smgw.dlms.errors import AssociationRejectedError, ServiceExceptionError
from smgw.dlms.security.ciphering import Ciphering, Form, Setting
from smgw.dlms.security.hls import Authentication, Ecdsa, Hashed, Password
from smgw.dlms.security.secret import Secret
from smgw.dlms.security.signatures import signer, verifier
from smgw.dlms.security.suites import Gmac, Keys, Suite
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Associated, Failed, Got, Invoked, Pushed, Released, Written
from smgw.hdlc.address import Address
from smgw.hdlc.link import Link
from smgw.hdlc.parameters import LinkParameters

REPOSITORY = Path(__file__).parents[2]
PEERS = Path(os.environ.get("SMGW_PEERS_PYTHON", REPOSITORY / ".venv-peers/bin/python"))
METER = Path(__file__).with_name("peers") / "pydlms_meter.py"
SAP = 1
KEY, AUTH_KEY = bytes(range(16)), bytes(range(0xD0, 0xE0))
SECRET = Secret(b"12345678")
TITLE = b"UTBCLI01"
ENERGY = AttributeName(3, Obis.parse("1.8.0"), 2)
SCALER_UNIT = AttributeName(3, Obis.parse("1.8.0"), 3)
VOLTAGE = AttributeName(3, Obis.parse("32.7.0"), 2)
DEVICE_NAME = AttributeName(1, Obis.parse("0-0:42.0.0*255"), 2)
TEXT = AttributeName(1, Obis.parse("0-0:96.13.0*255"), 2)
PROFILE = AttributeName(7, Obis.parse("1-0:99.2.0*255"), 2)
ECHO = MethodName(9, Obis.parse("0-0:10.0.0*255"), 1)
MISSING = AttributeName(3, Obis.parse("9.9.9"), 2)
LINKS = ["wrapper", "hdlc", "pty"]


@contextmanager
def meter(link: str, **wanted: Any) -> Iterator[Line]:
    """A line to a simulator of its own."""
    if not PEERS.exists():
        pytest.fail(f"the peers' environment {PEERS} is missing; make it with: make setup")
    command = [str(PEERS), "-I", str(METER), json.dumps({"link": link, **wanted})]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        where = process.stdout.readline().strip()
        try:
            line = Line.pty(Path(where)) if link == "pty" else Line.tcp(int(where))
            try:
                yield line
            finally:
                line.close()
        finally:
            process.stdin.close()
            process.wait(10)


def driver(
    line: Line, link: str, client: Client, *, sap: int = SAP, parameters: LinkParameters | None = None
) -> Driver:
    below = (
        Wrapper.client(sap, 1)
        if link == "wrapper"
        else Link.client(Address(sap), Address(1), parameters or LinkParameters())
    )
    driving = Driver(line, below, client)
    driving.connect()
    return driving


def counter() -> Callable[[], int]:
    return iter(range(100, 1 << 32)).__next__


def ciphering(form: Form = Form.SERVICE, dedicated: Secret | None = None) -> Ciphering:
    setting = Setting(Keys.of(Suite.AES_GCM_128, KEY, AUTH_KEY), TITLE, counter(), form=form)
    return Ciphering(setting, dedicated=dedicated)


MECHANISMS: dict[Mechanism, Callable[[], Password | Authentication | None]] = {
    Mechanism.NONE: lambda: None,
    Mechanism.LOW: lambda: Password(SECRET),
    Mechanism.HIGH_MD5: lambda: Hashed(Mechanism.HIGH_MD5, SECRET),
    Mechanism.HIGH_SHA1: lambda: Hashed(Mechanism.HIGH_SHA1, SECRET),
    Mechanism.HIGH_GMAC: lambda: Gmac(Keys.of(Suite.AES_GCM_128, KEY, AUTH_KEY), counter()),
    Mechanism.HIGH_SHA256: lambda: Hashed(Mechanism.HIGH_SHA256, SECRET),
}


def read_everything(driving: Driver) -> None:
    """All services, long values both ways."""
    client = driving.client
    assert driving.expect(client.get(ENERGY), Got).results == (encode(Data(DataType.DOUBLE_LONG_UNSIGNED, 12345678)),)
    listed = driving.expect(client.get_with_list([VOLTAGE, MISSING, SCALER_UNIT, DEVICE_NAME]), Got).results
    assert listed == (
        encode(Data(DataType.LONG_UNSIGNED, 2301)),
        DataAccessResult.OBJECT_UNDEFINED,
        bytes.fromhex("02020f00161e"),
        encode(octet_string(b"PYD1000000000001")),
    )
    assert driving.expect(client.get(PROFILE), Got).results == (profile_octets(100),)
    text = encode(octet_string(bytes(range(256)) * 10))
    assert driving.expect(client.set(TEXT, text), Written).result is DataAccessResult.SUCCESS
    assert driving.expect(client.get(TEXT), Got).results == (text,)
    short = encode(octet_string(b"echo"))
    assert driving.expect(client.action(ECHO, short), Invoked).outcome == (ActionResult.SUCCESS, short)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_mechanism_over_every_link(mechanism: Mechanism, link: str) -> None:
    ciphered = mechanism is Mechanism.HIGH_GMAC
    authentication = MECHANISMS[mechanism]()
    wanted = {
        "clients": {SAP: [mechanism, SECRET.hex(), ciphered]},
        "rows": 100,
        **({"key": KEY.hex(), "auth_key": AUTH_KEY.hex()} if ciphered else {}),
    }
    with meter(link, **wanted) as line:
        client = Client(authentication, ciphering() if ciphered else None, title=TITLE)
        driving = driver(line, link, client)
        agreement = driving.expect(client.associate(), Associated).agreement
        assert agreement.max_pdu_size == 1024
        read_everything(driving)
        driving.expect(client.release(), Released)
        driving.disconnect()


@pytest.mark.parametrize("dedicated", [False, True])
@pytest.mark.parametrize("form", Form)
def test_every_form_of_ciphering(form: Form, dedicated: bool) -> None:
    key = Secret(bytes(range(40, 56))) if dedicated else None
    with meter(
        "wrapper", clients={SAP: [1, SECRET.hex(), True]}, key=KEY.hex(), auth_key=AUTH_KEY.hex(), rows=100
    ) as line:
        client = Client(Password(SECRET), ciphering(form, key))
        driving = driver(line, "wrapper", client)
        driving.expect(client.associate(), Associated)
        read_everything(driving)
        driving.expect(client.release(), Released)


@pytest.mark.parametrize("suite", list(Suite))
def test_every_suite(suite: Suite) -> None:
    keys = Keys.of(suite, bytes(range(suite.key_length)), bytes(range(100, 100 + suite.key_length)))
    wanted = {"key": keys.encryption.hex(), "auth_key": keys.authentication.hex(), "suite": suite.value}
    with meter("wrapper", clients={SAP: [5, "", True]}, rows=100, **wanted) as line:
        count = counter()
        client = Client(Gmac(keys, count), Ciphering(Setting(keys, TITLE, count)))
        driving = driver(line, "wrapper", client)
        driving.expect(client.associate(), Associated)
        read_everything(driving)
        driving.expect(client.release(), Released)


@pytest.mark.parametrize("curve", [SECP256R1, SECP384R1])
def test_signatures(curve: type[SECP256R1] | type[SECP384R1]) -> None:
    ours, theirs = generate_private_key(curve()), generate_private_key(curve())
    sign = theirs.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()).hex()
    verify = ours.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()
    with meter("wrapper", clients={SAP: [7, "", False]}, sign=sign, verify=verify) as line:
        client = Client(Ecdsa(signer(ours), verifier(theirs.public_key())), title=TITLE)
        driving = driver(line, "wrapper", client)
        driving.expect(client.associate(), Associated)
        driving.expect(client.get(ENERGY), Got)


# Over HDLC this simulator leaves the last frame of a streamed block without an answer until it is polled.
@pytest.mark.parametrize(("link", "window"), [("wrapper", 1), ("wrapper", 3), ("hdlc", 1)])
def test_general_blocks_where_the_meter_has_no_others(link: str, window: int) -> None:
    without = ["BLOCK_TRANSFER_WITH_GET_OR_READ", "BLOCK_TRANSFER_WITH_SET_OR_WRITE", "BLOCK_TRANSFER_WITH_ACTION"]
    with meter(link, clients={SAP: [0, "", False]}, gbt={"window": window}, without=without, rows=100) as line:
        client = Client(max_pdu_size=300, conformance=ASKED | Conformance.GENERAL_BLOCK_TRANSFER)
        driving = driver(line, link, client)
        driving.expect(client.associate(), Associated)
        read_everything(driving)


def test_general_blocks_that_were_lost_are_asked_for_again() -> None:
    without = ["BLOCK_TRANSFER_WITH_GET_OR_READ"]
    with meter(
        "wrapper", clients={SAP: [0, "", False]}, gbt={"window": 3, "drop": [2, 5]}, without=without, rows=100
    ) as line:
        client = Client(max_pdu_size=300, conformance=ASKED | Conformance.GENERAL_BLOCK_TRANSFER)
        driving = driver(line, "wrapper", client)
        driving.expect(client.associate(), Associated)
        assert driving.expect(client.get(PROFILE), Got).results == (profile_octets(100),)


def test_without_multiple_references_a_list_is_read_one_by_one() -> None:
    """R19."""
    with meter("wrapper", clients={SAP: [0, "", False]}, without=["MULTIPLE_REFERENCES"]) as line:
        client = Client()
        driving = driver(line, "wrapper", client)
        driving.expect(client.associate(), Associated)
        found = driving.expect(client.get_with_list([ENERGY, MISSING, VOLTAGE]), Got).results
        assert found == (
            encode(Data(DataType.DOUBLE_LONG_UNSIGNED, 12345678)),
            DataAccessResult.OBJECT_UNDEFINED,
            encode(Data(DataType.LONG_UNSIGNED, 2301)),
        )


@pytest.mark.parametrize(("link", "frame"), [("wrapper", "ui"), ("hdlc", "ui"), ("hdlc", "i")])
def test_a_push_between_request_and_answer_is_told_and_is_not_the_answer(link: str, frame: str) -> None:
    """R18."""
    push = DataNotification(7, b"", encode(octet_string(b"pushed"))).encode()
    with meter(link, clients={SAP: [0, "", False]}, push=push.hex(), push_frame=frame) as line:
        client = Client()
        driving = driver(line, link, client)
        driving.expect(client.associate(), Associated)
        driving.expect(client.get(ENERGY), Got)
        assert driving.kept == [Pushed(DataNotification(7, b"", encode(octet_string(b"pushed"))), False)]


def test_the_wrong_password_is_told_with_what_the_meter_says() -> None:
    with meter("hdlc", clients={SAP: [1, SECRET.hex(), False]}) as line:
        client = Client(Password(Secret(b"wrong")))
        driving = driver(line, "hdlc", client)
        failed = driving.expect(client.associate(), Failed)
        assert isinstance(failed.error, AssociationRejectedError)
        assert failed.error.diagnostic == 13


def test_an_old_invocation_counter_is_refused_with_the_one_that_is_right() -> None:
    """R10."""
    with meter("wrapper", clients={SAP: [5, "", True]}, key=KEY.hex(), auth_key=AUTH_KEY.hex()) as line:
        first = Client(Gmac(Keys.of(Suite.AES_GCM_128, KEY, AUTH_KEY), counter()), ciphering())
        driving = driver(line, "wrapper", first)
        driving.expect(first.associate(), Associated)
        driving.expect(first.release(), Released)
        again = Client(Gmac(Keys.of(Suite.AES_GCM_128, KEY, AUTH_KEY), counter()), ciphering())
        failed = driver(line, "wrapper", again).expect(again.associate(), Failed)
        assert isinstance(failed.error, ServiceExceptionError)
        assert failed.error.counter is not None
        assert failed.error.counter > 100


@pytest.mark.parametrize(("information", "window"), [(128, 1), (128, 7), (2030, 7)])
def test_a_thousand_rows_over_hdlc(information: int, window: int) -> None:
    with meter("hdlc", clients={SAP: [0, "", False]}, rows=1000, serve={"hdlc_window": window}) as line:
        client = Client(max_pdu_size=4096)
        driving = driver(line, "hdlc", client, parameters=LinkParameters.of(information, window))
        driving.expect(client.associate(), Associated)
        assert driving.expect(client.get(PROFILE), Got).results == (profile_octets(1000),)


def test_rows_by_entry() -> None:
    with meter("wrapper", clients={SAP: [0, "", False]}) as line:
        client = Client()
        driving = driver(line, "wrapper", client)
        driving.expect(client.associate(), Associated)
        selection = Selection(2, bytes.fromhex("02040600000002060000000412000112 0000"))
        profile = AttributeName(7, Obis.parse("1-0:99.1.0*255"), 2)
        (rows,) = driving.expect(client.get(profile, selection), Got).results
        assert isinstance(rows, bytes)
        assert rows[:2] == b"\x01\x03"
