"""M-Bus by radio: telegrams of real meters and of OMS's annex, keys that do not fit, and what damage costs."""

import pytest
from radio_captures import RadioCapture, radio_capture, radio_captures
from smgw.cosem import plain
from smgw.errors import RemoteProtocolError
from smgw.mbus.radio import sending
from smgw.mbus.radio.compact import Layouts
from smgw.mbus.radio.crc import crc
from smgw.mbus.radio.envelope import Envelope, Security, read_envelope
from smgw.mbus.radio.link import add_a, add_b, strip_a, strip_b
from smgw.mbus.radio.opening import (
    ClearError,
    DamagedError,
    NoKeyError,
    Opened,
    WrongKeyError,
    open_envelope,
)
from smgw.mbus.readings import readings
from smgw.mbus.telegram import Identity

CAPTURES = radio_captures()
SEALED = [one for one in CAPTURES if one.key]
WATER = Identity("12345678", "ELS", 0x12, 7)
KEY = bytes(range(16))
RECORDS = bytes.fromhex("0C1378563412")
ACCESS, MINUTE, COUNTER = 42, 12_345, 2739


def envelope(octets: bytes) -> Envelope:
    found = read_envelope(octets)
    assert found is not None
    return found


def opened(capture: RadioCapture, key: bytes | None) -> Opened:
    layouts = Layouts()
    if capture.after:
        open_envelope(envelope(radio_capture(capture.after).octets), key, layouts)
    return open_envelope(envelope(capture.octets), key, layouts)


def values(found: Opened) -> dict[str, str]:
    named = readings(found.telegram, found.envelope.identity.medium)
    return {str(one.obis): plain(one.value.value, one.scaler or 0) for one in named if isinstance(one.value.value, int)}


def sealed(kind: str) -> bytes:
    if kind == "mode 5":
        return sending.by_mode_5(WATER, ACCESS, RECORDS, KEY)
    if kind == "mode 7":
        return sending.by_mode_7(WATER, ACCESS, RECORDS, KEY, COUNTER)
    return sending.by_session(WATER, ACCESS, RECORDS, KEY, MINUTE, 0x78)


KINDS = ("mode 5", "mode 7", "ctr")


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda one: one.name)
def test_the_values_are_those_that_the_source_names(capture: RadioCapture) -> None:
    found = opened(capture, capture.key)
    assert str(found.envelope.identity) == capture.meter
    assert str(found.envelope.sender) == (capture.sender or capture.meter)
    assert {name: values(found).get(name) for name in capture.values} == capture.values
    assert found.counter == capture.counter


def test_what_stands_behind_the_encrypted_blocks_is_not_read() -> None:
    found = opened(radio_capture("oms-partial"), radio_capture("oms-partial").key)
    assert found.rest.hex().upper() == radio_capture("oms-partial").rest
    assert len(found.telegram.records) == 3


@pytest.mark.parametrize("capture", SEALED, ids=lambda one: one.name)
def test_without_a_key_it_says_so(capture: RadioCapture) -> None:
    with pytest.raises(NoKeyError, match="encryption_key_file"):
        opened(capture, None)


@pytest.mark.parametrize("capture", SEALED, ids=lambda one: one.name)
def test_with_the_key_of_another_meter_it_says_that_the_key_does_not_fit(capture: RadioCapture) -> None:
    with pytest.raises(WrongKeyError, match="does not fit"):
        opened(capture, bytes(range(100, 116)))


@pytest.mark.parametrize("capture", [one for one in CAPTURES if not one.key], ids=lambda one: one.name)
def test_a_telegram_in_the_clear_is_refused_if_the_meter_has_a_key(capture: RadioCapture) -> None:
    with pytest.raises(ClearError):
        opened(capture, KEY)


@pytest.mark.parametrize("kind", KINDS)
def test_what_we_seal_we_open(kind: str) -> None:
    found = open_envelope(envelope(sealed(kind)), KEY)
    assert values(found) == {"8-0:1.0.0*255": "12345.678"}
    assert found.envelope.access == ACCESS
    assert found.counter == (COUNTER if kind == "mode 7" else None)


@pytest.mark.parametrize("place", range(16))
def test_a_changed_octet_of_mode_7_gives_no_value(place: int) -> None:
    octets = bytearray(sealed("mode 7"))
    octets[-1 - place] ^= 1
    with pytest.raises((DamagedError, WrongKeyError)):
        open_envelope(envelope(bytes(octets)), KEY)


