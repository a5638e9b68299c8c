"""OBIS codes and device ids in all their forms."""

import pytest
from captures import intact_frames
from hypothesis import example, given
from hypothesis import strategies as st
from smgw.cosem import DeviceId, DeviceIdError, Obis, ObisError
from smgw.cosem.device_id import PSEUDONYM_OCTETS
from smgw.errors import SmgwError
from smgw.sml.telegram import Telegram, TelegramReader

OCTETS = st.binary(min_size=1, max_size=64)


@st.composite
def din_ids(draw: st.DrawFn) -> DeviceId:
    letters = draw(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3))
    medium, block = draw(st.integers(0, 15)), draw(st.integers(0, 255))
    serial = draw(st.integers(0, 99_999_999))
    return DeviceId(bytes((0x0A, medium)) + letters.encode() + bytes((block,)) + serial.to_bytes(4, "big"))


@given(st.binary(min_size=6, max_size=6))
def test_an_obis_code_is_read_from_every_form_it_is_written_in(octets: bytes) -> None:
    obis = Obis(octets)
    assert Obis.parse(str(obis)) == Obis.parse(".".join(map(str, obis))) == Obis.parse(obis.hex()) == obis
    assert Obis.parse(obis.hex().upper()) == obis
    assert obis == octets
    assert hash(obis) == hash(octets)
    assert eval(repr(obis), {"Obis": Obis}) == obis


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("1-0:1.8.0*255", "0100010800ff"),
        ("1-0:1.8.0", "0100010800ff"),
        (" 1.8.0 ", "0100010800ff"),
        ("1.8.0*96", "010001080060"),
        ("1-0:1.8.0&96", "010001080060"),
        ("1-0:1.8.0.96", "010001080060"),
        ("1.0.1.8.0.255", "0100010800ff"),
        ("1.0.1.8.0", "0100010800ff"),
        ("129-129:199.130.3*255", "8181c78203ff"),
        ("0100100700FF", "0100100700ff"),
    ],
)
def test_an_obis_code_as_people_write_it(text: str, octets: str) -> None:
    assert Obis.parse(text).hex() == octets


@pytest.mark.parametrize(
    "text", ["", "1", "1.8", "1-0:1.8", "256.0.0", "1-0:1.8.0*256", "1-0:1.8.0*", "0100010800f", "0100010800fg",
             "1-0:1.8.0*255x", "1.0.1.8.0.255.1", "1;8;0", "-1.8.0", "١.٨.٠", "1.8.0\n1.8.0", "1000.8.0"],
)  # fmt: skip
def test_what_is_no_obis_code_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(ObisError, match=r"1-0:1\.8\.0\*255") as error:
        Obis.parse(text)
    assert error.value.given == text
    assert isinstance(error.value, SmgwError)


@pytest.mark.parametrize("octets", [b"", b"12345", b"1234567"])
def test_an_obis_code_has_six_octets(octets: bytes) -> None:
    with pytest.raises(ObisError):
        Obis(octets)


@given(din_ids())
def test_a_din_id_is_read_from_every_form_it_is_written_in(device: DeviceId) -> None:
    assert device.is_din
    assert DeviceId.parse(str(device)) == DeviceId.parse(device.uri) == DeviceId.from_uri(device.uri) == device
    assert DeviceId.parse(device.xml_id) == device
    assert DeviceId.from_uri(device.uri.upper()) == device
    assert device.uri == device.uri.lower()
    assert len(str(device)) == 14
    assert eval(repr(device), {"DeviceId": DeviceId}) == device


@given(OCTETS)
@example(b"abc.sm")
@example(b".SM")
@example(b"1emh0005347109.sm")
@example(b"a/b?c#d%41")
@example(b"..")
@example(b" ")
def test_any_id_is_read_back_from_its_uri_segment(octets: bytes) -> None:
    device = DeviceId(octets)
    segment = device.uri
    assert DeviceId.from_uri(segment) == device
    assert segment.isascii()
    assert not set(segment) & set("/?#[]@ ")


@given(OCTETS)
def test_a_foreign_id_is_read_back_from_its_hex(octets: bytes) -> None:
    device = DeviceId(octets)
    if not device.is_din and not device.is_pseudonym:
        assert str(device) == device.xml_id == octets.hex()
    if len(octets) != 7:  # seven octets in hex can look like a DIN text: 1abc0012345678
        assert DeviceId.parse(str(device)) == device


