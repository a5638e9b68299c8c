"""Telegrams of DSMR P1, and the devices in them."""

import pytest
from captures import TextCapture, own_text_captures, text_captures
from hypothesis import given
from hypothesis import strategies as some
from smgw.cosem import Data, DataType, DeviceId, Obis
from smgw.cosem.date_time import DateTime
from smgw.dlms.apdus.envelope import GENERAL_GLO, Ciphered
from smgw.dlms.security.ciphering import open_ciphered
from smgw.dlms.security.suites import Keys, Protection, Suite, seal
from smgw.iec62056.p1.devices import P1Device, devices
from smgw.iec62056.p1.reader import P1Reader
from smgw.iec62056.p1.telegram import MAX_OCTETS, Check, Telegram, TelegramReader
from smgw.iec62056.p1.times import date_time
from smgw.iec62056.seven_bit import with_parity
from smgw.profiles.p1 import NORMAL_TIME
from smgw.wire import Refused
from smgw.wire.crc_arc import crc_arc

OWN = own_text_captures("dsmr")
CHECKED = [capture for capture in OWN if b"!\r" not in capture.octets]
NL = NORMAL_TIME["NL"]
KEYS = Keys.of(Suite.AES_GCM_128, bytes(range(16)), bytes.fromhex("00112233445566778899aabbccddeeff"))
TITLE = b"SAG\x00\x01\x02\x03\x04"


def made(*lines: str, crc: bool = True, head: str = "/XXX5TEST") -> bytes:
    text = "\r\n".join((head, "", *lines, "!")).encode()
    return text + (b"%04X\r\n" % crc_arc(text) if crc else b"\r\n")


def read(octets: bytes) -> list[Telegram | Refused]:
    reader = TelegramReader()
    return [*reader.receive(octets), *reader.finish()]


def telegram(octets: bytes) -> Telegram:
    (found,) = read(octets)
    assert isinstance(found, Telegram)
    return found


def whole(octets: bytes) -> bytes:
    """A capture of one telegram, with a line end behind it."""
    return octets.rstrip(b"\r\n") + b"\r\n"


def by_id(octets: bytes, normal_time: int = NL) -> dict[bytes, P1Device]:
    return {one.id: one for one in devices(telegram(octets), normal_time)}


def values(device: P1Device) -> dict[str, tuple[object, int, int]]:
    return {str(one.obis): (one.value.value, one.scaler, one.unit) for one in device.readings}


def plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


@pytest.mark.parametrize("capture", OWN, ids=lambda capture: capture.name)
def test_the_devices_of_a_capture_have_their_golden_values(capture: TextCapture) -> None:
    found = [
        [
            {
                "id": one.id.hex(),
                "time": one.time and one.time.hex(),
                "readings": [[str(r.obis), plain(r.value.value), r.scaler, r.unit] for r in one.readings],
            }
            for one in devices(told, NL)
        ]
        for told in read(whole(capture.octets))
        if isinstance(told, Telegram)
    ]
    assert found == capture.golden["devices"]
    assert found


def test_of_the_shared_captures_only_one_telegram_that_lost_octets_is_refused() -> None:
    found = {capture.name: read(capture.octets + b"\r\n") for capture in text_captures("dsmr")}
    refused = [name for name, events in found.items() for one in events if isinstance(one, Refused)]
    assert set(refused) <= {"peterzandbergen-iec62056/ziv_p1_hexdump_decoded.txt"}
    assert len(refused) <= 1


@pytest.mark.parametrize("capture", OWN, ids=lambda capture: capture.name)
def test_octet_by_octet_and_in_noise_a_telegram_is_the_same(capture: TextCapture) -> None:
    octets = whole(capture.octets)
    octets = octets[octets.index(b"/") : octets.rindex(b"!")] + octets[octets.rindex(b"!") :].split(b"\n")[0] + b"\n"
    expected = telegram(octets)
    reader, found = TelegramReader(), []
    for octet in b"\x00\x03\x01kWh)\r\n!12" + octets + b"\r\n  25818685\r\nDE000/\r\n" + octets:
        found += reader.receive(bytes((octet,)))
    assert found == [expected, expected]


