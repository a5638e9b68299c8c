"""Reads the paths of pages: device, register, page number."""

import re

from aiohttp import web
from smgw.cosem import CaptureObject
from smgw.cosem.device_id import DeviceId, DeviceIdError
from smgw.cosem.obis import Obis
from smgw.webservice.error import BadRequest, NotFound

from emp.store.storage import RowFilter, Storage

PAGE_ROWS = 100
#: Suffixes of exports, which a device id may have too.
_SUFFIX = re.compile(r"\.(?=(?:xml|json|csv)\Z)")
_REGISTER = re.compile(r"([0-9]{1,5})-([0-9a-f]{12})(?:\.(-?[0-9]{1,3}))?")


def device(request: web.Request) -> DeviceId:
    """The device in /devices/<device>...; NotFound if there is none."""
    try:
        return DeviceId.from_uri(part(request, "name"))
    except DeviceIdError as error:
        raise NotFound(str(error)) from None


def segment(wanted: DeviceId) -> str:
    """The segment <device> of /devices/<device>. A suffix of an export is encoded where it belongs to the id."""
    return _SUFFIX.sub("%2E", wanted.uri)


def part(request: web.Request, name: str) -> str:
    """A part of the request's path as it arrived, still percent-encoded."""
    return request.match_info[name]


def register(request: web.Request) -> CaptureObject:
    """The register in .../registers/3-0100010800ff, or with its attribute if that is not 2: ...ff.5."""
    match = _REGISTER.fullmatch(part(request, "register"))
    if match is None or int(match[1]) > 0xFFFF:
        raise NotFound(f"{part(request, 'register')!r:.60} names no register; 3-0100010800ff would")
    return CaptureObject(int(match[1]), Obis(bytes.fromhex(match[2])), int(match[3] or 2))


def register_name(column: CaptureObject) -> str:
    """The path of a register, the inverse of `register`."""
    return f"{column.class_id}-{column.obis.hex()}" + ("" if column.attribute == 2 else f".{column.attribute}")


def known(storage: Storage, wanted: DeviceId, column: CaptureObject | None = None) -> None:
    """NotFound unless the device, and its register, are known."""
    if not storage.has(wanted):
        raise NotFound(f"no device {wanted} is known here")
    if column is not None and all(register.column != column for register in storage.registers(wanted)):
        raise NotFound(f"device {wanted} has no register {register_name(column)}")


def page(request: web.Request, name: str = "page") -> int:
    """The requested page, 1 by default; BadRequest unless it is a number from 1 on."""
    text = request.query.get(name, "1")
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) >= 1):
        raise BadRequest(f"{name}={text!r:.20} is no page; they count from 1")
    return int(text)


def page_filter(number: int) -> RowFilter:
    """The rows of a page, and one more to find out whether there is a next page."""
    return RowFilter((number - 1) * PAGE_ROWS, PAGE_ROWS + 1, newest_first=True)
