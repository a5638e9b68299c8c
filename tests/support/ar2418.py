"""The rules of AR 2418-6 (schema 1.4) and of TRuDI for a gateway's file: a table that knows nothing of our writer."""

import re
from datetime import datetime

from lxml import etree

AR, ESPI = "{http://vde.de/AR_2418-6.xsd}", "{http://naesb.org/espi}"
_NUMBER, _HEX = re.compile(r"\d+"), re.compile(r"(?:[0-9a-f]{2})+")

#: Element -> its children in the order of the schema, with their least and most number. Others are not allowed.
CHILDREN = {
    "UsagePoints": {"UsagePoint": (1, 1)},
    "UsagePoint": {
        "espi:ServiceCategory": (1, 1),
        "usagePointId": (1, 1),
        "Customer": (1, 1),
        "InvoicingParty": (1, 1),
        "SMGW": (1, 1),
        "VendorConfig": (0, 1),
        "Certificate": (1, 255),
        "tariffName": (1, 1),
        "LogEntry": (0, None),
        "MeterReading": (0, None),
    },
    "espi:ServiceCategory": {"espi:kind": (1, 1)},
    "Customer": {"customerId": (1, 1)},
    "InvoicingParty": {"invoicingPartyId": (1, 1)},
    "SMGW": {"certId": (1, 255), "smgwId": (1, 1), "FirmwareVersion": (0, 1), "FirmwareComponent": (0, None)},
    "FirmwareComponent": {"name": (1, 1), "version": (0, 1), "checksum": (0, 1)},
    "VendorConfig": {"tafProfile": (1, 1)},
    "Certificate": {"certId": (1, 1), "certType": (1, 1), "parentCertId": (0, 1), "certContent": (1, 1)},
    "LogEntry": {"recordNumber": (1, 1), "LogEvent": (1, 1)},
    "LogEvent": {
        "type": (0, 1),
        "level": (1, 1),
        "text": (1, 1),
        "outcome": (1, 1),
        "secondsIndex": (0, 1),
        "subjectIdentity": (0, 1),
        "timestamp": (1, 1),
        "userIdentity": (0, 1),
    },
    "type": {"eventId": (1, 1)},
    "MeterReading": {"Meter": (1, 1), "meterReadingId": (1, 1), "ReadingType": (1, 1), "IntervalBlock": (1, None)},
    "Meter": {"meterId": (1, 1)},
    "ReadingType": {
        "espi:powerOfTenMultiplier": (1, 1),
        "espi:uom": (1, 1),
        "scaler": (1, 1),
        "obisCode": (1, 1),
        "qualifiedLogicalName": (1, 1),
        "measurementPeriod": (0, 1),
    },
    "IntervalBlock": {"interval": (1, 1), "IntervalReading": (0, None)},
    "interval": {"duration": (1, 1), "start": (1, 1)},
    "IntervalReading": {
        "espi:value": (1, 1),
        "timePeriod": (1, 1),
        "targetTime": (0, 1),
        "measurementTimeMeter": (0, 1),
        "signature": (0, 1),
        "statusFNN": (0, 1),
        "statusPTB": (0, 1),
    },
    "timePeriod": {"duration": (1, 1), "start": (1, 1)},
}
_LENGTHS = {"usagePointId": 256, "customerId": 64, "invoicingPartyId": 64, "smgwId": 32, "tariffName": 256}
_LENGTHS |= {"meterId": 64, "meterReadingId": 256, "qualifiedLogicalName": 256, "text": 16_384, "subjectIdentity": 256}
_HEXADECIMAL = {"certContent", "tafProfile", "signature", "obisCode", "statusFNN"}
_NUMBERS = {"certId": 255, "parentCertId": 255, "recordNumber": 2**32 - 1, "level": 5, "outcome": 2, "statusPTB": 4}
_NUMBERS |= {"duration": 2**32 - 1, "measurementPeriod": 2**32 - 1, "eventId": 2**32 - 1, "secondsIndex": 2**32 - 1}
_TIMES = {"start", "timestamp", "targetTime", "measurementTimeMeter"}


def name(element: etree._Element) -> str:
    """The name as the table has it."""
    return str(element.tag).replace(AR, "").replace(ESPI, "espi:")


def check(octets: bytes) -> etree._Element:
    """The root element; AssertionError with the place of the first rule that does not hold."""
    root = etree.fromstring(octets)
    assert name(root) == "UsagePoints"
    _check(root, "UsagePoints")
    return root


def _check(element: etree._Element, path: str) -> None:
    rules = CHILDREN.get(name(element))
    if rules is None:
        _leaf(element, path)
        return
    found = [name(child) for child in element]
    order = list(rules)
    assert all(child in rules for child in found), f"{path}: {sorted(set(found) - set(rules))} is not allowed"
    assert found == sorted(found, key=order.index), f"{path}: wrong order: {found}"
    for child, (least, most) in rules.items():
        count = found.count(child)
        assert least <= count <= (count if most is None else most), f"{path}: {count} of {child}"
    for child in element:
        _check(child, f"{path}/{name(child)}")


def _leaf(element: etree._Element, path: str) -> None:
    text, kind = element.text or "", name(element)
    assert len(element) == 0, path
    if kind in _LENGTHS:
        assert 1 <= len(text) <= _LENGTHS[kind], f"{path}: {len(text)} characters"
    if kind in _HEXADECIMAL:
        assert _HEX.fullmatch(text), f"{path}: {text!r:.60} is not hexadecimal"
    if kind in _NUMBERS:
        assert _NUMBER.fullmatch(text), f"{path}: {text!r:.60}"
        assert int(text) <= _NUMBERS[kind], f"{path}: {text}"
    if kind in _TIMES:
        assert datetime.fromisoformat(text).tzinfo is not None, f"{path}: {text}"
