"""Makers' styles: with a capture's own contents, a style's telegram is the capture's, octet for octet."""

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from captures import SmlCapture, field_case, sml_capture
from hypothesis import given, settings
from hypothesis import strategies as st
from smgw.cosem import DeviceId, Obis
from smgw.sml import tlv
from smgw.sml.habits import corrected_power
from smgw.sml.messages import GetListResponse
from smgw.sml.pin import Shown, shown
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.sml.transport import START
from smgw.wire import Crc
from smsim.errors import ConfigError
from smsim.load.registers import Drive, Register
from smsim.load.timelapse import TimeLapse
from smsim.sml import style
from smsim.sml.meter import Meter, MeterSpec
from smsim.sml.number import NUMBERS, Number
from smsim.sml.style import Counting, Holds, Style, ValTime
from smsim.sml.template import Contents, Template, status_word
from telegrams import payload_of, unsealed

FINGERPRINTS = Path(__file__).with_name("smsim_styles.json")

#: Which capture shows which style.
SEEN = {
    "dzg-dvs74": ("libsml-testing/DZG_DVS-7412.2_jmberg.bin", "libsml-testing/DZG_DVS-7420.2V.G2_mtr2_neg.bin"),
    "dzg-dvs74-two-tariffs": ("libsml-testing/DZG_DVS-7420.2V.G2_mtr1.bin",),
    "dzg-dwsb20": ("libsml-testing/dzg_dwsb20_2th_2byte.bin",),
    "easymeter-q3b": ("jsml-tests/decodefile_0.bin",),
    "ebz-dd3": ("public-snippets/ebz_dd3_scaler-5_35559670577.bin",),
    "ebz-dd3-locked": ("libsml-testing/eBZ_DD3_DD32R06DTA-SMZ1.bin",),
    "emh-ed300l": (
        "libsml-testing/EMH-ED300L_consumption.bin",
        "libsml-testing/EMH_eHZ-HW8E2A5L0EK2P.bin",
        "libsml-testing/EMH_eHZ-HW8E2A5L0EK2P_2.bin",
    ),
    "emh-ehz-gw8": ("libsml-testing/EMH_eHZ-GW8E2A500AK2.bin", "vzlogger-tests/emh_0.bin"),
    "emh-ehz-iw8": ("smartmeter-obis/testLocalFileSml_0.bin",),
    "emh-ehz-two-way": ("public-snippets/emh_ed300l_export_tibber-pulse-reader-6.bin",),
    "emh-mme": ("smllib-tests/frame_05.bin",),
    "holley-dtz541": ("smllib-tests/frame_01.bin",),
    "holley-dtz541-locked": ("libsml-testing/HOLLEY_DTZ541-BDBA_without_PIN.bin",),
    "holley-dtz541-two-tariffs": ("libsml-testing/HOLLEY_DTZ541-ZDBA.bin",),
    "iskra-mt175": ("libsml-testing/ISKRA_MT175_eHZ.bin", "smllib-tests/frame_07.bin"),
    "iskra-mt631": ("libsml-testing/ISKRA_MT631-D1A52-K0z-H01_with_PIN.bin",),
    "iskra-mt631-locked": ("libsml-testing/ISKRA_MT631-D2A51-V22-K0z_without_PIN.bin",),
    "itron-3hz": ("sml-rs/sample_itron.bin", "libsml-testing/ITRON_OpenWay-3.HZ.bin"),
    "itron-3hz-locked": ("libsml-testing/ITRON_OpenWay-3.HZ_without_PIN.bin",),
}
#: Of these there is one telegram.
SINGLE = (
    "jsml-tests/decodefile_0.bin",
    "libsml-testing/DZG_DVS-7412.2_jmberg.bin",
    "libsml-testing/EMH-ED300L_consumption.bin",
    "libsml-testing/EMH_eHZ-HW8E2A5L0EK2P_2.bin",
    "libsml-testing/HOLLEY_DTZ541-BDBA_without_PIN.bin",
    "libsml-testing/ITRON_OpenWay-3.HZ.bin",
    "public-snippets/emh_ed300l_export_tibber-pulse-reader-6.bin",
    "smartmeter-obis/testLocalFileSml_0.bin",
    "sml-rs/sample_itron.bin",
    "smllib-tests/frame_01.bin",
    "smllib-tests/frame_05.bin",
    "smllib-tests/frame_07.bin",
    "vzlogger-tests/emh_0.bin",
)
#: Which public report shows which style.
REPORTED = {
    "holley-dtz251": "sml/holley_export_sign",
    "dzg-ws74": "sml/dzg_ws74_false_pin",
    "efr-sgm-reduced": "sml/efr_locked_without_note",
}
NOT_SEEN = {"emh-mme-locked", "hager-ehz363", "iskra-as2020", "efr-sgm"}
NEW_YEAR = 1_767_222_000


