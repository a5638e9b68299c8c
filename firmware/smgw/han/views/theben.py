"""/smgw/m2m: the JSON of Theben's CONEXA, so that programs made for it work with this gateway.

    GET or POST /smgw/m2m            307 to /smgw/m2m/<user>, without a body
    POST /smgw/m2m/<user>[/json]     {"method": ...}; the user is the account's name

    method             parameters                               answer
    smgw-info          -                                        firmware, id, state, time, certificate
    user-info          -                                        contracts: "usage-points"
    usage-point-info   usage-point-id, database                 channels of a contract: obis, scaler, unit
    readings           usage-point-id, database, channels,      per channel: capture-time, target-time, value, status
                       last-reading or fromtime (exclusive)
                       with totime (inclusive), 31 days at most
    log                fromtime (inclusive) with totime         entries of the consumer's log book
                       (exclusive), or fromindex; count
    self-test          -                                        403: it cannot be started from here

All values are texts. Numbers are as stored, and a channel has their scaler and unit. Databases are origin, derived,
calculated and daily. What only the maker's own profile has (transparency-bit, taf-profile) is empty.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from smgw.clock.text import utc_text
from smgw.cosem.obis import Obis, ObisError
from smgw.cosem.reading import ClockState
from smgw.errors import SmgwError
from smgw.han.exchange import Answer, Request, Role, View, problem
from smgw.han.house import Contract, House
from smgw.han.rights import NotYoursError
from smgw.han.views import contract_values
from smgw.han.views.contract_values import Column, Value
from smgw.store.file.log_books import NUMBERS, VENDORS
from smgw.store.ranges import Range
from smgw.store.records import ListKind

PATH = "/smgw/m2m"
_ADDRESS = re.compile(rf"{PATH}/([^/]+)(?:/json)?/?")
_VERSION = "1.3.0"  # of the interface
_DATABASES = {
    "origin": ListKind.ORIGINAL,
    "derived": ListKind.DERIVED,
    "calculated": ListKind.CALCULATED,
    "daily": ListKind.DAILY,
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_DAYS, _MOST_ENTRIES, _MOST_BODY = 31, 1500, 65_536
_LEVELS = {1: "INFO", 2: "WARNING", 3: "ERROR", 4: "FATAL"}
_TRUE = ("true", "1")

_Asked = Mapping[str, Any]
_Method = Callable[[House, str, _Asked], dict[str, Any]]


class _RefusedError(SmgwError):
    """A question that has no answer, with its status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def answer(request: Request, house: House) -> Answer:
    """The answer to any method."""
    assert request.who is not None  # the view has a role
    path, name = request.path, request.who.name
    if path.rstrip("/") == PATH:
        if request.method not in ("GET", "HEAD", "POST"):
            return problem(405, headers={"Allow": "GET, HEAD, POST"})
        return Answer(307, b"", headers={"Location": f"{PATH}/{name}", "Cache-Control": "no-store"})
    match = _ADDRESS.fullmatch(path)
    if match is None or match[1] != name:
        return problem(404)
    if request.method != "POST":
        return problem(405, "Only POST is possible here.", {"Allow": "POST"})
    begun = time.monotonic_ns()
    try:
        asked = _body(request)
        method = _METHODS.get(str(asked.get("method", "")))
        if method is None:
            raise _RefusedError(400, f"There is no such method; write one of {', '.join(_METHODS)}.")
        told = method(house, name, asked)
    except NotYoursError:
        return problem(404)
    except _RefusedError as error:
        return problem(error.status, str(error))
    head = {"version": _VERSION, "method": asked["method"], "elapsed-time": str((time.monotonic_ns() - begun) // 10**6)}
    octets = json.dumps({**head, asked["method"]: told}, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(200, octets, headers={"Cache-Control": "no-store"})


def _body(request: Request) -> _Asked:
    try:
        found = json.loads(request.body) if len(request.body) <= _MOST_BODY else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _RefusedError(400, 'The body must be JSON with a method, such as {"method": "smgw-info"}.')
    return found


def _smgw_info(house: House, _consumer: str, _asked: _Asked) -> dict[str, Any]:
    parts, clock, certificate = house.firmware(), house.clock(), house.around.certificate()
    synchronised = clock.saved is not None and clock.saved.state is ClockState.SYNCHRONISED
    return {
        "smgw-id": str(house.configuration.gateway.device_id).lower(),
        "smgw-state": "normal" if synchronised else "time-invalid",
        "smgw-time": utc_text(clock.now_us),
        "firmware-info": {
            "version": parts[0].version,
            "components": [{"component": one.name, "version": one.version, "hash": one.digest} for one in parts],
        },
        "certificates": {
            "han": "" if certificate is None else certificate.fingerprint,
            "wan": [],
        },
    }


def _user_info(house: House, consumer: str, _asked: _Asked) -> dict[str, Any]:
    return {
        "user-id": consumer,
        "usage-points": [_usage_point(house, consumer, one) for one in house.contracts(consumer)],
    }


def _usage_point(house: House, consumer: str, contract: Contract) -> dict[str, Any]:
    profile = contract.profile
    ended = profile.end is not None and house.now_us() > profile.end * 1_000_000
    return {
        "usage-point-id": profile.name,
        "id": profile.name,
        "usage-point-name": profile.use_case.title,
        "metering-point-id": profile.usage_point,
        "meters": [{"meter-id": one.device.uri} for one in contract_values.devices(house, consumer, contract)],
        "taf-number": str(profile.taf),
        "taf-state": "archive" if ended else "running",
        "start-time": _instant(profile.begin),
        "end-time": _instant(profile.end),
        "billing-periods": [
            {"start-time": utc_text(begin), "end-time": "" if end is None else utc_text(end)}
            for begin, end in sorted(
                {(one.begin_us, None if one.open else one.end_us) for one in house.periods(consumer, profile.name)},
                key=lambda one: one[0],
            )
        ],
        "capture-time": str(profile.registration_period),
        "delivery-id": profile.supplier,
        "on-demand": "false",
    }


def _usage_point_info(house: House, consumer: str, asked: _Asked) -> dict[str, Any]:
    contract = house.contract(consumer, _text(asked, "usage-point-id"))
    names = [_text(asked, "database")] if "database" in asked else list(_DATABASES)
    return {
        "usage-point-id": contract.name,
        "databases": [
            {
                "database": name,
                "channels": [_channel(one) for one in contract_values.columns(house, consumer, contract, _kind(name))],
            }
            for name in names
        ],
        "emts": [{"emt-id": one.grant.who} for one in house.recipients(consumer) if one.grant.meter == contract.name],
        "taf-profile": "",
        "transparency-bit": "",
    }


def _channel(column: Column) -> dict[str, str]:
    return {
        "obis": column.obis.hex(),
        "meter-id": column.source.device.uri,
        "scaler": str(column.scaler),
        "unit": str(column.unit),
    }


def _readings(house: House, consumer: str, asked: _Asked) -> dict[str, Any]:
    contract = house.contract(consumer, _text(asked, "usage-point-id"))
    database = _text(asked, "database") if "database" in asked else "origin"
    kind, chosen = _kind(database), _channels(asked)
    last = str(asked.get("last-reading", "")).lower() in _TRUE
    wanted = None if last else _range(asked, late_begin=True)
    found = []
    for column in contract_values.columns(house, consumer, contract, kind):
        if chosen and column.obis not in chosen:
            continue
        if wanted is None:
            rows = list(contract_values.newest(house, consumer, column))
        else:
            rows = list(contract_values.values(house, consumer, column, wanted, kind))
        if rows or not last:
            found.append({**_channel(column), "readings": [_reading(one) for one in rows]})
    return {"usage-point-id": contract.name, "database": database, "channels": found}


def _reading(one: Value) -> dict[str, str]:
    record, status = one.record, one.status.msb0
    return {
        "obis": one.reading.obis.hex(),
        "capture-time": utc_text(record.stamp.utc_us),
        "target-time": "" if record.target_time_us is None else utc_text(record.target_time_us),
        "value": one.number,
        "cosem-status": status,
        "smgw-status": status[:8],
        "meter-status": status[8:],
        "signature": "" if one.reading.signature is None else one.reading.signature.hex(),
        "owner-number": str(record.record_number),
    }


def _log(house: House, consumer: str, asked: _Asked) -> dict[str, Any]:
    count = _whole(asked, "count", _MOST_ENTRIES)
    if not 0 < count <= _MOST_ENTRIES:
        raise _RefusedError(400, f"count is a number from 1 to {_MOST_ENTRIES}.")
    if "fromindex" in asked:
        first = _whole(asked, "fromindex", 0)
        entries = [one for one in house.log(consumer) if one.number >= first][:count]
    elif "fromtime" in asked or "totime" in asked:
        entries = house.log(consumer, _range(asked, late_begin=False))[:count]
    else:
        entries = house.log(consumer, most=count)
    return {
        "entries": [
            {
                "record-number": str(one.number),
                "event-id": str(NUMBERS.get(one.event, 0)),
                "event-sub-id": one.event,
                "level": _LEVELS.get(int(one.level), ""),
                "message": one.subject,
                "outcome": "success" if one.outcome else "failure",
                "subject-identity": one.identity,
                "user-identity": one.user,
                "time": utc_text(one.utc_us),
                "vendor-id": VENDORS.get(one.event, ""),
            }
            for one in entries
        ]
    }


def _self_test(_house: House, _consumer: str, _asked: _Asked) -> dict[str, Any]:
    raise _RefusedError(403, "The self-test cannot be started from here; it runs at the start of the gateway.")


_METHODS: Mapping[str, _Method] = {
    "smgw-info": _smgw_info,
    "user-info": _user_info,
    "usage-point-info": _usage_point_info,
    "readings": _readings,
    "log": _log,
    "self-test": _self_test,
}


def _text(asked: _Asked, name: str) -> str:
    found = asked.get(name)
    if not isinstance(found, str) or not found:
        raise _RefusedError(400, f"The parameter {name} is missing, or no text.")
    return found


def _whole(asked: _Asked, name: str, default: int) -> int:
    text = str(asked.get(name, default))
    if not re.fullmatch(r"\d{1,12}", text, re.ASCII):
        raise _RefusedError(400, f"The parameter {name} is no whole number.")
    return int(text)


def _kind(database: str) -> ListKind:
    if database not in _DATABASES:
        raise _RefusedError(400, f"There is no such database; write one of {', '.join(_DATABASES)}.")
    return _DATABASES[database]


def _channels(asked: _Asked) -> frozenset[Obis]:
    """The registers that are asked for; empty: all."""
    found = asked.get("channels", [])
    try:
        names = [one["obis"] if isinstance(one, dict) else one for one in found]
        return frozenset(Obis.parse(str(one).partition(".")[0] if len(str(one)) > 24 else str(one)) for one in names)
    except (ObisError, KeyError, TypeError):
        raise _RefusedError(400, "The parameter channels is an array of OBIS codes.") from None


def _range(asked: _Asked, *, late_begin: bool) -> Range:
    """Readings begin after `fromtime` and end with `totime`; entries of a log begin with it and end before."""
    begin, end = (_moment(asked, name) for name in ("fromtime", "totime"))
    if not begin < end:
        raise _RefusedError(400, "fromtime must be before totime.")
    if late_begin and end - begin > _MOST_DAYS * 86_400 * 1_000_000:
        raise _RefusedError(400, f"At most {_MOST_DAYS} days can be asked for at once.")
    return Range(begin + 1, end) if late_begin else Range(begin, end - 1)


def _moment(asked: _Asked, name: str) -> int:
    """A time in ISO 8601; without an offset it is UTC."""
    try:
        found = datetime.fromisoformat(_text(asked, name))
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
        return (found - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise _RefusedError(400, f"{name} is no time; write such as 2026-03-01T00:15:00Z.") from None


def _instant(seconds: int | None) -> str:
    return "" if seconds is None else utc_text(seconds * 1_000_000)


VIEW = View("theben", (PATH,), Role.CONSUMER, answer, "the JSON of Theben's gateways")
