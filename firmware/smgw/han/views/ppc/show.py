"""The actions that answer with a page."""

from collections.abc import Iterable, Iterator, Mapping
from html import escape

from smgw.cosem.data import DataType, plain
from smgw.cosem.obis import Obis
from smgw.cosem.quality import gateway_status
from smgw.cosem.reading import Reading, meter_status
from smgw.cosem.units import WATT_HOUR, symbol
from smgw.han.exchange import Answer
from smgw.han.house import House
from smgw.han.views.ppc.asked import local_text, needed, wanted
from smgw.han.views.ppc.pages import form, long_page, page, plain_row, row, select, table
from smgw.metering.evaluation.counting import ptb_status
from smgw.store.records import Source, StoredRecord

_SECOND = 1_000_000
_METER, _TARIFF = "01005e318002", "01005e3180{:02x}"
_FIRST_TARIFF = 0x20  # TAF 1 is 21
_HEAD = ("Timestamp", "Value", "Unit", "OBIS", "Valid", "Name", "Signature")
_WARNED = 1  # of PTB's statuses: such a value still counts without doubt
_KWH = "kWh"
_RANGE = ('from <input name="from" placeholder="2026-01-01 00:00:00">', 'to <input name="to">')


def menu() -> str:
    """A form for each action that needs no parameter."""
    return "".join(map(form, ("meterform", "tariffform", "swversions", "selftest", "logout"))) + form("log", *_RANGE)


def meters(house: House, consumer: str, _fields: Mapping[str, str]) -> Answer:
    """The devices of the consumer's meters."""
    options = [(mid(source), f"{_METER}.{device_text(source)}") for source in sources(house, consumer)]
    chosen = select("", "mid", options)
    forms = [form(one, chosen) for one in ("showMeterProfile", "exportMeterProfile")]
    forms += [form(one, chosen, *_RANGE) for one in ("showMeterValues", "exportMeterValues")]
    return page(house, "Meters", [f"<p>{select('meterform_select_meter', 'mid', options)}</p>\n", *forms])


def sources(house: House, consumer: str) -> list[Source]:
    """The devices of meters, not of contracts."""
    return [source for meter in house.meters(consumer) for source in meter.sources]


def mid(source: Source) -> str:
    """The id of a device in forms."""
    return str(source.device).lower()


def source_of(house: House, consumer: str, fields: Mapping[str, str]) -> Source:
    """The device that a form names; NotYoursError."""
    return house.source(consumer, needed(fields, "mid"))


def newest(house: House, consumer: str, fields: Mapping[str, str]) -> Answer:
    """The newest values of a meter: of its last telegram, else of the last stored row."""
    source = source_of(house, consumer, fields)
    for live in house.live(consumer):
        capture = live.capture
        if (capture.meter, capture.device) == (source.meter, source.device):
            status = ptb_status(gateway_status(capture), meter_status(capture.readings))
            rows = list(_group(capture.stamp.utc_us, capture.readings, status, 0))
            break
    else:
        record = house.newest(consumer, source)
        rows = [] if record is None else list(_record(record, 0))
    return page(house, "Meter profile", table("metervalue", _HEAD, rows))


def values(house: House, consumer: str, fields: Mapping[str, str]) -> Answer:
    """Stored values of a meter."""
    source, asked = source_of(house, consumer, fields), wanted(fields)
    return long_page(house, "Meter values", table("metervalue", _HEAD, _rows(house.readings(consumer, source, asked))))


def _rows(records: Iterable[StoredRecord]) -> Iterator[str]:
    line = 0
    for record in records:
        for one in _record(record, line):
            yield one
            line += 1


def _record(record: StoredRecord, line: int) -> Iterator[str]:
    status = ptb_status(record.gateway_status, meter_status(record.readings))
    time_us = record.stamp.utc_us if record.target_time_us is None else record.target_time_us
    return _group(time_us, record.readings, status, line)


