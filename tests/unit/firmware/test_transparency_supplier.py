"""A supplier's tariff file: read whole, or refused by the element that is wrong."""

from datetime import date

import pytest
from smgw.transparency.errors import TransparencyError
from smgw.transparency.supplier import Stage, read

DAYS = "".join(
    f"<DayTimeProfile><startTime><hour>{quarter // 4}</hour><minute>{quarter % 4 * 15}</minute></startTime>"
    f"<tariffNumber>{2 if 24 <= quarter < 88 else 1}</tariffNumber></DayTimeProfile>"
    for quarter in range(96)
)
SPECIAL = "".join(
    f"<SpecialDayProfile><specialDayDate><year>2026</year><month>1</month><day_of_month>{day}</day_of_month>"
    "</specialDayDate><dayId>1</dayId></SpecialDayProfile>"
    for day in range(1, 32)
)
FILE = f"""<?xml version="1.0" encoding="utf-8"?>
<UsagePoints xmlns="http://vde.de/AR_2418-6.xsd" xmlns:espi="http://naesb.org/espi"><UsagePoint>
<espi:ServiceCategory><espi:kind>0</espi:kind></espi:ServiceCategory>
<usagePointId>DE1</usagePointId>
<InvoicingParty><invoicingPartyId>supplier</invoicingPartyId></InvoicingParty>
<SMGW><smgwId>ESMG0000000001.sm</smgwId></SMGW>
<tariffName>two steps</tariffName>
<AnalysisProfile><tariffUseCase>2</tariffUseCase><tariffId>T1</tariffId>
<billingPeriod><duration>2678400</duration><start>2026-01-01T00:00:00+01:00</start></billingPeriod>
<TariffStage><tariffNumber>1</tariffNumber><description>night</description><obisCode>0100010801FF</obisCode></TariffStage>
<TariffStage><tariffNumber>2</tariffNumber><obisCode>0100010802ff</obisCode></TariffStage>
<defaultTariffNumber>1</defaultTariffNumber>
<TariffChangeTrigger><TimeTrigger><DayProfile><dayId>1</dayId>{DAYS}</DayProfile>{SPECIAL}</TimeTrigger></TariffChangeTrigger>
</AnalysisProfile></UsagePoint></UsagePoints>"""


def test_it_is_read_whole() -> None:
    tariff = read(FILE.encode())
    assert (tariff.usage_point, tariff.invoicing_party, tariff.gateway) == ("DE1", "supplier", "ESMG0000000001")
    assert (tariff.kind, tariff.name, tariff.use_case, tariff.identity, tariff.default) == (0, "two steps", 2, "T1", 1)
    assert (tariff.begin_s, tariff.end_s - tariff.begin_s) == (1_767_222_000, 31 * 86_400)
    assert tariff.stages == (Stage(1, "0100010801ff", "night"), Stage(2, "0100010802ff"))
    assert sorted(tariff.days) == [date(2026, 1, day) for day in range(1, 32)]


def test_each_quarter_hour_has_its_step() -> None:
    day = dict(read(FILE.encode()).days[date(2026, 1, 31)])
    assert [day[minute] for minute in (0, 345, 360, 1305, 1320, 1425)] == [1, 1, 2, 2, 1, 1]
    assert len(day) == 96


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<tariffUseCase>2", "<tariffUseCase>9", "tariffUseCase: 9 is none of 1, 2, 6, 7"),
        ("<usagePointId>DE1</usagePointId>", "", "usagePointId: there are 0"),
        ("2026-01-01T00:00:00+01:00", "2026-01-01T00:00:00", "start: .* has no offset"),
        ("2026-01-01T00:00:00+01:00", "yesterday", "start: 'yesterday' is no date"),
        ("<duration>2678400", "<duration>60", "duration: 60 s is less than a day"),
        ("<obisCode>0100010801FF", "<obisCode>1.8.1", "obisCode: '1.8.1' is none"),
        ("<defaultTariffNumber>1", "<defaultTariffNumber>3", "defaultTariffNumber: 3"),
        ("<hour>0</hour><minute>0</minute>", "<hour>0</hour><minute>5</minute>", "first startTime is not 00:00"),
        ("<hour>0</hour><minute>15</minute>", "<hour>0</hour><minute>0</minute>", "a startTime occurs twice"),
        ("<hour>1</hour>", "<hour>24</hour>", "startTime: 24:0:0 is no time"),
        ("</startTime><tariffNumber>1", "</startTime><tariffNumber>7", "tariffNumber: 7 of a DayTimeProfile"),
        ("<day_of_month>2<", "<day_of_month>1<", "specialDayDate: 2026-01-01 occurs twice"),
        ("<day_of_month>31<", "<day_of_month>32<", "specialDayDate: 2026-1-32 is no day"),
        ("</specialDayDate><dayId>1", "</specialDayDate><dayId>4", "dayId: '4' of 2026-01-01 names no DayProfile"),
        ("<tariffNumber>1</tariffNumber><description>", "<tariffNumber>-1</tariffNumber><description>", "is no number"),
        ("UsagePoints", "usagepoints", "a tariff file begins with UsagePoints"),
        ("</UsagePoints>", "", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, said: str) -> None:
    assert old in FILE
    count = -1 if old == "UsagePoints" else 1
    with pytest.raises(TransparencyError, match=said):
        read(FILE.replace(old, new, count).encode())


def test_entities_and_document_types_are_refused() -> None:
    evil = FILE.replace("<UsagePoints", '<!DOCTYPE a [<!ENTITY x "y">]><UsagePoints', 1)
    with pytest.raises(TransparencyError, match="cannot be read"):
        read(evil.encode())
