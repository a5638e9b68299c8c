"""How the gateway fares, read from its stores without disturbing the processes that own them."""

from collections import Counter
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

from smgw.clock import GatewayClock, TimeSample
from smgw.clock.sources import Sources, is_authenticated
from smgw.clock.text import utc_text
from smgw.cosem import ClockState, StatusWord, meter_status
from smgw.cosem.reading import Stamp
from smgw.cosem.source import Source
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.feed import Feed
from smgw.profiles.gateway import Configuration
from smgw.profiles.meter import MeterProfile
from smgw.reports.handshakes import Counted, handshakes
from smgw.reports.known_losses import KnownLosses
from smgw.reports.readings import live_object, meter_time_object, reading_object
from smgw.reports.running import differences
from smgw.reports.time_servers import refusals
from smgw.store import paths
from smgw.store.errors import StoreError
from smgw.store.file.access import refuse_blindness
from smgw.store.file.lock import Asked
from smgw.store.live_reader import Live, read_live
from smgw.store.lmn.view import LmnView
from smgw.store.progress import Progress, progress
from smgw.store.records import NOBODY_WAITS, MeterState, StoredRecord
from smgw.store.wan.records import FAILING, ChannelKind, ChannelState, Cursor
from smgw.store.wan.view import WanView

_READING = "reading"  # the one healthy state of a meter
#: The gateway's clock passes over a source that may be off by more.
_IMPRECISE_US = 27_000_000


class Health(IntEnum):
    """The exit code of `smgw status`."""

    HEALTHY = 0
    DEGRADED = 1
    DOWN = 2


class Report:
    """What `smgw status --json` prints; every dictionary is plain JSON. Times are microseconds UTC."""

    def __init__(self, gateway: str = "") -> None:  # no dataclass: its import takes a twentieth of the command
        self.health = Health.HEALTHY
        self.reasons: list[str] = []
        self.gateway = gateway
        self.processes: dict[str, bool] = {}
        #: By process: what it does not run as the file says, such as "meter house".
        self.differences: dict[str, list[str]] = {}
        self.clock: dict[str, Any] = {}
        #: One for each device behind each meter profile.
        self.meters: list[dict[str, Any]] = []
        #: Of evaluations the newest registers.
        self.evaluations: list[dict[str, Any]] = []
        self.store: dict[str, Any] = {}
        self.emps: list[dict[str, Any]] = []
        #: Of the trust folder: certificates, notes and faults; empty if there is none.
        self.trust: dict[str, Any] = {}
        #: Of the HAN; empty if the configuration has no [han].
        self.han: dict[str, Any] = {}

    def worse(self, health: Health, reason: str) -> None:
        """Something is wrong."""
        self.health = max(self.health, health)
        self.reasons.append(reason)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {**vars(self), "health": self.health.name.lower()}


def examine(configuration: Configuration, state: Path, owners: Asked | None = None) -> Report:
    """Look at everything. A store that is not there is a reason, not an error; StoreError if we may not look at all."""
    report = Report(gateway=str(configuration.gateway.device_id))
    lmn_file, wan_file = paths.lmn_directory(state) / paths.LMN, paths.wan_directory(state) / paths.WAN
    refuse_blindness(lmn_file)
    refuse_blindness(wan_file)
    owners = owners or Asked.both(state)
    for name, runs in zip(("lmn", "wan"), owners.running(), strict=True):
        report.processes[name] = runs
        if not report.processes[name]:
            report.worse(
                Health.DOWN if name == "lmn" else Health.DEGRADED, f"the {name.upper()} process is not running"
            )
    if configuration.han is not None:
        from smgw.reports.house import house  # here, because few have it

        report.han = house(configuration.han, state)
        report.processes["han"] = report.han["running"]
        if not report.processes["han"]:
            report.worse(Health.DEGRADED, "the HAN process is not running")
    try:
        lmn = LmnView.open(lmn_file.parent)
    except StoreError as error:
        report.worse(Health.DOWN, str(error))
        return report
    with lmn:
        wan = _delivery(report, wan_file.parent, configuration)
        _running(report, "lmn", differences(lmn, configuration))
        known = progress(configuration, lmn.sources(), wan.cursors, lmn.store_id)
        _clock(report, lmn, configuration.gateway.time_sources, wan)
        lives = read_live(paths.live_directory(state))
        states = lmn.meter_states()
        for meter in configuration.meters:
            own = [live for live in lives if live.capture.meter == meter.name]
            devices: list[MeterState | None] = [found for found in states if found.meter == meter.name]
            for device in devices or [None]:
                report.meters.append(_meter(report, lmn, meter, device, own, known))
        if configuration.evaluations:
            from smgw.reports.evaluations import evaluations  # few gateways have one

            report.evaluations = evaluations(lmn, configuration)
            for one in report.evaluations:
                if one["fell_since_us"] is not None:
                    report.worse(
                        Health.DEGRADED,
                        f"evaluation {one['name']}: a meter fell below its last reading, so nothing counts since "
                        f"{utc_text(one['fell_since_us'])}. If the meter was set back, give the evaluation a new "
                        "version: change its begin",
                    )
        _store(report, lmn, lmn_file, KnownLosses(state))
        if configuration.board.tamper:
            _case(report, lmn)
        _strangers(report, lmn, known)
        for emp in configuration.emps:
            report.emps.append(_emp(report, lmn, emp, wan, known))
        if paths.trust_directory(state).exists():
            _trust(report, paths.trust_directory(state), GatewayClock(saved=lmn.clock()).stamp())
    return report


