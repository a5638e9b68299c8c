"""Pages for people. All of them work without JavaScript; only the plot of a register needs it."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, NamedTuple

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from smgw.cosem import CaptureObject
from smgw.cosem.device_id import DeviceId
from smgw.cosem.evaluation_facts import FACTS
from smgw.cosem.units import symbol
from smgw.cosemxml.value_signatures import SIGNATURES
from smgw.look.times import FALSE_AHEAD_US, Zone
from smgw.webservice import uri
from smgw.webservice.uri import Node, Target

from emp.answers import paths
from emp.answers.paths import PAGE_ROWS
from emp.answers.period_bills import is_evaluation
from emp.answers.resources import PROFILE_ID
from emp.answers.row_text import value_text
from emp.pages.bills_page import bills_page, device_bills_page
from emp.pages.certificates import certificates, signers, silent
from emp.pages.device_page import device_page
from emp.pages.language import Language, Languages
from emp.pages.page_parts import Heading, flaws, heading, headings, short
from emp.pages.register_page import register_page
from emp.pages.signatures import signature
from emp.pages.view import LATE_US, View, late_after
from emp.store.storage import EventView, GatewayView, LatestView, Rhythm, RowView, SightingView, Storage
from emp.trust.expiry import Expiries
from emp.trust.verdicts import Verdicts

REFRESH_SECONDS = 5
#: What one page shows at most, so that a meter that invents devices, registers and long texts makes no large page.
PAGE_DEVICES = 50
PAGE_VALUES = 200  # latest values on the page of a device
FEW_VALUES = 20  # latest values of each device on the overview
PAGE_COLUMNS = 50
MAX_EVENTS = 10
MAX_NOTES = 20
#: Signatures stand on the page of rows, and what an evaluation says of itself on the pages of bills.
_TOLD_ELSEWHERE = (SIGNATURES, FACTS)
_COOKIE = "language"
_COOKIE_S = 365 * 86_400


class Pages:
    """Handlers for everything that answers HTML."""

    def __init__(
        self,
        storage: Storage,
        workers: Executor,
        poc: str,
        zone: Zone,
        expiries: Expiries | None = None,
        notes: Callable[[], list[str]] = list,
        verdicts: Verdicts | None = None,
    ) -> None:
        """`notes`: what people should know of the security of this head-end. `verdicts`: on signatures of values."""
        self._verdicts = verdicts
        self._storage = storage
        self._workers = workers
        self._poc = poc
        self._zone = zone
        self._expiries = expiries
        self._notes = notes
        self._languages = Languages()
        self._templates = {language.code: _templates(language) for language in self._languages}

    async def overview(self, request: web.Request) -> web.Response:
        """Gateways, their devices and the latest values."""
        page = paths.page(request)
        return await self._page(request, "overview.html", lambda view: self._overview(page, view))

    async def device(self, request: web.Request) -> web.Response:
        """Latest values of a device, how complete its days are, its gaps, and its exports."""
        device, query, page = paths.device(request), request.query, paths.page(request)

        def collect(view: View) -> dict[str, Any]:
            paths.known(self._storage, device)
            shown = _part(page, PAGE_VALUES, self._storage.count_latest(device))
            return {
                **self._names(device),
                **device_page(self._storage, device, query, view),
                **shown._asdict(),
                "latest": self._latest_of(device, shown.skip, PAGE_VALUES, view),
            }

        return await self._page(request, "device.html", collect)

    async def rows(self, request: web.Request) -> web.Response:
        """One page of the rows of a device."""
        device, page, columns = paths.device(request), paths.page(request), paths.page(request, "columns")
        return await self._page(request, "rows.html", lambda view: self._rows(device, page, columns, view))

    async def bills(self, request: web.Request) -> web.Response:
        """The bills of an evaluation."""
        device = paths.device(request)

        def collect(view: View) -> dict[str, Any]:
            paths.known(self._storage, device)
            return {**self._names(device), **device_bills_page(self._storage, device, view)}

        return await self._page(request, "bills.html", collect)

    async def all_bills(self, request: web.Request) -> web.Response:
        """The bills of a usage point in a billing period."""
        query = request.query
        return await self._page(request, "all_bills.html", lambda view: bills_page(self._storage, query, view))

    async def register(self, request: web.Request) -> web.Response:
        """The curve of a register, and its table."""
        device, column, query = paths.device(request), paths.register(request), request.query

        def collect(view: View) -> dict[str, Any]:
            paths.known(self._storage, device, column)
            return {**self._names(device), **register_page(self._storage, device, column, query, view)}

        return await self._page(request, "register.html", collect)

    def error(self, request: web.Request, status: int, reason: str) -> str:
        """The page that says what is wrong with a request."""
        language = self._language(request)
        view = View(self._zone, language, time.time_ns() // 1000)
        told: dict[str, Any] = {"now": view.moment(view.now_us), "zone": self._zone.name, "languages": []}
        return self._templates[language.code].get_template("error.html").render(told, status=status, reason=reason)

    def _language(self, request: web.Request) -> Language:
        accepted = request.headers.get("Accept-Language", "")
        asked = self._languages.get(request.query.get("language"))
        return asked or self._languages.chosen(request.cookies.get(_COOKIE), accepted)

    async def _page(
        self, request: web.Request, template: str, collect: Callable[[View], dict[str, Any]]
    ) -> web.Response:
        asked = self._languages.get(request.query.get("language"))
        language = self._language(request)
        links = [(one, str(request.rel_url.update_query(language=one.code))) for one in self._languages]

        def render() -> str:
            view = View(self._zone, language, time.time_ns() // 1000)
            told = {"now": view.moment(view.now_us), "zone": self._zone.name, "languages": links, **collect(view)}
            return self._templates[language.code].get_template(template).render(told)

        text = await asyncio.get_running_loop().run_in_executor(self._workers, render)
        headers = {
            "Cache-Control": "no-store",
            "Content-Language": language.code,
            "Vary": "Accept-Language, Cookie",
        }
        response = web.Response(text=text, content_type="text/html", headers=headers)
        if asked is not None:
            response.set_cookie(_COOKIE, asked.code, max_age=_COOKIE_S, path="/", httponly=True, samesite="Lax")
        response.enable_compression()
        return response

    def _overview(self, page: int, view: View) -> dict[str, Any]:
        # By name, not by last seen: a page that refreshes must not shuffle under the eye.
        known = sorted(self._storage.gateways(), key=lambda gateway: str(gateway.gateway))
        entries: list[tuple[GatewayView, SightingView | None]] = []
        for gateway in known:
            devices = sorted(gateway.devices, key=lambda sighting: str(sighting.device))
            entries += [(gateway, sighting) for sighting in devices] or [(gateway, None)]
        shown = _part(page, PAGE_DEVICES, len(entries))
        gateways = [
            self._gateway(gateway, [sighting for _, sighting in group if sighting is not None], view)
            for gateway, group in groupby(entries[shown.skip : shown.skip + PAGE_DEVICES], key=itemgetter(0))
        ]
        return {
            **shown._asdict(),
            "notes": self._notes()[:MAX_NOTES],
            "scheme": "http" if self._expiries is None else "https",
            "refresh": REFRESH_SECONDS,
            "gateways": gateways,
            "silent": silent(known, self._expiries, view),
            "gateway_count": len(known),
            "device_count": len({sighting.device for gateway in known for sighting in gateway.devices}),
            "has_bills": any(is_evaluation(sighting.device) for gateway in known for sighting in gateway.devices),
            "records": sum(gateway.records for gateway in known),
            "events": [self._event(event, view) for event in self._storage.events(MAX_EVENTS)],
        }

    def _gateway(self, gateway: GatewayView, devices: list[SightingView], view: View) -> dict[str, Any]:
        valid = [sighting.time_valid for sighting in gateway.devices if sighting.time_valid is not None]
        rhythms = {sighting.device: self._storage.rhythm(sighting.device) for sighting in devices}
        soonest = min((late_after(rhythm)[0] for rhythm in rhythms.values()), default=LATE_US)
        return {
            "id": str(gateway.gateway),
            "seen": view.moment(gateway.last_seen_us, soonest),
            "records": gateway.records,
            "time_valid": all(valid) if valid else None,
            "certificates": certificates(gateway, self._expiries, view),
            "signers": signers(gateway, view),
            "devices": [self._sighting(sighting, rhythms[sighting.device], view) for sighting in devices],
        }

    def _sighting(self, sighting: SightingView, rhythm: Rhythm | None, view: View) -> dict[str, Any]:
        way = None
        silent_us, old_us = late_after(rhythm)
        if sighting.time_valid and sighting.received_us is not None and sighting.capture_time_us is not None:
            way_us = sighting.received_us - sighting.capture_time_us
            way = view.language.duration(way_us) if way_us > -FALSE_AHEAD_US else None
        return {
            **self._names(sighting.device),
            "seen": view.moment(sighting.last_seen_us, silent_us),
            "newest": view.moment(sighting.capture_time_us, old_us),
            "records": sighting.records,
            "time_valid": sighting.time_valid,
            "way": way,
            "flaws": flaws(sighting.gateway_status),
            "latest": self._latest_of(sighting.device, 0, FEW_VALUES, view),
            "more": max(0, self._storage.count_latest(sighting.device) - FEW_VALUES),
        }

    def _event(self, event: EventView, view: View) -> dict[str, Any]:
        return {
            "device": str(event.device),
            "object": f"{event.class_id}-{event.logical_name.hex()}",
            "obis": str(event.logical_name),
            "method": event.method,
            "received": view.moment(event.received_us),
        }

    def _rows(self, device: DeviceId, page: int, column_page: int, view: View) -> dict[str, Any]:
        paths.known(self._storage, device)
        found = self._storage.rows(device, paths.page_filter(page))
        rows = found[:PAGE_ROWS]
        all_columns = headings([one for one in self._storage.registers(device) if one.column not in _TOLD_ELSEWHERE])
        shown = _part(column_page, PAGE_COLUMNS, len(all_columns))
        columns = dict(islice(all_columns.items(), shown.skip, shown.skip + PAGE_COLUMNS))
        count = self._storage.count(device)
        return {
            **self._names(device),
            "headings": list(columns.values()),
            "column_page": shown.page,
            "column_pages": shown.pages,
            "rows": [
                {**self._row(row, columns, view), "signature": signature(device, row, self._verdicts, view)}
                for row in rows
            ],
            "page": page,
            "pages": max(1, -(-count // PAGE_ROWS)),
            "count": count,
            "first": (page - 1) * PAGE_ROWS + 1,
            "has_older": len(found) > PAGE_ROWS,
        }

    def _names(self, device: DeviceId) -> dict[str, str]:
        return {
            "device": str(device),
            "uri": paths.segment(device),
            "device_xml": uri.build(Target(Node.LDEV, device), self._poc),
            "rows_xml": uri.build(Target(Node.OBJECT, device, PROFILE_ID), self._poc),
        }

    def _latest_of(self, device: DeviceId, skip: int, limit: int, view: View) -> list[dict[str, Any]]:
        """Without what are no values of the meter."""
        found = self._storage.latest(device, skip, limit)
        return [self._latest(one, view) for one in found if one.register.column not in _TOLD_ELSEWHERE]

    def _latest(self, latest: LatestView, view: View) -> dict[str, Any]:
        return {
            "heading": heading(latest.register.obis, symbol(latest.register.unit)),
            "name": paths.register_name(latest.register.column),
            "value": view.language.decimal(short(value_text(latest.value, latest.register.scaler))),
            "captured": view.moment(latest.capture_time_us),
            "time_valid": latest.time_valid,
        }

    def _row(self, row: RowView, columns: dict[CaptureObject, Heading], view: View) -> dict[str, Any]:
        values = {
            register.column: view.language.decimal(short(value_text(value, register.scaler)))
            # A column of mixed units tells each value's own.
            + (f" {symbol(register.unit)}" if " / " in columns[register.column].unit else "")
            for register, value in row.cells
            if register.column in columns
        }
        return {
            "record_number": row.record_number,
            "captured": view.moment(row.capture_time_us),
            "target": view.moment(row.target_time_us),
            "received": view.moment(row.received_us),
            "time_valid": row.time_valid,
            "status": row.status.msb0,
            "gateway": str(row.gateway),
            "store_id": row.store_id,
            "values": [values.get(column) for column in columns],
        }


class _Part(NamedTuple):
    """One of the pages that a long list has."""

    page: int
    pages: int
    skip: int


def _part(page: int, size: int, count: int) -> _Part:
    """The page of this number, or the last one."""
    pages = max(1, -(-count // size))
    page = min(page, pages)
    return _Part(page, pages, (page - 1) * size)


def _templates(language: Language) -> Environment:
    """The templates in one language."""
    templates = Environment(
        loader=PackageLoader("emp.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    templates.install_gettext_translations(language.words, newstyle=True)  # type: ignore[attr-defined]
    templates.globals["language"] = language
    return templates
