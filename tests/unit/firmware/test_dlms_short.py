"""Short names: client and server in memory, and octets as they stand on the wire."""

import pytest
from dlms_pair import CLIENT, ENERGY, MISSING, NAME, PROFILE, SCALER_UNIT, TEXT, Model, Pair, profile_octets
from smgw.cosem import AttributeName, Obis, ObjectName, octet_string
from smgw.dlms.apdus.acse import Mechanism
from smgw.dlms.apdus.apdu import decode_apdu
from smgw.dlms.apdus.conformance import LOGICAL, SHORT_CLIENT, Conformance
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.apdus.short import ReadRequest, ReadRequestNext, ReadResponse, ReadResponseBlock, Variable
from smgw.dlms.apdus.short_names import OBJECT_LIST_SN, ShortNames
from smgw.dlms.data import encode
from smgw.dlms.errors import AssociationRejectedError, ProofRefusedError
from smgw.dlms.meter.access import SERVER, Admission
from smgw.dlms.meter.server import Server
from smgw.dlms.security.hls import Authentication, Encrypted, Hashed, Password
from smgw.dlms.security.secret import Secret
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Associated, Failed, Got, Written
from smgw.errors import RemoteProtocolError

SECRET = Secret(b"12345678abcdefgh")
OBJECTS = [ObjectName(1, 0, NAME.obis), ObjectName(3, 0, ENERGY.obis), ObjectName(7, 1, PROFILE.obis)]
ENTRIES = bytes.fromhex("0204 0600000001 0600000000 120001 120000")
NAMES = ShortNames.allocate([*OBJECTS, ObjectName(1, 0, TEXT.obis)])


def pair(
    rows: int = 0,
    authentication: Password | Authentication | None = None,
    theirs: Password | Authentication | None = None,
    *,
    learn: bool = True,
    conformance: Conformance = SERVER,
    names: ShortNames | None = NAMES,
    **admission: int,
) -> Pair:
    server = Server(
        Model(rows),
        CLIENT,
        Admission(theirs or authentication, None, conformance, title=b"UTBMTR01", short_names=names, **admission),
    )
    client = Client(authentication, title=b"UTBCLI01", short_names=ShortNames())
    made = Pair(client, server)
    if learn:
        made.one(client.associate(), Associated)
        (found,) = made.one(client.get(OBJECT_LIST_SN), Got).results
        assert isinstance(found, bytes)
        client.learn(ShortNames.read(found))
    return made


def get(made: Pair, *attributes: AttributeName) -> tuple[object, ...]:
    return made.one(made.client.get_with_list(attributes), Got).results


def test_the_object_list_written_and_read_is_the_same() -> None:
    assert ShortNames.read(NAMES.encode()) == NAMES


def test_attributes_stand_eight_apart_behind_the_base_name() -> None:
    names = ShortNames(tuple(OBJECTS), {ENERGY.obis: 0x2BC0})
    assert names.attribute(ENERGY) == 0x2BC8
    assert names.attribute(SCALER_UNIT) == 0x2BD0
    assert names.attribute(OBJECT_LIST_SN) == 0xFA08
    assert names.attribute(NAME) == 0xFD08, "the device name has its place by the standard"
    assert names.attribute(MISSING) is None


@pytest.mark.parametrize(
    ("octets", "apdu"),
    [
        ("0501 02 fa08", ReadRequest((Variable(0xFA08),))),
        (
            "0501 04 2bc8 02 0204 0600000001 0600000000 120001 120000",
            ReadRequest((Variable(0x2BC8, Selection(2, ENTRIES)),)),
        ),
        ("0501 05 0001", ReadRequestNext(1)),
        ("0c02 00 0600000007 01 04", ReadResponse((b"\6\0\0\0\7", DataAccessResult.OBJECT_UNDEFINED))),
        ("0c01 02 00 0001 03 010203", ReadResponseBlock(False, 1, b"\1\2\3")),
    ],
)
def test_an_apdu_is_that_of_the_standard(octets: str, apdu: object) -> None:
    raw = bytes.fromhex(octets.replace(" ", ""))
    assert decode_apdu(raw) == apdu
    assert decode_apdu(raw).encode() == raw


def test_an_association_agrees_on_services_with_short_names_alone() -> None:
    made = pair()
    assert made.client.agreement.conformance == SHORT_CLIENT
    assert not made.client.agreement.conformance & (LOGICAL & ~Conformance.PRIORITY_MANAGEMENT)
    assert made.client.agreement.selective
    assert bytes.fromhex("fa00") in made.traffic[1][1], "VAA name"


