"""Lists of bare values, and lists that name their values in an operator's own way."""

from collections.abc import Sequence

import pytest
from captures import field_case
from hypothesis import given
from hypothesis import strategies as st
from smgw.cosem import CaptureObject, Data, DataType, Obis, octet_string, plain
from smgw.cosem.units import symbol
from smgw.dlms import data as axdr
from smgw.dlms.apdus.apdu import decode_apdu
from smgw.dlms.apdus.notify import DataNotification
from smgw.dlms.push import operators
from smgw.dlms.push.columns import Columns, of_columns
from smgw.dlms.push.lists import Description, PushedList, PushListError, Way, read_push
from smgw.dlms.push.tables import Column

TIME = bytes.fromhex("07ea050401130000 00ff8880")
ENERGY, POWER, VOLTS, SERIAL = (Obis.parse(text) for text in ("1-0:1.8.0", "1-0:1.7.0", "1-0:32.7.0", "0-0:96.1.0"))
NONE = Data(DataType.NULL_DATA, None)


def u32(value: int) -> Data:
    return Data(DataType.DOUBLE_LONG_UNSIGNED, value)


def u16(value: int) -> Data:
    return Data(DataType.LONG_UNSIGNED, value)


def name(obis: str) -> Data:
    return octet_string(bytes(Obis.parse(obis)))


def scaler_unit(scaler: int, unit: int) -> Data:
    return Data(DataType.STRUCTURE, (Data(DataType.INTEGER, scaler), Data(DataType.ENUM, unit)))


def read(*members: Data, columns: Columns = (), operator: str = "") -> PushedList:
    body = axdr.encode(Data(DataType.STRUCTURE, members))
    return read_push(DataNotification(1, TIME, body), Description(columns, operator))


def shown(found: PushedList) -> list[str]:
    return [
        f"{one.obis} {plain(one.value.value, one.scaler)} {symbol(one.unit)}".rstrip()
        for one in found.readings()
        if isinstance(one.value.value, int)
    ]


def case(file: str, description: Description = Description()) -> PushedList:  # noqa: B008
    push = decode_apdu(field_case(f"dlms/{file}"))
    assert isinstance(push, DataNotification)
    return read_push(push, description)


WIENER = [u32(number) for number in (1000, 0, 10, 20, 300, 0, 0, 5)]
WIENER_SHOWN = [
    "1-0:1.8.0*255 1000 Wh", "1-0:2.8.0*255 0 Wh", "1-0:3.8.0*255 10 varh", "1-0:4.8.0*255 20 varh",
    "1-0:1.7.0*255 300 W", "1-0:2.7.0*255 0 W", "1-0:3.7.0*255 0 var", "1-0:4.7.0*255 5 var",
]  # fmt: skip


@pytest.mark.parametrize(
    "head",
    [
        [octet_string(TIME)],
        [octet_string(b"1DEV000000000001"), octet_string(TIME)],
        [octet_string(b"00000000"), octet_string(b"\x13\0\0\0"), octet_string(b"\x07\xea\x05\x04\x01")],
    ],
)
def test_the_eight_registers_of_wiener_netze_are_known_behind_every_head(head: list[Data]) -> None:
    found = read(*head, *WIENER)
    assert (found.way, found.version) == (Way.PLACES, "wiener-netze")
    assert shown(found) == WIENER_SHOWN


def test_the_push_of_wiener_netze_from_the_field() -> None:
    found = case("wiener_netze_values_only")
    assert shown(found) == WIENER_SHOWN
    assert found.device() == b"00000000"


def test_a_clock_then_triples_and_a_number_without_a_name() -> None:
    """Netz NOE: Kaifa MA309, Sagemcom T210-D."""
    found = read(
        octet_string(TIME), name("1-0:1.8.0"), u32(12_937), scaler_unit(0, 30), name("1-0:32.7.0"), u16(2337),
        scaler_unit(-1, 35), octet_string(b"123456789012"),
    )  # fmt: skip
    assert shown(found) == ["1-0:1.8.0*255 12937 Wh", "1-0:32.7.0*255 233.7 V"]
    assert found.device() == b"123456789012"


