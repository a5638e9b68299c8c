"""How the gateway fares, read from its stores without disturbing the processes that own them."""

from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from smgw.cosem import ClockState, StatusWord, meter_status
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.gateway import Configuration
from smgw.profiles.meter import MeterProfile
from smgw.reports.known_losses import KnownLosses
from smgw.reports.readings import live_object, meter_time_object, reading_object
from smgw.store import by_meter, paths
from smgw.store.access import refuse_blindness
from smgw.store.errors import StoreError
from smgw.store.live import read_live
from smgw.store.lmn_view import LmnView
from smgw.store.lock import owner_running
from smgw.store.records import MeterState, StoredRecord
from smgw.store.wan_records import FAILING, ChannelKind, ChannelState
from smgw.store.wan_view import WanView

_READING = "reading"  # the one healthy state of a meter


class Health(IntEnum):
    """The exit code of `smgw status`."""

    HEALTHY = 0
    DEGRADED = 1
    DOWN = 2


@dataclass
class Report:
    """What `smgw status --json` prints; every dictionary is plain JSON. Times are microseconds UTC."""

    health: Health = Health.HEALTHY
    reasons: list[str] = field(default_factory=list)
    gateway: str = ""
    processes: dict[str, bool] = field(default_factory=dict)
    clock: dict[str, Any] = field(default_factory=dict)
    meters: list[dict[str, Any]] = field(default_factory=list)
    store: dict[str, Any] = field(default_factory=dict)
    emps: list[dict[str, Any]] = field(default_factory=list)

    def worse(self, health: Health, reason: str) -> None:
        """Something is wrong."""
        self.health = max(self.health, health)
        self.reasons.append(reason)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {**vars(self), "health": self.health.name.lower()}


def examine(configuration: Configuration, state: Path) -> Report:
    """Look at everything. A store that is not there is a reason, not an error; StoreError if we may not look at all."""
    report = Report(gateway=str(configuration.gateway.device_id))
    lmn_file, wan_file = paths.lmn_directory(state) / paths.LMN, paths.wan_directory(state) / paths.WAN
    for name, file in (("lmn", lmn_file), ("wan", wan_file)):
        refuse_blindness(file)
        report.processes[name] = owner_running(paths.lock_of(file))
        if not report.processes[name]:
            report.worse(
                Health.DOWN if name == "lmn" else Health.DEGRADED, f"the {name.upper()} process is not running"
            )
    try:
        lmn = LmnView.open(lmn_file.parent)
    except StoreError as error:
        report.worse(Health.DOWN, str(error))
        return report
    with lmn:
        try:
            wan: WanView | None = WanView.open(wan_file.parent)
        except StoreError as error:
            wan = None
            report.worse(Health.DEGRADED, str(error))
        cursors = (
            {(row.emp, row.meter): row.position for row in wan.cursors() if row.store_id == lmn.store_id} if wan else {}
        )
        _clock(report, lmn)
        lives = read_live(paths.live_directory(state))
        states = {found.meter: found for found in lmn.meter_states()}
        for meter in configuration.meters:
            receivers = [emp for emp in configuration.emps if meter in configuration.meters_for(emp)]
            reached = min((cursors.get((emp.name, meter.name), 0) for emp in receivers), default=None)
            report.meters.append(_meter(report, lmn, meter, states.get(meter.name), reached))
            report.meters[-1]["registration_period"] = meter.registration_period
            report.meters[-1]["live"] = [live_object(one) for one in lives if one.capture.meter == meter.name]
        _store(report, lmn, lmn_file, KnownLosses(state))
        _strangers(report, lmn, configuration, cursors)
        channels = {channel.emp: channel for channel in wan.channels()} if wan else {}
        aside = wan.set_aside_counts() if wan else {}
        for emp in configuration.emps:
            found = _emp(report, lmn, configuration, emp, channels.get(emp.name), cursors)
            found["set_aside"] = aside.get(emp.name, 0)
            found["acknowledged"] = wan.acknowledged(emp.name) if wan else 0
            if found["set_aside"]:
                report.worse(
                    Health.DEGRADED, f"EMP {emp.name} refused {found['set_aside']} records (smgw deliver --again)"
                )
            report.emps.append(found)
        if wan:
            wan.close()
    return report


