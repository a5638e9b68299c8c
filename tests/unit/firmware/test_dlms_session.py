"""A client and a server wired together: every mechanism, ciphering, services, blocks both ways."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, generate_private_key
from dlms_pair import CLIENT, ECHO, ENERGY, MISSING, NAME, PROFILE, SCALER_UNIT, TEXT, Model, Pair, profile_octets
from smgw.cosem.data import octet_string
from smgw.dlms.apdus.acse import Mechanism
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.results import ActionResult, DataAccessResult
from smgw.dlms.data import encode
from smgw.dlms.meter.access import SERVER, Admission
from smgw.dlms.meter.server import Server
from smgw.dlms.security.ciphering import Ciphering, Form, Received, Setting
from smgw.dlms.security.hls import Authentication, Ecdsa, Hashed, Password
from smgw.dlms.security.secret import Secret
from smgw.dlms.security.signatures import signer, verifier
from smgw.dlms.security.suites import Gmac, Keys, Protection, Suite
from smgw.dlms.session.association import State
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Associated, Got, Invoked, Released, Written

SECRET = Secret(b"12345678")
CLIENT_TITLE, SERVER_TITLE = b"UTBCLI01", b"UTBMTR01"


def counter(first: int = 1) -> Callable[[], int]:
    return iter(range(first, 1 << 32)).__next__


def keys(suite: Suite) -> Keys:
    return Keys.of(suite, bytes(range(suite.key_length)), bytes(range(100, 100 + suite.key_length)))


class Sides(NamedTuple):
    """What a client and a server must have to agree."""

    client: Password | Authentication | None
    server: Password | Authentication | None


def both(authentication: Password | Authentication | None) -> Callable[[], Sides]:
    return lambda: Sides(authentication, authentication)


def gmac(suite: Suite) -> Callable[[], Sides]:
    return lambda: Sides(Gmac(keys(suite), counter(500)), Gmac(keys(suite), counter(900)))


def ecdsa(curve: type[SECP256R1] | type[SECP384R1]) -> Callable[[], Sides]:
    def make() -> Sides:
        ours, theirs = generate_private_key(curve()), generate_private_key(curve())
        return Sides(
            Ecdsa(signer(ours), verifier(theirs.public_key())), Ecdsa(signer(theirs), verifier(ours.public_key()))
        )

    return make


MECHANISMS: dict[str, Callable[[], Sides]] = {
    "none": both(None),
    "low": both(Password(SECRET)),
    "MD5": both(Hashed(Mechanism.HIGH_MD5, SECRET)),
    "SHA-1": both(Hashed(Mechanism.HIGH_SHA1, SECRET)),
    "SHA-256": both(Hashed(Mechanism.HIGH_SHA256, SECRET)),
    "GMAC 0": gmac(Suite.AES_GCM_128),
    "GMAC 1": gmac(Suite.ECDH_ECDSA_AES_GCM_128_SHA_256),
    "GMAC 2": gmac(Suite.ECDH_ECDSA_AES_GCM_256_SHA_384),
    "ECDSA P-256": ecdsa(SECP256R1),
    "ECDSA P-384": ecdsa(SECP384R1),
}
CIPHERS = {
    "clear": None,
    "suite 0": (Suite.AES_GCM_128, Protection.BOTH, Form.SERVICE, False),
    "suite 0, authenticated": (Suite.AES_GCM_128, Protection.AUTHENTICATED, Form.SERVICE, False),
    "suite 0, encrypted": (Suite.AES_GCM_128, Protection.ENCRYPTED, Form.SERVICE, False),
    "suite 0, general": (Suite.AES_GCM_128, Protection.BOTH, Form.GENERAL, False),
    "suite 0, dedicated": (Suite.AES_GCM_128, Protection.BOTH, Form.SERVICE, True),
    "suite 0, general, dedicated": (Suite.AES_GCM_128, Protection.BOTH, Form.GENERAL, True),
    "suite 1": (Suite.ECDH_ECDSA_AES_GCM_128_SHA_256, Protection.BOTH, Form.SERVICE, False),
    "suite 2": (Suite.ECDH_ECDSA_AES_GCM_256_SHA_384, Protection.BOTH, Form.SERVICE, False),
    "suite 2, dedicated": (Suite.ECDH_ECDSA_AES_GCM_256_SHA_384, Protection.BOTH, Form.SERVICE, True),
}


def pair(
    mechanism: str = "none",
    cipher: str = "clear",
    *,
    model: Model | None = None,
    conformance: Conformance = SERVER,
    server_pdu: int = 1024,
    client_pdu: int = 0xFFFF,
) -> Pair:
    sides = MECHANISMS[mechanism]()
    chosen = CIPHERS[cipher]
    ours: Ciphering | None = None
    theirs: Callable[[], Ciphering] | None = None
    if chosen:
        suite, protection, form, with_dedicated = chosen
        dedicated = Secret(bytes(range(50, 50 + suite.key_length))) if with_dedicated else None
        setting = Setting(keys(suite), CLIENT_TITLE, counter(1000), protection, form)
        ours = Ciphering(setting, dedicated=dedicated)
        their_setting = Setting(keys(suite), SERVER_TITLE, counter(5000), protection)
        received = Received()

        def theirs() -> Ciphering:
            return Ciphering(their_setting, received=received)

    admission = Admission(sides.server, theirs, conformance, server_pdu, SERVER_TITLE)
    client = Client(sides.client, ours, title=CLIENT_TITLE, max_pdu_size=client_pdu, conformance=SERVER)
    return Pair(client, Server(model or Model(), CLIENT, admission))


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_mechanism_associates_reads_and_releases(mechanism: str) -> None:
    wired = pair(mechanism)
    wired.one(wired.client.associate(), Associated)
    assert wired.one(wired.client.get(ENERGY), Got).results == (bytes.fromhex("060012d687"),)
    assert wired.one(wired.client.release(), Released).confirmed
    assert wired.client.state is wired.server.state is State.IDLE
    wired.one(wired.client.associate(), Associated)


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("mechanism", ["none", "low", "SHA-256", "GMAC 0", "ECDSA P-256"])
def test_every_protection_carries_all_services_under_every_kind_of_mechanism(mechanism: str, cipher: str) -> None:
    wired = pair(mechanism, cipher, model=Model(rows=200))
    wired.one(wired.client.associate(), Associated)
    assert wired.one(wired.client.get(PROFILE), Got).results == (profile_octets(200),)
    text = encode(octet_string(b"written " * 300))
    assert wired.one(wired.client.set(TEXT, text), Written).result is DataAccessResult.SUCCESS
    assert wired.one(wired.client.get(TEXT), Got).results == (text,)
    outcome = wired.one(wired.client.action(ECHO, text), Invoked).outcome
    assert outcome == (ActionResult.SUCCESS, text)
    assert wired.one(wired.client.get_with_list([ENERGY, MISSING, NAME, SCALER_UNIT]), Got).results == (
        bytes.fromhex("060012d687"),
        DataAccessResult.OBJECT_UNDEFINED,
        encode(octet_string(b"UTB0000000000001")),
        bytes.fromhex("02020f00161e"),
    )
    wired.one(wired.client.release(), Released)
    if cipher != "clear":
        tags = {octets[0] for _, octets in wired.traffic}
        assert not tags & {0xC0, 0xC1, 0xC3, 0xC4, 0xC5, 0xC7}, "in the clear"


BLOCKWISE = {
    "service blocks": SERVER,
    "general blocks": SERVER & ~(Conformance.BLOCK_GET | Conformance.BLOCK_SET | Conformance.BLOCK_ACTION),
}


@pytest.mark.parametrize("server_pdu", [64, 128, 1000])
@pytest.mark.parametrize("client_pdu", [64, 200, 0])
@pytest.mark.parametrize("conformance", BLOCKWISE)
@pytest.mark.parametrize("cipher", ["clear", "suite 0"])
def test_long_values_go_both_ways_in_blocks_and_no_apdu_is_longer_than_agreed(
    cipher: str, conformance: str, client_pdu: int, server_pdu: int
) -> None:
    model = Model(rows=50)
    wired = pair(
        "none",
        cipher,
        model=model,
        conformance=BLOCKWISE[conformance],
        server_pdu=server_pdu,
        client_pdu=client_pdu,
    )
    wired.one(wired.client.associate(), Associated)
    begin = len(wired.traffic)
    assert wired.one(wired.client.get(PROFILE), Got).results == (profile_octets(50),)
    text = encode(octet_string(bytes(range(256)) * 5))
    assert wired.one(wired.client.set(TEXT, text), Written).result is DataAccessResult.SUCCESS
    assert model.values[TEXT] == text
    assert wired.one(wired.client.action(ECHO, text), Invoked).outcome == (ActionResult.SUCCESS, text)
    found = wired.one(wired.client.get_with_list([TEXT, ENERGY, TEXT]), Got).results
    assert found == (text, bytes.fromhex("060012d687"), text)
    for direction, octets in wired.traffic[begin:]:
        assert len(octets) <= ((server_pdu if direction == "request" else client_pdu) or 0xFFFF)


def test_the_first_blocks_of_a_profile_leave_before_the_meter_has_made_the_rest() -> None:
    model = Model(rows=2000)
    wired = pair(model=model, client_pdu=512)
    wired.one(wired.client.associate(), Associated)
    seen: list[tuple[int, int]] = []

    def watch(direction: str, octets: bytes) -> bytes:
        seen.append((model.drawn, len(octets)))
        return octets

    wired.tamper = watch
    assert wired.one(wired.client.get(PROFILE), Got).results == (profile_octets(2000),)
    assert seen[1][0] < 30, "rows are made when a block leaves, not before"
