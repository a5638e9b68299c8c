"""COSEM-XML: what goes out comes back, what others write differently comes in, what is hostile stays out."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smgw.cosem.data import NULL, RANGE, Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosemxml.depth import cut
from smgw.cosemxml.error import CosemXmlError
from smgw.cosemxml.reader import decode
from smgw.cosemxml.resources import (
    Attribute,
    Attributes,
    Container,
    Containers,
    Cosem,
    LogicalDevice,
    LogicalDevices,
    Method,
    MethodRequest,
    MethodResponse,
    Methods,
    Object,
    Objects,
)
from smgw.cosemxml.source import Limits
from smgw.cosemxml.writer import encode
from work import work

XML_TEXT = st.text(
    st.characters(blacklist_characters="\ufffe\uffff", blacklist_categories=("Cc", "Cs"))
) | st.sampled_from(["", " ", "\t\n", "a\rb\r\n", "<&>\"'", "]]>", "a=b" * 300, "  kept  "])
SCALARS = st.one_of(
    *[st.integers(*bounds).map(lambda value, kind=kind: Data(kind, value)) for kind, bounds in RANGE.items()],
    st.sampled_from([NULL, Data(DataType.DONT_CARE, None)]),
    *[
        st.binary(min_size=size, max_size=size).map(lambda octets, kind=kind: Data(kind, octets))
        for kind, size in [
            (DataType.FLOATING_POINT, 4),
            (DataType.FLOAT32, 4),
            (DataType.FLOAT64, 8),
            (DataType.DATE_TIME, 12),
            (DataType.DATE, 5),
            (DataType.TIME, 4),
        ]
    ],
    st.binary(max_size=40).map(lambda octets: Data(DataType.OCTET_STRING, octets)),
    st.binary(max_size=10).map(lambda octets: Data(DataType.BCD, octets)),
    st.text("01", max_size=40).map(lambda bits: Data(DataType.BIT_STRING, bits)),
    XML_TEXT.map(lambda text: Data(DataType.VISIBLE_STRING, text)),
    XML_TEXT.map(lambda text: Data(DataType.UTF8_STRING, text)),
)
DATA = st.recursive(
    SCALARS,
    lambda inner: st.builds(
        Data,
        st.sampled_from([DataType.ARRAY, DataType.STRUCTURE, DataType.COMPACT_ARRAY]),
        st.lists(inner, max_size=4).map(tuple),
    ),
    max_leaves=12,
)
INDEX = st.integers(-128, 127)
OBIS = st.binary(min_size=6, max_size=6).map(Obis)
DEVICE = st.binary(min_size=1, max_size=64).map(DeviceId) | st.integers(0, 99_999_999).map(
    lambda serial: DeviceId.parse(f"1EMH00{serial:08d}")
)


def lists(kind, member):
    return st.lists(member, max_size=3).map(lambda members: kind(tuple(members))) | st.integers(1, 99).map(
        lambda total: kind((), total)
    )


ATTRIBUTE = st.builds(Attribute, INDEX, st.none() | DATA)
METHOD = st.builds(Method, st.integers(1, 127) | st.integers(-128, -1))
OBJECT = st.builds(
    Object,
    OBIS,
    st.integers(0, 65535),
    st.integers(0, 255),
    st.none() | lists(Attributes, ATTRIBUTE),
    st.none() | lists(Methods, METHOD),
)
OBJECTS = st.none() | lists(Objects, OBJECT)
CONTAINER = st.builds(Container, XML_TEXT.map(str.strip), OBJECTS, st.none())
CONTAINERS = st.none() | lists(Containers, CONTAINER)
LDEV = st.builds(LogicalDevice, DEVICE, OBJECTS, CONTAINERS)
RESOURCE = st.one_of(
    ATTRIBUTE,
    METHOD,
    OBJECT,
    LDEV,
    CONTAINER,
    lists(LogicalDevices, LDEV),
    st.builds(Cosem, st.none() | lists(LogicalDevices, LDEV), CONTAINERS),
    st.builds(MethodRequest, st.none() | DATA),
    st.builds(MethodResponse, st.none() | st.integers(0, 255), st.none() | DATA),
)


def attribute(inner: str, namespaces: str = "") -> bytes:
    return f'<attribute id="2" {namespaces}>{inner}</attribute>'.encode()


@given(DATA)
def test_every_value_comes_back_as_it_went(data):
    assert decode(encode(Attribute(2, data))) == Attribute(2, data)


@given(RESOURCE)
@settings(max_examples=150, deadline=None)
def test_every_resource_comes_back_as_it_went(resource):
    back = decode(encode(resource))
    assert type(back) is type(resource)
    assert back == resource


@pytest.mark.parametrize("kind", DataType)
def test_every_data_type_can_be_written(kind):
    examples = {
        **dict.fromkeys(RANGE, 1),
        **dict.fromkeys([DataType.ARRAY, DataType.STRUCTURE, DataType.COMPACT_ARRAY], ()),
        **dict.fromkeys([DataType.NULL_DATA, DataType.DONT_CARE], None),
        **dict.fromkeys([DataType.VISIBLE_STRING, DataType.UTF8_STRING, DataType.BIT_STRING], "1"),
        **dict.fromkeys([DataType.OCTET_STRING, DataType.BCD, DataType.FLOATING_POINT, DataType.FLOAT32], bytes(4)),
        DataType.FLOAT64: bytes(8),
        DataType.DATE_TIME: bytes(12),
        DataType.DATE: bytes(5),
        DataType.TIME: bytes(4),
    }
    data = Data(kind, examples[kind])
    assert decode(encode(Attribute(1, data))).value == data


def test_the_annex_example_is_written_with_one_element_a_line():
    value = Data(DataType.STRUCTURE, (Data(DataType.INTEGER, -1), Data(DataType.ENUM, 30)))
    text = encode(Object(Obis.parse("1.8.0"), 3, 0, Attributes((Attribute(3, value),)))).decode()
    assert text == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<object xmlns="urn:k461-dke-de:cor-1" xmlns:cod="urn:k461-dke-de:cod-1"'
        ' id="0100010800ff" class-id="3" version="0">\n'
        '  <attributes count="1">\n'
        '    <attribute id="3"><cod:structure><cod:integer>-1</cod:integer><cod:enum>30</cod:enum></cod:structure>'
        "</attribute>\n"
        "  </attributes>\n"
        "</object>\n"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (attribute("<integer>5</integer>"), Data(DataType.INTEGER, 5)),
        (attribute("<x:integer>5</x:integer>", 'xmlns:x="urn:any"'), Data(DataType.INTEGER, 5)),
        (attribute("<Integer8> 5\n</Integer8>"), Data(DataType.INTEGER, 5)),
        (attribute("<Unsigned32>5</Unsigned32>"), Data(DataType.DOUBLE_LONG_UNSIGNED, 5)),
        (attribute("\n  <attribute><integer>+5</integer></attribute>\n"), Data(DataType.INTEGER, 5)),
        (
            attribute("<!-- why --><date-time>07e70b0e02160d1500000000</date-time>"),
            Data(DataType.DATE_TIME, bytes.fromhex("07e70b0e02160d1500000000")),
        ),
        (attribute("<boolean>1</boolean>"), Data(DataType.BOOLEAN, 1)),
        (attribute("<octet-string> 01 0A </octet-string>"), Data(DataType.OCTET_STRING, b"\x01\x0a")),
        (attribute("<visible-string><![CDATA[<a> = b]]></visible-string>"), Data(DataType.VISIBLE_STRING, "<a> = b")),
        (attribute(""), None),
    ],
)
def test_sloppy_data_is_understood(text, expected):
    assert decode(text) == Attribute(2, expected)


@pytest.mark.parametrize(
    "head",
    ['id="0100010800ff" class_id="3"', 'id="3-0100010800FF"', 'id="0100010800ff.1emh0005347109.sm" class-id="3"'],
)
def test_an_object_may_be_named_in_the_ways_seen_in_the_field(head):
    assert decode(f"<object {head}/>".encode()) == Object(Obis.parse("1.8.0"), 3)


def test_a_container_may_be_wrapped_in_containers():
    wrapped = b'<container id="a"><containers><container><objects count="0"/></container></containers></container>'
    assert decode(wrapped) == Container("a", Objects())


def test_a_hex_id_that_looks_like_a_din_id_stays_what_it_was():
    device = DeviceId(bytes.fromhex("1abc0011223344"))
    assert decode(encode(LogicalDevice(device))) == LogicalDevice(device)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (
            attribute("<integer>128</integer>"),
            "attribute/integer, line 1: '128' is no integer; write a number from -128",
        ),
        (attribute("<integer>1_0</integer>"), "'1_0' is no integer"),
        (attribute("<integer>1.0</integer>"), "'1.0' is no integer"),
        (attribute("<unsigned>٣</unsigned>"), "is no unsigned"),
        (attribute("<float64>00</float64>"), "write 16 hex digits"),
        (attribute("<octet-string>0</octet-string>"), "write pairs of hex digits"),
        (attribute("<bit-string>012</bit-string>"), "write the digits 0 and 1"),
        (attribute("<boolean>yes</boolean>"), "write true or false"),
        (attribute("<null-data>0</null-data>"), "it is an empty element"),
        (attribute("<fuel>1</fuel>"), "'fuel' is no COSEM data type"),
        (attribute("<integer>1</integer><integer>2</integer>"), "2 values; one belongs here"),
        (attribute("5"), "text '5' where only elements belong"),
        (attribute("<integer><integer>1</integer></integer>"), "holds no other elements"),
        (b"<attributes count='2'>\n<attribute id='1'/>\n</attributes>", "attributes, line 1: count=2, but 1 are here"),
        (b"<attributes>\n<attribute/></attributes>", "attributes/attribute, line 2: the attribute id is missing"),
        (b"<object id='0100010800ff'/>", "class-id is missing"),
        (b"<object id='1.8.0' class-id='3'/>", "is no logical name"),
        (b"<ldev id='meter 5'/>", "is no device id"),
        (b"<ldev id='1emh0005347109.sm'><object/></ldev>", "'object' inside ldev"),
        (b"<html/>", "'html' is no resource"),
        (b"<attribute id='1'>", "not well-formed XML"),
        (b"", "the text is empty"),
        (b"\xff\xfe<\x00a\x00/\x00>\x00", "not well-formed"),
        (b"<?xml version='1.0' encoding='ISO-8859-1'?><cosem/>", "COSEM-XML is UTF-8"),
    ],
)
def test_a_refusal_says_where_and_what_would_be_right(text, where):
    with pytest.raises(CosemXmlError) as caught:
        decode(text)
    assert where in str(caught.value)


BOMB = b'<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;">]>'


@pytest.mark.parametrize(
    "text",
    [
        BOMB + b"<attribute id='1'><visible-string>&y;</visible-string></attribute>",
        b"<?xml version='1.0'?>\n<!-- <a> -->" + BOMB + b"<cosem/>",
        b"\xef\xbb\xbf<!DOCTYPE cosem SYSTEM 'file:///etc/passwd'><cosem/>",
        b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + attribute("<visible-string>&e;</visible-string>"),
    ],
)
def test_a_document_type_is_refused_before_it_can_cost_anything(text):
    with pytest.raises(CosemXmlError, match="document type"):
        decode(text)


@pytest.mark.parametrize(
    "text",
    [
        b"<attribute id='1'>" + b"<array>" * 10_000 + b"</array>" * 10_000 + b"</attribute>",
        b"<attribute id='1'>" + b"<array>" * 100 + b"</array>" * 100 + b"</attribute>",
        b"<attribute id='1'><array>" + b"<integer/>" * 600_000 + b"</array></attribute>",
        b"<attribute " + b" ".join(b"a%d='='" % n for n in range(100_000)) + b"/>",
        b"<attribute " + b" ".join(b"xmlns:a%d='>'" % n for n in range(100_000)) + b"/>",
        b"<attribute id='1'><integer>" + b"9" * 1_000_000 + b"</integer></attribute>",
        b"<attribute id='1'><visible-string>" + b"x" * 5_000_000 + b"</visible-string></attribute>",
        b"<?" + b"x" * 3_000_000,
        b"<!--" * 500_000,
        b" " * 3_000_000 + b"<",
    ],
    ids=[
        "deep",
        "nested data",
        "many elements",
        "many attributes",
        "many namespaces",
        "long number",
        "long text",
        "open pi",
        "comments",
        "blanks",
    ],
)
def test_a_hostile_text_is_refused_with_little_work(text):
    def read():
        with pytest.raises(CosemXmlError):
            decode(text)

    assert work(read, 1_000_000)


def test_an_unknown_entity_is_refused():
    with pytest.raises(CosemXmlError):
        decode(attribute("<visible-string>&passwd;</visible-string>"))


def test_limits_are_the_callers():
    octets = encode(Cosem())
    with pytest.raises(CosemXmlError, match="at most 10 are taken"):
        decode(octets, Limits(octets=10))


def test_as_many_elements_are_taken_as_the_limit_says_and_not_one_more():
    octets = attribute("<structure><long>1</long><long>2</long><null-data/></structure>")
    elements = 5

    decode(octets, Limits(elements=elements))
    with pytest.raises(CosemXmlError, match=f"more than {elements - 1} elements"):
        decode(octets, Limits(elements=elements - 1))


@given(st.binary(max_size=200))
def test_noise_is_refused_and_nothing_else_happens(octets):
    with pytest.raises(CosemXmlError):
        decode(octets)


@given(RESOURCE, st.data())
@settings(max_examples=100, deadline=None)
def test_a_damaged_text_is_read_or_refused(resource, data):
    octets = bytearray(encode(resource))
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with contextlib.suppress(CosemXmlError):
        decode(bytes(octets))


@pytest.mark.parametrize(
    "data",
    [
        Data(DataType.INTEGER, 128),
        Data(DataType.UNSIGNED, -1),
        Data(DataType.LONG, "5"),
        Data(DataType.FLOAT64, bytes(4)),
        Data(DataType.FLOAT32, 1.5),
        Data(DataType.BIT_STRING, "2"),
        Data(DataType.VISIBLE_STRING, "\x00"),
        Data(DataType.ARRAY, None),
        Data(DataType.NULL_DATA, 0),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_not_written(data):
    with pytest.raises(CosemXmlError):
        encode(Attribute(2, data))


def test_depth_cuts_level_by_level():
    register = Object(Obis.parse("1.8.0"), 3, 0, Attributes((Attribute(2, NULL),)))
    devices = LogicalDevices((LogicalDevice(DeviceId(b"\1"), Objects((register,))),))
    assert cut(devices, 0) == LogicalDevices((), 1)
    assert cut(devices, 1) == LogicalDevices((LogicalDevice(DeviceId(b"\1")),))
    assert cut(devices, 2) == LogicalDevices((LogicalDevice(DeviceId(b"\1"), Objects((), 1)),))
    assert cut(devices, 99) == devices
