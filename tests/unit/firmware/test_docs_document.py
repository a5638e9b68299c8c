"""The examples in docs/document.md are what the code writes and reads, octet by octet."""

import pytest
from document_examples import examples
from smgw.cosem.data import NULL
from smgw.cosem.device_id import DeviceId
from smgw.cosem.status_word import GatewayStatus
from smgw.cosemxml import document, reader, writer
from smgw.webservice import headers, uri
from smgw.webservice.media_type import COSEM_XML, MediaType
from smgw.webservice.verbs import check_verb

PUT, GET, ANSWER = 0, 1, 2


def test_there_are_a_put_a_get_and_an_answer():
    assert [example.first_line.split()[0] for example in examples()] == ["PUT", "GET", "HTTP/1.1"]


def test_the_put_is_read_as_the_text_around_it_says():
    content = document.decode(examples()[PUT].body)
    assert content.gateway == DeviceId.parse("ESMG0000000001")
    assert [str(register.obis) for register in content.registers] == ["1-0:1.8.0*255", "1-0:16.7.0*255"]
    first, second = content.rows
    assert (first.time_valid, second.time_valid) == (True, False)
    assert second.status.gateway & GatewayStatus.TIME_INVALID
    assert second.values[1] == NULL


def test_the_put_is_written_exactly_like_that():
    octets = examples()[PUT].body
    assert document.encode(document.decode(octets)) == octets
    assert writer.encode(reader.decode(octets)) == octets


def test_the_answer_is_written_exactly_like_that():
    octets = examples()[ANSWER].body
    assert writer.encode(reader.decode(octets)) == octets


@pytest.mark.parametrize("number", [PUT, GET])
def test_the_requests_obey_the_rules(number):
    example = examples()[number]
    verb, target, version = example.first_line.split()
    node = uri.parse(uri.split(target)[0])
    check_verb(node.node, verb)
    assert version == "HTTP/1.1"
    assert node.device == document.decode(examples()[PUT].body).device
    assert headers.check_request(verb, example.headers) == len(example.body)


def test_the_put_has_the_annexes_media_type_and_correlation_id():
    example = examples()[PUT]
    assert MediaType.parse(example.headers["Content-Type"]) == COSEM_XML
    assert headers.parse_cid(example.headers[headers.CID]) == example.headers[headers.CID]


def test_the_answers_length_is_right():
    example = examples()[ANSWER]
    assert int(example.headers["Content-Length"]) == len(example.body)
