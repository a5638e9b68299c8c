"""The document: one text for one content, and back; what is no document is refused with its place."""

import pytest
from documents_made import documents, example
from hypothesis import given, settings
from smgw.cosem.data import NULL, Data, DataType
from smgw.cosem.obis import Obis
from smgw.cosemxml import document, reader, writer
from smgw.cosemxml.document import DocumentError, Register


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