@pytest.mark.parametrize("number", [b"123456", b"123456789012\0"])
def test_a_number_at_the_end_is_the_device_whatever_its_length(number: bytes) -> None:
    found = read(octet_string(TIME), name("1-0:1.8.0"), u32(5), octet_string(number))
    assert found.device() == number.rstrip(b"\0")


def test_a_number_behind_the_clock_is_the_device_too() -> None:
    found = read(octet_string(TIME), octet_string(b"12345678"), name("1-0:1.8.0"), u32(5))
    assert found.device() == b"12345678"
    assert shown(found) == ["1-0:1.8.0*255 5 Wh"]


def test_the_push_of_netz_noe_from_the_field() -> None:
    found = case("netz_noe_clock_triples_id")
    assert shown(found) == ["1-0:1.8.0*255 12937 Wh", "1-0:32.7.0*255 233.7 V", "1-0:13.7.0*255 1.000"]
    assert found.device() == b"000000000000"
    assert found.meter_time is not None


def test_pairs_behind_a_clock_count_in_watts_and_watt_hours() -> None:
    """Landis+Gyr E450 in Graz and Styria."""
    found = read(octet_string(TIME), name("1-0:1.8.0"), u32(4_495_453), name("1-0:1.7.0"), u32(300))
    assert shown(found) == ["1-0:1.8.0*255 4495453 Wh", "1-0:1.7.0*255 300 W"]


def test_what_is_not_known_of_pairs_behind_a_clock_has_no_scaler() -> None:
    found = read(octet_string(TIME), name("1-0:32.7.0"), u16(2305))
    assert [(one.scaler, one.unit) for one in found.values] == [(None, None)] * 2


SETUP = CaptureObject(40, Obis.parse("0-0:25.9.0"), 2)


def described(one: CaptureObject, elements: int) -> Data:
    """An object with a restriction and columns, as newer push setups have it."""
    restriction = Data(DataType.STRUCTURE, (Data(DataType.ENUM, 0), NONE))
    inner = one.data().value
    assert isinstance(inner, tuple)
    return Data(DataType.STRUCTURE, (*inner, restriction, Data(DataType.ARRAY, ()))[:elements])


@pytest.mark.parametrize("elements", [4, 5, 6])
def test_objects_of_more_elements_are_read(elements: int) -> None:
    objects = (SETUP, CaptureObject(3, ENERGY, 2), CaptureObject(3, ENERGY, 3))
    listed = Data(DataType.ARRAY, tuple(described(one, elements) for one in objects))
    assert shown(read(listed, u32(5), scaler_unit(3, 30))) == ["1-0:1.8.0*255 5000 Wh"]


def test_a_push_setup_that_pushes_all_its_attributes_holds_the_list() -> None:
    objects = (SETUP._replace(attribute=0), CaptureObject(3, VOLTS, 2))
    setup = (name("0-0:25.9.0"), Data(DataType.ARRAY, tuple(one.data() for one in objects)), NONE)
    found = read(Data(DataType.STRUCTURE, setup), u16(2301))
    assert [(one.obis, one.value.value) for one in found.readings()] == [(VOLTS, 2301)]


def test_a_register_that_pushes_all_its_attributes_says_its_scaler() -> None:
    objects = (SETUP, CaptureObject(3, VOLTS, 0))
    register = Data(DataType.STRUCTURE, (name("1-0:32.7.0"), u16(2301), scaler_unit(-1, 35)))
    listed = Data(DataType.ARRAY, tuple(one.data() for one in objects))
    assert shown(read(listed, register)) == ["1-0:32.7.0*255 230.1 V"]


def test_the_push_setup_from_the_field() -> None:
    found = case("push_setup_attribute_0")
    assert [(one.obis, one.value.value) for one in found.readings()] == [(VOLTS, 2301)]


def of_setup(setup: str, *values: tuple[str, Data]) -> list[str]:
    objects = [CaptureObject(40, Obis.parse(setup), 2), *(CaptureObject(3, Obis.parse(one), 2) for one, _ in values)]
    listed = Data(DataType.ARRAY, tuple(one.data() for one in objects))
    return shown(read(listed, *(value for _, value in values)))