class Sent(NamedTuple):
    """One telegram of a capture: its frame, its messages up to their check sums, its list."""

    octets: bytes
    parts: list[bytes]
    listed: GetListResponse
    crc: Crc


def telegrams_of(capture: SmlCapture) -> list[Sent]:
    found = []
    begins = [place for place in range(len(capture.octets)) if capture.octets.startswith(START, place)]
    for begin, end in zip(begins, [*begins[1:], len(capture.octets)], strict=True):
        octets = capture.octets[begin:end]
        reader = TelegramReader()
        for length in range(1, len(octets) + 1):
            events = reader.receive(octets[length - 1 : length])
            if events and isinstance(events[0], Telegram):
                frame = octets[:length]
                found.append(Sent(frame, unsealed(payload_of(frame)), events[0].lists[0], events[0].crc))
    assert found
    return found


def fields(part: bytes) -> tuple[bytes, Any]:
    """A message's transaction id and its body's fields."""
    transaction, end = tlv.decode(part, 1)
    for _ in range(2):
        _, end = tlv.decode(part, end)
    choice, _ = tlv.decode(part, end)
    return transaction.value, choice.value[1].value  # type: ignore[union-attr,index,return-value]


def contents_of(made: Style, sent: Sent) -> Contents:
    """What a telegram of a capture holds where a style has its slots."""
    transaction, opened = fields(sent.parts[0])
    order = "little" if made.transaction.little_endian else "big"
    seconds = sent.listed.sensor_time.seconds if sent.listed.sensor_time else 0
    status, values = 0, []
    for entry, drawn in zip(sent.listed.entries, made.entries, strict=True):
        if entry.val_time and drawn.val_time is not ValTime.ZERO:
            seconds = entry.val_time.seconds
        if entry.status:
            status = int(entry.status.value)  # type: ignore[arg-type]
        if drawn.holds is Holds.STATUS and entry.value:
            status = int(entry.value.value)  # type: ignore[arg-type]
        if drawn.register is not None:
            assert entry.value is not None
            value = int(entry.value.value)  # type: ignore[arg-type]
            if drawn.number and drawn.number.without_sign and value < 0 and not status & 1 << 11:
                value += 1 << 8 * entry.value.size  # it flows in: the sign is none
            values.append(value)
    return Contents(
        int.from_bytes(transaction, order), int.from_bytes(opened[2].value, "big"), seconds, status, values
    )  # fmt: skip


def cases() -> list[tuple[str, str]]:
    return [(name, capture) for name, captures in SEEN.items() for capture in captures]


@pytest.mark.parametrize(("name", "capture"), cases())
def test_with_a_captures_contents_the_telegram_is_the_captures(name: str, capture: str) -> None:
    made = style.load(name)
    for sent in telegrams_of(sml_capture(capture)):
        device = DeviceId(sent.listed.server_id)
        contents = contents_of(made, sent)
        octets = Template(made, device, sent.crc).encode(contents)
        keys = [entry for entry in made.entries if entry.holds is Holds.PUBLIC_KEY]
        if not keys:
            assert octets.hex() == sent.octets.hex()
            continue
        # An owner's key is not ours to send: where it stands we have 48 octets of our own, and other check sums.
        theirs = next(
            entry.value.value for entry in sent.listed.entries if entry.obj_name == keys[0].obis and entry.value
        )
        ours = next(
            entry.value.value
            for entry in Template(made, device, sent.crc).entries(contents)
            if entry.obj_name == keys[0].obis and entry.value
        )
        assert isinstance(theirs, bytes)
        assert isinstance(ours, bytes)
        assert ours != theirs
        assert [part.replace(ours, theirs).hex() for part in unsealed(payload_of(octets))] == [
            part.hex() for part in sent.parts
        ]


def fingerprint(name: str) -> str:
    """Of two telegrams in a row, with every number of the style at some value."""
    made = style.load(name)
    assert made.device is not None
    counted = made.transaction.step
    numbers = [(place + 1) * 12_345 for place in range(len(made.registers))]
    digest = hashlib.sha256()
    for count in range(2):
        contents = Contents(1000 + count * counted, 2000 + count, 4711 + count, made.status.base, numbers)
        digest.update(Template(made, made.device, Crc.X25).encode(contents))
    return digest.hexdigest()[:16]


@pytest.mark.parametrize("name", style.names())
def test_a_style_is_still_the_one_that_was_compared_with_its_capture(name: str) -> None:
    """For a clone without the captures. A style that is changed is compared again, and its fingerprint renewed here."""
    assert fingerprint(name) == json.loads(FINGERPRINTS.read_text())[name]