def _group(time_us: int, readings: Iterable[Reading], status: int, line: int) -> Iterator[str]:
    """The rows of one time, which stands in the first of them."""
    time = local_text(time_us // _SECOND)
    for one in readings:
        if (number := _number(one)) is None:
            continue
        text, unit = number
        valid = "nonexistent" if not text else "valid" if status <= _WARNED else "invalid"
        cells = {
            "timestamp": time, "wert": text, "einheit": unit, "obis": obis_text(one.obis), "istvalide": valid,
            "name": obis_text(one.obis), "sign": "" if one.signature is None else one.signature.hex(),
        }  # fmt: skip
        yield row(
            [(f"table_metervalues_col_{key}", text) for key, text in cells.items()], f"table_metervalues_line{line}"
        )
        time, line = "", line + 1


def _number(one: Reading) -> tuple[str, str] | None:
    """Value and unit, energy in kWh; an empty value is missing; None: this is no number."""
    kilo = one.unit == WATT_HOUR
    unit = _KWH if kilo else symbol(one.unit)
    if one.value.type is DataType.NULL_DATA:
        return "", unit
    if not isinstance(one.value.value, int):
        return None
    return plain(one.value.value, one.scaler - 3 if kilo else one.scaler), unit


def obis_text(obis: Obis) -> str:
    """As programs look for it: without the group F of the present value."""
    return str(obis).removesuffix("*255")


def contracts(house: House, consumer: str, _fields: Mapping[str, str]) -> Answer:
    """The contracts."""
    options = [
        (one.name, f"{_TARIFF.format(_FIRST_TARIFF + one.profile.taf)}.{one.name}") for one in house.contracts(consumer)
    ]
    chosen = select("", "tid", options)
    forms = [form(one, chosen) for one in ("showTariffProfile", "showTarification")]
    return page(house, "Tariffs", [f"<p>{select('tariffform_select_tariff', 'tid', options)}</p>\n", *forms])


def contract(house: House, consumer: str, fields: Mapping[str, str]) -> Answer:
    """What was agreed."""
    profile = house.contract(consumer, needed(fields, "tid")).profile
    told = {
        "Name": profile.name,
        "Use case": f"TAF{profile.taf}",
        "Usage point": profile.usage_point,
        "Supplier": profile.supplier,
        "Meters": ", ".join(profile.parts),
        "Registers": ", ".join(map(obis_text, profile.objects)),
        "Registration period in s": str(profile.registration_period),
    }
    return page(
        house,
        "Tariff profile",
        table("tariffprofile", ("Property", "Value"), (plain_row(*one) for one in told.items())),
    )


def periods(house: House, consumer: str, fields: Mapping[str, str]) -> Answer:
    """Billing periods with their registers."""
    rows = []
    for one in house.periods(consumer, needed(fields, "tid")):
        span = local_text(one.begin_us // _SECOND), local_text(one.end_us // _SECOND)
        amounts = [*((f"T{step}", value) for step, value in one.steps), ("error", one.error), ("total", one.total)]
        rows += [
            plain_row(*span, obis_text(one.measured), name, plain(value, one.scaler), symbol(one.unit))
            for name, value in amounts
        ]
    return page(house, "Tarification", table("tarification", ("From", "To", "OBIS", "Register", "Value", "Unit"), rows))


def log(house: House, consumer: str, fields: Mapping[str, str]) -> Answer:
    """The consumer's own log book; without a range the newest entries."""
    entries = house.log(consumer, wanted(fields)) if "from" in fields or "to" in fields else house.log(consumer)
    rows = (
        plain_row(
            str(one.number), local_text(one.utc_us // _SECOND), one.level.name, one.event, one.subject,
            "SUCCESS" if one.outcome else "FAILURE",
        )
        for one in entries
    )  # fmt: skip
    return page(house, "Log", table("log", ("Number", "Timestamp", "Level", "Event", "Text", "Outcome"), rows))


def firmware(house: House, _consumer: str, _fields: Mapping[str, str]) -> Answer:
    """Component, version and check sum; programs take every row of this page."""
    rows = (plain_row(one.name, one.version, one.digest) for one in house.firmware())
    return page(house, "Software versions", table("swversions", ("Component", "Version", "Checksum"), rows))


def self_test(house: House, _consumer: str, _fields: Mapping[str, str]) -> Answer:
    """The last result. Nothing is started, and nothing restarts."""
    last = house.around.self_test()
    told = "none is known" if last is None else f"{local_text(last.at_us // _SECOND)}: {last.text}"
    return page(house, "Self-test", [f'<p id="selftest">The last self-test: </p><p>{escape(told)}</p>\n'])


def logout(house: House, _consumer: str, _fields: Mapping[str, str]) -> Answer:
    """There is nothing to end but the cookie."""
    return page(house, "Logged out", [])


def device_text(source: Source) -> str:
    """The device as a part of a logical name."""
    return f"{source.device.xml_id.removesuffix('.sm')}.sm"
