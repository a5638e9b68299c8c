"""The bills of a gateway's evaluations: registers of two period ends, subtracted, and their sum checked."""

import json
from urllib.parse import urlencode

import emp_process
import pytest
from emp_process import DEVICE, GATEWAY, STORE, content, row
from emp_year import us
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.evaluation_facts import FACTS, EvaluationFacts
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import GatewayStatus, StatusWord
from smgw.cosemxml.document import Document, Register, Row

EVALUATION = DeviceId.evaluation(2, bytes(range(20)))
CODES = ("1-0:1.8.0*255", "1-0:1.8.1*255", "1-0:1.8.2*255", "1-0:1.8.63*255")
REGISTERS = tuple(Register(Obis.parse(code), -1, 30) for code in CODES)
ENDS = (us(2025, 1, 1), us(2025, 2, 1), us(2025, 3, 1))
STATUS = StatusWord(int(GatewayStatus.FIXED), 0)
PAGE = f"/devices/{EVALUATION.uri}/bills"


def ends(
    *amounts: tuple[int, ...],
    at: tuple[int, ...] = ENDS,
    facts: EvaluationFacts | None = None,
    device: DeviceId = EVALUATION,
    first: int = 1,
) -> Document:
    """Rows of total, step 1, step 2 and error register at the ends of periods."""
    more = () if facts is None else (facts.reading().value,)
    rows = [
        Row(number, at_us, at_us, True, STATUS, (*(Data(DataType.LONG64, amount) for amount in several), *more))
        for number, (at_us, several) in enumerate(zip(at, amounts, strict=False), first)
    ]
    registers = REGISTERS if facts is None else (*REGISTERS, Register(FACTS.obis, 0, 255, class_id=FACTS.class_id))
    return Document(GATEWAY, STORE, device, registers, tuple(rows))


def bills(emp, **query: str) -> dict:
    answer = emp.ask("GET", f"/bills.json?{urlencode(query)}")
    assert answer.status == 200
    return json.loads(answer.body)


def page(emp, **query: str) -> str:
    return emp.ask("GET", f"/bills?{urlencode(query)}").text


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
    for part in (
        "1-0:1.8.63*255",
        "energy, import, of no tariff",
        "90.0",
        "109.0",
        "200.0",
        "steps + error = end − begin",
    ):
        assert part in text
    assert '<span class="flag bad">1.0</span>' in text
    assert f'href="{PAGE}"' in emp.ask("GET", f"/devices/{EVALUATION.uri}").text


def test_a_sum_that_is_wrong_is_told(emp):
    emp.put(ends((1000, 600, 400, 0), (3000, 1500, 1400, 0)))
    assert "steps + error are not end − begin" in emp.ask("GET", PAGE).text


def test_one_end_is_no_bill_yet(emp):
    emp.put(ends((1000, 600, 400, 0)))
    assert "No billing period has ended yet" in emp.ask("GET", PAGE).text


def test_a_meter_has_none(emp):
    emp.put(content(row(1, 5)))
    answer = emp.ask("GET", f"/devices/{DEVICE.uri}/bills")
    assert (answer.status, "only evaluations have bills" in answer.text) == (404, True)


JANUARY = "2025-01-01T00:00:00Z/2025-02-01T00:00:00Z"
FEBRUARY = "2025-02-01T00:00:00Z/2025-03-01T00:00:00Z"
NIGHT = EvaluationFacts("day-night", "DE1", "UTC", 1)
OTHER = DeviceId.evaluation(1, bytes(range(1, 21)))
THREE = ((1000, 600, 400, 0), (3000, 1500, 1500, 0), (4000, 2000, 1950, 50))


def test_a_usage_point_and_a_period_are_chosen(emp):
    emp.put(ends(*THREE, facts=NIGHT))
    found = bills(emp, usage_point="DE1", period=JANUARY)
    (bill,) = found["bills"]
    assert (bill["name"], bill["usage_point"], bill["device"]) == ("day-night", "DE1", str(EVALUATION))
    assert (bill["period"], bill["total"], bill["agrees"]) == (JANUARY, "200.0", True)
    assert bill["registers"]["1-0:1.8.0*255"] == {"begin": "100.0", "end": "300.0"}
    assert found["periods"] == [FEBRUARY, JANUARY]


def test_the_newest_period_is_shown_first(emp):
    emp.put(ends(*THREE, facts=NIGHT))
    assert [bill["period"] for bill in bills(emp)["bills"]] == [FEBRUARY]
    assert f'<option value="{FEBRUARY}" selected>' in page(emp)


def test_all_periods_can_be_chosen(emp):
    emp.put(ends(*THREE, facts=NIGHT))
    assert [bill["period"] for bill in bills(emp, period="all")["bills"]] == [FEBRUARY, JANUARY]