def _trust(report: Report, trust: Path, now: Stamp) -> None:
    """What ends within a week or is damaged is a reason. What ends later, or by a time that is not sure, is a note."""
    from smgw.trust.inventory import endings, inventory  # here, because few need it

    items, faults = inventory(trust)
    now_s = now.utc_us // 1_000_000
    sure = now.state is ClockState.SYNCHRONISED
    found = endings(items, now_s)
    report.trust = {
        "certificates": [
            {
                "kind": one.kind,
                "use": one.use,
                "subject": one.subject,
                "file": str(one.file),
                "not_before_us": one.not_before_s * 1_000_000,
                "until_us": one.until_s * 1_000_000,
                "days_left": one.days_left(now_s),
                "ends_within_days": one.step(now_s) if one.in_use else None,
                "in_use": one.in_use,
                "fingerprint": one.fingerprint,
            }
            for one in items
        ],
        "notes": [one.text for one in found if not (sure and one.is_urgent)],
        "faults": list(map(str, faults)),
    }
    for text in [*map(str, faults), *(one.text for one in found if sure and one.is_urgent)]:
        report.worse(Health.DEGRADED, text)


class _Delivery(NamedTuple):
    """The data of wan.db; empty if there is none."""

    cursors: list[Cursor] = []  # noqa: RUF012 - never changed
    channels: dict[str, ChannelState] = {}  # noqa: RUF012
    set_aside: dict[str, int] = {}  # noqa: RUF012
    ordered: dict[str, int] = {}  # noqa: RUF012
    samples: list[TimeSample] = []  # noqa: RUF012
    handshakes: dict[str, Counted] = {}  # noqa: RUF012
    silent: dict[str, str] = {}  # noqa: RUF012


def _delivery(report: Report, directory: Path, configuration: Configuration) -> _Delivery:
    try:
        with WanView.open(directory) as view:
            _running(report, "wan", differences(view, configuration))
            channels = {channel.emp: channel for channel in view.channels()}
            samples = [sample for _, sample in view.time_samples(0)]
            silent = refusals(view, configuration.gateway.time_sources)
            ordered = view.ordered_counts()
            refused = Counter(view.set_aside_counts())
            refused.subtract(ordered)
            return _Delivery(view.cursors(), channels, refused, ordered, samples, handshakes(view), silent)
    except StoreError as error:
        report.worse(Health.DEGRADED, str(error))
        return _Delivery()


def _running(report: Report, process: str, different: list[str]) -> None:
    """A process keeps its configuration until it is told to read the file again."""
    report.differences[process] = different if report.processes[process] else []
    if report.differences[process]:
        report.worse(
            Health.DEGRADED,
            f"the {process.upper()} process runs another configuration than the file has: {', '.join(different)}; "
            "to use the file: sudo systemctl reload smgw-lmn smgw-wan, or SIGHUP to smgw run",
        )


