"""JSON beside the COSEM tree: the rows of a device, the keys of all rows, and a sign of life.

GET /api/keys[?gateway=ESMG0000000001][&form=list]
    {"sources": [{"gateway": "ESMG0000000001", "store_id": "<32 hex digits>",
                  "records": 12, "ranges": [[1, 10], [12, 13]]}]}
    `ranges` are inclusive and together hold exactly the record numbers that are stored, each of them once; with
    form=list they are spelt out as "record_numbers": [1, 2, ...] instead.
GET /devices/<devid>.json[?page=N]     rows, newest first
GET /healthz                           {"status": "ok"}
"""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from aiohttp import web
from smgw.cosem.data import Data, plain
from smgw.cosem.device_id import DeviceId, DeviceIdError
from smgw.cosem.units import symbol
from smgw.cosemxml.names import TYPE_NAME
from smgw.webservice.error import BadRequest, NotFound

from emp.storage import RowFilter, RowView, Storage
from emp.times import iso

PAGE_ROWS = 100


class JsonApi:
    """Handlers for everything that answers JSON."""

    def __init__(self, storage: Storage, workers: Executor) -> None:
        self._storage = storage
        self._workers = workers

    async def keys(self, request: web.Request) -> web.Response:
        """The keys (gateway, store id, record number) of all rows."""
        wanted = request.query.get("gateway")
        spelt_out = request.query.get("form", "ranges") == "list"
        try:
            gateway = None if wanted is None else DeviceId.parse(wanted)
        except DeviceIdError as error:
            raise BadRequest(f"gateway: {error}") from None
        return await self._json(lambda: _keys(self._storage, gateway, spelt_out=spelt_out))

    async def rows(self, request: web.Request) -> web.Response:
        """One page of a device's rows, the newest first."""
        device, page = requested_device(request), requested_page(request)
        return await self._json(lambda: _rows(self._storage, device, page))

    async def health(self, _: web.Request) -> web.Response:
        """Whether the store can be read."""

        def state() -> dict[str, Any]:
            self._storage.devices()
            return {"status": "ok"}

        return await self._json(state)

    async def _json(self, make: Callable[[], dict[str, Any]]) -> web.Response:
        def encode() -> bytes:
            return json.dumps(make(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

        body = await asyncio.get_running_loop().run_in_executor(self._workers, encode)
        response = web.Response(body=body, content_type="application/json")
        if len(body) > 2048:
            response.enable_compression()
        return response


def requested_device(request: web.Request) -> DeviceId:
    """The device in a path; NotFound if it names none."""
    # Octets that are no UTF-8 survive only in the raw path.
    segment = request.raw_path.partition("?")[0].rpartition("/")[2].removesuffix(".json")
    try:
        return DeviceId.from_uri(segment)
    except DeviceIdError as error:
        raise NotFound(str(error)) from None


def requested_page(request: web.Request) -> int:
    """The page asked for, 1 if none; BadRequest for anything but a number from 1 on."""
    text = request.query.get("page", "1")
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) >= 1):
        raise BadRequest(f"page={text!r:.20} is no page; they count from 1")
    return int(text)


def page_filter(page: int) -> RowFilter:
    """The rows of a page, and one more to see whether there is a next page."""
    return RowFilter((page - 1) * PAGE_ROWS, PAGE_ROWS + 1, newest_first=True)


def value_text(data: Data, scaler: int) -> str:
    """A value for people: scaled exactly, octets in hex, structures as a list."""
    if isinstance(data.value, int):
        return plain(data.value, scaler)
    if isinstance(data.value, bytes):
        return data.value.hex()
    if isinstance(data.value, tuple):
        return "[" + ", ".join(value_text(member, 0) for member in data.value) + "]"
    return "" if data.value is None else data.value


def _keys(storage: Storage, gateway: DeviceId | None, *, spelt_out: bool) -> dict[str, Any]:
    sources = []
    for source in storage.keys(gateway):
        entry: dict[str, Any] = {
            "gateway": str(source.gateway),
            "store_id": source.store_id,
            "records": source.records,
        }
        if spelt_out:
            entry["record_numbers"] = [number for low, high in source.ranges for number in range(low, high + 1)]
        else:
            entry["ranges"] = source.ranges
        sources.append(entry)
    return {"sources": sources}


def _rows(storage: Storage, device: DeviceId, page: int) -> dict[str, Any]:
    if not storage.has(device):
        raise NotFound(f"no device {device} is known here")
    rows = storage.rows(device, page_filter(page))
    return {
        "device": str(device),
        "page": page,
        "next_page": page + 1 if len(rows) > PAGE_ROWS else None,
        "rows": [_row(row) for row in rows[:PAGE_ROWS]],
    }


def _row(row: RowView) -> dict[str, Any]:
    return {
        "gateway": str(row.gateway),
        "store_id": row.store_id,
        "record_number": row.record_number,
        "capture_time": iso(row.capture_time_us),
        "target_time": iso(row.target_time_us),
        "time_valid": row.time_valid,
        "status": row.status.msb0,
        "received": iso(row.received_us),
        "values": [
            {
                "obis": str(register.obis),
                "value": value_text(value, register.scaler),  # text: a JSON number is a float to most readers
                "unit": symbol(register.unit),
                "raw": value.value if isinstance(value.value, int) else value_text(value, 0),
                "type": TYPE_NAME[value.type],
                "scaler": register.scaler,
                "unit_code": register.unit,
                "class_id": register.class_id,
                "attribute": register.attribute,
            }
            for register, value in row.cells
        ],
    }