def test_the_evaluations_of_a_usage_point_stand_together(emp):
    emp.put(ends(*THREE, facts=NIGHT))
    emp.put(ends(*THREE, facts=NIGHT._replace(name="sum"), device=OTHER, first=10))
    assert [bill["name"] for bill in bills(emp, usage_point="DE1")["bills"]] == ["day-night", "sum"]


def test_an_evaluation_without_a_usage_point_is_chosen_by_its_device(emp):
    emp.put(ends(*THREE))
    found = bills(emp)
    assert (found["usage_points"], found["bills"][0]["usage_point"]) == ([str(EVALUATION)], None)


def test_readings_of_two_periods_are_no_bill(emp):
    """The end of January is missing: its last reading is of the 31st, and February's first one of the 2nd."""
    gap = (us(2025, 1, 1), us(2025, 1, 31), us(2025, 2, 2), us(2025, 3, 1))
    emp.put(ends((0, 0, 0, 0), (100, 60, 40, 0), (120, 60, 40, 20), (220, 100, 100, 20), at=gap, facts=NIGHT))
    found = bills(emp, period="all")
    assert [(bill["from"][:10], bill["to"][:10], bill["total"]) for bill in found["bills"]] == [
        ("2025-02-02", "2025-03-01", "10.0"),
        ("2025-01-01", "2025-01-31", "10.0"),
    ]
    (left,) = found["unbilled"]
    assert (left["from"][:10], left["to"][:10], left["total"]) == ("2025-01-31", "2025-02-02", "2.0")
    text = page(emp, usage_point="DE1", period="all")
    for part in ("begins late", "ends early", "In no bill"):
        assert part in text


def test_energy_in_no_bill_is_told_at_both_periods(emp):
    gap = (us(2025, 1, 1), us(2025, 1, 31), us(2025, 2, 2), us(2025, 3, 1))
    emp.put(ends((0, 0, 0, 0), (100, 60, 40, 0), (120, 60, 40, 20), (220, 100, 100, 20), at=gap, facts=NIGHT))
    for period in (JANUARY, FEBRUARY):
        assert len(bills(emp, period=period)["unbilled"]) == 1


def test_a_quarter_of_a_year_is_one_period(emp):
    months = (us(2025, 1, 1), us(2025, 4, 1))
    emp.put(ends(*THREE[:2], at=months, facts=NIGHT._replace(months=3)))
    assert bills(emp)["periods"] == ["2025-01-01T00:00:00Z/2025-04-01T00:00:00Z"]


@pytest.mark.parametrize("zone", ["Nowhere/Land", "../../etc/passwd", ""], ids=["unknown", "path", "none"])
def test_a_zone_that_is_none_does_no_harm(emp, zone):
    emp.put(ends(*THREE, facts=NIGHT._replace(zone=zone)))
    assert bills(emp)["periods"] == [FEBRUARY, JANUARY]


def test_times_at_the_ends_of_time_do_no_harm(emp):
    emp.put(ends(*THREE, at=(0, 1_000_000, 253_370_764_000_000_000), facts=NIGHT))
    assert bills(emp, period="all")["usage_point"] == "DE1"
    assert "In no bill" in page(emp, usage_point="DE1", period="all")


def test_a_usage_point_that_is_not_here(emp):
    answer = emp.ask("GET", "/bills.json?usage_point=DE9")
    assert (answer.status, "no evaluation of usage point" in answer.text) == (404, True)


def test_a_period_that_is_not_here_has_no_bill(emp):
    emp.put(ends(*THREE, facts=NIGHT))
    assert bills(emp, usage_point="DE1", period="2020")["bills"] == []
    assert "no bill of this period" in page(emp, usage_point="DE1", period="2020")


def test_without_evaluations_the_page_says_what_is_needed(emp):
    emp.put(content(row(1, 5)))
    assert "No evaluation has delivered yet" in page(emp)


def test_what_an_evaluation_says_is_no_value_of_its_page(emp):
    emp.put(ends(*THREE, facts=NIGHT))
    for path in (f"/devices/{EVALUATION.uri}", f"/devices/{EVALUATION.uri}/rows"):
        assert "0-0:94.49.240*5" not in emp.ask("GET", path).text


def test_what_an_evaluation_says_is_shown_as_text(emp):
    emp.put(ends(*THREE, facts=EvaluationFacts("<b>x", "<script>", "UTC", 1)))
    text = page(emp)
    assert ("<script>" in text, "<b>x" in text, "&lt;script&gt;" in text) == (False, False, True)


def test_the_overview_leads_to_the_bills(emp):
    assert 'href="/bills"' not in emp.ask("GET", "/").text
    emp.put(ends(*THREE))
    assert 'href="/bills"' in emp.ask("GET", "/").text


def test_a_flood_of_rows_takes_no_memory(emp, monkeypatch):
    monkeypatch.setattr("emp.answers.period_bills.MOST_VALUES", 10)  # two rows
    emp.put(ends(*THREE, facts=NIGHT))
    assert [bill["period"] for bill in bills(emp, period="all")["bills"]] == [JANUARY]
