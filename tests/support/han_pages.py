"""Five weeks of a house with a solar roof, for the pages: contract, gaps, a log book; and its pages over real HTTP."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import han_server
from captures_made import DEVICE, ENERGY, MIDNIGHT, POWER, SECOND, capture
from registering import Clock
from smgw.cosem import ClockState, Data, DataType, DeviceId, Obis, Reading
from smgw.han.around import Around, Certificate, SelfTest
from smgw.han.exchange import Answer, Request, View, Who
from smgw.han.house import House
from smgw.han.refusal import Admitted
from smgw.han.views import pages, static, technician
from smgw.han.views.pages.errors import error_page
from smgw.metering.evaluations import Evaluations
from smgw.metering.period_ends import PeriodEnds
from smgw.metering.registrar import Registrar
from smgw.profiles.toml_importer import load
from smgw.reports.health import examine
from smgw.store import paths
from smgw.store.file.log_book import Level, LogEntry
from smgw.store.file.log_books import SYSTEM
from smgw.store.live_reader import Live
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import Condition, MeterState

SLOT = 900 * SECOND
DAYS = 35
SLOTS = DAYS * 96 - 33  # until 15:45 UTC of the last day
#: Nothing was read in these slots.
GAP = range(SLOTS - 300, SLOTS - 288)
EXPORT = Obis.parse("2.8.0")
GARAGE = DeviceId.parse("1EMH0011802882")
NOW_US = MIDNIGHT + (SLOTS - 1) * SLOT + 47 * SECOND
TEXT = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/null"
[[meter]]
name = "garage"
protocol = "sml-push"
port = "/dev/zero"
[[evaluation]]
name = "day-night"
taf = 2
meters = ["house"]
objects = ["1.8.0", "2.8.0"]
usage_point = "DE00001234567890000000000000012345"
consumer = "anna"
supplier = "9900000000001"
zone = "UTC"
emps = ["utility"]
[evaluation.calendar]
zone = "UTC"
days = { day = { "00:00" = 2, "06:00" = 1, "22:00" = 2 } }
season = [{ name = "year", week = { mon-sun = "day" } }]
[[emp]]
name = "utility"
url = "http://127.0.0.1:1"
insecure = true
evaluations = ["day-night"]
[[consumer]]
name = "anna"
meters = ["garage"]
"""


def used(slot: int) -> int:
    """Import of a quarter hour in Wh."""
    hour = slot % 96 // 4
    return 30 + 7 * (slot * 7919 % 11) + (180 if 17 <= hour < 22 else 60 if 6 <= hour < 9 else 0)