@pytest.mark.parametrize(
    ("setup", "values", "right"),
    [
        ("0-8:25.9.0", [("1-0:31.7.0", u16(51)), ("1-0:32.7.0", u16(234))], ["31.7.0*255 0.51 A", "32.7.0*255 234 V"]),
        (
            "0-6:25.9.0",
            [("1-0:71.7.0", u16(12)), ("1-0:72.7.0", u16(2347))],
            ["71.7.0*255 0.12 A", "72.7.0*255 234.7 V"],
        ),
        (
            "0-8:25.9.0",
            [("1-0:31.7.0", Data(DataType.LONG64, 400)), ("1-0:32.7.0", Data(DataType.LONG64, 229))],
            ["31.7.0*255 400 A", "32.7.0*255 229 V"],
        ),
    ],
)
def test_currents_and_voltages_of_known_push_setups(
    setup: str, values: list[tuple[str, Data]], right: list[str]
) -> None:
    assert of_setup(setup, *values) == [f"1-0:{one}" for one in right]


@pytest.mark.parametrize(
    ("file", "right"),
    [
        ("e450_current_scale", {"1-0:31.7.0*255 0.51 A", "1-0:51.7.0*255 1.05 A", "1-0:71.7.0*255 0.52 A",
                                "1-0:32.7.0*255 234 V", "1-0:1.7.0*255 362 W"}),
        ("vse_am550_e360_scale", {"1-0:32.7.0*255 234.7 V", "1-0:31.7.0*255 0.12 A"}),
        ("kamstrup_ct_current", {"1-1:31.7.0*255 90.999 A", "1-1:2.7.0*255 2585 W", "1-1:22.7.0*255 448 W",
                                 "1-1:13.7.0*255 0.04"}),
        ("float_in_push", {"1-0:32.7.0*255 230.5 V", "1-0:1.8.0*255 100 Wh"}),
    ],
)  # fmt: skip
def test_scales_of_pushes_from_the_field(file: str, right: set[str]) -> None:
    assert right <= set(shown(case(file)))


def kamstrup(*values: tuple[str, Data]) -> list[str]:
    version = Data(DataType.VISIBLE_STRING, "Kamstrup_V0001")
    return shown(read(version, *(one for obis, value in values for one in (name(obis), value))))


def test_a_kamstrup_meter_without_its_type_counts_in_milliamperes_past_what_a_direct_meter_takes() -> None:
    assert kamstrup(("1-1:31.7.0", u32(90_999)), ("1-1:51.7.0", u32(896))) == [
        "1-1:31.7.0*255 90.999 A", "1-1:51.7.0*255 0.896 A",
    ]  # fmt: skip
    assert kamstrup(("1-1:31.7.0", u32(8000)), ("1-1:51.7.0", u32(0xFFFFFFFF)))[0] == "1-1:31.7.0*255 80.00 A"


def test_powers_of_phases_and_power_factors_of_kamstrup_have_units() -> None:
    assert kamstrup(
        ("1-1:21.7.0", u32(400)), ("1-1:62.7.0", u32(5)), ("1-1:13.7.0", u16(98)), ("1-1:21.8.0", u32(7)),
        ("1-1:22.8.0", u32(3)),
    ) == ["1-1:21.7.0*255 400 W", "1-1:62.7.0*255 5 W", "1-1:13.7.0*255 0.98", "1-1:21.8.0*255 70 Wh",
          "1-1:22.8.0*255 30 Wh"]  # fmt: skip


MADE = {
    "t": octet_string(b"1DEV0001"), "g": octet_string(b"12345678"), "i": octet_string(b"ISK1030000000001"),
    "n": octet_string(bytes.fromhex("0006190900ff")), "c": octet_string(TIME), "h": octet_string(b"\x13\0\0\0"),
    "y": octet_string(b"\x07\xea\x05\x04\x01"), "b": Data(DataType.BOOLEAN, 1), "*": octet_string(b"\0\1"),
}  # fmt: skip


