"""The habits of real meters (docs/sml.md, section 3), first as a table, then by the captures."""

import random
from decimal import Decimal

import pytest
from captures import field_case, intact_frames, sml_capture
from smgw.cosem import Data, DataType, FnnStatus, Obis, decimal
from smgw.cosem.units import NO_UNIT
from smgw.sml import tlv
from smgw.sml.habits import corrected_power
from smgw.sml.messages import GetListResponse, ListEntry
from smgw.sml.readings import data, readings
from smgw.sml.telegram import Telegram, TelegramReader
from sml_made import MadeTelegram, a_day
from smsim.sml import style
from telegrams import IMPORT, POWER

DZG = b"\x0a\x01DZG\x00"
EMH = b"\x0a\x01EMH\x00"
ABSOLUTE = bytes.fromhex("01000f0700ff")
STATUS = bytes.fromhex("0100600500ff")
PHASES = {phase: bytes.fromhex(f"0100{quantity}0700ff") for phase, quantity in enumerate(("24", "38", "4c"), 1)}
IMPORTING, EXPORTING = 0x1C0104, 0x1C6904


def meter(maker: bytes, serial: int) -> bytes:
    return maker + serial.to_bytes(4, "big")


def energy(status: int | None) -> ListEntry:
    return ListEntry(IMPORT, None if status is None else tlv.unsigned(status, 4), None, 30, -1, tlv.unsigned(1000, 8))


def power(value: tlv.Value, name: bytes = POWER, scaler: int = -2) -> ListEntry:
    return ListEntry(name, None, None, 27, scaler, value)


@pytest.mark.parametrize(
    ("server", "status", "wire", "watts"),
    [
        # Of docs/sml.md 3.2, with what the display showed.
        (meter(DZG, 42082910), 0x1C0104, tlv.signed(-29912, 2), "356.24"),
        (meter(DZG, 60694611), 0x1C6904, tlv.signed(-10550, 2), None),
        (meter(DZG, 40051478), 0x1C7904, tlv.signed(-31064, 2), None),
        (meter(DZG, 40051478), 0x1C7904, tlv.signed(-78851, 3), None),
        # The status decides, whatever the serial number says.
        (meter(DZG, 42082910), EXPORTING, tlv.signed(-29912, 2), None),
        (meter(DZG, 60694611), IMPORTING, tlv.signed(-1, 1), "2.55"),
        (meter(DZG, 60694611), IMPORTING, tlv.signed(-1, 3), "167772.15"),
        (meter(DZG, 60694611), IMPORTING, tlv.signed(-1, 4), "42949672.95"),
        (meter(DZG, 60694611), IMPORTING, tlv.signed(29912, 2), None),
        # The serial number decides only where there is no status.
        (meter(DZG, 42_000_000), None, tlv.signed(-29912, 2), "356.24"),
        (meter(DZG, 48_999_999), None, tlv.signed(-29912, 2), "356.24"),
        (meter(DZG, 55_000_000), None, tlv.signed(-29912, 2), "356.24"),
        (meter(DZG, 58_999_999), None, tlv.signed(-29912, 2), "356.24"),
        (meter(DZG, 41_999_999), None, tlv.signed(-29912, 2), None),
        (meter(DZG, 49_000_000), None, tlv.signed(-29912, 2), None),
        (meter(DZG, 54_999_999), None, tlv.signed(-29912, 2), None),
        (meter(DZG, 59_000_000), None, tlv.signed(-29912, 2), None),
        # A status that is no FNN word (bit 2 clear) says nothing about a DZG meter.
        (meter(DZG, 42082910), 0x182, tlv.signed(-29912, 2), None),
        # Another maker's negative power is negative.
        (meter(EMH, 42082910), IMPORTING, tlv.signed(-29912, 2), None),
        (meter(EMH, 42082910), None, tlv.signed(-29912, 2), None),
        (b"\x09\x01DZG\x00" + (42082910).to_bytes(4, "big"), IMPORTING, tlv.signed(-29912, 2), "356.24"),
        (b"DZG", IMPORTING, tlv.signed(-29912, 2), None),
    ],
)
def test_the_power_of_a_dzg_meter_is_unsigned_while_it_imports(
    server: bytes, status: int | None, wire: tlv.Value, watts: str | None
) -> None:
    corrected = corrected_power(server, [energy(status), power(wire)])
    if watts is None:
        assert corrected == {}
    else:
        number = corrected[1].value
        assert isinstance(number, int)
        assert decimal(number, -2) == Decimal(watts)
        assert corrected[1].kind is tlv.Kind.UNSIGNED
        assert corrected[1].size == wire.size


