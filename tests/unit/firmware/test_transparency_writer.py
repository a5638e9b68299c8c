"""The file for the display software of the consumer: each element in its place, and nothing that is refused."""

import io

import ar2418
import pytest
from smgw.cosem.status_word import StatusWord
from smgw.transparency.document import (
    HAN,
    SIGNATURE,
    SUB_CA,
    Certificate,
    Component,
    LogEntry,
    UsagePoint,
    Value,
    ValueList,
)
from smgw.transparency.errors import TransparencyError
from smgw.transparency.writer import write

BEGIN = 1_767_222_000  # 2026-01-01T00:00:00+01:00
US = 1_000_000
METER = "1EMH0005347109"
VALUES = tuple(
    Value(1000 + place, (BEGIN + 900 * place) * US + 340_000, (BEGIN + 900 * place) * US) for place in range(5)
)
ORIGINAL = ValueList(METER, METER, "0100010800ff", 30, -1, BEGIN, BEGIN + 3600, VALUES, 900)
WHOLE = UsagePoint(
    "DE00000000000000000000000000000001",
    "consumer-1",
    "9900000000001",
    "ESMG0000000001",
    "tariff-1",
    (Certificate(SIGNATURE, b"\x30\x01", 1), Certificate(SUB_CA, b"\x30\x02"), Certificate(HAN, b"\x30\x03")),
    (ORIGINAL,),
    (LogEntry(7, BEGIN, "values sent", 1, 0, 16001, 55, "taf-2", "consumer-1"),),
    firmware_version="0.1.0",
    components=(Component("smgw", "0.1.0", "aa"),),
    profile=b"{}",
)


def written(point: UsagePoint) -> bytes:
    out = io.BytesIO()
    write(point, out)
    return out.getvalue()


def texts(octets: bytes, element: str) -> list[str]:
    return [found.text or "" for found in ar2418.check(octets).iter(f"{ar2418.AR}{element}", f"{ar2418.ESPI}{element}")]


def test_a_whole_file_keeps_all_rules() -> None:
    ar2418.check(written(WHOLE))


def test_the_least_file_keeps_them_too() -> None:
    least = UsagePoint("u", "c", "i", "g", "t", (Certificate(HAN, b"\x30"),), ())
    ar2418.check(written(least))


def test_the_gateway_names_as_many_certificates_as_there_are() -> None:
    assert texts(written(WHOLE), "certId") == ["1", "2", "3", "1", "2", "3"]
    assert texts(written(WHOLE), "parentCertId") == ["2"]


def test_times_are_local_with_their_offset() -> None:
    summer = 1_782_856_800  # 2026-07-01T00:00:00+02:00
    values = (Value(1, summer * US, summer * US),)
    octets = written(WHOLE._replace(lists=(ORIGINAL._replace(begin_s=BEGIN, end_s=summer, values=values),)))
    assert texts(octets, "targetTime") == ["2026-07-01T00:00:00+02:00"]
    assert texts(octets, "start")[0] == "2026-01-01T00:00:00+01:00"


def test_an_original_list_is_known_by_its_owner() -> None:
    derived = ORIGINAL._replace(owner="taf-2-1", obis="0100010801ff", period_s=0)
    octets = written(WHOLE._replace(lists=(ORIGINAL, derived)))
    assert texts(octets, "meterId") == [METER, METER]
    assert texts(octets, "qualifiedLogicalName") == [f"0100010800ff.{METER}.sm", "0100010801ff.taf-2-1.sm"]


def test_the_status_word_has_bit_0_first() -> None:
    values = (Value(1, BEGIN * US, BEGIN * US, status=StatusWord(0b101, 0b100), ptb=0),)
    octets = written(WHOLE._replace(lists=(ORIGINAL._replace(values=values),)))
    assert texts(octets, "statusFNN") == ["a000000020000000"]
    assert texts(octets, "statusPTB") == ["0"]


@pytest.mark.parametrize(("unit", "uom"), [(30, 72), (27, 38), (13, 42), (35, 29), (33, 5), (44, 33), (32, 73)])
def test_units_are_those_of_the_file(unit: int, uom: int) -> None:
    assert texts(written(WHOLE._replace(lists=(ORIGINAL._replace(unit=unit),))), "uom") == [str(uom)]


def test_a_number_of_64_bits_is_exact() -> None:
    values = (Value(2**63 - 1, BEGIN * US), Value(-5, BEGIN * US))
    octets = written(WHOLE._replace(lists=(ORIGINAL._replace(values=values),)))
    assert texts(octets, "value") == ["9223372036854775807", "-5"]


def test_what_a_log_entry_says_is_never_markup() -> None:
    octets = written(WHOLE._replace(log=(LogEntry(1, BEGIN, "<a>&\x00\x1b[0m" + "x" * 20_000),)))
    (text,) = texts(octets, "text")
    assert text.startswith("<a>&  [0m")
    assert len(text) == 16_384


_ONE = Value(1, BEGIN * US, BEGIN * US)


@pytest.mark.parametrize(
    ("point", "said"),
    [
        (WHOLE._replace(customer=""), "customerId is empty"),
        (WHOLE._replace(customer="x" * 65), "customerId: .* at most 64"),
        (WHOLE._replace(usage_point="a\nb"), "usagePointId: .* printable"),
        (WHOLE._replace(certificates=()), "Certificate: 0 certificates.*smgw keys install"),
        (WHOLE._replace(lists=(ORIGINAL._replace(unit=25),)), "uom: .* unit 25"),
        (WHOLE._replace(lists=(ORIGINAL._replace(values=(Value(2**63, BEGIN * US),)),)), "value: 9223372036854775808"),
        (WHOLE._replace(lists=(ORIGINAL._replace(values=(_ONE._replace(ptb=5),)),)), "statusPTB: 5"),
        (WHOLE._replace(lists=(ORIGINAL._replace(values=(*VALUES, _ONE)),)), "before the value in front of it"),
        (WHOLE._replace(lists=(ORIGINAL._replace(end_s=BEGIN),)), "outside of the interval"),
        (WHOLE._replace(log=(LogEntry(1, BEGIN, "x", level=6),)), "level: 6 does not fit; 1 to 5"),
    ],
    ids=["no-customer", "long-id", "control", "no-certificate", "unit", "value", "ptb", "order", "interval", "level"],
)
def test_what_does_not_fit_is_refused_by_its_element(point: UsagePoint, said: str) -> None:
    with pytest.raises(TransparencyError, match=said):
        written(point)