@pytest.mark.parametrize("name", style.names())
def test_ids_of_a_made_meter_count_as_its_style_says(name: str) -> None:
    made, meter = style.load(name), meter_of(name)
    ids = [fields(unsealed(payload_of(meter.telegram()))[0])[0] for _ in range(2)]
    order = "little" if made.transaction.little_endian else "big"
    before, after = (int.from_bytes(one, order) for one in ids)
    assert (after - before) % (1 << 8 * made.transaction.octets) == made.transaction.step


@pytest.mark.parametrize("name", REPORTED)
def test_with_a_reports_contents_the_telegram_is_the_reported_one(name: str) -> None:
    made = style.load(name)
    (sent,) = telegrams_of(SmlCapture(name, field_case(REPORTED[name]), []))
    octets = Template(made, DeviceId(sent.listed.server_id), sent.crc).encode(contents_of(made, sent))
    assert octets.hex() == sent.octets.hex()


@pytest.mark.parametrize(("name", "capture"), [case for case in cases() if case[1] not in SINGLE])
def test_ids_count_from_telegram_to_telegram_as_in_the_capture(name: str, capture: str) -> None:
    made = style.load(name)
    counted = [contents_of(made, sent) for sent in telegrams_of(sml_capture(capture))]
    assert len(counted) > 1
    gaps = {later.transaction - earlier.transaction for earlier, later in itertools.pairwise(counted)}
    assert gaps == {made.transaction.step}
    if isinstance(made.file, Counting) and not made.file.seconds:
        gaps = {later.file - earlier.file for earlier, later in itertools.pairwise(counted)}
        assert gaps == {made.file.step}


def test_every_style_was_seen_or_says_that_it_was_not() -> None:
    assert sorted(style.names()) == sorted({*SEEN, *REPORTED, *NOT_SEEN})


def meter_of(name: str, start: int = NEW_YEAR, elapsed_ms: int = 7_200_000, **changes: Any) -> Meter:
    made = style.load(name)
    assert made.device is not None
    spec = MeterSpec("m", made.device, consumption_kwh=3500, generation_kwh=8000, style=made)
    return Meter(spec._replace(**changes), TimeLapse(start), lambda: elapsed_ms)


def list_of(octets: bytes) -> GetListResponse:
    (telegram,) = TelegramReader().receive(octets)
    assert isinstance(telegram, Telegram)
    return telegram.lists[0]


@pytest.mark.parametrize("name", style.names())
@pytest.mark.parametrize("crc", list(Crc))
def test_what_a_meter_pushes_is_what_it_answers_with(name: str, crc: Crc) -> None:
    meter = meter_of(name, crc=crc)
    assert list(list_of(meter.telegram()).entries) == meter.entries()


NUMBERS_OF_ALL_KINDS = st.one_of(
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.integers(-70_000, 70_000),
    st.sampled_from([0x1B1B1B1B, 0x1B1B1B1B01010101, 0x1B1B1B1B1B1B1B1B, 0x1A00]),
)


@pytest.mark.parametrize("name", style.names())
@given(data=st.data())
@settings(max_examples=15)
def test_whatever_a_register_shows_comes_through(name: str, data: st.DataObject) -> None:
    made = style.load(name)
    assert made.device is not None
    values = data.draw(st.lists(NUMBERS_OF_ALL_KINDS, min_size=len(made.registers), max_size=len(made.registers)))
    ids = st.one_of(st.integers(0, (1 << 64) - 1), st.just(0x1B1B1B1B1B1B1B1B))
    contents = Contents(data.draw(ids), data.draw(ids), data.draw(st.integers(0, (1 << 32) - 1)), 0x1B1B1B1B, values)
    template = Template(made, made.device, Crc.X25)
    assert list(list_of(template.encode(contents)).entries) == template.entries(contents)


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
@given(value=NUMBERS_OF_ALL_KINDS)
@settings(max_examples=30)
def test_a_number_is_as_wide_as_it_must_be_and_wraps_beyond_its_widest(number: Number, value: int) -> None:
    octets, read = number.encode(value), number.value(value)
    assert tlv.decode(octets, 0) == (read, len(octets))
    assert read.size in number.sizes
    assert (int(read.value) - value) % (1 << 8 * read.size) == 0  # type: ignore[arg-type]
    narrower = [size for size in number.sizes if size < read.size]
    if narrower and not number.without_sign:
        signed = number.kind is tlv.Kind.SIGNED
        bits = 8 * narrower[-1] - signed
        assert not (-(1 << bits) if signed else 0) <= value < 1 << bits


@pytest.mark.parametrize("name", [name for name in style.names() if not name.endswith(("-locked", "-reduced"))])
def test_the_gateway_takes_a_meter_with_its_pin_for_unlocked(name: str) -> None:
    assert shown(list_of(meter_of(name).telegram()).entries) is Shown.ALL


