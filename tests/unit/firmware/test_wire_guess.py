"""What octets without a telegram look like (R29)."""

from pathlib import Path

import pytest
from captures import ABSENT, OWN, SHARED
from hypothesis import given
from hypothesis import strategies as st
from line_meter import telegram
from smgw.hdlc import Address
from smgw.hdlc.frame import encode_frame
from smgw.mbus.radio.sending import by_cul, by_imst, in_the_clear
from smgw.mbus.telegram import Identity
from smgw.profiles.advice import advised
from smgw.wire.guess import guess
from smgw.wire.kind import Kind
from smgw.wire.unread import Unread
from uart import received

CLIENT, METER = Address(16), Address(1, 17)
SML = b"".join(map(telegram, range(3)))
HDLC = encode_frame(CLIENT, METER, 0x30, bytes(range(256)))
MBUS = b"\x68\x05\x05\x68\x53\xff\x00\x01\x67\xba\x16"
D0 = b"/EMH5\\@01LZQJ\r\n\x021-0:1.8.0*255(000123.4*kWh)\r\n!\r\n"
P1 = b"/ISK5\\2M550E-1012\r\n\r\n0-0:1.0.0(240101120000W)\r\n1-0:1.8.1(000123.456*kWh)\r\n!A1B2\r\n"
RADIO = in_the_clear(Identity("12345678", "ELS", 0x12, 7), 1, b"\x0c\x13\x78\x56\x34\x12" * 2)
TELNET = b"\xff\xfb\x01\xff\xfb\x03\xff\xfd\x00\xff\xfb\x2c"


def with_parity(octets: bytes, *, odd: bool) -> bytes:
    return bytes(octet & 0x7F | ((octet & 0x7F).bit_count() % 2 ^ odd) << 7 for octet in octets)


@pytest.mark.parametrize(
    ("octets", "kind", "words"),
    [
        (SML, Kind.SML, "this is SML"),
        (HDLC, Kind.HDLC, "HDLC frames"),
        (MBUS * 4, Kind.MBUS, "M-Bus"),
        (b"\x00\x01\x00\x01\x00\x10\x00\x20\xc4\x01\xc1\x00" + bytes(28), Kind.WRAPPER, "wrapper of TCP"),
        (by_imst(RADIO, 100) * 2, Kind.RADIO, "from an iM871A"),
        (by_cul(RADIO, 100) * 2, Kind.RADIO, "from a CUL"),
        (D0, Kind.D0, "text of IEC 62056-21"),
        (with_parity(D0, odd=False), Kind.D0, "seven data bits (7E1)"),
        (with_parity(D0, odd=True), Kind.D0, "seven data bits (7O1)"),
        (P1, Kind.P1, "text of DSMR P1"),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n", Kind.TEXT, "this is text"),
        (TELNET, Kind.TELNET, "RFC 2217"),
        (TELNET + SML[:300], Kind.TELNET, "RFC 2217"),
        (b"\xff\xfd\x2c", Kind.TELNET, "RFC 2217"),
        (with_parity(bytes(range(0, 127, 2)), odd=True), Kind.SEVEN_BITS, "odd parity"),
        (with_parity(SML, odd=False), Kind.SEVEN_BITS, "even parity"),
        (bytes(octet & 0x7F for octet in SML), Kind.SEVEN_BITS, "bit 7 is never set"),
        (bytes(range(128, 256)), Kind.SEVEN_BITS, "bit 7 is always set"),
        (bytes(octet ^ 0xFF for octet in encode_frame(CLIENT, METER, 0x73) * 6), Kind.INVERTED, "inverted"),
        (b"\x00\xfe\xff\x80" * 20, Kind.WRONG_SPEED, "long runs"),
        (b"\x31\r\n\x95\xe7\r\n\xd5" * 8, Kind.LINE_ENDS, "a CR (0D) stands before each LF"),
        (bytes((17 * place * place + 89 * place) % 251 for place in range(400)), Kind.NOISE, "no pattern"),
    ],
)
def test_the_kind_is_told_from_the_octets(octets: bytes, kind: Kind, words: str) -> None:
    found = guess(octets)
    assert found is not None
    assert (found.kind, words in found.words) == (kind, True), str(found)


