"""The head of a request has one meaning or none."""

import pytest
from smgw.han.refusal import RefusedError
from smgw.han.server.head import BODY_MOST, parse, split
from smgw.han.server.rules import check_host, check_site, own_names, peer_of, preferred

_NAMES = own_names("ESMG0000000001", ["Meter.fritz.box"])


def _refused(octets: bytes) -> int:
    with pytest.raises(RefusedError) as caught:
        parse(octets)
    return caught.value.status


def test_a_plain_request_is_understood() -> None:
    head = parse(b"GET /smgw/con/v1/?q.count=3&q.count=4&q.obis=1-0%3A1.8.0 HTTP/1.1\r\nHost: A.local:443\r\nAccept: x")
    assert (head.method, head.path, head.host) == ("GET", "/smgw/con/v1/", "a.local")
    assert head.query == {"q.count": "4", "q.obis": "1-0:1.8.0"}
    assert head.persistent


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        pytest.param(b"GET / HTTP/1.1", 400, id="no-host"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b", 400, id="two-hosts"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4", 400, id="two-lengths"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3", 400, id="signed-length"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3", 400, id="list-of-lengths"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3", 400, id="space-before-colon"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked", 411, id="chunked"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\nContent-Length: 3", 411, id="both"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c", 400, id="folded"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: b\nY: c", 400, id="bare-line-feed"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c", 400, id="bare-carriage-return"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: b\0", 400, id="nul"),
        pytest.param(b"GET  / HTTP/1.1\r\nHost: a", 400, id="two-spaces"),
        pytest.param(b"GET / HTTP/2.0\r\nHost: a", 505, id="version"),
        pytest.param(b"TRACE / HTTP/1.1\r\nHost: a", 405, id="method"),
        pytest.param(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a", 414, id="long-target"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a" + b"\r\nX: 1" * 101, 431, id="many-fields"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d" % (BODY_MOST + 1), 413, id="long-body"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(lines: bytes, status: int) -> None:
    assert _refused(lines) == status


def test_header_fields_of_the_length_that_the_rule_names_are_accepted() -> None:
    fields = b"".join(b"\r\nX-%d: %b" % (number, b"v" * 245) for number in range(33))
    assert len(parse(b"GET / HTTP/1.1\r\nHost: a" + fields).headers) == 34
    assert len(fields) > 8200


@pytest.mark.parametrize(
    "target",
    [
        "/a/../b",
        "/a/%2e%2e/b",
        "/./a",
        "//a",
        "/a//b",
        "/a%2Fb",
        "/a%5cb",
        "/a\\b",
        "/a%00",
        "/%ff",
        "/a%0d%0ab",
        "a",
        "*",
    ],
)
def test_a_path_that_could_lead_elsewhere_is_refused(target: str) -> None:
    with pytest.raises(RefusedError):
        split(target)


def test_an_address_with_its_host_is_the_same_path() -> None:
    assert split("http://gateway.local/a/b?c=%C3%A4") == ("/a/b", {"c": "ä"})


@pytest.mark.parametrize(
    "host", ["192.168.1.200", "[fe80::1]:8443", "esmg0000000001.local", "SMGW.local.", "meter.fritz.box:443"]
)
def test_a_host_of_ours_is_accepted(host: str) -> None:
    check_host(parse(f"GET / HTTP/1.1\r\nHost: {host}".encode()), _NAMES)


@pytest.mark.parametrize("host", ["evil.example", "smgw.local.evil.example", "", "192.168.1.200.evil.example"])
def test_a_host_of_somebody_else_is_refused(host: str) -> None:
    """DNS rebinding: a page makes its own name point at the gateway."""
    with pytest.raises(RefusedError):
        check_host(parse(f"GET / HTTP/1.1\r\nHost: {host}".encode()), _NAMES)


@pytest.mark.parametrize(
    "line",
    [
        "Origin: https://evil.example",
        "Origin: null",
        "Origin: http://smgw.local",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ],
)
def test_a_change_that_another_site_asks_for_is_refused(line: str) -> None:
    with pytest.raises(RefusedError):
        check_site(parse(f"POST / HTTP/1.1\r\nHost: smgw.local\r\n{line}".encode()))


@pytest.mark.parametrize(
    "line", ["Origin: https://smgw.local", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none", "X: y"]
)
def test_a_change_that_the_own_page_or_a_program_asks_for_is_accepted(line: str) -> None:
    check_site(parse(f"POST / HTTP/1.1\r\nHost: smgw.local\r\n{line}".encode()))


def test_the_language_is_the_one_that_is_preferred() -> None:
    assert [
        preferred(text) for text in ("de-DE,de;q=0.9,en;q=0.8", "en,de;q=0.5", "fr", "", "fr,de;q=0.1", "de;q=x")
    ] == [*("de", "en", "en", "en", "de", "en")]


def test_a_peer_is_an_address_or_a_network_of_ipv6() -> None:
    assert peer_of("::ffff:192.168.1.7") == "192.168.1.7"
    assert peer_of("2001:db8::1") == peer_of("2001:db8::2") == "2001:db8::/64"
    assert peer_of("fe80::1%eth0") != peer_of("fe80::2%eth0")
