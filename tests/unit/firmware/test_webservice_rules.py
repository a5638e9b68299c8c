"""Annex II as rules: the URI tree, verbs, headers, media types and filters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.webservice import query, uri
from smgw.webservice.error import (
    BadRequest,
    LengthRequired,
    MethodNotAllowed,
    NotFound,
    ServiceError,
    ServiceUnavailable,
    Status,
    UnsupportedMediaType,
    UriTooLong,
)
from smgw.webservice.headers import check_request, content_encoding, new_cid, parse_cid
from smgw.webservice.media_type import (
    CMS_JSON,
    CMS_XML,
    COSEM_XML,
    COSEM_XML_CMS,
    Encapsulation,
    MediaType,
    accepts,
    cms_media_type,
    encapsulation,
    is_bare_cosem_xml,
    is_cms_cosem_xml,
)
from smgw.webservice.uri import Node, ObjectId, Target
from smgw.webservice.verbs import ALLOWED, check_verb

DEVICE = DeviceId.parse("1EMH0005347109")
FOREIGN = DeviceId(b"\x01MFC1234")
REGISTER = ObjectId(3, Obis.parse("1.8.0"))

PATHS = [
    ("/cosem", Target(Node.COSEM)),
    ("/cosem/", Target(Node.COSEM, listing=True)),
    ("/cosem/ldevs", Target(Node.LDEVS)),
    ("/cosem/ldevs/", Target(Node.LDEVS, listing=True)),
    ("/cosem/ldevs/1emh0005347109.sm", Target(Node.LDEV, DEVICE)),
    ("/cosem/ldevs/%01MFC1234", Target(Node.LDEV, FOREIGN)),
    ("/cosem/ldevs/1emh0005347109.sm/objects/", Target(Node.OBJECTS, DEVICE, listing=True)),
    ("/cosem/ldevs/1emh0005347109.sm/objects/3-0100010800ff", Target(Node.OBJECT, DEVICE, REGISTER)),
    ("/cosem/ldevs/1emh0005347109.sm/objects/3-0100010800ff/attributes", Target(Node.ATTRIBUTES, DEVICE, REGISTER)),
    ("/cosem/ldevs/1emh0005347109.sm/objects/3-0100010800ff/attributes/2", Target(Node.ATTRIBUTE, DEVICE, REGISTER, 2)),
    (
        "/cosem/ldevs/1emh0005347109.sm/objects/3-0100010800ff/attributes/-1",
        Target(Node.ATTRIBUTE, DEVICE, REGISTER, -1),
    ),
    ("/cosem/ldevs/1emh0005347109.sm/objects/3-0100010800ff/methods", Target(Node.METHODS, DEVICE, REGISTER)),
    ("/cosem/ldevs/1emh0005347109.sm/objects/3-0100010800ff/methods/1", Target(Node.METHOD, DEVICE, REGISTER, 1)),
    ("/cosem/ldevs/1emh0005347109.sm/containers", Target(Node.CONTAINERS, DEVICE)),
    ("/cosem/ldevs/1emh0005347109.sm/containers/3-0100010800ff", Target(Node.CONTAINER, DEVICE, REGISTER)),
    ("/cosem/containers", Target(Node.CONTAINERS)),
    ("/cosem/containers/daily%20values", Target(Node.CONTAINER, container="daily values")),
]


@pytest.mark.parametrize(("path", "target"), PATHS)
def test_every_node_of_the_tree_is_read(path, target):
    assert uri.parse(path) == target


@pytest.mark.parametrize(("path", "target"), PATHS)
def test_every_node_of_the_tree_is_built(path, target):
    assert uri.build(target) == path
    assert uri.parse(uri.build(target, "/hes/"), "/hes") == target


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/cosem/ldev",
        "//cosem",
        "/cosem//",
        "/cosem/ldevs//objects",
        "/cosem/ldevs/1emh0005347109.sm/objects/3-0100010800FF",
        "/cosem/ldevs/1emh0005347109.sm/objects/03-0100010800ff",
        "/cosem/ldevs/1emh0005347109.sm/objects/65536-0100010800ff",
        "/cosem/ldevs/1emh0005347109.sm/objects/3-0100010800ff/attributes/128",
        "/cosem/ldevs/1emh0005347109.sm/objects/3-0100010800ff/attributes/02",
        "/cosem/ldevs/1emh0005347109.sm/objects/3-0100010800ff/attributes/2/x",
        "/cosem/ldevs/" + "a" * 65,
    ],
)
def test_a_path_outside_the_tree_is_not_found(path):
    with pytest.raises(NotFound):
        uri.parse(path)


def test_a_path_outside_the_point_of_contact_is_not_found():
    with pytest.raises(NotFound):
        uri.parse("/cosem", "/hes")


@given(st.text(max_size=60))
def test_any_path_is_a_target_or_a_service_error(path):
    try:
        target = uri.parse("/cosem/ldevs/" + path)
    except ServiceError:
        return
    assert isinstance(target, Target)


@given(st.binary(min_size=1, max_size=64).map(DeviceId).filter(lambda device: not device.uri.lower().endswith(".sm")))
def test_any_device_finds_back_from_its_path(device):
    assert uri.parse(uri.build(Target(Node.LDEV, device))).device == device


def test_a_uri_of_4000_characters_passes_and_one_more_does_not():
    assert uri.split("/" + "a" * 3999) == ("/" + "a" * 3999, "")
    with pytest.raises(UriTooLong) as caught:
        uri.split("/" + "a" * 4000)
    assert caught.value.status is Status.URI_TOO_LONG


@pytest.mark.parametrize("node", Node)
@pytest.mark.parametrize("verb", ["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "get"])
def test_a_verb_applies_or_the_answer_names_those_that_do(node, verb):
    if verb in ALLOWED[node]:
        check_verb(node, verb)
    else:
        with pytest.raises(MethodNotAllowed) as caught:
            check_verb(node, verb)
        assert caught.value.status == 405
        assert caught.value.headers == {"Allow": ", ".join(ALLOWED[node])}


def test_mandatory_headers():
    assert check_request("GET", {"Host": "emp"}) == 0
    assert check_request("PUT", {"Host": "emp", "Content-Length": "5", "Content-Type": "a/b"}) == 5
    with pytest.raises(BadRequest, match="Host"):
        check_request("GET", {})
    with pytest.raises(BadRequest, match="Content-Type"):
        check_request("PUT", {"Host": "emp", "Content-Length": "5"})
    with pytest.raises(BadRequest, match="no number"):
        check_request("PUT", {"Host": "emp", "Content-Length": "+5"})
    for headers in ({}, {"Transfer-Encoding": "chunked"}):
        with pytest.raises(LengthRequired) as caught:
            check_request("PUT", {"Host": "emp", **headers})
        assert caught.value.status == 411


def test_content_encodings():
    assert content_encoding({}) is None
    assert content_encoding({"Content-Encoding": "identity"}) is None
    assert content_encoding({"Content-Encoding": " GZIP "}) == "gzip"
    assert content_encoding({"Content-Encoding": "deflate"}) == "deflate"
    with pytest.raises(UnsupportedMediaType) as caught:
        content_encoding({"Content-Encoding": "br"})
    assert caught.value.headers == {"Accept-Encoding": "gzip, deflate"}


def test_correlation_ids():
    cid = new_cid()
    assert cid.startswith("uuid:")
    assert parse_cid(cid) == cid
    for wrong in ("", "uuid:", cid[5:], cid + "0", cid + "\n" + cid):
        with pytest.raises(BadRequest):
            parse_cid(wrong)


def test_an_error_carries_its_status_and_headers():
    error = ServiceUnavailable("busy", 60)
    assert (error.status, error.headers, str(error)) == (503, {"Retry-After": "60"}, "busy")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("application/vnd.de-dke-k461-cosem+xml", COSEM_XML),
        (' Application/XML ; Charset="utf-8" ', MediaType("application", "xml", (("charset", "utf-8"),))),
        ('a/b;;c=d; e="f;\\"g"', MediaType("a", "b", (("c", "d"), ("e", 'f;"g')))),
    ],
)
def test_media_types_are_read(text, expected):
    assert MediaType.parse(text) == expected
    assert MediaType.parse(str(expected)) == expected


@pytest.mark.parametrize("text", ["", "xml", "a/b c", "a/b;c", "a/b;c=", "a/b;=d"])
def test_what_is_no_media_type_is_a_bad_request(text):
    with pytest.raises(BadRequest):
        MediaType.parse(text)


def test_a_body_in_cms_is_no_bare_xml():
    assert is_bare_cosem_xml(MediaType.parse("application/xml"))
    assert is_bare_cosem_xml(MediaType.parse("application/vnd.de-dke-k461-ic1+xml"))
    assert not is_bare_cosem_xml(MediaType.parse("application/vnd.de-dke-k461-cosem+xml;encap=cms-tr03109"))
    assert not is_bare_cosem_xml(MediaType.parse("application/xml;charset=utf-16"))
    assert not is_bare_cosem_xml(MediaType.parse("application/json"))


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("application/vnd.de-dke-k461-cosem+xml", None),
        ("application/octet-stream", None),
        ("application/vnd.de-dke-k461-cosem+xml;encap=cms-tr03109", Encapsulation.SEALED),
        ("application/vnd.de-dke-k461-ic1+xml; encap=cms-tr03109", Encapsulation.SEALED),
        ("application/vnd.de-dke-k461-ic1+xml; encap=CMS-TR03109-zlib", Encapsulation.SEALED_COMPRESSED),
        ("application/hgp;encap=cms", Encapsulation.SEALED),
        (
            'application/cms+xml; encapsulatingContent="signedData , authEnvelopedData , compressedData"',
            Encapsulation.SEALED_COMPRESSED,
        ),
        ('application/cms+json;encapsulatingContent="signedData,authEnvelopedData"', Encapsulation.SEALED),
        ("application/cms+json;encapsulatingContent=signedData", Encapsulation.SIGNED),
    ],
)
def test_a_media_type_announces_its_layers_of_cms(text: str, layers: Encapsulation | None) -> None:
    assert encapsulation(MediaType.parse(text)) is layers


@pytest.mark.parametrize(
    "text",
    [
        "application/vnd.de-dke-k461-cosem+xml;encap=zip",
        "application/cms+xml",
        'application/cms+xml;encapsulatingContent="authEnvelopedData"',
        'application/cms+xml;encapsulatingContent="signedData,signedData"',
    ],
)
def test_other_layers_are_an_unsupported_media_type(text: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        encapsulation(MediaType.parse(text))


def test_cosem_xml_in_cms_is_known_by_several_names() -> None:
    assert is_cms_cosem_xml(COSEM_XML_CMS)
    assert is_cms_cosem_xml(cms_media_type(CMS_XML, Encapsulation.SEALED))
    assert not is_cms_cosem_xml(COSEM_XML)
    assert not is_cms_cosem_xml(cms_media_type(CMS_JSON, Encapsulation.SEALED))
    assert not is_bare_cosem_xml(COSEM_XML_CMS)


@pytest.mark.parametrize("essence", [CMS_XML, CMS_JSON])
@pytest.mark.parametrize("layers", Encapsulation)
def test_a_media_type_made_of_layers_announces_them(essence: str, layers: Encapsulation) -> None:
    assert encapsulation(MediaType.parse(str(cms_media_type(essence, layers)))) is layers


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, True),
        ("", True),
        ("*/*", True),
        ("application/*;q=0.5", True),
        ("text/html, application/vnd.de-dke-k461-cosem+xml", True),
        ("text/html", False),
        ("*/*, application/vnd.de-dke-k461-cosem+xml;q=0", False),
        ("application/*;q=0.0, */*", False),
    ],
)
def test_accept(header, expected):
    assert accepts(header, COSEM_XML) is expected


def test_filters_are_read():
    text = (
        "q.fromidx=3&q.count=10&q.count=99&q.fromtime=2025-03-30T02:00:00%2B02:00&q.totime=2025-03-31&q.depth=0&page=2"
    )
    assert query.parse(text) == query.Query(3, 10, 1_743_292_800_000_000, 1_743_379_200_000_000, 0)


def test_a_trailing_slash_is_depth_1_unless_said_otherwise():
    assert query.parse("", listing=True).depth == 1
    assert query.parse("q.depth=2", listing=True).depth == 2
    assert query.parse("").depth is None


@pytest.mark.parametrize(
    "text",
    [
        "q.fromidx=0",
        "q.count=-1",
        "q.count=1e3",
        "q.count=",
        "q.depth=٣",
        "q.fromtime=yesterday",
        "q.fromtime=2025-13-01",
        "q.since=1",
        "q.count=%ff",
        "&".join(["a=b"] * 40),
    ],
)
def test_a_filter_that_is_none_is_a_bad_request(text):
    with pytest.raises(BadRequest):
        query.parse(text)


@given(st.text(max_size=40))
def test_any_query_is_filters_or_a_bad_request(text):
    try:
        query.parse("q.fromtime=" + text)
    except BadRequest:
        return