def test_values_of_a_list_come_in_its_order_with_what_is_refused() -> None:
    found = get(pair(), ENERGY, MISSING, NAME, SCALER_UNIT)
    values = Model().values
    assert found == (values[ENERGY], DataAccessResult.OBJECT_UNDEFINED, values[NAME], values[SCALER_UNIT])


def test_an_object_that_the_meter_does_not_list_is_not_asked() -> None:
    made = pair()
    before = len(made.traffic)
    assert get(made, MISSING) == (DataAccessResult.OBJECT_UNDEFINED,)
    assert len(made.traffic) == before


def test_a_meter_without_lists_is_asked_one_by_one() -> None:
    made = pair(conformance=SERVER & ~Conformance.MULTIPLE_REFERENCES)
    assert len(get(made, ENERGY, NAME, SCALER_UNIT)) == 3


@pytest.mark.parametrize("max_pdu_size", [64, 200, 1024])
def test_a_long_value_comes_in_blocks(max_pdu_size: int) -> None:
    made = pair(500)
    made.client = Client(max_pdu_size=max_pdu_size, short_names=NAMES)
    made.server.lost()
    made.one(made.client.associate(), Associated)
    assert get(made, PROFILE) == (profile_octets(500),)
    assert all(len(octets) <= max_pdu_size for direction, octets in made.traffic if direction == "server")


def test_a_value_too_long_for_a_list_is_asked_alone() -> None:
    made = pair(500)
    found = get(made, ENERGY, PROFILE, NAME)
    assert found == (Model().values[ENERGY], profile_octets(500), Model().values[NAME])


def test_blocks_may_hold_the_whole_list_of_one_result() -> None:
    """A value behind `01 00`, count and choice, as some meters put it into their blocks."""
    made = pair()

    def tamper(direction: str, octets: bytes) -> bytes:
        if octets[:1] == b"\x0c":
            return ReadResponseBlock(True, 1, octets[1:]).encode()
        return octets

    made.tamper = tamper
    assert get(made, ENERGY) == (Model().values[ENERGY],)


def test_a_value_is_written() -> None:
    made = pair()
    text = encode(octet_string(b"hello"))
    assert made.one(made.client.set(TEXT, text), Written).result is DataAccessResult.SUCCESS
    assert get(made, TEXT) == (text,)
    assert made.one(made.client.set(ENERGY, text), Written).result is DataAccessResult.READ_WRITE_DENIED


@pytest.mark.parametrize(
    "authentication",
    [Password(SECRET), Encrypted(SECRET), Hashed(Mechanism.HIGH_MD5, SECRET), Hashed(Mechanism.HIGH_SHA256, SECRET)],
    ids=["lls", "hls 2", "hls 3", "hls 6"],
)
def test_a_client_with_the_secret_is_admitted(authentication: Password | Authentication) -> None:
    assert get(pair(authentication=authentication), ENERGY) == (Model().values[ENERGY],)


def test_a_client_with_another_secret_is_refused() -> None:
    ours, theirs = Hashed(Mechanism.HIGH_SHA1, Secret(b"other")), Hashed(Mechanism.HIGH_SHA1, SECRET)
    made = pair(authentication=ours, theirs=theirs, learn=False)
    assert isinstance(made.one(made.client.associate(), Failed).error, ProofRefusedError)


def test_a_meter_with_logical_names_alone_rejects_the_association() -> None:
    made = pair(names=None, learn=False)
    error = made.one(made.client.associate(), Failed).error
    assert isinstance(error, AssociationRejectedError)
    assert "application context name not supported" in str(error)


def test_a_meter_with_short_names_rejects_logical_names() -> None:
    made = pair(learn=False)
    made.client = Client()
    error = made.one(made.client.associate(), Failed).error
    assert "application context name not supported" in str(error)


def test_a_late_answer_of_a_service_with_logical_names_is_no_answer() -> None:
    made = pair()
    made.client.get(ENERGY)
    (stray,) = made.client.receive(bytes.fromhex("c401c1000600000001"))
    assert type(stray).__name__ == "Stray"
    assert made.client.busy


@pytest.mark.parametrize("octets", ["0101", "0101 0204 100000 120003 1100 0600000001", "0101 0203 100000 120003 1100"])
def test_a_list_that_is_none_is_refused(octets: str) -> None:
    with pytest.raises(RemoteProtocolError):
        ShortNames.read(bytes.fromhex(octets))


def test_more_objects_than_there_is_room_for_are_refused() -> None:
    many = [ObjectName(3, 0, Obis(bytes((1, 0, 1, 8, number // 256, number % 256)))) for number in range(500)]
    with pytest.raises(ValueError, match="500 objects"):
        ShortNames.allocate(many)