def _clock(report: Report, lmn: LmnView, names: Sequence[str], wan: _Delivery) -> None:
    """`sources`: the newest sample of each source since the board started, and whether the majority confirms it.

    `silent`: the sources that give no time now, and why.
    """
    saved = lmn.clock()
    synchronised = saved is not None and saved.state is ClockState.SYNCHRONISED
    own = [sample for sample in wan.samples if saved is not None and sample.boot_id == saved.boot_id]
    newest = {sample.name: sample for sample in own}
    sources = Sources(names)
    for sample in own:
        if sources.knows(sample.name):
            sources.add(sample)
    agreement = sources.agreement(own[-1].boottime_ns, _IMPRECISE_US) if own else None
    agreeing = agreement.sources if agreement else frozenset()
    text = "synchronised" if synchronised else "time not synchronised: values are flagged"
    report.clock = {
        "state": "synchronised" if synchronised else "invalid",
        "dispersion_us": saved.dispersion_us if saved and synchronised else None,
        "text": text,
        "configured": sources.total,
        "needed": sources.needed,
        "alone": sources.total == 1,
        "silent": [{"source": name, "reason": why} for name, why in wan.silent.items()],
        "sources": [
            {
                "source": sample.source,
                "time_us": sample.offset_us + sample.boottime_ns // 1000,
                "dispersion_us": sample.dispersion_us,
                "agrees": sample.name in agreeing,
                "authenticated": is_authenticated(sample.name),
                "voice": sample.name in sources.voices,
            }
            for sample in newest.values()
        ],
    }
    for name, why in wan.silent.items():
        if is_authenticated(name):
            report.worse(Health.DEGRADED, f"time server {name}: {why}")
    if not synchronised:
        report.worse(Health.DEGRADED, text + _why_not(sources, bool(newest), bool(agreement)))


def _why_not(sources: Sources, heard: bool, agreed: bool) -> str:
    if not heard:
        return "; no time source has answered (smgw check names those of [gateway])"
    if not sources.enough:
        return f"; {len(sources.heard)} of {sources.total} time sources have answered, {sources.needed} must agree"
    if not agreed:
        return f"; the time sources contradict each other, {sources.needed} of {sources.total} must agree"
    return "; the gateway does not follow its sources (smgw log tells why)"


def _meter(
    report: Report, lmn: LmnView, meter: MeterProfile, state: MeterState | None, lives: Sequence[Live], known: Progress
) -> dict[str, Any]:
    """One device behind this meter profile; the profile itself while no device is known."""
    about = {"name": meter.name, "port": meter.port, "registration_period": meter.registration_period}
    if state is None:
        report.worse(Health.DEGRADED, f"meter {meter.name}: never seen")
        return {
            **about,
            "state": "unknown",
            "good": 0,
            "refused": 0,
            "records": 0,
            "latest": None,
            "live": list(map(live_object, lives)),
        }
    source = Source(meter.name, state.device) if state.device else None
    if state.state != _READING:
        device = f" (device {state.device})" if len(lives) > 1 else ""
        report.worse(Health.DEGRADED, f"meter {meter.name}{device}: {state.state}: {_note(state)}")
    newest = lmn.newest(source) if source else None
    own = [live for live in lives if source is None or live.capture.device == state.device]
    return {
        **about,
        "state": state.state,
        "note": _note(state),
        "remark": state.remark,
        "since_us": state.since_us,
        "device": str(state.device) if state.device else None,
        "last_capture_us": _last_capture(state, own),
        "good": state.good,
        "refused": state.refused,
        "records": lmn.backlog(source, 0) if source else 0,
        "latest": _record(newest, known) if newest else None,
        "live": list(map(live_object, own)),
    }


def _last_capture(state: MeterState, lives: Sequence[Live]) -> int | None:
    """The file's state may be five minutes old; a live value never is."""
    times = [live.capture.stamp.utc_us for live in lives]
    return max(times if state.last_capture_us is None else [*times, state.last_capture_us], default=None)


def _note(state: MeterState) -> str:
    return "; ".join(filter(None, (state.note, state.remark)))


def _record(record: StoredRecord, known: Progress) -> dict[str, Any]:
    reached = known.reached(Source(record.meter, record.device))
    return {
        "record_number": record.record_number,
        "store_id": record.store_id,
        "capture_time_us": record.stamp.utc_us,
        "time_valid": record.stamp.state is ClockState.SYNCHRONISED,
        "target_time_us": record.target_time_us,
        "meter_time": meter_time_object(record.meter_time),
        "status_word": StatusWord(record.gateway_status, meter_status(record.readings)).lsb0,
        "delivered": None if reached == NOBODY_WAITS else record.position <= reached,
        "readings": [reading_object(reading) for reading in record.readings],
    }