@pytest.mark.parametrize("capture", CHECKED, ids=lambda capture: capture.name)
def test_no_flipped_bit_gives_another_value(capture: TextCapture) -> None:
    octets = whole(capture.octets)
    octets = octets[octets.index(b"/") :]
    good = telegram(octets)
    for place in range(len(octets)):
        for bit in range(8):
            damaged = bytearray(octets)
            damaged[place] ^= 1 << bit
            for one in read(bytes(damaged)):
                assert isinstance(one, Refused) or one.sets == good.sets, (place, bit)


def test_with_parity_no_flipped_bit_gives_another_value() -> None:
    capture = next(one for one in OWN if one.name.endswith("telegram_v2_2.txt"))
    octets = with_parity(whole(capture.octets))
    good = telegram(octets)
    assert good.check is Check.PARITY
    assert good.sets == telegram(whole(capture.octets)).sets
    for place in range(len(octets) - 1):
        for bit in range(8):
            damaged = bytearray(octets)
            damaged[place] ^= 1 << bit
            for one in read(bytes(damaged)):
                assert isinstance(one, Refused) or one.sets == good.sets, (place, bit)


@pytest.mark.parametrize("capture", OWN, ids=lambda capture: capture.name)
def test_a_telegram_cut_anywhere_is_refused_and_the_next_is_read(capture: TextCapture) -> None:
    octets = whole(capture.octets)
    octets = octets[octets.index(b"/") :]
    octets = octets[: octets.rindex(b"!") + 7].rstrip(b"\r\n") + b"\r\n"
    good = telegram(octets)
    for cut in range(5, len(octets) - 6, 3):
        found = [one for one in read(octets[:cut] + octets) if isinstance(one, Telegram)]
        assert found == [good], cut


def test_a_telegram_without_end_is_refused_and_the_next_is_read() -> None:
    good = made("1-0:1.8.0(000001.500*kWh)")
    for endless in (b"/XXX5\r\n" + b"1-0:1.8.0(1)\r\n" * 5000, b"/XXX5" + b"A" * 65_536, b"/XXX5\r\n" * 9362):
        reader, found = TelegramReader(), []
        for start in range(0, len(endless), 4096):
            found += reader.receive(endless[start : start + 4096])
            assert len(reader._buffer) <= MAX_OCTETS + 4096
        assert found
        found += reader.receive(good)
        assert [isinstance(one, Telegram) for one in found] == [False] * (len(found) - 1) + [True]


@given(some.lists(some.sampled_from([b"/", b"XXX5", b"\r\n", b"!", b"1-0:1.8.0(", b"1)", b"\xdb\x08", b"\x82", b"A1"])))
def test_any_octets_are_survived(pieces: list[bytes]) -> None:
    reader = P1Reader()
    reader.receive(b"".join(pieces))
    reader.finish()
    assert not reader.receiving
    (found,) = reader.receive(made("1-0:1.8.0(000001.500*kWh)"))
    assert isinstance(found, Telegram)


def test_once_a_line_had_check_sums_a_telegram_without_one_is_refused() -> None:
    reader = TelegramReader()
    line = "1-0:1.8.0(000001.500*kWh)"
    found = reader.receive(made(line) + made(line, crc=False) + made(line))
    assert [isinstance(one, Telegram) for one in found] == [True, False, True]


def test_a_check_sum_may_lack_its_leading_zero() -> None:
    found = telegram(next(one for one in OWN if "unpadded" in one.name).octets)
    assert found.check is Check.CRC


def test_without_check_sum_and_parity_a_telegram_says_so() -> None:
    assert telegram(made("1-0:1.8.0(000001.500*kWh)", crc=False)).check is Check.NONE


# Devices.


def test_a_sub_meter_is_known_by_its_identity_and_not_by_its_channel() -> None:
    gas = ("24.1.0(003)", "96.1.0(4730303339303031393336393930363139)", "24.2.1(200426223001S)(00246.138*m3)")
    first, second = (
        by_id(made("1-0:1.8.1(002130.115*kWh)", *(f"0-{channel}:{line}" for line in gas))) for channel in (1, 3)
    )
    assert first[b"G0039001936990619"] == second[b"G0039001936990619"]
    assert values(first[b"G0039001936990619"]) == {"7-0:3.1.0*255": (246138, -3, 13)}