def fed_in(slot: int) -> int:
    """Export of a quarter hour in Wh: the sun, of a day more or less cloudy."""
    hour = slot % 96 - 48
    return max(0, (900 - hour * hour) * (3 + slot // 96 * 5 % 7) // 14)


def readings(imported: int, exported: int, power: int) -> tuple[Reading, ...]:
    whole = DataType.LONG64_UNSIGNED
    return (
        Reading(ENERGY, Data(whole, imported * 10 + 4), -1, 30),
        Reading(EXPORT, Data(whole, exported * 10), -1, 30),
        Reading(POWER, Data(DataType.LONG64, power), 0, 27),
    )


def make(state: Path) -> None:
    """The state directory."""
    (state / "gateway.toml").write_text(TEXT)
    configuration = load(state / "gateway.toml")
    clock = Clock()
    imported, exported = 12_345_000, 678_000
    with LmnStore.open(paths.lmn_directory(state), ballast_bytes=0) as store:
        evaluations = Evaluations(store, clock.stamp)
        evaluations.configure(configuration.evaluations)
        store.evaluate_with(evaluations)
        registrar = Registrar(store, clock, {meter.name: 900 for meter in configuration.meters})
        registrar.signs = PeriodEnds(configuration.evaluations)
        for slot in range(SLOTS):
            imported, exported = imported + used(slot), exported + fed_in(slot)
            if slot in GAP:
                continue
            clock.now_us = MIDNIGHT + slot * SLOT
            power = (used(slot) - fed_in(slot)) * 4
            one = capture(slot * SLOT, *readings(imported, exported, power))
            registrar.capture(one._replace(stamp=clock.stamp()))
            if slot % 4 == 0:
                other = capture(slot * SLOT, *readings(slot * 20, 0, 80)[:1], meter="garage", device=GARAGE)
                registrar.capture(other._replace(stamp=clock.stamp()))
            if slot % 24 == 0:
                registrar.run_once(0)
        registrar.run_once(0)
        store.flush(now=True)
        anna = {"identity": "anna", "consumers": ("anna",)}
        store.log("profile-installed", Level.INFO, "evaluation day-night (TAF 2)", clock.stamp(), **anna)
        store.log("values-missing", Level.WARNING, "meter house: 12 registration times", clock.stamp(), **anna)
        store.log("values-sent", Level.INFO, "utility got 96 rows of <day-night>", clock.stamp(), **anna)
        store.log("meter-lost", Level.WARNING, "meter of somebody else", clock.stamp(), consumers=("berta",))
        for meter, device in (("house", DEVICE), ("garage", GARAGE)):
            state_of = MeterState(meter, device, Condition.READING, clock.now_us, clock.now_us)
            store.note_meter(state_of)
        last = clock.stamp()
        store.save_clock(last.boot_id, last.boottime_ns, last.utc_us - last.boottime_ns // 1000, 12_000, last.state)
        store.flush(now=True)


def live() -> list[Live]:
    """What the house says now."""
    one = capture(0, *readings(13_020_000, 911_000, -1480))
    stamp = one.stamp._replace(utc_us=NOW_US - 3 * SECOND, state=ClockState.SYNCHRONISED)
    return [Live("/dev/null", one._replace(stamp=stamp))]


FINGERPRINT = "8f98922969" * 6 + "abcd"


@contextlib.contextmanager
def house(state: Path) -> Iterator[House]:
    """The house over that state."""
    with contextlib.closing(LmnView.open(paths.lmn_directory(state))) as view:
        found = House(view, None, load(state / "gateway.toml"), live, lambda: NOW_US)
        found.around = Around(
            lambda: Certificate(FINGERPRINT, NOW_US + 300 * 86_400 * SECOND),
            lambda: SelfTest(NOW_US - 3600 * SECOND, True, "4 of 4 parts are good"),
            lambda: json.loads(json.dumps(examine(found.configuration, state).as_json(), default=str)),
            lambda count: log_entries(state)[-count:],
        )
        yield found


def ask(
    house_: House, path: str, query: Mapping[str, str] | None = None, who: str = "anna", **headers: str
) -> SimpleNamespace:
    """One page, as `status`, `headers`, `text`."""
    view = technician.VIEW if path.startswith(technician.PREFIX) else pages.VIEW
    assert view.role is not None
    request = Request("GET", path, query or {}, headers, b"", Who(view.role, who), "192.0.2.7", "en")
    answer = view.answer(request, house_)
    body = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
    return SimpleNamespace(status=answer.status, headers=answer.headers, media=answer.media, text=body.decode())


def log_entries(state: Path) -> list[LogEntry]:
    """The system log."""
    with contextlib.closing(LmnView.open(paths.lmn_directory(state))) as view:
        return view.log_entries(1000, SYSTEM)


class _Anna:
    """Lets everybody in as anna, or as the technician."""

    def admit(self, view: View, head: object, address: str, certificate: bytes | None) -> Admitted:
        return Admitted(None if view.role is None else Who(view.role, "anna"))


@contextlib.contextmanager
def serving(state: Path, *more: View) -> Iterator[str]:
    """The address of a server with all pages."""

    def answer(view: View, request: Request) -> Answer:
        with house(state) as found:
            return view.answer(request, found)

    views = (pages.VIEW, static.VIEW, technician.VIEW, *more)
    with han_server.serving(views, _Anna(), ask=answer, page=error_page) as running:
        yield f"http://127.0.0.1:{running.port}"
