"""/trudi/...: the four questions of the display software TRuDI, as its adapter for EFR asks them.

    GET /trudi/firmware                                        parts of the firmware
    GET /trudi/contracts                                       contracts with their billing periods
    GET /trudi/data?TafName&TafId&Start&End&WithLogData        a file of AR 2418-6, both ends included
    GET /trudi/current?TafName&TafId                           the same with the registers as they are now

Times in JSON are local time of the contract with its offset. A time without an offset is taken as that local time:
TRuDI runs in the house.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from smgw.cosem.zone import time_zone
from smgw.errors import SmgwError
from smgw.han.calendar import Step, marks
from smgw.han.exchange import Answer, Request, Role, View, problem
from smgw.han.house import Contract, House, Wanted
from smgw.han.rights import NEVER_US, NotYoursError
from smgw.store.ranges import Range

_PATH = "/trudi/"
_SECOND = 1_000_000
#: Most billing periods of a series of readings: those of its months.
_MOST_MONTHS = 36
#: The last instant that a file names: the year 9999.
_LAST_S = 253_370_764_800
_TRUE = ("true", "1", "yes")


class _WrongError(SmgwError):
    """A question that cannot be understood."""


def answer(request: Request, house: House) -> Answer:
    """The answer to one of the four questions."""
    assert request.who is not None  # the view has a role
    asked = _ASKED.get(request.path.removeprefix(_PATH).rstrip("/")) if request.path.startswith(_PATH) else None
    if asked is None:
        return problem(404)
    if request.method not in ("GET", "HEAD"):
        return problem(405, "Only GET is possible here.", {"Allow": "GET, HEAD"})
    try:
        return asked(house, request.who.name, {name.lower(): value for name, value in request.query.items()})
    except NotYoursError:
        return problem(404)
    except _WrongError as error:
        return problem(400, str(error))


def _firmware(house: House, _consumer: str, _query: Mapping[str, str]) -> Answer:
    return _json([{"Component": one.name, "Version": one.version, "Hash": one.digest} for one in house.firmware()])


def _contracts(house: House, consumer: str, _query: Mapping[str, str]) -> Answer:
    return _json([_contract(house, consumer, one) for one in house.contracts(consumer)])


def _contract(house: House, consumer: str, contract: Contract) -> dict[str, Any]:
    profile, zone = contract.profile, contract.profile.zone
    begin_us, end_us = _validity(house, consumer, contract)
    return {
        "TafId": profile.taf,
        "TafName": profile.name,
        "Description": profile.use_case.title,
        "Meters": [str(source.device) for source in house.parts(consumer, contract)],
        "MeteringPointId": profile.usage_point,
        "SupplierId": profile.supplier,
        "ConsumerId": profile.consumer,
        "Begin": _local(begin_us, zone),
        "End": None if end_us is None else _local(end_us, zone),
        "BillingPeriods": [
            {"Begin": _local(begin, zone), "End": None if end is None else _local(end, zone)}
            for begin, end in _periods(house, consumer, contract)
        ],
    }


def _validity(house: House, consumer: str, contract: Contract) -> tuple[int, int | None]:
    """Begin and end. A contract without a begin begins with the first reading."""
    profile = contract.profile
    end_us = None if profile.end is None else profile.end * _SECOND
    if profile.begin is not None:
        return profile.begin * _SECOND, end_us
    first = (house.first_us(consumer, one) for one in house.parts(consumer, contract))
    return min((one for one in first if one is not None), default=house.now_us()), end_us


def _periods(house: House, consumer: str, contract: Contract) -> list[tuple[int, int | None]]:
    """Begin and end of the billing periods; None: it is open. A series of readings (TAF 7) has those of its months."""
    profile = contract.profile
    if profile.use_case.originals:
        begin_us, end_us = _validity(house, consumer, contract)
        now_us = house.now_us()
        last_us = min(now_us, NEVER_US if end_us is None else end_us)
        since_us = max(begin_us, last_us - (_MOST_MONTHS - 1) * 31 * 86_400 * _SECOND)
        at = [
            one for one in marks(Step.MONTH, Range(since_us, last_us), profile.zone, _MOST_MONTHS + 2) if one < last_us
        ]
        begins = [max(one, since_us) for one in at]
        ends: list[int | None] = [*begins[1:], None if last_us == now_us else last_us]
        return list(zip(begins, ends, strict=True))
    found = house.periods(consumer, contract.name)
    return sorted({(one.begin_us, None if one.open else one.end_us) for one in found}, key=lambda one: one[0])


def _data(house: House, consumer: str, query: Mapping[str, str]) -> Answer:
    contract = _named(house, consumer, query)
    zone = contract.profile.zone
    begin_s, end_s = (_instant(name, query, zone) for name in ("Start", "End"))
    if end_s < begin_s:
        raise _WrongError("End is before Start.")
    with_log = query.get("withlogdata", "true").lower() in _TRUE
    return _file(house, Wanted(consumer, contract.name, begin_s, end_s, house.now_us(), with_log), now=False)


def _current(house: House, consumer: str, query: Mapping[str, str]) -> Answer:
    contract = _named(house, consumer, query)
    now_us = house.now_us()
    return _file(house, Wanted(consumer, contract.name, 0, now_us // _SECOND, now_us, with_log=False), now=True)


def _file(house: House, wanted: Wanted, *, now: bool) -> Answer:
    if house.transparency is None:
        return problem(503, "This gateway makes no files of AR 2418-6.")
    try:
        body: Iterator[bytes] = house.transparency(wanted, now)
    except SmgwError as error:
        return problem(503, f"The file cannot be made: {error}", {"Retry-After": "10"})
    return Answer(200, body, "application/xml")


def _named(house: House, consumer: str, query: Mapping[str, str]) -> Contract:
    """The contract of TafName; TafId, if it is given, must be its use case. NotYoursError."""
    name = query.get("tafname", "")
    if not name:
        raise _WrongError("TafName is missing: the name of a contract, as /trudi/contracts has it.")
    contract = house.contract(consumer, name)
    number = "".join(one for one in query.get("tafid", "") if one in "0123456789")
    if number and number != str(contract.profile.taf):
        raise NotYoursError
    return contract


def _instant(name: str, query: Mapping[str, str], zone: str) -> int:
    text = query.get(name.lower(), "").strip()
    try:
        # A '+' that was not percent-encoded arrives as a blank.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise _WrongError(f"{name} is no time; write such as 2026-03-01T00:00:00+01:00.") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=time_zone(zone))
    try:
        return min(max(int(moment.timestamp()), 0), _LAST_S)
    except (OverflowError, OSError, ValueError):
        raise _WrongError(f"{name} is out of range.") from None


def _local(at_us: int, zone: str) -> str:
    return datetime.fromtimestamp(at_us // _SECOND, UTC).astimezone(time_zone(zone)).isoformat()


def _json(content: object) -> Answer:
    return Answer(200, json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())


_ASKED = {"firmware": _firmware, "contracts": _contracts, "data": _data, "current": _current}
VIEW = View("trudi", (_PATH,), Role.CONSUMER, answer, "contracts and files of AR 2418-6 for the display software TRuDI")
