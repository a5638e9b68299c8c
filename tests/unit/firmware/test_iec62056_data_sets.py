"""The grammar of data sets, for D0, P1 and P.01."""

import re

import pytest
from captures import TextCapture, own_text_captures, text_captures
from hypothesis import given
from hypothesis import strategies as some
from smgw.cosem import Obis
from smgw.iec62056.codes import HEAT, read_code
from smgw.iec62056.data_sets import DataSet, DataSetError, Number, data_sets, number
from smgw.iec62056.units import unit_of

_BODY = re.compile(rb"/[A-Za-z?][^\r\n]*[\r\n]+(.*?)!", re.DOTALL)
OWN = [*own_text_captures("d0"), *own_text_captures("dsmr")]
#: One capture of the shared folder lost octets within a telegram.
DAMAGED = "peterzandbergen-iec62056/ziv_p1_hexdump_decoded.txt"


def bodies(octets: bytes) -> list[bytes]:
    return _BODY.findall(octets)


@pytest.mark.parametrize("capture", OWN, ids=lambda capture: capture.name)
def test_each_data_set_of_a_capture_is_as_an_independent_reader_found_it(capture: TextCapture) -> None:
    found = [[[one.code, list(one.groups)] for one in data_sets(body)] for body in bodies(capture.octets)]
    assert found == [sets for _, sets in capture.golden["sets"]]


def test_every_code_of_every_capture_has_a_name() -> None:
    for capture in (*text_captures("d0"), *text_captures("dsmr")):
        for body in bodies(capture.octets):
            if capture.name == DAMAGED and b"\n*" in body.replace(b"\r", b""):
                continue
            try:
                sets = data_sets(body)
            except DataSetError:
                assert capture.name == DAMAGED
                continue
            assert all(read_code(one.code) for one in sets), capture.name


@pytest.mark.parametrize("capture", OWN, ids=lambda capture: capture.name)
def test_control_octets_anywhere_but_in_line_ends_change_nothing(capture: TextCapture) -> None:
    for body in bodies(capture.octets):
        noisy = b"\x02" + b"".join(bytes((octet, 0)) for octet in body) + b"\x03"
        assert data_sets(noisy) == data_sets(body)


@pytest.mark.parametrize(
    ("text", "sets"),
    [
        (b"6.8(0029.055*MWh)6.26(01589.28*m3)", [("6.8", "0029.055*MWh"), ("6.26", "01589.28*m3")]),
        (b"1.6.1(0.5*kW)(22-01-03,10:15)\r\n", [("1.6.1", "0.5*kW", "22-01-03,10:15")]),
        (b"0-1:24.3.0(161107190000)(m3)\r\n(00001.001)\r\n", [("0-1:24.3.0", "161107190000", "m3", "00001.001")]),
        (b"(000001.5*kWh)", [("", "000001.5*kWh")]),
        (b"C.1.1(        )\r\n", [("C.1.1", "        ")]),
        (b"", []),
        (b"\r\n \r\n", []),
    ],
)
def test_sets_end_at_a_bracket_that_no_bracket_follows(text: bytes, sets: list[tuple[str, ...]]) -> None:
    assert data_sets(text) == [DataSet(code, tuple(groups)) for code, *groups in sets]


@pytest.mark.parametrize(
    "text",
    [b"1.8.0", b"1.8.0(1", b"1.8.0 1)", b"1.8.0((1)", b"1.8.0(1))", b"1.8\r\n.0(1)", b"1.8.0(1\r\n)", b"1.8.0(\xb1)",
     b"1.8.0(1!)", b"#(1)", b"1" * 41 + b"(1)"],
)  # fmt: skip
def test_what_is_no_data_set_is_refused(text: bytes) -> None:
    with pytest.raises(DataSetError):
        data_sets(text)


