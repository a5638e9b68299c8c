"""Selective access, typed literals, ranges of octets, and which form a client likes best."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smgw.cosem import CaptureObject
from smgw.cosem.data import Data, DataType
from smgw.cosem.obis import Obis
from smgw.webservice import byte_range, literal, query
from smgw.webservice.byte_range import ByteRange
from smgw.webservice.error import BadRequest, Forbidden, RangeNotSatisfiable, Unauthorized
from smgw.webservice.media_type import COSEM_XML, CSV, JSON, choose, preference
from smgw.webservice.selection import Selection

ENERGY = CaptureObject(3, Obis.parse("1-0:1.8.0*255"), 2)
ENERGY_TEXT = "{long:3,octet-string:0100010800ff,integer:2,long:0}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("double-long:-12345", Data(DataType.DOUBLE_LONG, -12345)),
        ("octet-string:98aa", Data(DataType.OCTET_STRING, b"\x98\xaa")),
        ("Integer8:5", Data(DataType.INTEGER, 5)),
        ("date_time:07e9031e0701000000000000", Data(DataType.DATE_TIME, bytes.fromhex("07e9031e0701000000000000"))),
        ("visible-string:a:b", Data(DataType.VISIBLE_STRING, "a:b")),
        ("[]", Data(DataType.ARRAY, ())),
        (
            "[long:1,{enum:2}]",
            Data(
                DataType.ARRAY,
                (Data(DataType.LONG, 1), Data(DataType.STRUCTURE, (Data(DataType.ENUM, 2),))),
            ),
        ),
    ],
)
def test_literals_are_read(text, expected):
    assert literal.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "5", "long", "long:", "long:1e3", "long:40000", "unsigned:-1", "octet-string:9", "date_time:07e9",
        "long:1]", "[long:1", "[long:1,]", "{long:1]", "[[[[[long:1]]]]]", "float64:0000000000000000", "null-data:",
        "[" + "long:1," * 300 + "long:1]", "long:" + "9" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_literal_is_a_bad_request(text):
    with pytest.raises(BadRequest):
        literal.parse(text)


@given(st.text(alphabet="[]{},:longarsicte-09 ", max_size=80))
def test_any_text_is_a_literal_or_a_bad_request(text):
    try:
        literal.parse(text)
    except BadRequest:
        return


def test_a_selection_is_read():
    found = query.parse(
        "sa.fromidx=2&sa.toidx=9&sa.count=3&sa.fromcol=1&sa.tocol=0"
        f"&sa.filtercolumn={ENERGY_TEXT}&sa.fromtype=long64:1&sa.totype=long64:9"
    ).selection
    assert found == Selection(2, 9, 3, 1, None, None, ENERGY, Data(DataType.LONG64, 1), Data(DataType.LONG64, 9))
    assert query.parse(f"sa.retrievecolumns=[{ENERGY_TEXT}]").selection == Selection(columns=(ENERGY,))
    assert query.parse("q.count=1").selection is None


def test_a_selection_is_as_long_as_its_narrowest_bound():
    assert Selection().limit is None
    assert Selection(at_most=4).limit == 4
    assert Selection(first_index=3, last_index=5).limit == 3
    assert Selection(last_index=5, at_most=2).limit == 2
    assert Selection(first_index=9, last_index=5).limit == 0


@pytest.mark.parametrize(
    "text",
    [
        "sa.fromidx=0",
        "sa.count=x",
        "sa.since=1",
        "sa.fromtype=long:1",
        "sa.filtercolumn=long:3",
        "sa.filtercolumn={long:3,octet-string:0100,integer:2,long:0}",
        "sa.filtercolumn={long:3,octet-string:0100010800ff,integer:2,long:5}",
        f"sa.retrievecolumns={ENERGY_TEXT}",
        f"sa.retrievecolumns=[{ENERGY_TEXT}]&sa.fromcol=1",
    ],
)
def test_a_selection_that_is_none_is_a_bad_request(text):
    with pytest.raises(BadRequest):
        query.parse(text)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", ByteRange(0, 9, 100)),
        ("Bytes= 90-", ByteRange(90, 99, 100)),
        ("bytes=-5", ByteRange(95, 99, 100)),
        ("bytes=-500", ByteRange(0, 99, 100)),
        ("bytes=50-5000", ByteRange(50, 99, 100)),
    ],
)
def test_ranges_are_read(header, expected):
    assert byte_range.asks_for_octets(header)
    assert byte_range.parse(header, 100) == expected


def test_a_range_tells_its_place_and_length():
    part = ByteRange(90, 99, 100)
    assert (part.length, part.content_range) == (10, "bytes 90-99/100")


@pytest.mark.parametrize("header", ["bytes=", "bytes=-", "bytes=a-b", "bytes=9-1", "bytes=1-2-3", "bytes=-" + "9" * 99])
def test_what_is_no_range_is_a_bad_request(header):
    with pytest.raises(BadRequest):
        byte_range.parse(header, 100)


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_beyond_the_end_is_told_with_the_length(header):
    with pytest.raises(RangeNotSatisfiable) as caught:
        byte_range.parse(header, 100)
    assert (caught.value.status, caught.value.headers) == (416, {"Content-Range": "bytes */100"})


@pytest.mark.parametrize("header", [None, "", "items=0-9", "bytes=0-1,5-6"])
def test_other_units_and_several_ranges_get_the_whole(header):
    assert not byte_range.asks_for_octets(header)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, COSEM_XML),
        ("application/json", JSON),
        ("text/csv;q=0.5, application/json;q=0.4", CSV),
        ("application/json;q=0.999, */*", COSEM_XML),
        ("text/*", CSV),
        ("image/png", None),
        ("*/*;q=0", None),
        ("application/json;q=7", JSON),  # an entry that is wrong counts as without a weight
    ],
)
def test_the_form_a_client_likes_best(header, expected):
    assert choose(header, (COSEM_XML, JSON, CSV)) == expected


def test_a_weight_has_three_digits():
    assert preference("application/json;q=0.25", JSON) == 250
    assert preference("application/json;q=1.0", JSON) == 1000


def test_who_may_not_is_told_how():
    assert Unauthorized("no").headers["WWW-Authenticate"].startswith("Basic realm=")
    assert Forbidden("no").status == 403
