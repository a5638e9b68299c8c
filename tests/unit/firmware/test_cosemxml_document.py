"""The document: one text for one content, and back; what is no document is refused with its place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smgw.cosem import date_time
from smgw.cosem.data import NULL, RANGE, Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import StatusWord
from smgw.cosemxml import document, reader, writer
from smgw.cosemxml.document import Document, DocumentError, Register, Row

NUMBERS = [kind for kind in RANGE if kind is not DataType.BOOLEAN]
VALUE = (
    st.just(NULL)
    | st.sampled_from(NUMBERS).flatmap(lambda kind: st.integers(*RANGE[kind]).map(lambda value: Data(kind, value)))
    | st.binary(max_size=12).map(lambda octets: Data(DataType.OCTET_STRING, octets))
)
TIME = st.integers(0, date_time.MAX_US // 10_000).map(lambda hundredths: hundredths * 10_000)
U32 = st.integers(0, 0xFFFFFFFF)
OBIS = st.binary(min_size=6, max_size=6).map(Obis)
SCALED = st.tuples(OBIS, st.integers(-128, 127), st.integers(0, 255), st.sampled_from([3, 4]), st.just(2))
PLAIN = st.tuples(OBIS, st.just(0), st.just(255), st.just(1), st.integers(2, 9))
REGISTER = (SCALED | PLAIN).map(lambda fields: Register(*fields))


@st.composite
def documents(draw):
    registers = tuple(draw(st.lists(REGISTER, max_size=4, unique_by=lambda register: register.obis)))

    def row():
        capture = draw(st.none() | TIME)
        return Row(
            draw(st.integers(0, (1 << 64) - 1)),
            capture,
            draw(st.none() | TIME),
            capture is not None and draw(st.booleans()),
            StatusWord(draw(U32), draw(U32)),
            tuple(draw(VALUE) for _ in registers),
        )

    rows = tuple(row() for _ in range(draw(st.integers(0, 4))))
    device = DeviceId(draw(st.binary(min_size=1, max_size=64)))
    gateway = DeviceId(draw(st.binary(min_size=1, max_size=64)))
    return Document(gateway, draw(st.binary(min_size=16, max_size=16)).hex(), device, registers, rows)


def example(rows: int = 2, registers: int = 2) -> Document:
    columns = tuple(Register(Obis(bytes((1, 0, n, 8, 0, 255))), -1, 30) for n in range(1, registers + 1))
    return Document(
        DeviceId.parse("ESMG0000000001"),
        "ab" * 16,
        DeviceId.parse("1EMH0005347109"),
        columns,
        tuple(
            Row(
                n,
                1_700_000_000_000_000 + n * 1_000_000,
                None,
                True,
                StatusWord(5, 0x10104),
                tuple(Data(DataType.LONG64_UNSIGNED, 12_345_678 + n) for _ in columns),
            )
            for n in range(1, rows + 1)
        ),
    )


@given(documents())
@settings(max_examples=200, deadline=None)
def test_every_document_comes_back_as_it_went(content):
    assert document.decode(document.encode(content)) == content


@given(documents())
@settings(max_examples=50, deadline=None)
def test_the_fast_text_is_the_text_of_the_general_writer(content):
    octets = document.encode(content)
    assert writer.encode(reader.decode(octets)) == octets


def test_times_are_cut_to_hundredths():
    content = example(1)
    rows = (content.rows[0]._replace(capture_time_us=1_700_000_000_129_999),)
    assert (
        document.decode(document.encode(content._replace(rows=rows))).rows[0].capture_time_us == 1_700_000_000_120_000
    )


def test_the_latest_value_is_the_last_that_there_is():
    content = example(3, 1)
    rows = (*content.rows[:2], content.rows[2]._replace(values=(NULL,)))
    ldev = reader.decode(document.encode(content._replace(rows=rows)))
    assert ldev.objects.members[2].attributes.members[1].value == content.rows[1].values[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"store_id": "ab"}, "is no store id"),
        ({"registers": example().registers[:1] * 2}, "the register is there twice"),
        (
            {"registers": (example().registers[0], example().registers[0]._replace(scaler=0, attribute=5))},
            "two scalers",
        ),
        ({"registers": (example().registers[0], Register(Obis(bytes(6)), -1, 30, 1))}, "class 1 has no scaler"),
        ({"registers": example().registers[:1]}, "record 1: 2 values for 1 registers"),
        ({"rows": (example().rows[0]._replace(capture_time_us=-1),)}, "record 1: -1 us is outside"),
        (
            {"rows": (example().rows[0]._replace(values=(Data(DataType.INTEGER, 500), NULL)),)},
            "record 1: 500 is no value of the type integer",
        ),
    ],
)
def test_a_document_that_cannot_be_written_is_refused(change, message):
    with pytest.raises(DocumentError, match=message):
        document.encode(example()._replace(**change))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"ab" * 8, b"", "store id 16"),
        (b"0000636203ff", b"0000636204ff", "object 1-0000636203ff/attribute 2: is missing"),
        (b'class-id="7"', b'class-id="8"', "object 7-0100630100ff/attribute 3: is missing"),
        (b"00005e31f001", b"00005e31f009", "the first four are record number"),
        (
            b"<cod:integer>-1</cod:integer><cod:enum>30</cod:enum>",
            b"<cod:integer>-1</cod:integer>",
            "scaler, enum unit",
        ),
        (
            b"<cod:long64-unsigned>12345679</cod:long64-unsigned></cod:structure>",
            b"</cod:structure>",
            "row 1: 5 cells for 6",
        ),
        (b"07e70b0e02160d15", b"07e70d0e02160d15", "row 1: month must be"),
        (b"<cod:octet-string>a0000000", b"<cod:octet-string>a000", "column 4 is no status word"),
        (b"<cod:double-long-unsigned>1<", b"<cod:double-long>-1<", "not well-formed"),
        (b"<ldev", b"<cosem", "not well-formed"),
    ],
)
def test_xml_that_is_no_document_is_refused_with_its_place(old, new, message):
    octets = document.encode(example())
    assert old in octets
    with pytest.raises(DocumentError, match=message):
        document.decode(octets.replace(old, new))


def test_another_resource_is_no_document():
    with pytest.raises(DocumentError, match="its root element is ldev"):
        document.decode(b"<cosem/>")


def test_a_time_with_a_deviation_is_refused():
    octets = document.encode(example(1)).replace(b"07e70b0e02160d1500000000", b"07e70b0e02160d1500003c00")
    with pytest.raises(DocumentError, match="times travel as UTC"):
        document.decode(octets)