def test_64_kb_without_end_are_refused_and_64_kb_of_sets_are_read() -> None:
    for text in (b"(" * 65_536, b"1.8.0(" + b"1" * 65_536, b"1" * 65_536, b"\r\n" * 32_768 + b"x"):
        with pytest.raises(DataSetError):
            data_sets(text)
    with pytest.raises(DataSetError, match="more than 4096"):
        data_sets(b"1.8.0(" + b"1" * 65_536 + b")")
    assert len(data_sets(b"1.8.0(1)" * 8192)) == 8192
    assert len(data_sets(b"()" * 32_768)[0].groups) == 32_768


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00032549.5061662*kWh", Number(325495061662, -7, "kWh")),
        ("-000116.77*W", Number(-11677, -2, "W")),
        ("032942.0231", Number(329420231, -4, "")),
        ("00000", Number(0, 0, "")),
        ("1.*kWh", None),
        ("*kWh", None),
        ("", None),
        ("   80*Deg", None),
        ("01-18&01:36:47", None),
        ("088*C&082*C", None),
        ("000007,4*kW", None),
        ("١*kWh", None),
        ("1" * 19, None),
    ],
)
def test_a_group_is_a_number_only_if_all_of_it_is_one(text: str, expected: Number | None) -> None:
    assert number(text) == expected


def test_a_decimal_comma_counts_only_where_it_is_expected() -> None:
    assert number("000007,4*kW", comma=True) == Number(74, -1, "kW")


@given(some.integers(-(10**11), 10**11), some.integers(0, 7))
def test_a_number_keeps_every_digit(digits: int, decimals: int) -> None:
    text = f"{abs(digits):012d}"
    whole, fraction = (text[:-decimals], text[-decimals:]) if decimals else (text, "")
    shown = ("-" if digits < 0 else "") + whole + ("." + fraction if fraction else "") + "*kWh"
    assert number(shown) == Number(digits, -decimals, "kWh")


@given(some.binary(max_size=300))
def test_octets_give_sets_or_one_error(octets: bytes) -> None:
    try:
        found = data_sets(octets)
    except DataSetError as error:
        place = error.place
    else:
        assert all(one.groups for one in found)
        return
    assert 0 <= place <= len(octets)


@pytest.mark.parametrize(
    ("text", "obis", "history", "by_hand"),
    [
        ("1-0:1.8.0*255", "1-0:1.8.0", -1, False),
        ("1-0:1.8.0", "1-0:1.8.0", -1, False),
        ("0-0:96.1.255*255", "0-0:96.1.255", -1, False),
        ("0:96.7.19", "0-0:96.7.19", -1, False),
        ("32.7", "1-0:32.7.0", -1, False),
        ("F.F", "0-0:97.97.0", -1, False),
        ("C.1.0", "0-0:96.1.0", -1, False),
        ("F", "0-0:97.0.0", -1, False),
        ("L.1", "1-0:98.1.0", -1, False),
        ("P.01", "1-0:99.1.0", -1, False),
        ("1.8.0*01", "1-0:1.8.0", 1, False),
        ("1.8.0&07", "1-0:1.8.0", 7, True),
        ("1-0:1.8.0*12", "1-0:1.8.0", 12, False),
    ],
)
def test_a_code_names_a_register_and_which_of_its_values(text: str, obis: str, history: int, by_hand: bool) -> None:
    code = read_code(text)
    assert code is not None
    assert (code.obis, code.history, code.by_hand) == (Obis.parse(obis), history, by_hand)
    assert code.live == (history < 0)


def test_short_codes_are_completed_by_the_medium() -> None:
    code = read_code("6.8*01", HEAT)
    assert code is not None
    assert (code.obis, code.history) == (Obis.parse("6-0:6.8.0"), 1)


@pytest.mark.parametrize("text", ["", "1.8.0.0.0", "256.8.0", "1-0:1.8.0*256", "X.1", "1..8", "1.8.0*", "-0:1.8.0"])
def test_other_codes_have_no_name(text: str) -> None:
    assert read_code(text) is None


@pytest.mark.parametrize(
    ("text", "unit"),
    [("kWh", (30, 3)), ("KWh", (30, 3)), ("MWh", (30, 6)), ("kVArh", (32, 3)), ("W", (27, 0)), ("GJ", (25, 9)),
     ("m3", (13, 0)), ("m3ph", (15, 0)), ("C", (9, 0)), ("", (255, 0)), ("furlong", None)],
)  # fmt: skip
def test_a_unit_is_a_number_and_a_power_of_ten(text: str, unit: tuple[int, int] | None) -> None:
    assert unit_of(text) == unit
