"""/metrics: stored rows and counters since the start, in Prometheus' text format 0.0.4."""

import asyncio
import resource
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from pathlib import Path

from aiohttp import web

from emp import __version__
from emp.store.storage import GatewayView, Storage
from emp.trust.expiry import Expiries
from emp.web.counters import Counters

MAX_GATEWAYS = 2000  # more would burden the scraper
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

_Samples = Iterable[tuple[Mapping[str, str], int | float]]


class Metrics:
    """Handler of /metrics."""

    def __init__(
        self, storage: Storage, workers: Executor, counters: Counters, expiries: Expiries | None = None
    ) -> None:
        self._storage = storage
        self._workers = workers
        self._counters = counters
        self._expiries = expiries
        self._started = time.time()

    async def serve(self, _: web.Request) -> web.Response:
        """The text of all metrics."""
        requests = dict(self._counters.requests)
        loop = asyncio.get_running_loop()
        gateways = await loop.run_in_executor(self._workers, self._storage.gateways)
        certificates = await loop.run_in_executor(self._workers, self._certificates, gateways)
        whole = _family("emp_store_whole", "gauge", "0 if damage was found", [({}, int(self._storage.is_whole()))])
        text = "".join([*self._of_process(requests), *whole, *_of_store(gateways), *certificates])
        return web.Response(body=text.encode(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    def _certificates(self, gateways: list[GatewayView]) -> list[str]:
        if self._expiries is None:
            return []
        known = {view.gateway: view for view in gateways if not view.gateway.is_pseudonym}
        names = [*known, *(one for one in self._expiries.gateways() if one not in known)][:MAX_GATEWAYS]
        samples = [
            ({"gateway": str(name), "use": one.use}, one.until_s)
            for name in names
            for one in self._expiries.of(name, known.get(name))
        ]
        text = "Until when the certificate of a gateway is valid, for TLS and for signatures"
        return list(_family("emp_gateway_certificate_expiry_timestamp_seconds", "gauge", text, samples))

    def _of_process(self, requests: Mapping[tuple[str, str, int], int]) -> Iterator[str]:
        counters = self._counters
        yield from _family("emp_info", "gauge", "The program", [({"version": __version__}, 1)])
        yield from _family(
            "emp_http_requests_total",
            "counter",
            "Requests answered",
            [
                ({"listener": listener, "method": method, "code": str(code)}, count)
                for (listener, method, code), count in sorted(requests.items())
            ],
        )
        yield from _family(
            "emp_rows_received_total",
            "counter",
            "Rows of documents that were taken: stored, or known already",
            [({"outcome": outcome}, counters.rows[outcome]) for outcome in ("stored", "known")],
        )
        yield from _family("emp_events_total", "counter", "Notices of gateways", [({}, counters.events)])
        yield from _family(
            "emp_sealed_bodies_total",
            "counter",
            "Bodies in CMS: opened, or refused",
            [({"outcome": outcome}, counters.sealed[outcome]) for outcome in ("opened", "refused")],
        )
        yield from _family(
            "emp_tls_handshakes_total",
            "counter",
            "TLS handshakes by their outcome; resumed ones continue a session",
            [
                ({"listener": listener, "outcome": outcome}, count)
                for listener in counters.tls
                for outcome, count in counters.handshakes_of(listener).items()
            ],
        )
        yield from _family("process_start_time_seconds", "gauge", "When it started", [({}, self._started)])
        usage = resource.getrusage(resource.RUSAGE_SELF)
        seconds = usage.ru_utime + usage.ru_stime
        yield from _family("process_cpu_seconds_total", "counter", "Processor time", [({}, seconds)])
        resident = _resident_octets()
        if resident is not None:
            yield from _family("process_resident_memory_bytes", "gauge", "Memory", [({}, resident)])


def _of_store(gateways: list[GatewayView]) -> Iterator[str]:
    devices = {sighting.device for gateway in gateways for sighting in gateway.devices}
    yield from _family("emp_gateways", "gauge", "Gateways that ever delivered", [({}, len(gateways))])
    yield from _family("emp_devices", "gauge", "Devices that rows are of", [({}, len(devices))])
    yield from _family("emp_rows", "gauge", "Rows stored", [({}, sum(gateway.records for gateway in gateways))])
    shown = [({"gateway": str(gateway.gateway)}, gateway) for gateway in gateways[:MAX_GATEWAYS]]
    yield from _family(
        "emp_gateway_last_seen_timestamp_seconds",
        "gauge",
        "When a gateway last delivered",
        [(labels, gateway.last_seen_us / 1_000_000) for labels, gateway in shown],
    )
    yield from _family(
        "emp_gateway_rows", "gauge", "Rows of a gateway", [(labels, gateway.records) for labels, gateway in shown]
    )
    yield from _family(
        "emp_gateway_clock_valid",
        "gauge",
        "1 if the newest row of each of its devices has a valid time",
        [
            (labels, int(all(sighting.time_valid for sighting in gateway.devices if sighting.time_valid is not None)))
            for labels, gateway in shown
        ],
    )


def _family(name: str, kind: str, text: str, samples: _Samples) -> Iterator[str]:
    yield f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
    for labels, value in samples:
        inside = ",".join(f'{label}="{told.translate(_ESCAPES)}"' for label, told in labels.items())
        yield f"{name}{{{inside}}} {value}\n" if inside else f"{name} {value}\n"


def _resident_octets() -> int | None:
    if sys.platform != "linux":
        return None
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
