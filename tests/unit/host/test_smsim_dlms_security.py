"""smsim's DLMS meters with keys: suites 0, 1 and 2, GMAC and ECDSA, the counter that the public client may read."""

import itertools

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from dlms_bus import Reader, line
from smgw.cosem.data import Data
from smgw.dlms.apdus.acse import Mechanism
from smgw.dlms.security.ciphering import Ciphering, Setting
from smgw.dlms.security.hls import Authentication, Ecdsa
from smgw.dlms.security.secret import Secret
from smgw.dlms.security.signatures import signer, verifier
from smgw.dlms.security.suites import Gmac, Keys, Suite
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Associated, Failed
from smsim.dlms.association import ClientSpec

TITLE = b"UTBCLI01"


def key(suite: int, first: int) -> Secret:
    return Secret(bytes(range(first, first + (32 if suite == 2 else 16))))


def keyed(suite: int, mechanism: Mechanism = Mechanism.HIGH_GMAC, **more: object) -> ClientSpec:
    return ClientSpec(1, mechanism, Secret(b""), suite, key(suite, 0), key(suite, 100), **more)  # type: ignore[arg-type]


def client(suite: int, first: int = 1, authentication: Authentication | None = None) -> Client:
    keys = Keys.of(Suite(suite), key(suite, 0), key(suite, 100))
    reserve = itertools.count(first).__next__
    return Client(authentication or Gmac(keys, reserve), Ciphering(Setting(keys, TITLE, reserve)))


@pytest.mark.parametrize("suite", [0, 1, 2])
def test_a_client_with_keys_reads_with_every_suite(suite: int) -> None:
    reader = Reader(line(clients=(keyed(suite),)), client(suite), sap=1)
    assert isinstance(reader.associate(), Associated)
    assert isinstance(reader.get(3, "1.8.0", 2), Data)
    listed = reader.get(15, "0-0:40.0.0", 2)
    assert isinstance(listed, Data), "in blocks, each of them ciphered"


def test_other_keys_open_nothing() -> None:
    reader = Reader(line(clients=(keyed(0),)), client(1), sap=1)
    assert isinstance(reader.associate(), Failed)


def test_the_public_client_reads_the_newest_counter_and_an_old_one_is_refused() -> None:
    """R10."""
    bus = line(clients=(ClientSpec(16, restricted=True), keyed(0)))
    reader = Reader(bus, client(0, 500), sap=1)
    assert isinstance(reader.associate(), Associated)
    reader.disconnect()
    public = Reader(bus)
    assert isinstance(public.associate(), Associated)
    newest = public.get(1, "0-0:43.1.0", 2)
    assert isinstance(newest, Data)
    assert isinstance(newest.value, int)
    assert newest.value >= 500
    public.disconnect()
    late = Reader(bus, client(0, 500), sap=1)
    refused = late.associate()
    assert isinstance(refused, Failed)
    assert str(newest.value + 1) in str(refused.error)
    late.disconnect()
    again = Reader(bus, client(0, newest.value + 1), sap=1)
    assert isinstance(again.associate(), Associated)


@pytest.mark.parametrize("suite", [1, 2])
def test_both_sides_prove_themselves_by_signatures(suite: int) -> None:
    curve = SECP384R1() if suite == 2 else SECP256R1()
    ours, meters = generate_private_key(curve), generate_private_key(curve)
    length = (curve.key_size + 7) // 8
    spec = keyed(
        suite,
        Mechanism.HIGH_ECDSA,
        signing_key=Secret(meters.private_numbers().private_value.to_bytes(length, "big")),
        client_public_key=ours.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
    )
    proof = Ecdsa(signer(ours), verifier(meters.public_key()))
    reader = Reader(line(clients=(spec,)), client(suite, authentication=proof), sap=1)
    assert isinstance(reader.associate(), Associated)
    assert isinstance(reader.get(3, "1.8.0", 2), Data)


def test_no_text_of_a_client_shows_its_keys() -> None:
    text = repr(keyed(0)) + repr(ClientSpec(1, Mechanism.LOW, Secret(b"12345678")))
    assert "12345678" not in text
    assert "0102" not in text
    assert "\\x01\\x02" not in text