def test_damage_with_the_right_key_is_told_from_a_wrong_key() -> None:
    mode_7 = bytearray(sending.by_mode_7(WATER, ACCESS, RECORDS * 4, KEY, COUNTER))
    mode_7[-1] ^= 1
    ctr = bytearray(sealed("ctr"))
    ctr[-1] ^= 1
    for octets in (mode_7, ctr):
        with pytest.raises(DamagedError):
            open_envelope(envelope(bytes(octets)), KEY)


@pytest.mark.parametrize("kind", KINDS)
def test_a_repeater_s_copy_is_the_same_telegram(kind: str) -> None:
    octets = sealed(kind)
    copy = sending.repeated(octets)
    assert envelope(copy).same == envelope(octets).same
    assert values(open_envelope(envelope(copy), KEY)) == {"8-0:1.0.0*255": "12345.678"}


def test_other_security_modes_are_refused_in_words() -> None:
    octets = bytearray(sealed("mode 5"))
    octets[14] = 0x0D
    with pytest.raises(RemoteProtocolError, match="security mode 13"):
        read_envelope(bytes(octets))


def test_a_form_of_the_maker_is_refused_in_words() -> None:
    octets = bytearray(sending.in_the_clear(WATER, 1, RECORDS))
    octets[10] = 0xA2
    with pytest.raises(RemoteProtocolError, match="maker ELS"):
        read_envelope(bytes(octets))


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda one: one.name)
def test_a_telegram_that_is_cut_anywhere_gives_no_exception_but_ours(capture: RadioCapture) -> None:
    octets = capture.octets
    for end in range(1, len(octets)):
        cut = bytes((end - 1,)) + octets[1:end]
        try:
            found = read_envelope(cut)
            if found is not None:
                open_envelope(found, capture.key, Layouts())
        except RemoteProtocolError:
            pass


@pytest.mark.parametrize("control", [0x47, 0x48, 0x40, 0x5B])
def test_a_telegram_without_values_is_nothing(control: int) -> None:
    octets = bytearray(sending.in_the_clear(WATER, 1, RECORDS))
    octets[1] = control
    assert read_envelope(bytes(octets)) is None


def test_a_compact_telegram_needs_a_whole_one_before() -> None:
    with pytest.raises(RemoteProtocolError, match="before the first whole one"):
        open_envelope(envelope(radio_capture("kamstrup-compact").octets), None, Layouts())


def test_a_compact_telegram_with_a_wrong_check_sum_is_refused() -> None:
    layouts = Layouts()
    open_envelope(envelope(radio_capture("kamstrup-whole").octets), None, layouts)
    head = bytes.fromhex("DD82") + bytes.fromhex("9282")
    with pytest.raises(RemoteProtocolError, match="check sum of a compact"):
        layouts.expand(head + radio_capture("kamstrup-compact").octets[24:])


# Check sums of the link layer.


def test_the_check_sum_is_that_of_the_published_example() -> None:
    assert crc(bytes.fromhex("2E449315785634123303")) == 0x3363


@pytest.mark.parametrize("size", [10, 11, 26, 27, 42, 100, 126, 127, 128, 200, 251])
def test_check_sums_that_are_added_are_found_right(size: int) -> None:
    telegram = bytes((size - 1,)) + bytes(place & 0xFF for place in range(size - 1))
    assert strip_a(add_a(telegram)) == telegram
    assert strip_b(add_b(telegram)) == telegram


@pytest.mark.parametrize("name", ["oms-profile-a", "oms-format-b"])
def test_each_single_bit_that_is_flipped_is_noticed(name: str) -> None:
    capture = radio_capture(name)
    octets = bytes.fromhex(capture.hex)
    strip = strip_b if capture.form == "B" else strip_a
    assert strip(octets) is not None
    for place in range(8, 8 * len(octets)):  # the length is known before
        flipped = bytearray(octets)
        flipped[place // 8] ^= 1 << place % 8
        assert strip(bytes(flipped)) is None


def test_the_security_of_each_telegram_is_known_before_it_is_opened() -> None:
    kinds = {one.name: envelope(one.octets).security for one in CAPTURES}
    assert kinds["oms-profile-a"] is Security.CBC
    assert kinds["oms-profile-b"] is Security.MAC_CBC
    assert kinds["kamstrup-ctr"] is Security.CTR
    assert kinds["elv-climate"] is Security.NONE