@given(st.binary(min_size=PSEUDONYM_OCTETS, max_size=PSEUDONYM_OCTETS))
def test_a_pseudonym_is_recognised_and_read_from_every_form_it_is_written_in(octets: bytes) -> None:
    device = DeviceId.pseudonym(octets)
    assert device.is_pseudonym
    assert not device.is_din
    assert str(device) == device.uri == device.decode()
    assert DeviceId.parse(str(device)) == DeviceId.parse(device.xml_id) == DeviceId.from_uri(device.uri) == device


@pytest.mark.parametrize("octets", [b"psn-", b"psn-" + b"a" * 23, b"psn-" + b"a" * 25, b"psn-" + b"A" * 24,
                                    b"psn-" + b"a" * 23 + b"\xe4", b"psn-" + b"a" * 24 + b"\n", bytes(28)])  # fmt: skip
def test_other_ids_are_no_pseudonym(octets: bytes) -> None:
    assert not DeviceId(octets).is_pseudonym
    assert str(DeviceId(octets)) == octets.hex()


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("1EMH0005347109", "0a01454d480000519725"),
        ("1emh0005347109.sm", "0a01454d480000519725"),
        ("1 EMH 00 0534 7109", "0a01454d480000519725"),
        ("1-EMH-00-05347109", "0a01454d480000519725"),
        ("1MFC0E00000123", "0a014d46430e0000007b"),
        ("1MTR0E00000123", "0a014d54520e0000007b"),
        ("EXXX0012345678", "0a0e5858580000bc614e"),
        ("0A01454D480000519725", "0a01454d480000519725"),
        ("064553590104c5fa2ef7", "064553590104c5fa2ef7"),
    ],
)
def test_a_device_id_as_people_and_standards_write_it(text: str, octets: str) -> None:
    assert DeviceId.parse(text).hex() == octets


@pytest.mark.parametrize(
    ("octets", "uri", "text"),
    [
        ("0a01454d480000519725", "1emh0005347109.sm", "1EMH0005347109"),
        ("0901454d480000519725", "%09%01EMH%00%00Q%97%25", "0901454d480000519725"),
        ("064553590104c5fa2ef7", "%06ESY%01%04%C5%FA.%F7", "064553590104c5fa2ef7"),
        ("0a01454d4800ffffffff", "%0A%01EMH%00%FF%FF%FF%FF", "0a01454d4800ffffffff"),  # serial beyond eight digits
        ("0a10454d480000519725", "%0A%10EMH%00%00Q%97%25", "0a10454d480000519725"),  # medium beyond one digit
        ("0a01656d680000519725", "%0A%01emh%00%00Q%97%25", "0a01656d680000519725"),  # lower-case letters
    ],
)
def test_a_foreign_id_is_percent_encoded_and_a_din_id_is_not(octets: str, uri: str, text: str) -> None:
    device = DeviceId(bytes.fromhex(octets))
    assert (device.uri, str(device)) == (uri, text)


@pytest.mark.parametrize(
    ("octets", "maker"),
    [
        ("0a01454d480000519725", "EMH"),
        ("09015553410000519725", "USA"),
        ("0a01656d680000519725", "EMH"),
        ("064553590104c5fa2ef7", None),
        ("0a010000000000519725", None),
        ("0a01454d48", None),
    ],
)
def test_the_maker_is_told_where_the_id_has_one(octets: str, maker: str | None) -> None:
    assert DeviceId(bytes.fromhex(octets)).maker == maker


@pytest.mark.parametrize("text", ["", "1EMH", "1EMH000534710", "1EMH00053471090", "GEMH0005347109", "1E1H0005347109",
                                  "0a0", "0x0a", "1EMH0005347109.smx", "1EMH00٠٥٣٤٧١٠٩"])  # fmt: skip
def test_what_is_no_device_id_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(DeviceIdError, match="1EMH0011802881"):
        DeviceId.parse(text)


@pytest.mark.parametrize("segment", ["", "1emh.sm", ".sm", "0a01.sm"])
def test_a_uri_segment_that_is_no_device_id_is_refused(segment: str) -> None:
    with pytest.raises(DeviceIdError):
        DeviceId.from_uri(segment)


@pytest.mark.parametrize("octets", [b"", bytes(65)])
def test_a_device_id_has_1_to_64_octets(octets: bytes) -> None:
    with pytest.raises(DeviceIdError, match="1 to 64"):
        DeviceId(octets)


def test_the_ids_of_all_captured_meters_are_read_back_from_every_form() -> None:
    for octets in intact_frames():
        (event,) = TelegramReader().receive(octets)
        assert isinstance(event, Telegram)
        for listed in event.lists:
            device = DeviceId(listed.server_id)
            assert (
                DeviceId.from_uri(device.uri) == DeviceId.parse(str(device)) == DeviceId.parse(device.xml_id) == device
            )
