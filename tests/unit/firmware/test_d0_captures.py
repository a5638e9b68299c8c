"""All captures of D0: the data sets of other readers, whole, octet by octet, in noise, and with flipped bits."""

import re
from decimal import Decimal

import pytest
from captures import TextCapture, text_captures
from smgw.cosem import DataType
from smgw.cosem.units import NO_UNIT
from smgw.iec62056.d0.check import Check
from smgw.iec62056.d0.read_out import ReadOut, ReadOutReader
from smgw.iec62056.d0.values import values
from smgw.iec62056.seven_bit import with_parity
from smgw.wire import Refused

#: What is no sound read-out -> what is said: of P1, with a wrong check value, and with "?Bla" for a maker.
REFUSED = {
    "smartmeter-obis/testSerialResponseD0DSMR.txt": "dsmr-p1",
    "smartmeter-obis/testSerialRequestResponseD0End.txt": "BCC",
    "smartmeter-obis/testLocalFileD0.txt": "",
}
CAPTURES = [one for one in text_captures("d0") if one.name not in REFUSED]
NOISE = b"\x00\xff\x03\x55!?*1.8.0(12"
#: Units of the captures -> factor to the unit that a reading has, by hand.
FACTORS = {
    "kWh": 1000, "MWh": 1_000_000, "kW": 1000, "W": 1, "V": 1, "A": 1, "m3": 1, "h": 1, "var": 1, "kvar": 1000,
    "kvarh": 1000, "Deg": 1, "m3ph": 1,
}  # fmt: skip
_each = pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.name)


def read(octets: bytes) -> list[ReadOut | Refused]:
    reader = ReadOutReader()
    return [*reader.receive(octets), *reader.finish()]


def whole(octets: bytes) -> list[ReadOut]:
    return [one for one in read(octets) if isinstance(one, ReadOut)]


def by_brackets(octets: bytes) -> list[list[list[object]]]:
    """The data sets of each read-out, as a reader finds them that looks at brackets alone."""
    found = []
    for text in re.findall(r"/[^\n]*\n(.*?)!", octets.decode("ascii"), re.DOTALL):
        sets = re.findall(r"([^()\s\x02]+)((?:\([^()]*\))+)", text)
        found.append([[code, re.findall(r"\(([^()]*)\)", groups)] for code, groups in sets])
    return found


def expected(capture: TextCapture) -> list[list[list[object]]]:
    if capture.golden:
        return [sets for _, sets in capture.golden["sets"]]
    return by_brackets(capture.octets)


@_each
def test_the_data_sets_are_those_that_another_reader_found(capture: TextCapture) -> None:
    found = [[[one.code, list(one.groups)] for one in told.sets] for told in whole(capture.octets)]
    assert found == expected(capture)
    assert found


@pytest.mark.parametrize("capture", [one for one in CAPTURES if one.golden], ids=lambda capture: capture.name)
def test_the_reader_by_brackets_agrees_with_the_golden_file(capture: TextCapture) -> None:
    assert by_brackets(capture.octets) == expected(capture)


@pytest.mark.parametrize("name", REFUSED)
def test_a_capture_that_is_no_sound_read_out_gives_no_value(name: str) -> None:
    (capture,) = (one for one in text_captures("d0") if one.name == name)
    for event in read(capture.octets):
        assert isinstance(event, Refused)
        assert REFUSED[name] in event.reason


@_each
def test_each_live_number_with_a_known_unit_is_exact(capture: TextCapture) -> None:
    for told in whole(capture.octets):
        readings = [one for one in values(told.sets, 1).readings if one.value.type is not DataType.VISIBLE_STRING]
        found = sorted(Decimal(int(one.value.value)).scaleb(one.scaler) for one in readings if one.unit != NO_UNIT)
        wanted, seen = [], set()
        for code, groups in ((one.code, one.groups) for one in told.sets):
            match = re.fullmatch(r"\s*(-?[0-9.]+)\*(\w+)", groups[0])
            name = code.removesuffix("*255")
            if match and match[2] in FACTORS and not re.search(r"[*&]\d+$", name) and name not in seen:
                seen.add(name)
                wanted.append(Decimal(match[1]) * FACTORS[match[2]])
        assert found == sorted(wanted)


@_each
@pytest.mark.parametrize("parity", [False, True], ids=["7-bit", "parity"])
def test_octet_by_octet_and_in_noise_the_read_outs_are_the_same(capture: TextCapture, *, parity: bool) -> None:
    octets = with_parity(capture.octets) if parity else capture.octets
    octets = octets + with_parity(b"\r\n") if parity else octets + b"\r\n"
    alone = whole(octets)
    reader, found = ReadOutReader(), []
    for octet in octets:
        found += reader.receive(bytes((octet,)))
    found += reader.finish()
    assert [one for one in found if isinstance(one, ReadOut)] == alone
    noise = with_parity(NOISE) if parity else NOISE
    assert [one.sets for one in whole(noise + octets)] == [one.sets for one in alone]


@_each
def test_no_flipped_bit_gives_another_value(capture: TextCapture) -> None:
    """A check value protects, or the parity that every meter sends."""
    good = whole(capture.octets)
    octets = capture.octets
    if any(one.check is not Check.BCC for one in good):
        octets = with_parity(octets)
        assert {one.check for one in whole(octets)} <= {Check.PARITY, Check.BCC}
    sets = [one.sets for one in good]
    for place in range(len(octets)):
        for bit in range(8):
            damaged = bytearray(octets)
            damaged[place] ^= 1 << bit
            for one in whole(bytes(damaged)):
                assert one.sets in sets, (place, bit)


@_each
def test_a_read_out_cut_anywhere_gives_no_value_and_the_next_is_read(capture: TextCapture) -> None:
    octets = with_parity(capture.octets.rstrip(b"\r\n") + b"\r\n")
    good = [one.sets for one in whole(octets)]
    begin = octets.index(with_parity(b"/"))
    for cut in range(begin + 5, octets.rindex(with_parity(b"!")), 3):
        assert [one.sets for one in whole(octets[begin:cut] + octets)][-len(good) :] == good, cut