@pytest.mark.parametrize("exporting", PHASES)
@pytest.mark.parametrize("phase", PHASES)
def test_each_phase_of_a_dzg_meter_goes_by_its_own_status_bit(phase: int, exporting: int) -> None:
    status = IMPORTING | {1: FnnStatus.EXPORT_L1, 2: FnnStatus.EXPORT_L2, 3: FnnStatus.EXPORT_L3}[exporting]
    corrected = corrected_power(meter(DZG, 1), [energy(status), power(tlv.signed(-100, 2), PHASES[phase])])
    assert corrected == ({} if phase == exporting else {1: tlv.unsigned(65436, 2)})


@pytest.mark.parametrize(
    ("status", "wire", "expected"),
    [
        (0x182, tlv.unsigned(514, 2), None),  # EDL words: bit 5 is export
        (0x1A2, tlv.unsigned(514, 2), -514),
        (0x1B0, tlv.unsigned(514, 2), -514),
        (0x101A2, tlv.unsigned(514, 2), -514),
        (0x102A0, tlv.signed(514, 4), -514),
        (0x102A0, tlv.unsigned(65535, 2), -65535),
        (0x102A0, tlv.unsigned(0, 2), None),
        (0x102A0, tlv.signed(-514, 4), None),
        (IMPORTING, tlv.unsigned(514, 2), None),  # FNN words: bit 11 is export, bit 5 is not
        (IMPORTING | 0x20, tlv.unsigned(514, 2), None),
        (EXPORTING, tlv.unsigned(514, 2), -514),
        (None, tlv.unsigned(514, 2), None),
        (0x1A2, tlv.unsigned((1 << 63) - 1, 8), -(1 << 63) + 1),
        (0x1A2, tlv.unsigned((1 << 64) - 1, 8), None),  # no integer could hold it
    ],
)
def test_an_absolute_power_is_negative_while_the_status_says_export(
    status: int | None, wire: tlv.Value, expected: int | None
) -> None:
    entries = [energy(status), power(wire, ABSOLUTE, -1)]
    corrected = corrected_power(meter(EMH, 519725), entries)
    assert {place: value.value for place, value in corrected.items()} == ({} if expected is None else {1: expected})
    (_, reading) = readings(meter(EMH, 519725), entries)
    assert reading.value.value == (wire.value if expected is None else expected)


def test_a_status_word_beside_the_import_register_is_not_asked() -> None:
    other = ListEntry(bytes.fromhex("0100020800ff"), tlv.unsigned(EXPORTING, 4), None, 30, -1, tlv.unsigned(1, 8))
    corrected = corrected_power(meter(DZG, 1), [other, energy(IMPORTING), power(tlv.signed(-1, 2))])
    assert corrected == {2: tlv.unsigned(65535, 2)}


def test_a_power_that_is_no_number_is_left_alone() -> None:
    for value in (None, tlv.octets(b"x"), tlv.sequence(), tlv.Value(tlv.Kind.BOOLEAN, 1, True)):
        assert corrected_power(meter(DZG, 1), [energy(IMPORTING), ListEntry(POWER, value=value)]) == {}


