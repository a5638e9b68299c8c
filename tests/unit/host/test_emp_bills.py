"""The bills of a gateway's evaluations: registers of two period ends, subtracted, and their sum checked."""

import json

import emp_process
import pytest
from emp_process import DEVICE, GATEWAY, STORE, content, row
from emp_year import us
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import GatewayStatus, StatusWord
from smgw.cosemxml.document import Document, Register, Row

EVALUATION = DeviceId.evaluation(2, bytes(range(20)))
CODES = ("1-0:1.8.0*255", "1-0:1.8.1*255", "1-0:1.8.2*255", "1-0:1.8.63*255")
REGISTERS = tuple(Register(Obis.parse(code), -1, 30) for code in CODES)
ENDS = (us(2025, 1, 1), us(2025, 2, 1), us(2025, 3, 1))
STATUS = StatusWord(int(GatewayStatus.FIXED), 0)
PAGE = f"/devices/{EVALUATION.uri}/bills"


def ends(*amounts: tuple[int, ...]) -> Document:
    """Rows of total, step 1, step 2 and error register at the ends of periods."""
    rows = [
        Row(number, at, at, True, STATUS, tuple(Data(DataType.LONG64, amount) for amount in several))
        for number, (at, several) in enumerate(zip(ENDS, amounts, strict=False), 1)
    ]
    return Document(GATEWAY, STORE, EVALUATION, REGISTERS, tuple(rows))


@pytest.fixture
def emp(tmp_path):
    with emp_process.inside(tmp_path / "emp.db") as running:
        yield running


def test_a_bill_is_the_difference_of_two_ends(emp):
    emp.put(ends((1000, 600, 400, 0), (3000, 1500, 1500, 0), (4000, 2000, 1950, 50)))
    newest, oldest = json.loads(emp.ask("GET", f"{PAGE}.json").body)["bills"]
    assert (oldest["from"], oldest["to"]) == ("2025-01-01T00:00:00.00Z", "2025-02-01T00:00:00.00Z")
    assert oldest["steps"] == {"1-0:1.8.1*255": "90.0", "1-0:1.8.2*255": "110.0"}
    assert (oldest["error"], oldest["total"], oldest["agrees"]) == ("0.0", "200.0", True)
    assert (newest["error"], newest["total"], newest["agrees"]) == ("5.0", "100.0", True)


def test_its_page_shows_steps_error_register_and_the_check(emp):
    emp.put(ends((1000, 600, 400, 0), (3000, 1500, 1490, 10)))
    text = emp.ask("GET", PAGE).text
    for part in ("1-0:1.8.63*255", "energy, import, of no tariff", "90.0", "109.0", "200.0", "sum up to the total"):
        assert part in text
    assert '<span class="flag bad">1.0</span>' in text
    assert f'href="{PAGE}"' in emp.ask("GET", f"/devices/{EVALUATION.uri}").text


def test_a_sum_that_is_wrong_is_told(emp):
    emp.put(ends((1000, 600, 400, 0), (3000, 1500, 1400, 0)))
    assert "steps and error do not sum up to the total" in emp.ask("GET", PAGE).text


def test_one_end_is_no_bill_yet(emp):
    emp.put(ends((1000, 600, 400, 0)))
    assert "No billing period has ended yet" in emp.ask("GET", PAGE).text


def test_a_meter_has_none(emp):
    emp.put(content(row(1, 5)))
    answer = emp.ask("GET", f"/devices/{DEVICE.uri}/bills")
    assert (answer.status, "only evaluations have bills" in answer.text) == (404, True)
