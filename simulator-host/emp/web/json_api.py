"""Data for programs, besides the COSEM tree.

GET /api/keys[?gateway=ESMG0000000001][&form=list]
    {"sources": [{"gateway": "ESMG0000000001", "store_id": "<32 hex digits>",
                  "records": 12, "ranges": [[1, 10], [12, 13]]}]}
    `ranges` are inclusive and together hold exactly the record numbers that are stored, each of them once; with
    form=list they are spelt out as "record_numbers": [1, 2, ...] instead.
GET /api/gateways                      gateways and devices: last seen, rows, clock, status; certificates, who signed;
                                       "silent": gateways with certificates that delivered nothing under their name
GET /api/events                        notices of gateways, the newest first
GET /devices/<devid>.json|.csv|.xml    all rows; q.* and sa.* filter them
GET /devices/<devid>/registers/<register>.json|.csv[?day=2025-03-30][&range=day|week|month][&as=reading|interval]
GET /devices/<devid>/bills.json        the bills of an evaluation (`bills_api`)
GET /bills.json                        the bills of a usage point (`bills_api`)
GET /healthz                           {"status": "ok"}, or 503 if the store is damaged or cannot be written; with TLS
                                       also "handshakes" by listener and outcome
"""

import asyncio
import csv
import io
import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Any

from aiohttp import web
from smgw.cosem.csv_cell import guarded
from smgw.cosem.device_id import DeviceId, DeviceIdError
from smgw.look.times import Zone, iso
from smgw.webservice import query as filters
from smgw.webservice.error import BadRequest, ServiceUnavailable
from smgw.webservice.media_type import CSV, JSON, MediaType
from smgw.webservice.uri import Node, Target

from emp.answers import paths
from emp.answers.curve import Curve, Window, curve
from emp.answers.forms import Form, as_text
from emp.answers.resources import PROFILE_ID, answer
from emp.answers.sending import Sender, Text
from emp.answers.usage_points import choose
from emp.store.storage import GatewayView, Storage
from emp.trust.expiry import Expiries, Validity
from emp.web.bills_api import chosen_bills, device_bills
from emp.web.counters import Counters

MAX_EVENTS = 1000
WRITER_SECONDS = 5
_EXPORTS = {"xml": MediaType("application", "xml"), "json": JSON, "csv": CSV}


class JsonApi:
    """Handlers of all data requests."""

    def __init__(
        self,
        storage: Storage,
        workers: Executor,
        sender: Sender,
        zone: Zone,
        counters: Counters,
        expiries: Expiries | None = None,
    ) -> None:
        self._storage = storage
        self._workers = workers
        self._sender = sender
        self._zone = zone
        self._counters = counters
        self._expiries = expiries
        self._probe: asyncio.Future[None] | None = None

    async def keys(self, request: web.Request) -> web.Response:
        """The keys (gateway, store id, record number) of all rows."""
        wanted = request.query.get("gateway")
        spelt_out = request.query.get("form", "ranges") == "list"
        try:
            gateway = None if wanted is None else DeviceId.parse(wanted)
        except DeviceIdError as error:
            raise BadRequest(f"gateway: {error}") from None
        return await self._json(lambda: _keys(self._storage, gateway, spelt_out=spelt_out))

    async def gateways(self, _: web.Request) -> web.Response:
        """The content of the overview."""
        return await self._json(lambda: _gateways(self._storage.gateways(), self._expiries))

    async def events(self, _: web.Request) -> web.Response:
        """The notices of gateways."""
        return await self._json(lambda: {"events": _events(self._storage)})

    async def health(self, _: web.Request) -> web.Response:
        """200 if the store can be read and written: the writer is asked."""
        try:
            async with asyncio.timeout(WRITER_SECONDS):
                if self._probe is None or self._probe.done():  # many askers share one answer
                    self._probe = asyncio.wrap_future(self._storage.probe())
                await asyncio.shield(self._probe)
        except TimeoutError:
            raise ServiceUnavailable(f"the writer has not answered for {WRITER_SECONDS} s", 30) from None

        handshakes = {listener: self._counters.handshakes_of(listener) for listener in self._counters.tls}

        def state() -> dict[str, Any]:
            self._storage.devices()
            return {"status": "ok", **({"handshakes": handshakes} if handshakes else {})}

        return await self._json(state)

    async def export(self, request: web.Request) -> web.StreamResponse:
        """All rows of a device, or the requested ones, as a file."""
        device, form = paths.device(request), Form(paths.part(request, "form"))
        narrowed = filters.parse(request.raw_path.partition("?")[2])

        def make() -> Text:
            target = Target(Node.OBJECT, device, PROFILE_ID)
            found = answer(self._storage, target, narrowed._replace(depth=None), default_rows=None)
            headers = {"Content-Disposition": f'attachment; filename="{device}.{form.value}"'}
            return as_text(self._storage, device, found, form, _EXPORTS[form.value], headers)

        return await self._sender.send(request, await self._work(make))

    async def bills(self, request: web.Request) -> web.Response:
        """The bills of an evaluation, as its page has them."""
        device = paths.device(request)

        def make() -> dict[str, Any]:
            paths.known(self._storage, device)
            return device_bills(self._storage, device)

        return await self._json(make)

    async def all_bills(self, request: web.Request) -> web.Response:
        """The bills of a usage point in a billing period."""
        usage_point, period = request.query.get("usage_point"), request.query.get("period")
        return await self._json(lambda: chosen_bills(choose(self._storage, usage_point, period)))

    async def curve(self, request: web.Request) -> web.StreamResponse:
        """The points of a register's page."""
        device, column, form = paths.device(request), paths.register(request), paths.part(request, "form")

        def make() -> bytes:
            paths.known(self._storage, device, column)
            now_us = time.time_ns() // 1000
            window = Window.parse(request.query, self._zone, self._storage.span(device).last_us(now_us), column)
            found = curve(self._storage, device, column, window, now_us)
            return _curve_csv(found) if form == "csv" else _encoded(_curve(found, window, self._zone))

        body = await self._work(make)
        response = web.Response(body=body, headers={"Content-Type": str(_EXPORTS[form]), "Cache-Control": "no-store"})
        if form == "csv":
            name = f"{device}-{paths.register_name(column)}.csv"
            response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        response.enable_compression()
        return response

    async def _json(self, make: Callable[[], dict[str, Any]]) -> web.Response:
        body = await self._work(lambda: _encoded(make()))
        response = web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})
        if len(body) > 2048:
            response.enable_compression()
        return response

    async def _work(self, make: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._workers, make)