def _clock(report: Report, lmn: LmnView) -> None:
    saved = lmn.clock()
    synchronised = saved is not None and saved.state is ClockState.SYNCHRONISED
    text = "synchronised" if synchronised else "time not synchronised: values are flagged"
    report.clock = {
        "state": "synchronised" if synchronised else "invalid",
        "dispersion_us": saved.dispersion_us if saved and synchronised else None,
        "text": text,
    }
    if not synchronised:
        report.worse(Health.DEGRADED, text)


def _meter(
    report: Report, lmn: LmnView, meter: MeterProfile, state: MeterState | None, reached: int | None
) -> dict[str, Any]:
    if state is None:
        report.worse(Health.DEGRADED, f"meter {meter.name}: never seen")
        return {
            "name": meter.name,
            "state": "unknown",
            "port": meter.port,
            "latest": None,
            "good": 0,
            "refused": 0,
            "records": 0,
        }
    if state.state != _READING:
        report.worse(Health.DEGRADED, f"meter {meter.name}: {state.state}: {state.note}")
    newest = by_meter.newest(lmn, meter.name)
    latest = [newest] if newest else []
    return {
        "name": meter.name,
        "state": state.state,
        "note": state.note,
        "since_us": state.since_us,
        "port": meter.port,
        "device": str(state.device) if state.device else None,
        "last_capture_us": state.last_capture_us,
        "good": state.good,
        "refused": state.refused,
        "records": by_meter.backlog(lmn, meter.name, 0),
        "latest": _record(latest[0], reached) if latest else None,
    }


def _record(record: StoredRecord, reached: int | None) -> dict[str, Any]:
    return {
        "record_number": record.record_number,
        "store_id": record.store_id,
        "capture_time_us": record.stamp.utc_us,
        "time_valid": record.stamp.state is ClockState.SYNCHRONISED,
        "target_time_us": record.target_time_us,
        "meter_time": meter_time_object(record.meter_time),
        "status_word": StatusWord(record.gateway_status, meter_status(record.readings)).lsb0,
        "delivered": None if reached is None else record.position <= reached,
        "readings": [reading_object(reading) for reading in record.readings],
    }


def _strangers(report: Report, lmn: LmnView, configuration: Configuration, cursors: dict[tuple[str, str], int]) -> None:
    """Rows of meters that were renamed or taken out of the configuration before all of them had arrived."""
    known = {meter.name for meter in configuration.meters}
    for (emp, meter), position in cursors.items():
        if meter not in known and (rows := by_meter.backlog(lmn, meter, position)):
            report.worse(
                Health.DEGRADED,
                f"{rows} records of meter {meter}, which no profile names any more, wait for EMP {emp}; "
                "name the meter again to deliver them",
            )


def _store(report: Report, lmn: LmnView, file: Path, known: KnownLosses) -> None:
    counts = lmn.counts()
    lost = {name: amount for name, amount in counts.items() if name.startswith("lost") and amount}
    octets = sum(path.stat().st_size for path in (file, paths.wal_of(file)) if path.exists())
    report.store = {"store_id": lmn.store_id, "octets": octets, "lost": lost, "counts": counts}
    for name, amount in known.since(lmn.store_id, lost).items():
        report.worse(
            Health.DEGRADED,
            f"store: {amount} rows {name.replace('_', ' ')} (smgw status --acknowledge, once you know why)",
        )


def _emp(
    report: Report,
    lmn: LmnView,
    configuration: Configuration,
    emp: CommunicationProfile,
    channel: ChannelState | None,
    cursors: dict[tuple[str, str], int],
) -> dict[str, Any]:
    backlog = sum(
        by_meter.backlog(lmn, meter.name, cursors.get((emp.name, meter.name), 0))
        for meter in configuration.meters_for(emp)
    )
    if channel is not None and channel.state in FAILING:
        report.worse(Health.DEGRADED, f"EMP {emp.name}: {channel.state}: {channel.detail}")
    return {
        "name": emp.name,
        "url": emp.url,
        "state": str(channel.state) if channel else "unknown",
        "held": channel is not None and channel.state is ChannelKind.HELD,
        "detail": channel.detail if channel else "",
        "last_status": channel.last_status if channel else None,
        "last_ack_us": channel.last_ack_us if channel else None,
        "retry_at_us": channel.retry_at_us if channel else None,
        "cursors": {name: position for (emp_name, name), position in cursors.items() if emp_name == emp.name},
        "backlog": backlog,
    }