@pytest.mark.parametrize(
    ("medium", "unit", "register"),
    [("003", "m3", "7-0:3.1.0"), ("007", "m3", "8-0:1.0.0"), ("004", "GJ", "6-0:1.0.0"), ("012", "GJ", "6-0:1.0.0"),
     ("006", "m3", "9-0:1.0.0"), ("010", "GJ", "5-0:1.0.0"), ("002", "kWh", "1-0:1.8.0"), ("099", "m3", "0-2:24.2.1")],
)  # fmt: skip
def test_water_is_not_shown_as_gas(medium: str, unit: str, register: str) -> None:
    found = by_id(made(f"0-2:24.1.0({medium})", "0-2:96.1.0(41)", f"0-2:24.2.1(200426223001S)(00246.138*{unit})"))
    assert list(values(found[b"A"])) == [str(Obis.parse(register))]


@pytest.mark.parametrize(
    "lines",
    [
        ("0-1:24.1.0(003)", "0-1:96.1.0()", "0-1:24.2.1(700101010000W)(00000000)"),
        ("0-1:24.1.0(003)", "0-1:96.1.1(41)", "0-1:24.2.3(632525252525W)(00000.000*m3)"),
        ("0-1:24.1.0(003)", "0-1:96.1.0(41)", "0-1:24.2.1(700101010000W)(00000.000*m3)"),
        ("0-2:24.1.0(003)", "0-2:96.1.0()"),
        ("0-1:24.1.0(3)", "0-1:96.1.0(41)", "0-1:24.3.0(161107190000)(08)(60)(1)(0-1:24.2.1)(m3)"),
        ("0-1:24.1.0(3)", "0-1:96.1.0(41)", "0-1:24.3.0(632525252525)(00)(60)(1)(0-1:24.2.1)(m3)", "(00000.000)"),
    ],
)
def test_a_dead_channel_is_no_device(lines: tuple[str, ...]) -> None:
    assert list(by_id(made("0-0:96.1.1(4D)", "1-0:1.8.1(002130.115*kWh)", *lines))) == [b"M"]


def test_of_two_channels_with_one_meter_the_newer_value_counts() -> None:
    lines = []
    for channel, day in ((1, "02"), (2, "01")):
        name = f"0-{channel}:"
        lines += [f"{name}24.1.0(003)", f"{name}96.1.0(41)", f"{name}24.2.1(2004{day}000000S)(00{day}.0*m3)"]
    assert values(by_id(made(*lines))[b"A"]) == {"7-0:3.1.0*255": (20, -1, 13)}


def test_a_sub_meter_without_identity_is_named_after_its_meter_and_channel() -> None:
    lines = ("0-2:24.1.0(003)", "0-2:96.1.0()", "0-2:24.2.1(200426223001S)(1.0*m3)")
    found = by_id(made("0-0:96.1.1(4D)", "1-0:1.8.1(1.5*kWh)", *lines))
    assert list(found) == [b"M", b"M-2"]


def test_gas_on_two_lines_is_one_value() -> None:
    found = by_id(next(one for one in OWN if one.name.endswith("telegram_v2_2.txt")).octets)
    gas = found[b"000000000000"]
    assert values(gas)["7-0:3.1.0*255"] == (1001, -3, 13)
    assert gas.time is not None
    assert str(DateTime.read(gas.time)) == "2016-11-07 19:00:00"  # without S or W its offset is unknown


def test_belgium_has_the_demand_of_the_quarter_the_month_and_the_months_before() -> None:
    found = by_id(next(one for one in OWN if "fluvius" in one.name).octets)
    meter, *others = found.values()
    assert str(DeviceId(meter.id)) == "1SAG3101021605"
    assert len(others) == 2
    told = values(meter)
    assert told["1-0:1.4.0*255"] == (2351, 0, 27)
    assert [told[f"1-0:1.6.0*{storage}"] for storage in (255, 101, 102, 103)] == [
        (2589, 0, 27), (3695, 0, 27), (5980, 0, 27), (4318, 0, 27),
    ]  # fmt: skip