def _encoded(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


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


def _gateways(views: list[GatewayView], expiries: Expiries | None) -> dict[str, Any]:
    found: dict[str, Any] = {"gateways": [_gateway(view, expiries) for view in views]}
    if expiries is not None:
        found["silent"] = [
            {"gateway": str(gateway), "certificates": _certificates(several)}
            for gateway, several in expiries.silent(views)
        ]
    return found


def _certificates(several: Iterable[Validity]) -> list[dict[str, Any]]:
    now_s = time.time()
    return [
        {
            "use": one.use,
            "until": iso(one.until_s * 1_000_000),
            "days_left": one.days_left(now_s),
            "warning": one.warning(now_s),
        }
        for one in several
    ]


def _gateway(view: GatewayView, expiries: Expiries | None) -> dict[str, Any]:
    return {
        "gateway": str(view.gateway),
        "first_seen": iso(view.first_seen_us),
        "last_seen": iso(view.last_seen_us),
        "rows": view.records,
        "certificates": _certificates(expiries.of(view.gateway, view) if expiries else ()),
        "signers": [
            {
                "fingerprint": one.signer.fingerprint.hex(),
                "subject": one.signer.subject,
                "until": iso(one.signer.not_after_us),
                "first_seen": iso(one.first_seen_us),
                "last_seen": iso(one.last_seen_us),
                "documents": one.documents,
            }
            for one in view.signers
        ],
        "devices": [
            {
                "device": str(sighting.device),
                "uri": paths.segment(sighting.device),
                "last_seen": iso(sighting.last_seen_us),
                "rows": sighting.records,
                "last_capture": iso(sighting.capture_time_us),
                "time_valid": sighting.time_valid,
                "gateway_status": sighting.gateway_status,
            }
            for sighting in view.devices
        ],
    }


def _events(storage: Storage) -> list[dict[str, Any]]:
    return [
        {
            "device": str(event.device),
            "object": f"{event.class_id}-{event.logical_name.hex()}",
            "method": event.method,
            "parameter": None if event.parameter is None else event.parameter.decode(),
            "received": iso(event.received_us),
        }
        for event in storage.events(MAX_EVENTS)
    ]


def _curve(found: Curve, window: Window, zone: Zone) -> dict[str, Any]:
    """The points of a curve. Values are text, so that they are exact."""
    return {
        "zone": zone.name,
        "from": window.from_us / 1_000_000,
        "to": window.to_us / 1_000_000,
        "unit": found.unit,
        "period": None if found.period_us is None else found.period_us // 1_000_000,
        "as": found.kind.value,
        "thinned": None if found.piece_us is None else found.piece_us / 1_000_000,
        "time": [point.time_us / 1_000_000 for point in found.points],
        "value": [None if point.value is None else point.text for point in found.points],
        "time_valid": [int(point.time_valid) for point in found.points],
    }


def _curve_csv(found: Curve) -> bytes:
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(("time", "value", "unit", "time_valid", "gateway_status"))
    for point in found.points:
        valid = int(point.time_valid)
        cell = None if point.text is None else guarded(point.text)
        lines.writerow((iso(point.time_us), cell, found.unit, valid, f"{point.gateway_status:08x}"))
    return text.getvalue().encode()
