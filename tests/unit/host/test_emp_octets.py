"""A device id may have any octets: its rows are taken, and its pages and exports are found."""

import hashlib
import html
import json
import re
import socket

import emp_process
import pytest
from emp_process import ENERGY, GATEWAY, content, row
from smgw.cosem.device_id import DeviceId

REGISTER = f"3-{ENERGY.obis.hex()}"
ODD = [
    b"\n", b"a\nb", b"{", b"}", b"{x}", b"{x:.*}", b"%2F", b"/", b"//", b"a/b/../c", b"%", b"%%0A", b"\0", b"\0" * 64,
    b"\xff", b"\xff" * 64, b"\xc3", "ü".encode(), b"?", b"#", b";", b"&a=b", b"\\", b"<b>", b"'", b'"', b" ", b"+",
    b".", b"..", b"...", b"x.csv", b"x.json", b"x.xml", b".csv", b"1emh0005347109.sm", b".sm", b"rows", b"registers",
    b"x.csv/rows", b"\r\n\r\n",
]  # fmt: skip
EVERY = [bytes((number,)) + b"x" for number in range(256)]


def store(octets):
    return hashlib.blake2b(octets, digest_size=16).hexdigest()


@pytest.fixture(scope="module")
def emp(tmp_path_factory):
    with emp_process.inside(tmp_path_factory.mktemp("emp") / "emp.db") as running:
        yield running


@pytest.mark.parametrize("octets", ODD, ids=ascii)
def test_a_device_of_any_octets_has_rows_pages_and_exports(emp, octets):
    device = DeviceId(octets)
    stored = content(row(1, 5), store_id=store(octets), device=device)
    assert emp.put(stored).status == 201
    tree = f"/cosem/ldevs/{device.uri}"
    assert emp.ask("GET", tree).status == 200
    assert emp.ask("GET", f"{tree}/objects/7-0100630100ff?format=csv").text.count("\r\n") == 2
    gateways = json.loads(emp.ask("GET", "/api/gateways").body)["gateways"]
    page = f"/devices/{next(one['uri'] for one in gateways[0]['devices'] if one['device'] == str(device))}"
    links = re.findall(rf'href="({re.escape(page)}[^"]*)"', emp.ask("GET", page).text)
    assert len(links) > 6
    for link in {page, f"{page}/registers/{REGISTER}.csv", *map(html.unescape, links)}:
        answer = emp.ask("GET", link.partition("#")[0])
        assert answer.status == 200, (link, answer.text)
    languages = re.findall(r'href="([^"]*language=de)"', emp.ask("GET", page).text)
    assert [emp.ask("GET", html.unescape(link)).status for link in languages] == [200]


def test_every_octet_is_taken_and_found(emp):
    gateway = DeviceId(b"every")
    for octets in EVERY:
        device = DeviceId(octets)
        assert emp.put(content(row(octets[0], 5), gateway=gateway, device=device)).status == 201
        assert emp.ask("GET", f"/cosem/ldevs/{device.uri}/objects/").status == 200
        assert emp.ask("GET", f"/devices/{device.uri}/rows").status == 200


@pytest.mark.parametrize("octets", [b"{raw}", b"^raw|", b"`raw"])
def test_octets_that_a_client_does_not_encode_are_taken_too(emp, octets):
    assert emp.put(content(row(1, 5), gateway=GATEWAY, store_id=store(octets), device=DeviceId(octets))).status == 201
    for port, path in ((emp.port, b"/cosem/ldevs/"), (emp.people, b"/devices/")):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET " + path + octets + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert emp_process.read_all(connection).startswith(b"HTTP/1.1 200 ")
