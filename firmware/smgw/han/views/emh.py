"""/json/: the GETs of EMH's CASA, so that programs made for it work with this gateway.

    systeminformations                            firmware, id, time
    metering/derived                              ids of the contracts
    metering/derived/<contract>                   a contract
        .../billingperiods[/<n>[/extended]]       its billing periods, from 0; registers at their ends
        .../current/extended                      its registers now
        .../daily                                 its daily values
    metering/origin/                              ids of the meters
    metering/origin/<meter>[/extended]            newest values of a meter
    metering/origin/<meter>/<YYYY-MM>[/extended]  values of a month
    conlogbook/[<first>]                          the consumer's log book
    download/certificate.pem                      501: read the fingerprint on the pages

Values are texts of the number as stored, with scaler and unit. `signedprofile` is not published and answers 501.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from smgw.clock.text import utc_text
from smgw.cosem.obis import Obis
from smgw.cosem.quality import gateway_status
from smgw.cosem.reading import Reading, meter_status
from smgw.cosem.status_word import StatusWord
from smgw.han.exchange import Answer, Request, Role, View, problem
from smgw.han.house import Contract, House
from smgw.han.rights import NotYoursError
from smgw.han.views import contract_values
from smgw.store.ranges import Range
from smgw.store.records import ListKind, Source, StoredRecord

PATH = "/json/"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LEVELS = {1: "INFO", 2: "WARNING", 3: "ERROR", 4: "FATAL"}
_NO_STORE = {"Cache-Control": "no-store"}
_ROWS = 100  # of one piece

_Found = Any
_Handler = Callable[..., _Found]


def answer(request: Request, house: House) -> Answer:
    """The answer to any GET."""
    assert request.who is not None  # the view has a role
    if request.method not in ("GET", "HEAD"):
        return problem(405, "Only GET is possible here.", {"Allow": "GET, HEAD"})
    for pattern, handler in _ROUTES:
        if (match := pattern.fullmatch(request.path.removeprefix(PATH))) is not None:
            try:
                found = handler(house, request.who.name, *match.groups())
            except NotYoursError:
                return problem(404)
            if isinstance(found, Answer):
                return found._replace(headers={**_NO_STORE, **found.headers})
            return Answer(200, json.dumps(found, ensure_ascii=False).encode(), headers=_NO_STORE)
    return problem(404)


def _system(house: House, _consumer: str) -> _Found:
    part = house.firmware()[0]
    return {
        "firmwareversion": f"{part.version} / {part.digest}",
        "huid": str(house.configuration.gateway.device_id).lower(),
        "systemtime": utc_text(house.now_us()),
        "vendor": "smgw",
    }


def _contracts(house: House, consumer: str) -> _Found:
    return [one.name for one in house.contracts(consumer)]


def _contract(house: House, consumer: str, name: str) -> _Found:
    contract = house.contract(consumer, name)
    profile = contract.profile
    receivers = {one.grant.who: None for one in house.recipients(consumer) if one.grant.meter in (name, *profile.parts)}
    return {
        "taf_type": f"TAF-{profile.taf}",
        "taf_name": profile.name,
        "taf_identifier": f"01005e3180{0x20 + profile.taf:02x}.{profile.name}",
        "metering_point_id": profile.usage_point,
        "emt_channel_name": ", ".join(receivers),
        "sensor_domains": [_domain(one) for one in contract_values.devices(house, consumer, contract)],
        "user_domain": consumer,
        "validity_start": _instant(profile.begin),
        "validity_end": _instant(profile.end),
        "capture_period": profile.registration_period,
        "active_tariff": "",
    }


def _periods(house: House, consumer: str, name: str) -> _Found:
    return [
        {"id": number, "start": utc_text(begin), "end": "" if end is None else utc_text(end)}
        for number, (begin, end) in enumerate(_period_ends(house, consumer, name))
    ]


def _period(house: House, consumer: str, name: str, number: str) -> _Found:
    ends = _period_ends(house, consumer, name)
    if int(number) >= len(ends):
        raise NotYoursError
    begin, end = ends[int(number)]
    values = [
        _amount(one.measured, name, step, value, one.scaler, one.unit)
        for one in house.periods(consumer, name)
        if one.begin_us == begin
        for step, value in (*one.steps, (63, one.error), (0, one.total))
    ]
    return {"start": utc_text(begin), "end": "" if end is None else utc_text(end), "values": values}


def _period_ends(house: House, consumer: str, name: str) -> list[tuple[int, int | None]]:
    found = {(one.begin_us, None if one.open else one.end_us) for one in house.periods(consumer, name)}
    return sorted(found, key=lambda one: one[0])


def _current(house: House, consumer: str, name: str) -> _Found:
    found = house.step_registers(consumer, name)
    values = [
        _amount(one.measured, name, step, value, one.scaler, one.unit) for one in found for step, value in one.amounts
    ]
    return {"timestamp": utc_text(found[0].time_us) if found else "", "values": values}


def _amount(obis: Obis, contract: str, step: int, value: int, scaler: int, unit: int) -> dict[str, Any]:
    register = Obis(bytes((*obis[:4], step, obis[5])))
    return {"logical_name": f"{register.hex()}.{contract}", "value": str(value), "scaler": scaler, "unit": unit}


def _daily(house: House, consumer: str, name: str) -> _Found:
    contract: Contract = house.contract(consumer, name)
    wanted = Range(0, house.now_us())
    return [
        _row(record)
        for source in contract_values.devices(house, consumer, contract, ListKind.DAILY)
        for record in house.readings(consumer, source, wanted, ListKind.DAILY, contract.profile.objects)
    ]


def _meters(house: House, consumer: str) -> _Found:
    return [_domain(source) for meter in house.meters(consumer) for source in meter.sources]


def _meter(house: House, consumer: str, name: str) -> _Found:
    """The newest telegram, else the newest stored row."""
    source = house.source(consumer, name)
    for live in house.live(consumer):
        capture = live.capture
        if (capture.meter, capture.device) == (source.meter, source.device):
            status = StatusWord(gateway_status(capture), meter_status(capture.readings))
            time = utc_text(capture.stamp.utc_us)
            return {
                "capture_time": time,
                "timestamp": time,
                "status": status.msb0,
                "values": list(_values(source, capture.readings)),
            }
    record = house.newest(consumer, source)
    if record is None:
        return {"capture_time": "", "timestamp": "", "status": "", "values": []}
    return _row(record)


def _month(house: House, consumer: str, name: str, year: str, month: str) -> _Found:
    source = house.source(consumer, name)
    try:
        begin = datetime(int(year), int(month), 1, tzinfo=UTC)
        end = datetime(int(year) + int(month) // 12, int(month) % 12 + 1, 1, tzinfo=UTC)
    except ValueError:
        raise NotYoursError from None
    wanted = Range((begin - _EPOCH) // _MICROSECOND, (end - _EPOCH) // _MICROSECOND - 1)
    return Answer(200, _array(house.readings(consumer, source, wanted)))


def _array(records: Iterable[StoredRecord]) -> Iterator[bytes]:
    """A JSON array, some rows at a time."""
    rows, between = iter(records), b"["
    while some := list(islice(rows, _ROWS)):
        yield between + ",".join(map(_of_month, some)).encode()
        between = b","
    yield b"]" if between == b"," else b"[]"


def _of_month(record: StoredRecord) -> str:
    row = _row(record)
    row["timestamp_act"], row["timestamp_nom"] = row.pop("capture_time"), row.pop("timestamp")
    return json.dumps(row, ensure_ascii=False)


def _row(record: StoredRecord) -> dict[str, Any]:
    status = StatusWord(record.gateway_status, meter_status(record.readings))
    nominal = record.stamp.utc_us if record.target_time_us is None else record.target_time_us
    source = Source(record.meter, record.device)
    return {
        "capture_time": utc_text(record.stamp.utc_us),
        "timestamp": utc_text(nominal),
        "status": status.msb0,
        "values": list(_values(source, record.readings)),
    }


def _values(source: Source, readings: Iterable[Reading]) -> Iterator[dict[str, Any]]:
    for one in readings:
        if isinstance(one.value.value, int):
            yield {
                "logical_name": f"{one.obis.hex()}.{_domain(source)}.sm",
                "value": str(one.value.value),
                "scaler": one.scaler,
                "unit": one.unit,
                "signature": "" if one.signature is None else one.signature.hex(),
            }


def _log(house: House, consumer: str, first: str | None) -> _Found:
    return [
        {
            "level": _LEVELS.get(int(one.level), ""),
            "text": one.subject,
            "outcome": "SUCCESS" if one.outcome else "FAILURE",
            "recordnumber": one.number,
            "repetition": 0,
            "timestamp": utc_text(one.utc_us),
        }
        for one in house.log(consumer)
        if one.number >= int(first or 0)
    ]


def _unpublished(house: House, consumer: str, *names: str) -> _Found:
    if names:
        house.contract(consumer, names[0])
    return problem(501, "The form of this answer is not published, so this gateway does not have it.")


def _domain(source: Source) -> str:
    return str(source.device).lower()


def _instant(seconds: int | None) -> str:
    return "" if seconds is None else utc_text(seconds * 1_000_000)


_ONE = r"([^/]+?)(?:\.sm)?"
_ROUTES: tuple[tuple[re.Pattern[str], _Handler], ...] = tuple(
    (re.compile(pattern, re.ASCII), handler)
    for pattern, handler in (
        (r"systeminformations/?", _system),
        (r"metering/derived/?", _contracts),
        (r"metering/derived/([^/]+)/?", _contract),
        (r"metering/derived/([^/]+)/signedprofile", _unpublished),
        (r"metering/derived/([^/]+)/billingperiods/?", _periods),
        (r"metering/derived/([^/]+)/billingperiods/(\d{1,6})(?:/extended)?", _period),
        (r"metering/derived/([^/]+)/current(?:/extended)?", _current),
        (r"metering/derived/([^/]+)/daily(?:/extended)?", _daily),
        (r"metering/origin/?", _meters),
        (rf"metering/origin/{_ONE}(?:/extended)?", _meter),
        (rf"metering/origin/{_ONE}/(\d{{4}})-(\d\d)(?:/extended)?", _month),
        (r"conlogbook/?(\d{1,12})?", _log),
        (r"download/certificate\.pem", _unpublished),
    )
)

VIEW = View("emh", (PATH,), Role.CONSUMER, answer, "the GETs of EMH's gateways")