@pytest.mark.parametrize("octets", [SML, HDLC * 3], ids=["SML", "HDLC"])
@pytest.mark.parametrize("factor", [2, 3, 4, 6, 12])
def test_a_port_that_is_too_fast_is_told(octets: bytes, factor: int) -> None:
    found = guess(received(octets, 9600, factor * 9600)[-1024:])
    assert found is not None
    assert found.kind is Kind.WRONG_SPEED
    assert f"{min(factor, 8)} times" in found.words


@pytest.mark.parametrize("octets", [SML, HDLC * 3], ids=["SML", "HDLC"])
@pytest.mark.parametrize("factor", [2, 4])
def test_a_port_that_is_too_slow_is_told_with_a_higher_speed(octets: bytes, factor: int) -> None:
    found = guess(received(octets * 4, 9600 * factor, 9600)[-1024:])
    assert found is not None
    assert "try a higher baudrate" in found.advice


def test_even_parity_that_is_not_read_is_no_telegram_of_seven_bits() -> None:
    """8E1 read as 8N1: the parity bit lies where the stop bit is awaited."""
    found = guess(received(SML, 9600, 9600, parity=True))
    assert found is None or found.kind is not Kind.SEVEN_BITS


@pytest.mark.parametrize("octets", [b"", b"\x00\xff", b"\x1b" * 8])
def test_few_octets_say_nothing(octets: bytes) -> None:
    assert guess(octets) is None


@given(st.binary(max_size=1200))
def test_no_octets_raise(octets: bytes) -> None:
    guess(octets)


def captures(root: Path) -> list[Path]:
    return sorted(one for one in root.rglob("*") if one.suffix in (".bin", ".txt") and "MANIFEST" not in one.name)


@pytest.mark.parametrize("path", captures(OWN / "sml"), ids=lambda one: one.name)
def test_each_sml_capture_is_sml(path: Path) -> None:
    octets = path.read_bytes()
    found = guess(octets[:1024])
    assert found is not None
    assert found.kind is Kind.SML


@pytest.mark.skipif(not SHARED.exists(), reason=ABSENT)
@pytest.mark.parametrize(
    ("folder", "kinds"),
    [("dsmr/dsmr_parser", {Kind.P1, Kind.D0}), ("dsmr/amshan", {Kind.P1, Kind.D0}), ("d0/readme-telegrams", {Kind.D0})],
)
def test_each_capture_of_text_is_text(folder: str, kinds: set[Kind]) -> None:
    for path in captures(SHARED / folder):
        for octets in (path.read_bytes()[:1024], with_parity(path.read_bytes()[-1024:], odd=False)):
            found = guess(octets)
            assert found is not None
            assert found.kind in kinds, path


@pytest.mark.parametrize(
    ("octets", "own", "advice"),
    [
        (SML, ("HDLC",), 'write protocol = "sml-push"'),
        (HDLC, ("SML",), 'write protocol = "dlms-push"'),
        (MBUS * 4, ("HDLC",), 'write protocol = "dlms-push" and dlms = { framing = "mbus" }'),
        (D0, ("SML",), 'write protocol = "d0-push"'),
        (P1, ("SML",), 'write protocol = "dsmr-p1"'),
        (by_imst(RADIO, 100) * 2, ("SML",), 'write protocol = "wmbus"'),
    ],
)
def test_the_advice_names_a_protocol_that_exists(octets: bytes, own: tuple[str, ...], advice: str) -> None:
    found = advised(octets, own)
    assert found is not None
    assert found.advice == advice


def test_octets_of_the_own_protocol_are_no_finding() -> None:
    assert advised(SML, ("SML",)) is None


def test_the_amount_is_a_rate_or_a_count_of_few() -> None:
    unread = Unread()
    unread.take(b"x" * 12, 0.0)
    assert unread.amount(60.0) == "12 octets"
    unread.take(b"x" * 5988, 60.0)
    assert unread.amount(60.0) == "100 octets/s"