def _strangers(report: Report, lmn: LmnView, known: Progress) -> None:
    """Rows of meters that were renamed or taken out of the configuration before all of them had arrived."""
    waiting: Counter[tuple[str, str]] = Counter()
    for who, source in known.orphans():
        waiting[who, source.meter] += known.backlog(lmn, who, source)
    for (who, meter), rows in waiting.items():
        if rows:
            report.worse(
                Health.DEGRADED,
                f"{rows} records of meter {meter}, which no profile names any more, wait for EMP {who}; "
                "name the meter again to deliver them",
            )


def _store(report: Report, lmn: LmnView, file: Path, known: KnownLosses) -> None:
    counts = lmn.counts()
    lost = {name: amount for name, amount in counts.items() if name.startswith("lost") and amount}
    octets = sum(path.stat().st_size for path in (file, paths.wal_of(file)) if path.exists())
    report.store = {"store_id": lmn.store_id, "octets": octets, "lost": lost, "counts": counts}
    salvage = lmn.salvage()
    report.store["salvage"] = salvage and salvage._asdict()
    if salvage is not None:
        report.worse(Health.DEGRADED, f"store: {salvage.text}; {salvage.order}")
    for name, amount in known.since(lmn.store_id, lost).items():
        report.worse(
            Health.DEGRADED,
            f"store: {amount} rows {name.replace('_', ' ')} (smgw status --acknowledge, once you know why)",
        )


def _case(report: Report, lmn: LmnView) -> None:
    report.store["case_open"] = lmn.last_event("case-opened", "case-closed") == "case-opened"
    if report.store["case_open"]:
        report.worse(Health.DEGRADED, "the case of the gateway is open (smgw log tells since when)")


def _emp(report: Report, lmn: LmnView, emp: CommunicationProfile, wan: _Delivery, known: Progress) -> dict[str, Any]:
    channel = wan.channels.get(emp.name)
    if channel is not None and channel.state in FAILING:
        report.worse(Health.DEGRADED, f"EMP {emp.name}: {channel.state}: {channel.detail}")
    elif channel is not None and channel.detail:  # a held meter
        report.worse(Health.DEGRADED, f"EMP {emp.name}: {channel.detail}")
    set_aside = wan.set_aside.get(emp.name, 0)
    if set_aside:
        report.worse(Health.DEGRADED, f"EMP {emp.name} refused {set_aside} records (smgw deliver --again)")
    now_us = GatewayClock(saved=lmn.clock()).stamp().utc_us
    feeds = [_feed(lmn, feed, known, now_us) for feed in known.feeds if feed.who == emp.name]
    return {
        "name": emp.name,
        "url": emp.url,
        "outlet": emp.outlet,
        "weakness": emp.weakness,
        "secrecy": emp.secrecy,
        "state": str(channel.state) if channel else "unknown",
        "held": channel is not None and channel.state is ChannelKind.HELD,
        "detail": channel.detail if channel else "",
        "last_ack_us": channel.last_ack_us if channel else None,
        "retry_at_us": channel.retry_at_us if channel else None,
        "feeds": feeds,
        "backlog": sum(feed["backlog"] for feed in feeds) + wan.ordered.get(emp.name, 0),
        "set_aside": set_aside,
        "handshakes": counted._asdict() if (counted := wan.handshakes.get(emp.name)) else None,
        "acknowledged": sum(cursor.acknowledged for cursor in wan.cursors if cursor.emp == emp.name),
    }


def _feed(lmn: LmnView, feed: Feed, known: Progress, now_us: int) -> dict[str, Any]:
    """Rows that wait for their send time are in no backlog."""
    backlog = 0 if known.waits(lmn, feed, now_us) else known.backlog(lmn, feed.who, feed.source)
    return {
        "meter": feed.source.meter,
        "device": str(feed.source.device),
        "delivered_as": "pseudonym" if feed.pseudonym_days else str(feed.delivered),
        "position": known.position(feed.who, feed.source),
        "backlog": backlog,
        "next_send_us": None if feed.send is None else feed.send.next(now_us // 1_000_000) * 1_000_000,
    }