def made(kinds: str) -> list[Data]:
    """A list of these types; numbers count from 1 by their places."""
    numbers = {"w": u16, "d": u32}
    return [numbers[kind](place) if kind in numbers else MADE[kind] for place, kind in enumerate(kinds, 1)]


@pytest.mark.parametrize(("operator", "sure", "kinds", "columns"), operators._known())
def test_every_list_of_an_operator_is_read_place_by_place(
    operator: str, sure: bool, kinds: str, columns: Columns
) -> None:
    members = made(kinds)
    found = read(*members, operator=operator)
    places = {one.obis: place for place, one in enumerate(columns, 1) if isinstance(one, Column) and one.obis[0] == 1}
    assert {one.obis: one.value.value for one in found.readings()} == places
    assert all(one.unit is not None or one.obis[2] == 13 for one in found.values if one.obis[0] == 1)
    if sure:
        assert read(*members).version == operator
    else:
        with pytest.raises(PushListError, match="values without names"):
            read(*members)


def test_each_operator_that_the_issue_names_has_an_entry() -> None:
    assert set(operators.NAMES) == {
        "wiener-netze", "netz-noe", "graz", "steiermark", "burgenland", "kelag", "slovenia", "croatia",
    }  # fmt: skip


COLUMNS: tuple[Column | str, ...] = ("clock", "skip", Column(ENERGY, 0, 30), Column(POWER, 0), "device-id")
FULL = [octet_string(TIME), octet_string(b"\0"), u32(5), u32(280), octet_string(b"4711")]


@pytest.mark.parametrize("members", [FULL, FULL[1:], FULL[:-1], FULL[1:-1]])
def test_a_leading_clock_and_a_number_at_the_end_may_be_absent(members: Sequence[Data]) -> None:
    found = read(*members, columns=COLUMNS)
    assert [(one.obis, one.value.value, one.unit) for one in found.readings()] == [(ENERGY, 5, 30), (POWER, 280, 27)]


@given(st.integers(0, 9))
def test_dots_stand_for_any_number_of_elements(more: int) -> None:
    found = of_columns(("...", Column(ENERGY, 0), Column(POWER, 0)), [*[octet_string(b"x")] * more, u32(5), u32(280)])
    assert found is not None
    assert [(one.obis, one.value.value) for one in found] == [(ENERGY, 5), (POWER, 280)]


def test_a_value_that_the_meter_does_not_have_now_is_left_out() -> None:
    found = read(*FULL[:2], NONE, *FULL[3:], columns=COLUMNS)
    assert [one.obis for one in found.readings()] == [POWER]


def test_columns_go_before_a_list_that_is_known() -> None:
    swapped = ("clock", *(Column(Obis.parse(f"1-0:{c}.8.0"), 0) for c in (2, 1, 3, 4)), *["skip"] * 4)
    assert shown(read(octet_string(TIME), *WIENER, columns=swapped))[:2] == [
        "1-0:2.8.0*255 1000 Wh", "1-0:1.8.0*255 0 Wh",
    ]  # fmt: skip


def test_a_list_that_names_its_values_needs_no_columns() -> None:
    assert shown(read(name("1-0:1.7.0"), u32(280), columns=COLUMNS)) == ["1-0:1.7.0*255 280"]


def test_an_unknown_list_shows_its_places_and_how_to_describe_them() -> None:
    with pytest.raises(PushListError) as raised:
        read(octet_string(TIME), octet_string(b"4711\0"), u32(5), u16(3), Data(DataType.BOOLEAN, 1))
    text = str(raised.value)
    assert "5 values without names: 1 07ea0504011300000" in text
    assert "2 '4711', 3 5, 4 3, 5 1;" in text
    assert "write push_list" in text
    assert '["clock", "device-id" or "skip", { obis = "1-0:1.8.0", scaler = 0, unit = "Wh" }, ...]' in text


def test_columns_that_do_not_fit_are_named() -> None:
    with pytest.raises(PushListError, match="columns in the section dlms does not fit it: it has 5 entries"):
        read(u32(1), u32(2), columns=COLUMNS)