def test_texts_are_shown_as_text() -> None:
    found = by_id(made("0-0:96.13.1(3031203631203831)", "0-0:96.13.0()", "1-3:0.2.8(50)", "0-0:96.13.2(00FF01FE)"))
    assert [one.value for one in found[b""].readings] == [
        Data(DataType.VISIBLE_STRING, "01 61 81"),
        Data(DataType.VISIBLE_STRING, "50"),
        Data(DataType.OCTET_STRING, b"\x00\xff\x01\xfe"),
    ]


@pytest.mark.parametrize(
    ("country", "text", "shown"),
    [
        ("NL", "170102192002W", "2017-01-02 19:20:02 +01:00"),
        ("BE", "200512135409S", "2020-05-12 13:54:09 +02:00 daylight-saving"),
        ("LU", "200512135409S", "2020-05-12 13:54:09 +02:00 daylight-saving"),
        ("SE", "220704110650W", "2022-07-04 11:06:50 +01:00"),
        ("LT", "200512135409S", "2020-05-12 13:54:09 +03:00 daylight-saving"),
        ("LT", "170102192002W", "2017-01-02 19:20:02 +02:00"),
        ("IE", "170102192002W", "2017-01-02 19:20:02 +00:00"),
        ("NL", "000101000001W", "2000-01-01 00:00:01 +01:00 invalid"),
        ("NL", "310102192002W", "2031-01-02 19:20:02 +01:00"),
    ],
)
def test_a_time_has_the_offset_of_its_country(country: str, text: str, shown: str) -> None:
    octets = date_time(text, NORMAL_TIME[country])
    assert octets is not None
    assert str(DateTime.read(octets)) == shown


@pytest.mark.parametrize(
    "text", ["632525252525W", "170002192002W", "170100192002W", "170102242002W", "", "17010219200"]
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert date_time(text, NL) is None


def test_only_wanted_values_come_and_a_device_without_any_is_left_out() -> None:
    octets = next(one for one in OWN if one.name.endswith("telegram_v5.txt")).octets
    (found,) = devices(telegram(octets), NL, frozenset({bytes(Obis.parse("7-0:3.1.0"))}))
    assert found.id == b"2222ABCD123456789"


# Encrypted telegrams.


def sealed(octets: bytes, counter: int = 1) -> bytes:
    return Ciphered(GENERAL_GLO, seal(KEYS, Protection.BOTH, TITLE, counter, octets), TITLE).encode()


class Sealing:
    """Opens with one pair of keys, and notes which counters were believed."""

    def __init__(self) -> None:
        self.counters: list[int] = []

    def open(self, sealed: Ciphered) -> bytes:
        return open_ciphered(sealed, KEYS).text

    def believe(self, sealed: Ciphered) -> None:
        self.counters.append(sealed.invocation_counter)


LINES = [made("0-0:1.0.0(200426223325S)", *["1-0:1.8.1(002130.115*kWh)"] * count) for count in (1, 3, 20)]


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("inside", LINES, ids=["short", "middle", "long"])
def test_an_encrypted_telegram_is_opened_in_pieces_of_any_size(inside: bytes, size: int) -> None:
    reader, found = P1Reader(Sealing()), []
    octets = b"\xdb\x00noise" + sealed(inside) + sealed(inside, 2)
    for start in range(0, len(octets), size):
        found += reader.receive(octets[start : start + size])
    assert found == [telegram(inside)] * 2
    assert not reader.receiving


def test_of_an_encrypted_telegram_no_flipped_bit_gives_a_value_and_the_next_is_read() -> None:
    octets = sealed(LINES[0])
    for place in range(len(octets)):
        for bit in (0, 4, 7):
            damaged = bytearray(octets)
            damaged[place] ^= 1 << bit
            reader = P1Reader(Sealing())
            assert not any(isinstance(one, Telegram) for one in reader.receive(bytes(damaged)))
            reader.finish()
            assert isinstance(reader.receive(octets)[-1], Telegram)


def test_with_a_key_a_telegram_in_the_clear_is_refused() -> None:
    (found,) = P1Reader(Sealing()).receive(LINES[0])
    assert isinstance(found, Refused)
    assert "in the clear" in found.reason


def test_without_a_key_an_encrypted_telegram_says_which_key_to_write() -> None:
    (found,) = P1Reader().receive(sealed(LINES[0]))
    assert isinstance(found, Refused)
    assert "encryption_key_file" in found.reason
