"""Pages for people: gateways and devices with their latest values, and the rows of one device. No JavaScript."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from importlib.resources import files
from typing import Any, NamedTuple

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.units import symbol
from smgw.cosemxml.columns import Column
from smgw.cosemxml.document import Register
from smgw.webservice import uri
from smgw.webservice.error import NotFound
from smgw.webservice.uri import Node, Target

from emp.json_api import PAGE_ROWS, page_filter, requested_device, requested_page, value_text
from emp.resources import PROFILE_ID
from emp.storage import LatestView, RowView, Storage
from emp.times import ago, iso, local

REFRESH_SECONDS = 5
MAX_SHOWN = 100  # devices on the overview
LATE_US = 15 * 60 * 1_000_000  # a gateway that was silent for a registration period is worth a glance

_STATIC = {"emp.css": "text/css"}
#: What common codes mean, in the channel-free form C.D.E.
_MEANING = {
    "1.8.0": "energy, import",
    "1.8.1": "energy, import, tariff 1",
    "1.8.2": "energy, import, tariff 2",
    "2.8.0": "energy, export",
    "2.8.1": "energy, export, tariff 1",
    "2.8.2": "energy, export, tariff 2",
    "16.7.0": "power, sum of phases",
    "36.7.0": "power, L1",
    "56.7.0": "power, L2",
    "76.7.0": "power, L3",
    "1.7.0": "power, import",
    "2.7.0": "power, export",
    "32.7.0": "voltage, L1",
    "52.7.0": "voltage, L2",
    "72.7.0": "voltage, L3",
    "31.7.0": "current, L1",
    "51.7.0": "current, L2",
    "71.7.0": "current, L3",
    "14.7.0": "frequency",
}


class _Moment(NamedTuple):
    """A time as a page shows it."""

    local: str
    utc: str
    ago: str
    late: bool


class _Heading(NamedTuple):
    """A register as a table's column or row names it."""

    obis: str
    meaning: str
    unit: str


class Pages:
    """Handlers for everything that answers HTML."""

    def __init__(self, storage: Storage, workers: Executor, poc: str) -> None:
        self._storage = storage
        self._workers = workers
        self._poc = poc
        self._templates = Environment(
            loader=PackageLoader("emp"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._assets = {name: files("emp").joinpath("static", name).read_bytes() for name in _STATIC}

    async def overview(self, _: web.Request) -> web.Response:
        """Gateways, their devices and the latest values."""
        return await self._page("overview.html", self._overview)

    async def device(self, request: web.Request) -> web.Response:
        """One page of the rows of a device."""
        device, page = requested_device(request), requested_page(request)
        return await self._page("device.html", lambda: self._device(device, page))

    async def static(self, request: web.Request) -> web.Response:
        """A file of ours."""
        name = request.match_info["name"]
        if name not in self._assets:
            raise NotFound("no such file")
        return web.Response(
            body=self._assets[name],
            content_type=_STATIC[name],
            charset="utf-8",
            headers={"Cache-Control": "max-age=3600"},
        )

    async def _page(self, template: str, collect: Callable[[], dict[str, Any]]) -> web.Response:
        def render() -> str:
            return self._templates.get_template(template).render(collect())

        text = await asyncio.get_running_loop().run_in_executor(self._workers, render)
        response = web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-store"})
        response.enable_compression()
        return response

    def _overview(self) -> dict[str, Any]:
        now_us = time.time_ns() // 1000
        # By name, not by last seen: a page that refreshes must not shuffle under the eye.
        known = sorted(self._storage.gateways(), key=lambda gateway: str(gateway.gateway))
        shown, gateways = 0, []
        for gateway in known:
            devices = gateway.devices[: max(0, MAX_SHOWN - shown)]
            shown += len(devices)
            gateways.append(
                {
                    "id": str(gateway.gateway),
                    "seen": _moment(gateway.last_seen_us, now_us),
                    "records": gateway.records,
                    "hidden": len(gateway.devices) - len(devices),
                    "devices": [
                        {
                            **self._names(sighting.device),
                            "seen": _moment(sighting.last_seen_us, now_us),
                            "records": sighting.records,
                            "latest": [_latest(view, now_us) for view in self._storage.latest(sighting.device)],
                        }
                        for sighting in sorted(devices, key=lambda sighting: str(sighting.device))
                    ],
                }
            )
        return {
            "refresh": REFRESH_SECONDS,
            "now": _moment(now_us, now_us),
            "gateways": gateways,
            "device_count": len({sighting.device for gateway in known for sighting in gateway.devices}),
            "records": sum(gateway.records for gateway in known),
        }

    def _device(self, device: DeviceId, page: int) -> dict[str, Any]:
        if not self._storage.has(device):
            raise NotFound(f"no device {device} is known here")
        now_us = time.time_ns() // 1000
        found = self._storage.rows(device, page_filter(page))
        rows = found[:PAGE_ROWS]
        columns = _columns(self._storage.registers(device))
        count = self._storage.count(device)
        return {
            **self._names(device),
            "now": _moment(now_us, now_us),
            "headings": list(columns.values()),
            "rows": [_row(row, columns, now_us) for row in rows],
            "page": page,
            "pages": max(1, -(-count // PAGE_ROWS)),
            "count": count,
            "first": (page - 1) * PAGE_ROWS + 1,
            "has_older": len(found) > PAGE_ROWS,
        }

    def _names(self, device: DeviceId) -> dict[str, str]:
        return {
            "device": str(device),
            "uri": device.uri,
            "rows_xml": uri.build(Target(Node.OBJECT, device, PROFILE_ID), self._poc),
            "device_xml": uri.build(Target(Node.LDEV, device), self._poc),
        }


def _moment(utc_us: int | None, now_us: int) -> _Moment | None:
    if utc_us is None:
        return None
    return _Moment(local(utc_us), iso(utc_us) or "", ago(utc_us, now_us), now_us - utc_us > LATE_US)


def _heading(obis: Obis, unit: str) -> _Heading:
    return _Heading(str(obis), _MEANING.get(".".join(map(str, obis[2:5])), "") if obis[0] == 1 else "", unit)


def _latest(view: LatestView, now_us: int) -> dict[str, Any]:
    return {
        "heading": _heading(view.register.obis, symbol(view.register.unit)),
        "value": value_text(view.value, view.register.scaler),
        "captured": _moment(view.capture_time_us, now_us),
        "time_valid": view.time_valid,
    }


def _columns(registers: list[Register]) -> dict[Column, _Heading]:
    units: dict[Column, set[str]] = {}
    for register in registers:
        units.setdefault(_column(register), set()).add(symbol(register.unit))
    return {column: _heading(column.obis, " / ".join(sorted(found))) for column, found in units.items()}


def _row(row: RowView, columns: dict[Column, _Heading], now_us: int) -> dict[str, Any]:
    values = {
        _column(register): value_text(value, register.scaler)
        # A column of mixed units tells each value's own.
        + (f" {symbol(register.unit)}" if " / " in columns[_column(register)].unit else "")
        for register, value in row.cells
        if _column(register) in columns
    }
    return {
        "record_number": row.record_number,
        "captured": _moment(row.capture_time_us, now_us),
        "target": _moment(row.target_time_us, now_us),
        "received": _moment(row.received_us, now_us),
        "time_valid": row.time_valid,
        "status": row.status.msb0,
        "gateway": str(row.gateway),
        "store_id": row.store_id,
        "values": [values.get(column) for column in columns],
    }


def _column(register: Register) -> Column:
    return Column(register.class_id, register.obis, register.attribute)