@pytest.mark.parametrize("name", [name for name in style.names() if style.load(name).locked])
def test_the_gateway_sees_that_a_locked_meter_waits_for_its_pin(name: str) -> None:
    meter = meter_of(name)
    meter.lock(locked=True)
    before = shown(list_of(meter.telegram()).entries)
    assert (before is Shown.DECIMALS) is name.startswith("efr")
    assert before is not Shown.ALL
    meter.lock(locked=False)
    assert shown(list_of(meter.telegram()).entries) is Shown.ALL


@pytest.mark.parametrize("name", style.names())
@pytest.mark.parametrize("octets", ["01", "0901454d480000ac", "ff" * 64])
def test_a_meter_of_any_style_may_have_any_id(name: str, octets: str) -> None:
    device = DeviceId.parse(octets)
    meter = meter_of(name, device=device)
    assert list_of(meter.telegram()).server_id == device
    assert list(list_of(meter.telegram()).entries) == meter.entries()


@pytest.mark.parametrize("count", [13, 14, 253, 254, 300])
def test_a_list_may_be_long(count: int) -> None:
    registers = [
        Register(Obis(bytes((1, 0, place // 256, place % 256, 0, 255))), Drive.FIXED, 255) for place in range(count)
    ]
    template = Template(style.generic(registers), DeviceId.parse("1UTB0000000001"), Crc.X25)
    contents = Contents(1, 2, 3, 4, list(range(count)))
    assert list(list_of(template.encode(contents)).entries) == template.entries(contents)


def test_a_locked_meter_goes_on_counting() -> None:
    meter = meter_of("itron-3hz")
    free = dict(meter.values())
    meter.lock(locked=True)
    ((register, value),) = meter.values()
    energy = next(value for other, value in free.items() if other.obis == register.obis)
    assert register.scaler == 3
    assert value == energy // 10_000 > 0


NOON_IN_JUNE = 1_781_517_600


def test_a_dzg_meter_leaves_out_the_sign_of_power_that_flows_in_and_the_gateway_puts_it_right() -> None:
    made = style.load("dzg-dvs74")
    assert made.device is not None
    contents = Contents(1, 1, 1, status_word(made, 35_624), (1, 2, 35_624))
    listed = list_of(Template(made, made.device, Crc.X25).encode(contents))
    assert listed.entries[-1].value == tlv.signed(-29_912, 2)
    assert corrected_power(listed.server_id, listed.entries) == {4: tlv.unsigned(35_624, 2)}


def test_a_dzg_meters_power_that_flows_out_is_truly_negative() -> None:
    listed = list_of(meter_of("dzg-dvs74", NOON_IN_JUNE, 0).telegram())
    value = listed.entries[-1].value
    assert value is not None
    assert int(value.value) < 0  # type: ignore[arg-type]
    assert corrected_power(listed.server_id, listed.entries) == {}


def test_a_status_names_the_phases_that_power_flows_out_of() -> None:
    three, one = style.load("dzg-dvs74"), style.load("iskra-mt631")
    assert [hex(status_word(three, power)) for power in (0, 1, -1)] == ["0x1c0004", "0x1c0104", "0x1c7904"]
    assert [hex(status_word(one, power)) for power in (0, 1, -1)] == ["0x100004", "0x100104", "0x104904"]


def test_an_ed300l_says_by_its_status_that_power_flows_out() -> None:
    listed = list_of(meter_of("emh-ed300l", NOON_IN_JUNE, 0).telegram())
    status, power = listed.entries[2].status, listed.entries[5].value
    assert status is not None
    assert power is not None
    assert status.value == 0x1A2
    assert int(power.value) > 0  # type: ignore[arg-type]
    assert corrected_power(listed.server_id, listed.entries)[5].value == -int(power.value)  # type: ignore[arg-type]


def test_the_tariffs_of_what_flows_out_are_its_sum() -> None:
    shown = {str(register.obis): value for register, value in meter_of("emh-ehz-two-way", NOON_IN_JUNE).values()}
    assert shown["1-0:2.8.0*255"] == shown["1-0:2.8.1*255"] + shown["1-0:2.8.2*255"] > 0
    assert shown["1-0:1.8.0*255"] == shown["1-0:1.8.1*255"] + shown["1-0:1.8.2*255"] > 0


def test_a_style_with_an_unknown_key_is_told_with_its_line() -> None:
    text = 'maker = "EMH"\ndevice = "0a01454d480000a00001"\n\n[[entry]]\nobis = "1.8.0"\nholds = "import"\nsacler = 1\n'
    with pytest.raises(ConfigError, match=r"mine.toml:7: entry\[1\].sacler: unknown key; .*did you mean scaler"):
        style.parse("mine", text)
