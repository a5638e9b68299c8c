"""The forms of an answer (XML, JSON, CSV): choice by the client's request, and conversion to text."""

import hashlib
import json
from collections.abc import Iterator
from enum import Enum
from urllib.parse import parse_qsl

from smgw.cosem.device_id import DeviceId
from smgw.cosemxml import writer
from smgw.webservice.error import BadRequest, NotAcceptable
from smgw.webservice.media_type import COSEM_XML, CSV, HTML, JSON, MediaType, choose

from emp.answers.resource_json import as_json
from emp.answers.resources import PROFILE_ID, Answer
from emp.answers.row_text import csv_rows, json_rows, xml_rows
from emp.answers.sending import Text
from emp.store.storage import Storage


class Form(Enum):
    """The values of `?format=` and the suffixes of exports."""

    XML = "xml"
    JSON = "json"
    CSV = "csv"


_PLAIN_XML = MediaType("application", "xml")
_OF_TYPE = {COSEM_XML: Form.XML, _PLAIN_XML: Form.XML, JSON: Form.JSON, CSV: Form.CSV}
_TYPE = {Form.XML: COSEM_XML, Form.JSON: JSON, Form.CSV: CSV}


def wanted(accept: str | None, query: str) -> tuple[Form, MediaType]:
    """The form of `?format=`, else the preferred one of Accept. A browser gets XML that it shows instead of saving.

    Raises BadRequest for a form that does not exist, NotAcceptable if Accept allows none.
    """
    named = dict(reversed(parse_qsl(query))).get("format")
    if named is not None:
        form = next((form for form in Form if form.value == named), None)
        if form is None:
            raise BadRequest(f"format={named!r:.20} is none; {', '.join(form.value for form in Form)} are")
        return form, _TYPE[form]
    browser = accept is not None and HTML.essence in accept.lower()
    media_type = choose(accept, (_PLAIN_XML,) if browser else tuple(_OF_TYPE))
    if media_type is None:
        raise NotAcceptable(f"{', '.join(map(str, _OF_TYPE))} can be had")
    return _OF_TYPE[media_type], media_type


def as_text(
    storage: Storage, device: DeviceId | None, found: Answer, form: Form, media_type: MediaType, headers: dict[str, str]
) -> Text:
    """An answer in a form. NotAcceptable for CSV of an answer without rows."""
    rows = found.rows
    if rows is None or device is None:
        if form is Form.CSV:
            raise NotAcceptable(f"CSV is for rows; objects/{PROFILE_ID} of a device has them")
        octets = _whole(found, form)
        return Text(media_type, _tag(octets), lambda: iter((octets,)), headers)
    columns, picked = found.columns, found.picked

    def pieces() -> Iterator[bytes]:
        batches = rows.batches(storage, device)
        if form is Form.XML:
            return xml_rows(writer.encode(found.resource), batches, columns, rows.picks)
        if form is Form.JSON:
            return json_rows(device, batches, picked)
        return csv_rows(batches, storage.registers(device), picked)

    tag = f"{form} {bytes(device)!r} {storage.version(device)} {rows.span} {rows.skip} {rows.limit} {rows.picks}"
    return Text(media_type, _tag(f"{tag} {headers}".encode() + writer.encode(found.resource)), pieces, headers)


def _whole(found: Answer, form: Form) -> bytes:
    if form is Form.XML:
        return writer.encode(found.resource)
    return (
        json.dumps(as_json(found.resource, found.scaler_unit), ensure_ascii=False, separators=(",", ":")).encode()
        + b"\n"
    )


def _tag(octets: bytes) -> str:
    return hashlib.blake2b(octets, digest_size=12).hexdigest()