def values(name: str, place: int = 0) -> GetListResponse:
    telegrams = [event for event in TelegramReader().receive(sml_capture(name).octets) if isinstance(event, Telegram)]
    return telegrams[place].lists[0]


@pytest.mark.parametrize(
    ("name", "watts", "raw"),
    [
        ("libsml-testing/DZG_DVS-7412.2_jmberg.bin", "356.24", -29912),
        ("libsml-testing/DZG_DVS-7420.2V.G2_mtr2_neg.bin", "-105.50", None),
        ("libsml-testing/dzg_dwsb20_2th_2byte.bin", "-310.64", None),
    ],
)
def test_the_captured_dzg_meters_show_what_their_display_showed(name: str, watts: str, raw: int | None) -> None:
    listed = values(name)
    (reading,) = readings(listed.server_id, listed.entries, frozenset([POWER]))
    assert isinstance(reading.value.value, int)
    assert decimal(reading.value.value, reading.scaler) == Decimal(watts)
    assert (reading.raw.value if reading.raw else None) == raw


def test_the_captured_emh_meter_exports() -> None:
    listed = values("public-snippets/emh_ed300l_export_tibber-pulse-reader-6.bin")
    found = {reading.obis: reading for reading in readings(listed.server_id, listed.entries)}
    status = next(entry.status for entry in listed.entries if entry.status)
    assert status.value == 0x102A0
    powers = [found[name] for name in (POWER, ABSOLUTE) if name in found]
    assert powers
    assert all(isinstance(reading.value.value, int) and reading.value.value < 0 for reading in powers)


@pytest.mark.parametrize(
    ("status", "wire", "expected"),
    [
        (EXPORTING, tlv.signed(425, 2), tlv.signed(-425, 2)),
        (EXPORTING, tlv.unsigned(425, 2), tlv.signed(-425, 3)),
        (EXPORTING, tlv.unsigned(255, 1), tlv.signed(-255, 2)),
        (EXPORTING, tlv.unsigned((1 << 63) - 1, 8), tlv.signed(1 - (1 << 63), 8)),
        (EXPORTING, tlv.unsigned((1 << 64) - 1, 8), None),  # no integer could hold it
        (EXPORTING, tlv.signed(-425, 2), None),
        (EXPORTING, tlv.signed(0, 2), None),
        (IMPORTING, tlv.signed(425, 2), None),
        (0x1A2, tlv.signed(425, 2), None),  # an EDL word: bit 11 has another meaning there
        (0x809A0, tlv.signed(425, 2), None),  # bit 11, and bit 2 clear
        (None, tlv.signed(425, 2), None),
    ],
)
@pytest.mark.parametrize("own_entry", [False, True])
def test_a_positive_power_is_negative_while_the_fnn_status_says_export(
    own_entry: bool, status: int | None, wire: tlv.Value, expected: tlv.Value | None
) -> None:
    entries = [energy(None), power(wire), status_entry(status)] if own_entry else [energy(status), power(wire)]
    assert corrected_power(meter(b"\x0a\x01HLY\x02", 1), entries) == ({} if expected is None else {1: expected})


@pytest.mark.parametrize("exporting", PHASES)
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("total", [0, FnnStatus.EXPORT])
def test_the_power_of_a_phase_goes_by_the_phase_s_own_bit(total: int, phase: int, exporting: int) -> None:
    status = IMPORTING | total | {1: FnnStatus.EXPORT_L1, 2: FnnStatus.EXPORT_L2, 3: FnnStatus.EXPORT_L3}[exporting]
    corrected = corrected_power(meter(EMH, 1), [energy(status), power(tlv.signed(100, 2), PHASES[phase])])
    assert corrected == ({1: tlv.signed(-100, 2)} if phase == exporting else {})


def status_entry(status: int | None) -> ListEntry:
    """A status word as an object of its own."""
    return ListEntry(STATUS, value=None if status is None else tlv.unsigned(status, 4))


