"""The fast path for rows gives what the usual reader gives, or nothing."""

import pytest
from documents_made import documents
from documents_made import example as made
from hypothesis import example, given, settings
from hypothesis import strategies as st
from smgw.cosem.data import Data, DataType
from smgw.cosemxml import document
from smgw.cosemxml.document import Document, DocumentError
from smgw.cosemxml.source import DEFAULT_LIMITS

PLAIN = document.encode(made(rows=5))


def fast(octets: bytes) -> Document | None:
    return document._decode_plain(octets, DEFAULT_LIMITS)


def usual(octets: bytes) -> Document | None:
    try:
        return document._decode(octets, DEFAULT_LIMITS)
    except DocumentError:
        return None


@given(documents())
@settings(max_examples=200, deadline=None)
def test_the_fast_path_reads_every_document_with_rows_as_the_usual_one(content: Document) -> None:
    octets = document.encode(content)
    found = fast(octets)
    assert (found is None) == (not content.rows)
    assert found is None or repr(found) == repr(usual(octets)) == repr(content)


@given(st.integers(0, len(PLAIN) - 1), st.integers(0, 8), st.binary(max_size=3) | st.sampled_from([b"0", b"-", b"f"]))
@settings(max_examples=500, deadline=None)
@example(PLAIN.index(b"<cod:date_time>") + 29, 2, b"3c")  # a minute of 60 seconds
@example(PLAIN.index(b"<cod:date_time>") + 15, 4, b"07b0")  # before 1970
@example(PLAIN.index(b"<cod:double-long-unsigned>") + 26, 1, b"99999999999")
def test_in_a_changed_text_it_finds_what_the_usual_path_finds_or_nothing(at: int, less: int, more: bytes) -> None:
    octets = PLAIN[:at] + more + PLAIN[at + less :]
    found = fast(octets)
    assert found is None or repr(found) == repr(usual(octets))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"        <attribute id=\"2\"><cod:array>", b"        <!-- <attribute id=\"2\"><cod:array>"),
        (b"<cod:structure><cod:double-long-unsigned>1<", b"<cod:structure><cod:double-long-unsigned>01<"),
        (b"<cod:structure><cod:double-long-unsigned>1<", b"<cod:structure><!-- --><cod:double-long-unsigned>1<"),
        (b"\n          <cod:structure><cod:double-long-unsigned>2<", b"<cod:structure><cod:double-long-unsigned>2<"),
        (b"<cod:null-data/>", b"<cod:null-data></cod:null-data>"),
        (b"<cod:null-data/>", b"<cod:visible-string>a&amp;b</cod:visible-string>"),
        (b" id=\"1emh", b" a=\"1\" id=\"1emh"),
    ],
)  # fmt: skip
def test_another_spelling_is_left_to_the_usual_path(old: bytes, new: bytes) -> None:
    assert PLAIN.count(old)
    octets = PLAIN.replace(old, new, 1)
    found = fast(octets)
    assert found is None or repr(found) == repr(usual(octets))


def test_rows_that_are_hidden_in_a_method_are_no_rows() -> None:
    begin = PLAIN.index(b'    <object id="0100630100ff"')
    end = PLAIN.index(b"</object>\n", begin) + len(b"</object>\n")
    profile = PLAIN[begin:end]
    array = profile[profile.index(b'<attribute id="2">') : profile.index(b'        <attribute id="3">')]
    empty = profile.replace(array, b'<attribute id="2"><cod:array/></attribute>\n').replace(b'version="1"', b"")
    other = (
        b'<object id="0100010800fe" class-id="3"><methods><method id="1">' + profile + b"</method></methods></object>\n"
    )
    octets = PLAIN.replace(profile, empty + other).replace(b'<objects count="4">', b'<objects count="5">')
    read = usual(octets)
    assert read is not None
    assert read.rows == ()
    assert fast(octets) is None


def test_a_text_with_a_letter_outside_ascii_is_left_to_the_usual_path() -> None:
    content = made(rows=3, registers=1)
    rows = (content.rows[0]._replace(values=(Data(DataType.UTF8_STRING, "Zähler"),)), *content.rows[1:])
    octets = document.encode(content._replace(rows=rows))
    assert fast(octets) is None
    assert document.decode(octets) == content._replace(rows=rows)


def test_a_document_of_many_shapes_is_left_to_the_usual_path() -> None:
    content = made(rows=64, registers=6)
    null = Data(DataType.NULL_DATA, None)
    rows = tuple(
        row._replace(values=tuple(null if at >> bit & 1 else value for bit, value in enumerate(row.values)))
        for at, row in enumerate(content.rows)
    )
    octets = document.encode(content._replace(rows=rows))
    assert fast(octets) is None
    assert document.decode(octets) == content._replace(rows=rows)
