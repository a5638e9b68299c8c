"""A meter that invents devices, registers and long texts fills neither the store nor a page."""

import emp_process
import pytest
from emp.store import ledger
from emp_process import DEVICE, ENERGY, GATEWAY, content, row
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