def test_a_status_word_beside_a_register_goes_before_one_of_its_own() -> None:
    entries = [energy(IMPORTING), power(tlv.signed(425, 2)), status_entry(EXPORTING)]
    assert corrected_power(meter(EMH, 1), entries) == {}


def test_a_meter_without_a_minus_sign_shows_a_negative_power_and_keeps_what_it_sent() -> None:
    (event,) = TelegramReader().receive(field_case("sml/holley_export_sign"))
    assert isinstance(event, Telegram)
    assert corrected_watts(event.lists[0]) == (-425, 425)


@pytest.mark.parametrize("name", ["holley-dtz251", "iskra-as2020"])
def test_the_sign_that_a_style_leaves_out_comes_from_its_status(name: str) -> None:
    watts = [corrected_watts(listed_of(made)) for made in a_day(name)]
    assert all(value in (raw, -raw) for value, raw in watts)
    assert {value > 0 for value, _ in watts} == {True, False}
    assert all(raw >= 0 for _, raw in watts)


def signed_power(name: str) -> bool:
    """True for a style that sends the power, with or without its sign, in an object that is corrected."""
    return any(entry.obis in (POWER, ABSOLUTE) for entry in style.load(name).entries)


@pytest.mark.parametrize("name", [name for name in style.names() if signed_power(name)])
def test_the_power_of_every_style_is_what_flows_whatever_the_wire_says(name: str) -> None:
    """DZG without room for the sign, 15.7.0 and others without a sign, and those that are right."""
    signs = set()
    for made in a_day(name):
        listed = listed_of(made)
        (reading,) = readings(listed.server_id, listed.entries, frozenset([POWER, ABSOLUTE]))
        assert isinstance(reading.value.value, int)
        assert round(decimal(reading.value.value, reading.scaler)) in range(made.watts - 1, made.watts + 2)
        signs.add(made.watts > 0)
    assert signs == {True, False}


def listed_of(made: MadeTelegram) -> GetListResponse:
    (event,) = TelegramReader().receive(made.octets)
    assert isinstance(event, Telegram)
    return event.lists[0]


def corrected_watts(listed: GetListResponse) -> tuple[int, int]:
    """The power as it is stored, and the raw one, both unscaled."""
    (reading,) = readings(listed.server_id, listed.entries, frozenset([POWER]))
    raw = reading.value if reading.raw is None else reading.raw
    assert isinstance(reading.value.value, int)
    assert isinstance(raw.value, int)
    return reading.value.value, raw.value


def test_no_capture_contradicts_the_sign_that_the_status_gives() -> None:
    """Every captured telegram whose FNN status says export has a negative power already."""
    exporting = changed = lists = 0
    for octets in intact_frames(made=False):
        (event,) = TelegramReader().receive(octets)
        assert isinstance(event, Telegram)
        for listed in event.lists:
            lists += 1
            words = [entry.status.value for entry in listed.entries if entry.status]
            exporting += any(isinstance(word, int) and word & 4 and word & FnnStatus.EXPORT for word in words)
            corrected = corrected_power(listed.server_id, listed.entries)
            changed += bool(corrected)
            signed = {place for place in corrected if listed.entries[place].obj_name != ABSOLUTE}
            assert all(corrected[place].value > 0 for place in signed), octets.hex()  # type: ignore[operator]
    print(f"{changed} of {lists} lists changed, {exporting} with the export bit of an FNN status")


def test_a_corrected_reading_keeps_the_raw_value_beside_it() -> None:
    (reading,) = readings(meter(DZG, 1), [energy(IMPORTING), power(tlv.signed(-29912, 2))], frozenset([POWER]))
    assert reading.value == Data(DataType.LONG_UNSIGNED, 35624)
    assert reading.raw == Data(DataType.LONG, -29912)


