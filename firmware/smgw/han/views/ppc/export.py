"""The actions that answer with CMS SignedData around XML of DKE: values of a meter, and what is read from it.

Where an agent of keys signs for the HAN, the message has its signature. Elsewhere it has no signer, as RFC 5652 allows.
"""

from collections.abc import Iterable, Iterator, Mapping
from html import escape

from smgw.clock.text import utc_text
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Reading, meter_status
from smgw.cosem.status_word import StatusWord
from smgw.errors import SmgwError
from smgw.han.exchange import Answer
from smgw.han.house import House
from smgw.han.views.ppc.asked import WrongError, wanted
from smgw.han.views.ppc.show import device_text, source_of
from smgw.metering.evaluation.counting import ptb_status
from smgw.store.records import Source, StoredRecord

_PROFILE, _EXTENSION = "urn:k461-dke-de:profile_generic-1", "urn:k461-dke-de:extension-1"
_CONTAINER = "urn:k461-dke-de:kaf_lmn_container-1"
_DEVICE, _SENSOR = "urn:k461-dke-de:abstract_device_setup-1", "urn:k461-dke-de:e_meter_sensor_setup-1"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_LIST = "01005e31803c"  # of original values
_METER = "01005e318002"
#: Largest XML in octets: a month of quarter hours of ten registers.
_MOST, _ENTRY = 16 * 1024 * 1024, 400  # and of one value, about
_MEDIA = "application/pkcs7-mime"

_Column = list[tuple[StoredRecord, Reading]]


def values(house: House, consumer: str, fields: Mapping[str, str]) -> Answer:
    """Stored values of a meter, a column for each register. WrongError 413 if they are too many."""
    source, asked = source_of(house, consumer, fields), wanted(fields)
    return _signed(house, _values(source, house.readings(consumer, source, asked)), "values")


def profile(house: House, consumer: str, fields: Mapping[str, str]) -> Answer:
    """What is read from a meter, and how often."""
    source = source_of(house, consumer, fields)
    meter = house.meter(consumer, source.meter).profile
    names = meter.objects or tuple(obis for obis, _, _ in house.registers(consumer, source))
    found = "".join(f"<ems:value>{_name(one, source)}</ems:value>" for one in names)
    text = (
        f'<klc:kaf_lmn_container xmlns:klc="{_CONTAINER}" xmlns:adevs="{_DEVICE}" xmlns:ems="{_SENSOR}">'
        f'<klc:e_meter_device_object class_id="32809" id="{_METER}.{device_text(source)}"><klc:attributes>'
        f"<adevs:logical_name>{_METER}.{device_text(source)}</adevs:logical_name>"
        f"<adevs:device_identifier>{device_text(source).removesuffix('.sm')}</adevs:device_identifier>"
        f"<adevs:active>1</adevs:active><adevs:samplerate>{meter.registration_period}</adevs:samplerate>"
        f'<ems:values count="{len(names)}">{found}</ems:values>'
        "</klc:attributes></klc:e_meter_device_object></klc:kaf_lmn_container>\n"
    )
    return _signed(house, [text], "profile")


def _name(obis: Obis, source: Source) -> str:
    return f"{obis.hex()}.{device_text(source)}"


def _values(source: Source, records: Iterable[StoredRecord]) -> Iterator[str]:
    columns: dict[Obis, _Column] = {}
    size = 0
    for record in records:
        for one in record.readings:
            if isinstance(one.value.value, int):
                columns.setdefault(one.obis, []).append((record, one))
                size += 1
        if size * _ENTRY > _MOST:
            raise WrongError("These are too many values for one export; ask for a shorter time.", 413)
    name = f"{_LIST}.{device_text(source)}"
    yield (
        f'<object xmlns="{_PROFILE}" xmlns:ext="{_EXTENSION}" class_id="7" id="{name}"><attributes>'
        f'<ext:logical_name>{name}</ext:logical_name><capture_objects id="2" count="{len(columns)}">'
    )
    for number, obis in enumerate(columns, 1):
        name = f"<ext:logical_name>{_name(obis, source)}</ext:logical_name>"
        yield f'<capture_object id="{number}">{name}</capture_object>'
    yield f'</capture_objects><buffer id="3"><simple_data count="{len(columns)}">'
    for number, column in enumerate(columns.values(), 1):
        yield f'<column id="{number}" count="{len(column)}">'
        yield from (_entry(place, *pair) for place, pair in enumerate(column, 1))
        yield "</column>"
    yield "</simple_data></buffer></attributes></object>\n"


def _entry(place: int, record: StoredRecord, one: Reading) -> str:
    status = StatusWord(record.gateway_status, meter_status(record.readings))
    signature = "" if one.signature is None else f"<ext:smgw_signature>{one.signature.hex()}</ext:smgw_signature>"
    return (
        f'<entry_gateway_signed id="{place}"><ext:value><ext:long64>{one.value.value!s}</ext:long64></ext:value>'
        f"<ext:scaler>{one.scaler}</ext:scaler><ext:unit>{one.unit}</ext:unit>"
        f"<ext:status><ext:unsigned>{ptb_status(*status)}</ext:unsigned>"
        f"<ext:octet-string>{status.lsb0}</ext:octet-string></ext:status>"
        f"<ext:capture_time>{escape(utc_text(record.stamp.utc_us))}</ext:capture_time>{signature}"
        "</entry_gateway_signed>"
    )


def _signed(house: House, parts: Iterable[str], name: str) -> Answer:
    from smgw.han.attached import attached  # here: only an export needs it

    octets = (_HEAD + "".join(parts)).encode()
    try:
        signature = None if house.sign is None else house.sign(octets)
    except SmgwError:  # the agent of keys does not answer, or has no key for this
        signature = None
    headers = {"Content-Disposition": f'attachment; filename="{name}.cms"'}
    return Answer(200, attached(octets, signature), _MEDIA, headers)
