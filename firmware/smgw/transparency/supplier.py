"""Reads a supplier's tariff file (AR 2418-6, AnalysisProfile): whose, which steps, and the step of each quarter hour.

A special-day entry names the day profile of each day of the billing period. A day profile has the switches of a day.
TRuDI asks for all 96 quarter hours of a day; here a first switch at 00:00 is enough.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from lxml import etree

from smgw.cosemxml.error import CosemXmlError
from smgw.cosemxml.source import Limits, parse
from smgw.transparency.errors import TransparencyError

AR = "http://vde.de/AR_2418-6.xsd"
#: A file of a year has 366 special days of 96 switches, with ten elements each.
LIMITS = Limits(octets=32 * 1024 * 1024, elements=2_000_000)
_OBIS = re.compile(r"[0-9a-fA-F]{12}")
_MOST_STEPS = 20
_USE_CASES = (1, 2, 6, 7)


class Stage(NamedTuple):
    """A step of the tariff, and the register that it counts in (12 hex digits)."""

    number: int
    obis: str
    description: str = ""


class Tariff(NamedTuple):
    """A supplier's tariff for one usage point."""

    usage_point: str
    invoicing_party: str
    gateway: str  # without ".sm"
    kind: int
    name: str
    use_case: int
    identity: str
    begin_s: int  # billing period, seconds UTC
    end_s: int
    stages: tuple[Stage, ...]
    default: int
    days: Mapping[date, tuple[tuple[int, int], ...]]  # (minute of the local day, step), the first at 0


def read(octets: bytes) -> Tariff:
    """The tariff of a file.

    :raises TransparencyError: it is no such file, or its calendar has a gap; the text names the element.
    """
    try:
        root = parse(octets, LIMITS)
    except CosemXmlError as error:
        raise TransparencyError(f"the file cannot be read: {error}") from None
    if root.tag != f"{{{AR}}}UsagePoints":
        raise TransparencyError(f"the file begins with {root.tag!r:.80}; a tariff file begins with UsagePoints of {AR}")
    point = _one(root, "UsagePoint")
    profile = _one(point, "AnalysisProfile")
    use_case = _number(profile, "tariffUseCase")
    if use_case not in _USE_CASES:
        raise TransparencyError(f"tariffUseCase: {use_case} is none of {', '.join(map(str, _USE_CASES))}")
    begin_s, end_s = _billing_period(profile)
    stages = _stages(profile)
    default = _number(profile, "defaultTariffNumber")
    numbers = {stage.number for stage in stages}
    if default not in numbers:
        raise TransparencyError(f"defaultTariffNumber: {default} is no tariffNumber of a TariffStage")
    return Tariff(
        _text(point, "usagePointId"),
        _text(point, "InvoicingParty/invoicingPartyId"),
        _text(point, "SMGW/smgwId").removesuffix(".sm"),
        _number(point, "ServiceCategory/kind"),
        _text(point, "tariffName"),
        use_case,
        _text(profile, "tariffId"),
        begin_s,
        end_s,
        stages,
        default,
        _days(profile, numbers),
    )


def _billing_period(profile: etree._Element) -> tuple[int, int]:
    text = _text(profile, "billingPeriod/start")
    try:
        begin = datetime.fromisoformat(text)
    except ValueError:
        raise TransparencyError(f"start: {text!r:.40} is no date and time; 2026-01-01T00:00:00+01:00 is one") from None
    if begin.tzinfo is None:
        raise TransparencyError(f"start: {text!r:.40} has no offset; write 2026-01-01T00:00:00+01:00")
    duration_s = _number(profile, "billingPeriod/duration")
    if duration_s < timedelta(days=1).total_seconds():
        raise TransparencyError(f"duration: {duration_s} s is less than a day")
    begin_s = int(begin.timestamp())
    return begin_s, begin_s + duration_s


def _stages(profile: etree._Element) -> tuple[Stage, ...]:
    found = []
    for element in _all(profile, "TariffStage"):
        obis = _text(element, "obisCode").lower()
        if not _OBIS.fullmatch(obis):
            raise TransparencyError(f"obisCode: {obis!r:.40} is none; it has 12 hex digits")
        described = element.find("{*}description")
        found.append(Stage(_number(element, "tariffNumber"), obis, "" if described is None else described.text or ""))
    if not 1 <= len(found) <= _MOST_STEPS:
        raise TransparencyError(f"TariffStage: {len(found)} steps; 1 to {_MOST_STEPS} are possible")
    return tuple(found)


def _days(profile: etree._Element, numbers: set[int]) -> dict[date, tuple[tuple[int, int], ...]]:
    trigger = profile.find("{*}TariffChangeTrigger/{*}TimeTrigger")
    if trigger is None:
        return {}
    switches = {
        _day_id(identity): _switches(element, numbers)
        for element in _all(trigger, "DayProfile")
        for identity in _all(element, "dayId")
    }
    days = {}
    for element in _all(trigger, "SpecialDayProfile"):
        year, month, day = (_number(element, f"specialDayDate/{part}") for part in ("year", "month", "day_of_month"))
        try:
            wanted = date(year, month, day)
        except ValueError:
            raise TransparencyError(f"specialDayDate: {year}-{month}-{day} is no day") from None
        name = _day_id(_one(element, "dayId"))
        if name not in switches:
            raise TransparencyError(f"dayId: {name!r:.40} of {wanted} names no DayProfile")
        if wanted in days:
            raise TransparencyError(f"specialDayDate: {wanted} occurs twice")
        days[wanted] = switches[name]
    return days


def _switches(element: etree._Element, numbers: set[int]) -> tuple[tuple[int, int], ...]:
    found = []
    for one in _all(element, "DayTimeProfile"):
        clock = _one(one, "startTime")
        hour, minute, second = (_optional(clock, part) for part in ("hour", "minute", "second"))
        if not (0 <= hour < 24 and 0 <= minute < 60 and second == 0):
            raise TransparencyError(f"startTime: {hour}:{minute}:{second} is no time on the minute")
        step = _number(one, "tariffNumber")
        if step not in numbers:
            raise TransparencyError(f"tariffNumber: {step} of a DayTimeProfile is no TariffStage")
        found.append((hour * 60 + minute, step))
    found.sort()
    if not found or found[0][0]:
        raise TransparencyError("DayProfile: the first startTime is not 00:00")
    if len({minute for minute, _ in found}) < len(found):
        raise TransparencyError("DayProfile: a startTime occurs twice")
    return tuple(found)


def _day_id(element: etree._Element) -> str:
    return (element.text or "").strip()


def _all(element: etree._Element, name: str) -> list[etree._Element]:
    return element.findall(f"{{*}}{name}")


def _one(element: etree._Element, path: str) -> etree._Element:
    found = element.findall("/".join(f"{{*}}{part}" for part in path.split("/")))
    if len(found) != 1:
        raise TransparencyError(f"{path}: there are {len(found)} in {etree.QName(element).localname}; 1 is right")
    return found[0]


def _text(element: etree._Element, path: str) -> str:
    text = (_one(element, path).text or "").strip()
    if not text:
        raise TransparencyError(f"{path} is empty")
    return text


def _number(element: etree._Element, path: str) -> int:
    text = _text(element, path)
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise TransparencyError(f"{path}: {text!r:.40} is no number")
    return int(text)


def _optional(element: etree._Element, name: str) -> int:
    return 0 if element.find(f"{{*}}{name}") is None else _number(element, name)