def test_with_correction_switched_off_a_reading_is_what_the_wire_said() -> None:
    entries = [energy(IMPORTING), power(tlv.signed(-29912, 2))]
    (reading,) = readings(meter(DZG, 1), entries, frozenset([POWER]), correct=False)
    assert reading.value == Data(DataType.LONG, -29912)
    assert reading.raw is None


def test_readings_are_the_numbers_of_a_list_in_its_order() -> None:
    entries = [
        ListEntry(bytes.fromhex("8181c78203ff"), value=tlv.octets(b"EMH")),
        energy(0x182),
        ListEntry(bytes.fromhex("010060320206")),  # EMH eHZ-IW8: a name without a value
        power(tlv.signed(-5, 3), scaler=0),
        ListEntry(b"short", value=tlv.unsigned(1, 1)),
        power(tlv.signed(7, 3), scaler=0),  # listed twice: the first counts
    ]
    first, second = readings(meter(EMH, 1), entries)
    assert (first.obis, first.value, first.scaler, first.unit) == (
        Obis(IMPORT), Data(DataType.LONG64_UNSIGNED, 1000), -1, 30,
    )  # fmt: skip
    assert first.status == Data(DataType.DOUBLE_LONG_UNSIGNED, 0x182)
    assert (second.obis, second.value, second.status) == (Obis(POWER), Data(DataType.DOUBLE_LONG, -5), None)


def test_wanted_objects_are_read_even_if_they_are_texts_and_others_are_not() -> None:
    maker = bytes.fromhex("8181c78203ff")
    entries = [ListEntry(maker, unit=0, scaler=0, value=tlv.octets(b"DZG")), energy(None), power(tlv.signed(1, 1))]
    found = readings(meter(DZG, 1), entries, frozenset([maker, POWER]))
    assert [reading.obis for reading in found] == [maker, POWER]
    assert (found[0].class_id, found[0].unit, found[1].class_id) == (1, NO_UNIT, 3)


@pytest.mark.parametrize(("unit", "kept"), [(None, NO_UNIT), (0, 0), (254, 254), (255, 255), (27, 27)])
def test_a_unit_that_means_nothing_survives_as_the_meter_sent_it(unit: int | None, kept: int) -> None:
    (reading,) = readings(b"1", [ListEntry(POWER, unit=unit, value=tlv.unsigned(1, 1))])
    assert reading.unit == kept


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (tlv.unsigned(1, 3), Data(DataType.DOUBLE_LONG_UNSIGNED, 1)),
        (tlv.signed(-1, 5), Data(DataType.LONG64, -1)),
        (tlv.unsigned(9, 7), Data(DataType.LONG64_UNSIGNED, 9)),
        (tlv.Value(tlv.Kind.BOOLEAN, 1, True), Data(DataType.BOOLEAN, 1)),
        (tlv.octets(b"a"), Data(DataType.OCTET_STRING, b"a")),
        (
            tlv.sequence(tlv.unsigned(1, 1), None),
            Data(DataType.STRUCTURE, (Data(DataType.UNSIGNED, 1), Data(DataType.NULL_DATA, None))),
        ),
    ],
)
def test_an_sml_value_becomes_data_of_the_next_width(value: tlv.Value, expected: Data) -> None:
    assert data(value) == expected


def test_every_captured_list_gives_readings() -> None:
    for octets in intact_frames():
        (event,) = TelegramReader().receive(octets)
        assert isinstance(event, Telegram)
        for listed in event.lists:
            found = readings(listed.server_id, listed.entries)
            assert found
            assert len({reading.obis for reading in found}) == len(found)


def test_a_negative_power_of_random_meters_of_other_makers_is_left_alone() -> None:
    generator = random.Random(3)
    for _ in range(500):
        server = generator.randbytes(10)
        value = tlv.signed(generator.randint(-32768, 0), 2)
        if server[2:5].upper() != b"DZG":
            assert corrected_power(server, [energy(generator.getrandbits(32)), power(value)]) == {}
