"""What a meter hides until its PIN is entered, first as a table, then by reports, captures and simulated meters."""

import pytest
from captures import field_case, sml_capture
from smgw.sml import tlv
from smgw.sml.messages import GetListResponse, ListEntry
from smgw.sml.pin import PIN_ADVICE, REDUCED_REMARK, PinNotes, Shown, shown
from smgw.sml.telegram import Telegram, TelegramReader
from sml_made import a_day
from smsim.sml import style
from telegrams import IMPORT, POWER

SERVER, OTHER = b"one", b"other"
LOCKED, REDUCED, NOTHING = (PIN_ADVICE, ""), ("", REDUCED_REMARK), ("", "")


def total(value: int, scaler: int | None = -1, name: bytes = IMPORT) -> ListEntry:
    return ListEntry(name, None, None, 30, scaler, tlv.unsigned(value, 8))


def lists_of(octets: bytes) -> list[GetListResponse]:
    return [event.lists[0] for event in TelegramReader().receive(octets) if isinstance(event, Telegram)]


def simulated(name: str) -> GetListResponse:
    """The list that a style sends in the morning."""
    return lists_of(a_day(name)[8].octets)[0]


@pytest.mark.parametrize(
    ("name", "locked"),
    [
        ("HOLLEY_DTZ541-BDBA_without_PIN.bin", True),
        ("ISKRA_MT631-D2A51-V22-K0z_without_PIN.bin", True),
        ("ITRON_OpenWay-3.HZ_without_PIN.bin", True),
        ("HOLLEY_DTZ541-ZDBA.bin", False),
        ("ISKRA_MT631-D1A52-K0z-H01_with_PIN.bin", False),
        ("ITRON_OpenWay-3.HZ.bin", False),
        ("ISKRA_MT175_eHZ.bin", False),
        ("eBZ_DD3_DD32R06DTA-SMZ1.bin", True),
        ("EMH_eHZ-GW8E2A500AK2.bin", False),
        ("DZG_DVS-7412.2_jmberg.bin", False),
    ],
)
def test_a_captured_meter_that_waits_for_its_pin_is_recognised(name: str, locked: bool) -> None:
    listed = lists_of(sml_capture(f"libsml-testing/{name}").octets)[0]
    assert PinNotes().of(listed.server_id, listed.entries) == (LOCKED if locked else NOTHING)


@pytest.mark.parametrize(
    ("name", "note"),
    [(name, LOCKED) for name in style.names() if name.endswith("-locked")] + [("efr-sgm-reduced", REDUCED)],
)
def test_a_simulated_meter_that_hides_values_is_recognised(name: str, note: tuple[str, str]) -> None:
    listed = simulated(name)
    assert PinNotes().of(listed.server_id, listed.entries) == note


@pytest.mark.parametrize("name", [name for name in style.names() if not name.endswith(("-locked", "-reduced"))])
def test_a_simulated_meter_that_shows_its_power_gets_no_note(name: str) -> None:
    listed = simulated(name)
    assert PinNotes().of(listed.server_id, listed.entries) == NOTHING


@pytest.mark.parametrize(("name", "note"), [("dzg_ws74_false_pin", NOTHING), ("efr_locked_without_note", REDUCED)])
def test_a_reported_meter_gets_the_note_that_is_right(name: str, note: tuple[str, str]) -> None:
    (listed,) = lists_of(field_case(f"sml/{name}"))
    assert PinNotes().of(listed.server_id, listed.entries) == note


@pytest.mark.parametrize(
    ("value", "scaler", "expected"),
    [
        (1234, 3, Shown.COARSE),
        (1, 4, Shown.COARSE),
        (12_340_000, -1, Shown.WHOLE),
        (12_345_000, 0, Shown.WHOLE),
        (0, -1, Shown.WHOLE),
        (12_345_678, -1, Shown.DECIMALS),
        (1, None, Shown.DECIMALS),
    ],
)
def test_what_a_meter_shows_is_judged_by_its_totals(value: int, scaler: int | None, expected: Shown) -> None:
    assert shown([total(value, scaler)]) is expected


@pytest.mark.parametrize("quantity", [1, 2, 3, 15, 16, 21, 36, 56, 76, 31, 32, 14, 81])
def test_any_instantaneous_quantity_counts_as_power(quantity: int) -> None:
    name = bytes((1, 0, quantity, 7, 0, 255))
    assert shown([total(12_340_000), ListEntry(name, value=tlv.unsigned(0, 1))]) is Shown.ALL
    assert shown([total(1, 3), ListEntry(name)]) is Shown.ALL


def test_a_counter_of_power_failures_is_no_power() -> None:
    assert shown([total(1, 3), ListEntry(bytes((0, 0, 96, 7, 21, 255)), value=tlv.unsigned(5, 1))]) is Shown.COARSE


def test_all_totals_are_judged() -> None:
    fine = total(5, name=bytes.fromhex("0100020800ff"))
    assert shown([total(10_000), fine]) is Shown.DECIMALS
    assert shown([total(1, 3), fine]) is Shown.DECIMALS


@pytest.mark.parametrize("entries", [[], [ListEntry(IMPORT, unit=30), ListEntry(POWER)], [ListEntry(b"short")]])
def test_a_list_without_totals_says_nothing(entries: list[ListEntry]) -> None:
    assert PinNotes().of(SERVER, entries) == NOTHING


def test_a_whole_kwh_is_no_lock_once_decimals_were_seen() -> None:
    notes = PinNotes()
    assert [notes.of(SERVER, [total(9_999 + tenth)]) for tenth in range(3)] == [REDUCED] * 3


def test_a_whole_kwh_is_no_lock_once_power_was_seen() -> None:
    notes = PinNotes()
    assert notes.of(SERVER, [total(10_000), ListEntry(POWER, value=tlv.signed(5, 2))]) == NOTHING
    assert notes.of(SERVER, [total(10_000)]) == REDUCED


def test_what_one_meter_showed_says_nothing_of_another() -> None:
    notes = PinNotes()
    notes.of(SERVER, [total(9_999)])
    assert notes.of(OTHER, [total(10_000)]) == LOCKED


def test_a_meter_that_turns_to_kwh_by_its_scaler_is_locked_whatever_was_seen() -> None:
    notes = PinNotes()
    notes.of(SERVER, [total(9_999)])
    assert notes.of(SERVER, [total(1, 3)]) == LOCKED


def test_ever_other_server_ids_fill_no_memory() -> None:
    notes = PinNotes()
    for number in range(1000):
        notes.of(b"%d" % number, [total(9_999)])
    assert len(notes._open) <= 64
