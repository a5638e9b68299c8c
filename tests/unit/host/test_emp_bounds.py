"""A meter that invents devices, registers and long texts fills neither the store nor a page."""

import html
import re

import emp_process
import pytest
from emp.store import ledger
from emp_process import DEVICE, ENERGY, GATEWAY, content, row
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosemxml.document import Register


def register(number):
    return Register(Obis(b"\1\0" + number.to_bytes(3, "big") + b"\xff"), 0, 30)


@pytest.fixture
def emp(tmp_path):
    with emp_process.inside(tmp_path / "emp.db") as running:
        yield running


def full(device=DEVICE, number=1):
    registers = tuple(map(register, range(ledger.REGISTERS_PER_DEVICE)))
    return content(row(number, *range(len(registers))), registers=registers, device=device)


def test_a_device_has_as_many_registers_as_a_gateway_keeps(emp):
    assert emp.put(full()).status == 201
    answer = emp.put(content(row(2, 5), registers=(ENERGY,)))
    assert answer.status == 422
    assert f"device {DEVICE} would have 1001 registers; at most 1000 are kept" in answer.text
    assert emp.put(content(row(3, 5), registers=(register(7),))).status == 200
    assert emp.put(content(row(4, 5), device=DeviceId(b"another"))).status == 201


def test_a_gateway_has_a_bounded_number_of_devices_and_those_known_go_on(emp, monkeypatch):
    monkeypatch.setattr(ledger, "DEVICES_PER_GATEWAY", 3)
    for number in range(3):
        assert emp.put(content(row(number, 5), device=DeviceId(b"a%d" % number))).status == 201
    answer = emp.put(content(row(9, 5), device=DeviceId(b"more")))
    assert answer.status == 422
    assert f"gateway {GATEWAY} has 3 devices here" in answer.text
    assert emp.put(content(row(10, 5), device=DeviceId(b"a1"))).status == 200
    assert emp.put(content(row(9, 5), device=DeviceId(b"more"), gateway=DeviceId(b"g2"))).status == 201
    assert emp.ask("DELETE", f"/cosem/ldevs/{DeviceId(b'a1').uri}").status == 204
    assert emp.put(content(row(11, 5), device=DeviceId(b"more"))).status == 200


def sizes(emp, *paths):
    return [len(emp.ask("GET", path).body) for path in paths]


def test_no_page_of_a_hostile_meter_is_larger_than_a_megabyte(emp):
    """64 devices of 1,000 registers: before, the first page had 27 MB."""
    for number in range(64):
        assert emp.put(full(DeviceId(b"d%02d" % number), number)).status == 201
    device = f"/devices/{DeviceId(b'd00').uri}"
    assert max(sizes(emp, "/", device, f"{device}/rows")) < 1_000_000


def test_no_page_shows_a_long_text_whole(emp):
    evil = Data(DataType.VISIBLE_STRING, "x" * 60_000)
    named = Register(Obis.parse("0-0:96.1.0*255"), 0, 255, 1)
    for number in range(60):
        emp.put(content(row(number)._replace(values=(evil,)), registers=(named,)))
    device = f"/devices/{DEVICE.uri}"
    register_page = f"{device}/registers/1-{named.obis.hex()}?day=2023-11-14"
    assert max(sizes(emp, "/", device, f"{device}/rows", register_page)) < 100_000
    assert "x" * 60_000 in emp.ask("GET", f"{device}.csv").text


def links_to_next(text):
    return [html.unescape(link) for link in re.findall(r'rel="next" href="([^"]+)"', text)]


def walk(emp, path, kind):
    """All pages from the first on, by their links."""
    texts = []
    while path:
        answer = emp.ask("GET", path)
        assert answer.status == 200
        texts.append(answer.text)
        path = next((link for link in links_to_next(answer.text) if kind in link), None)
    return texts


def test_the_pages_of_the_overview_show_every_device_once_and_every_gateway(emp):
    for number in range(120):
        gateway = DeviceId(b"g%d" % (number % 2))
        emp.put(content(row(number, 5), device=DeviceId(b"d%03d" % number), gateway=gateway))
    texts = walk(emp, "/", "/?page=")
    assert len(texts) == 3
    found = [name for text in texts for name in re.findall(r'<h3>.*?href="/devices/(d\d+)"', text)]
    assert sorted(found) == [f"d{number:03}" for number in range(120)]
    assert ">120<" in texts[0]
    assert emp.ask("GET", "/?page=99").text.count("<h3>") == 20
    assert emp.ask("GET", "/?page=x").status == 400


def test_the_pages_of_a_device_show_every_register_once(emp):
    emp.put(full())
    device = f"/devices/{DEVICE.uri}"
    texts = walk(emp, device, "?page=")
    found = [name for text in texts for name in re.findall(r"registers/(3-[0-9a-f]{12})", text)]
    assert (len(texts), len(found), len(set(found))) == (5, 1000, 1000)
    columns = walk(emp, f"{device}/rows", "columns=")
    assert (len(columns), sum(text.count('<span class="code">1-0:') for text in columns)) == (20, 1000)
    assert 'href="' + device + '">980 more values' in emp.ask("GET", "/").text
